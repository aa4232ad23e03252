# SPDX-License-Identifier: Apache-2.0
"""A circuit as a list of steps, each with the matrices of a whole batch and their derivatives.

A step is a unitary (one operator) or a set of Kraus operators; measurement and reset are Kraus operators too.
Matrices are (number of operators, d, d, rows or 1), the first qubit least significant. Their entries are trigonometric
polynomials of the angles with frequencies 1/2, 1, 3/2 and 2 at most, so derivatives are exact from eight shifts
(Wierichs, Izaac, Wang, Lin, Quantum 6, 677 (2022), eq. 16).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import GATES, Angle, Condition, GateKind, Operation, Template
from qstore_sim.binding import evaluate

Floats = NDArray[np.float64]
Matrices = NDArray[np.complex128]
_ORDER = 4
_POINTS = (2 * np.arange(1, 2 * _ORDER + 1) - 1) * math.pi / (2 * _ORDER)
_SHIFTS = 2 * _POINTS
_FACTORS = 0.5 * (-1.0) ** np.arange(2 * _ORDER) / (4 * _ORDER * np.sin(_POINTS / 2) ** 2)
_PROJECTORS = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], dtype=complex)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with its numbers.

    Attributes:
        qubits: that it acts on.
        operators: (number, d, d, rows or 1); one for a unitary.
        derivatives: for each angle that is trained, the angle and d operators / d angle, of the same shape.
        unitary: whether it can be undone.
        bit: the classical bit that it writes: the number of the operator that acted.
        condition: when it acts.
    """

    qubits: tuple[int, ...]
    operators: Matrices
    derivatives: tuple[tuple[Angle, Matrices], ...] = ()
    unitary: bool = True
    bit: int | None = None
    condition: Condition | None = None


def steps(
    template: Template, bindings: Mapping[str, Floats], per_sample: frozenset[str], trained: frozenset[str]
) -> Iterator[Step]:
    """The steps of a circuit but for `initialize`, in order.

    Args:
        template: the circuit.
        bindings: float64 arrays by parameter.
        per_sample: the names of those with a batch axis.
        trained: the names of those whose gradient is wanted.
    """
    for op in template.operations:
        if op.gate == "initialize":
            continue
        if op.gate == "measure":
            yield Step(op.qubits, _PROJECTORS[..., None], (), False, op.bit, op.condition)
            continue
        unitary = GATES[op.gate].kind is GateKind.UNITARY
        angles = [evaluate(angle, bindings, per_sample) for angle in op.angles]
        derivatives = tuple(
            (angle, _derivative(op, angles, number))
            for number, angle in enumerate(op.angles)
            if any(term.parameter.name in trained for term in angle.terms)
        )
        yield Step(op.qubits, _operators(op, angles), derivatives, unitary, None, op.condition)


def _operators(op: Operation, angles: list[Floats]) -> Matrices:
    if op.unitary:
        return op.operators()[..., None]
    spec = GATES[op.gate]
    rows = np.stack(np.broadcast_arrays(*angles), axis=-1) if angles else np.zeros((1, 0))
    stacked = spec.matrix(rows)[:, None] if spec.kind is GateKind.UNITARY else spec.kraus(rows)
    return np.moveaxis(stacked, 0, -1)


def _derivative(op: Operation, angles: list[Floats], number: int) -> Matrices:
    total: Matrices | float = 0.0
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=True):
        moved = [angle + shift if place == number else angle for place, angle in enumerate(angles)]
        total = total + factor * _operators(op, moved)
    return np.asarray(total)


def read_bits(template: Template) -> frozenset[int]:
    """The classical bits that a condition reads."""
    return frozenset(op.condition.bit for op in template.operations if op.condition is not None)
