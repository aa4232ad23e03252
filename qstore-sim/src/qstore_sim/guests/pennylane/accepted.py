# SPDX-License-Identifier: Apache-2.0
"""Which operations and measurement processes the device takes as they are; PennyLane decomposes the others."""

from __future__ import annotations

from typing import Any

import pennylane as qml
from pennylane.measurements import ExpectationMP, SampleMeasurement, StateMeasurement, VarianceMP
from pennylane.ops import Adjoint, Controlled

__all__ = ["PLAIN", "TARGET_GATES", "accepts", "accepts_exact", "accepts_shots", "is_plain"]

PLAIN = (
    "Identity", "PauliX", "PauliY", "PauliZ", "Hadamard", "S", "T", "SX", "RX", "RY", "RZ", "PhaseShift", "U1", "U2", "U3",
    "Rot", "CNOT", "CY", "CZ", "CH", "SWAP", "ISWAP", "CRX", "CRY", "CRZ", "ControlledPhaseShift", "IsingXX", "IsingYY",
    "IsingZZ", "IsingXY", "Toffoli", "CCZ", "CSWAP", "GlobalPhase", "MultiRZ",
)  # fmt: skip
"""Operations whose numbers are angles, each affine in ours."""
_CLASSES = frozenset(getattr(qml, name) for name in PLAIN)
_CONSTANT = (qml.QubitUnitary, qml.StatePrep, qml.BasisState)
_SILENT = frozenset({"Barrier", "Snapshot", "WireCut"})
_MATRIX_WIRES, _KRAUS_WIRES, _ISING_WIRES, _CONTROLS = 3, 2, 2, 8
TARGET_GATES = frozenset({*PLAIN, "QubitUnitary", "Adjoint(S)", "Adjoint(T)", "Adjoint(SX)", *_SILENT})
"""What PennyLane's graph of decompositions aims at."""


def is_plain(op: Any) -> bool:
    """Whether an operation's numbers are angles of ours."""
    return type(op) in _CLASSES and (type(op) is not qml.MultiRZ or len(op.wires) <= _ISING_WIRES)


def accepts(op: Any) -> bool:
    """Whether an operation is read as it is."""
    if is_plain(op) or op.name in _SILENT:
        return True
    if isinstance(op, Controlled):
        return len(op.control_wires) <= _CONTROLS and accepts(op.base) and op.base.name not in _SILENT
    if isinstance(op, Adjoint):
        return accepts(op.base)
    if type(op) is qml.QubitUnitary:
        return len(op.wires) <= _MATRIX_WIRES
    return isinstance(op, qml.operation.Channel) and len(op.wires) <= _KRAUS_WIRES


def accepts_exact(process: Any) -> bool:
    """Whether a measurement process has an exact answer here."""
    if isinstance(process, (ExpectationMP, VarianceMP)):
        return process.obs is None or process.obs.has_matrix or process.obs.pauli_rep is not None
    return isinstance(process, StateMeasurement)


def accepts_shots(process: Any) -> bool:
    """Whether a measurement process can be worked out from shots."""
    if not isinstance(process, SampleMeasurement):
        return False
    observable = process.obs
    return observable is None or observable.pauli_rep is not None or observable.has_diagonalizing_gates
