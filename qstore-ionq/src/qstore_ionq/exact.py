# SPDX-License-Identifier: Apache-2.0
"""Exact outputs from the ideal simulator, which returns probabilities and nothing else.

Expectation values are read from one circuit for each group of strings that are measured together
(`qstore.circuit.grouping`); for Z strings alone that is the circuit itself. No shots, no standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, Probabilities, Variance
from qstore.circuit import Observable, grouped, in_basis
from qstore.execution.from_counts import check_size
from qstore_ionq.results import Reading

__all__ = ["ExactPlan", "exact_plan"]

Values = NDArray[np.float64]


class ExactPlan(NamedTuple):
    """Circuits to run, and what makes the wanted values of their readings (for each circuit, one per row)."""

    batches: tuple[CircuitBatch, ...]
    combine: Callable[[Sequence[Sequence[Reading]]], Values]


def exact_plan(batch: CircuitBatch) -> ExactPlan:
    """How an exact output is made.

    Raises:
        ResourceError: more probabilities than are held in memory at once.
    """
    outputs = batch.outputs
    if isinstance(outputs, Expectations):
        return _expectations(batch, outputs.observables)
    if isinstance(outputs, Variance):
        return _variances(batch, outputs.observables)
    assert isinstance(outputs, Probabilities)
    wanted = outputs.qubits if outputs.qubits is not None else tuple(range(batch.circuit.n_qubits))
    check_size(batch.size, len(wanted))

    def combine(readings: Sequence[Sequence[Reading]]) -> Values:
        return np.stack([_marginal(reading, wanted) for reading in readings[0]])

    return ExactPlan((batch,), combine)


def _marginal(reading: Reading, qubits: Sequence[int]) -> Values:
    index = np.zeros(len(reading.outcomes), dtype=np.int64)
    for place, qubit in enumerate(qubits):
        index |= (reading.outcomes >> qubit & 1) << place
    weights = reading.weights / reading.weights.sum()
    return np.bincount(index, weights=weights, minlength=1 << len(qubits)).astype(np.float64)


def _expectations(batch: CircuitBatch, observables: Sequence[Observable]) -> ExactPlan:
    constants, groups = grouped(observables)
    batches = tuple(
        batch.replace(circuit=in_basis(batch.circuit, basis), outputs=Probabilities()) for basis, _ in groups
    )

    def combine(readings: Sequence[Sequence[Reading]]) -> Values:
        values = np.tile(constants, (batch.size, 1))
        for (_, rows), found in zip(groups, readings, strict=True):
            for place, reading in enumerate(found):
                weights = reading.weights / reading.weights.sum()
                for number, support, coefficient in rows:
                    signs = 1.0 - 2.0 * (np.bitwise_count(reading.outcomes & support) & 1)
                    values[place, number] += coefficient * float(weights @ signs)
        return values

    return ExactPlan(batches, combine)


def _variances(batch: CircuitBatch, observables: Sequence[Observable]) -> ExactPlan:
    plan = _expectations(batch, [*observables, *(each.squared() for each in observables)])

    def combine(readings: Sequence[Sequence[Reading]]) -> Values:
        both = plan.combine(readings)
        mean, square = np.hsplit(both, 2)
        found: Values = np.maximum(square - mean**2, 0.0)
        return found

    return ExactPlan(plan.batches, combine)
