# SPDX-License-Identifier: Apache-2.0
"""The comparison of what a rewriting step took away with what it put there, on the wires concerned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle, Operation, Template
from qstore.compiler import distance_on_states
from qstore_ionq.native.kak import Matrix
from qstore_ionq.native.network import Exchange, Item, Local
from qstore_ionq.native.quaternions import X_AXIS, Y_AXIS, Z_AXIS, Vector, matrix

Values = Mapping[str, NDArray[np.float64]]
RANGE = 4 * math.pi
"""Checks draw the values of parameters from -RANGE to RANGE."""


class Audit:
    """The rewriting steps so far: how many were compared, and the largest deviation.

    Attributes:
        checks: number of steps.
        error: largest deviation of a matrix element or an amplitude, global phase aside.
    """

    def __init__(self) -> None:
        self.checks = 0
        self.error = 0.0
        self._random = np.random.default_rng(1)

    def record(self, error: float) -> None:
        """Count a step that was compared."""
        self.checks += 1
        self.error = max(self.error, error)

    def compare(self, wires: Sequence[int], before: Sequence[Item], after: Sequence[Item]) -> None:
        """Compare two lists of fixed items on the same wires."""
        self.record(distance(unitary(wires, before), unitary(wires, after)))

    def compare_gate(self, op: Operation, items: Sequence[Item]) -> None:
        """Compare a gate with its items, at random values of its parameters."""
        values = {p.name: self._random.uniform(-RANGE, RANGE, p.shape) for p in op.parameters}
        # The table's first qubit is the less significant one.
        self.record(distance(op.matrix(values), unitary(op.qubits[::-1], items, values)))

    def compare_operations(
        self, qubits: Sequence[int], before: Sequence[Operation], after: Sequence[Operation]
    ) -> None:
        """Compare two lists of gates on the same few qubits."""
        place = {q: i for i, q in enumerate(qubits)}
        first, second = (
            Template(len(qubits), [op.moved(tuple(place[q] for q in op.qubits)) for op in operations])
            for operations in (before, after)
        )
        self.record(distance_on_states(first, second))


def distance(a: Matrix, b: Matrix) -> float:
    """The largest deviation of an element, at the best global phase."""
    overlap = np.vdot(b, a)
    return float(np.abs(a - overlap / max(float(abs(overlap)), 1e-300) * b).max())


def unitary(wires: Sequence[int], items: Sequence[Item], values: Values | None = None) -> Matrix:
    """The product of items on a few wires, the first of them the most significant."""
    identity: Matrix = np.eye(1 << len(wires), dtype=complex)
    result = identity
    for item in items:
        if isinstance(item, Local):
            step = _placed(wires, {item.wire: matrix(item.quaternion)})
        elif isinstance(item, Exchange):
            pauli = (
                _pauli_string(wires, (item.first, item.second), (axis, axis))
                for axis in (X_AXIS, Y_AXIS, Z_AXIS)
            )
            step = (identity + sum(pauli)) / 2
        else:
            half = number(item.angle, values or {}) / 2
            step = math.cos(half) * identity - 1j * math.sin(half) * _pauli_string(
                wires, item.wires, item.axes
            )
        result = np.asarray(step @ result)
    return result


def number(angle: float | Angle, values: Values) -> float:
    """An angle, radians, for values of its parameters."""
    return angle.value(values) if isinstance(angle, Angle) else angle


def _pauli_string(wires: Sequence[int], on: Sequence[int], axes: Sequence[Vector]) -> Matrix:
    return _placed(wires, {wire: 1j * matrix((0.0, *axis)) for wire, axis in zip(on, axes, strict=True)})


def _placed(wires: Sequence[int], factors: Mapping[int, Matrix]) -> Matrix:
    one = np.eye(2, dtype=complex)
    result: Matrix = np.ones((1, 1), dtype=complex)
    for wire in wires:
        result = np.asarray(np.kron(result, factors.get(wire, one)), dtype=complex)
    return result
