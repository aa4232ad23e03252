# SPDX-License-Identifier: Apache-2.0
"""Circuits made from circuits: inverse, controlled, and the decomposition of one operation by its table row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from qstore.circuit.angles import Angle
from qstore.circuit.gate_matrices import controlled_matrix
from qstore.circuit.gates import Linear
from qstore.circuit.operation import Operation
from qstore.circuit.view import CircuitView
from qstore.errors import CircuitError

if TYPE_CHECKING:
    from qstore.circuit.circuit import QuantumCircuit

__all__ = ["applied", "controlled", "decompose", "inverse", "inverted"]


def decompose(op: Operation) -> tuple[Operation, ...]:
    """The operation as the gates of its row's decomposition, exact to the global phase; itself where it has none."""
    return tuple(
        Operation(step.gate, tuple(op.qubits[i] for i in step.positions),
                  tuple(applied(linear, op.angles) for linear in step.angles), condition=op.condition)
        for step in op.spec.decomposition
    ) or (op,)  # fmt: skip


def inverse(circuit: CircuitView) -> QuantumCircuit:
    """The circuit that undoes `circuit`; see `CircuitView.inverse`."""
    return _built(circuit.n_qubits, [undo for op in reversed(circuit.operations) for undo in inverted(op)])


def controlled(circuit: CircuitView) -> QuantumCircuit:
    """`circuit` under a new last qubit; see `CircuitView.controlled`."""
    control = circuit.n_qubits
    return _built(control + 1, [made for op in circuit.operations for made in _under_control(op, control)])


def inverted(op: Operation) -> tuple[Operation, ...]:
    """The operations that undo one.

    Raises:
        CircuitError: it is no unitary, or has a condition.
    """
    _require_unitary(op, "inverted")
    if op.unitary:
        entries = tuple(complex(entry) for entry in op.matrix().conj().T.ravel())
        return (replace(op, unitary=entries),)
    back = op.spec.inverse
    if back is None:
        return tuple(undo for step in reversed(decompose(op)) for undo in inverted(step))
    gate, angles = back
    return (replace(op, gate=gate, angles=tuple(applied(linear, op.angles) for linear in angles)),)


def _under_control(op: Operation, control: int) -> tuple[Operation, ...]:
    _require_unitary(op, "controlled")
    qubits = (control, *op.qubits)
    if op.unitary:
        if len(op.qubits) == 3:
            raise CircuitError(
                "A unitary on three qubits cannot be controlled: that would take four; split it first."
            )
        entries = tuple(complex(entry) for entry in np.ravel(controlled_matrix(op.matrix())))
        return (Operation("unitary", qubits, unitary=entries),)
    if op.gate == "i":
        return (op,)
    if op.spec.controlled is not None:
        return (Operation(op.spec.controlled, qubits, op.angles),)
    return tuple(made for step in decompose(op) for made in _under_control(step, control))


def _require_unitary(op: Operation, verb: str) -> None:
    if not op.is_unitary:
        what = f"{op.gate} under a condition" if op.condition else op.gate
        raise CircuitError(f"{what!r} on {op.qubits} cannot be {verb}: it is not a unitary.")


def applied(linear: Linear, angles: tuple[Angle, ...]) -> Angle:
    """A linear form of angles."""
    result = Angle(constant=linear.constant)
    for coefficient, angle in zip(linear.coefficients, angles, strict=False):
        if coefficient:
            result = result + angle.scaled(coefficient)
    return result


def _built(n_qubits: int, operations: list[Operation]) -> QuantumCircuit:
    from qstore.circuit.circuit import QuantumCircuit  # the builder imports this module's callers

    made = QuantumCircuit(n_qubits)
    for op in operations:
        made._add(op)
    return made
