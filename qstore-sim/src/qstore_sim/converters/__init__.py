# SPDX-License-Identifier: Apache-2.0
"""Circuits of Cirq, Qiskit, PennyLane and Braket from and to ours: one module for each library.

Nothing here is imported before `circuit.to("cirq")` or `QuantumCircuit.from_any(theirs)` asks for it, and no library
before one of its circuits is converted.
"""

from qstore.circuit.entries import entry_values

__all__ = ["entry_values"]
