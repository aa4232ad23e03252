# SPDX-License-Identifier: Apache-2.0
"""Exact outputs from the ideal simulator, which returns probabilities and nothing else.

Pauli strings that agree on every qubit they share are read from one circuit with the basis changed; for expectation
values of Z strings alone that is the circuit itself. No shots, no standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, Probabilities, Variance
from qstore.circuit import Observable, Operation, Template
from qstore.errors import ResourceError
from qstore_ionq.results import Reading

__all__ = ["ExactPlan", "exact_plan"]

Values = NDArray[np.float64]
_BASIS_CHANGE = {"X": ("h",), "Y": ("sdg", "h"), "Z": ()}
_MAX_NUMBERS = 1 << 27
"""Most probabilities that are returned at once: 1 GiB."""


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
    if batch.size << len(wanted) > _MAX_NUMBERS:
        raise ResourceError(
            f"Probabilities of {len(wanted)} qubits for {batch.size} rows are {batch.size << len(wanted)} numbers, more "
            f"than {_MAX_NUMBERS}; ask for Probabilities of fewer qubits, or for Counts()."
        )

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
    constants = np.zeros(len(observables))
    groups: list[tuple[dict[int, str], list[tuple[int, int, float]]]] = []
    for number, observable in enumerate(observables):
        for term in observable.terms:
            letters = dict(term.letters)
            if not letters:
                constants[number] += term.coefficient
                continue
            row = (number, term.x_mask | term.z_mask, term.coefficient)
            for basis, rows in groups:
                if all(basis.get(qubit, letter) == letter for qubit, letter in letters.items()):
                    basis.update(letters)
                    rows.append(row)
                    break
            else:
                groups.append((letters, [row]))
    batches = tuple(
        batch.replace(circuit=_in_basis(batch.circuit, basis), outputs=Probabilities()) for basis, _ in groups
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


def _in_basis(circuit: Template, basis: dict[int, str]) -> Template:
    changes = [Operation(gate, (q,)) for q, letter in sorted(basis.items()) for gate in _BASIS_CHANGE[letter]]
    return Template(circuit.n_qubits, (*circuit.operations, *changes)) if changes else circuit
