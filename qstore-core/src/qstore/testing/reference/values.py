# SPDX-License-Identifier: Apache-2.0
"""What a batch's exact values and gradients are, from the kit's own states."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import (
    CircuitBatch,
    DensityMatrix,
    Expectations,
    Output,
    Probabilities,
    StateVector,
    Variance,
)
from qstore.circuit import Observable, Template
from qstore.testing.reference.differences import pulled_back
from qstore.testing.reference.evolution import density, statevector
from qstore.testing.reference.gate_definitions import I2, PX, PY, PZ, Matrix, on

__all__ = [
    "expected_gradients",
    "expected_values",
    "observable_matrix",
    "outcome_probabilities",
    "row_values",
]

_LETTERS = {"I": I2, "X": PX, "Y": PY, "Z": PZ}
Row = Mapping[str, NDArray[np.float64]]


def expected_values(batch: CircuitBatch) -> NDArray[Any]:
    """The exact values of a batch's outputs, shots or not, (B, ...)."""
    values = row_values(batch.circuit, batch.outputs)
    return np.stack([values(batch.row_bindings(row)) for row in range(batch.size)])


def expected_gradients(
    batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
) -> dict[str, NDArray[np.float64]]:
    """The gradients that a vjp of this batch has to give."""
    names = tuple(batch.bindings) if wrt is None else tuple(wrt)
    return pulled_back(row_values(batch.circuit, batch.outputs), batch, cotangent, names)


def outcome_probabilities(batch: CircuitBatch) -> NDArray[np.float64]:
    """The probabilities of every outcome of all qubits, (B, 2**n)."""
    return expected_values(batch.replace(outputs=Probabilities()))


def observable_matrix(observable: Observable, n: int) -> Matrix:
    """The 2**n matrix of an observable."""
    total = np.zeros((1 << n, 1 << n), dtype=complex)
    for term in observable.terms:
        letters = dict(term.letters)
        total += term.coefficient * on(*(_LETTERS[letters.get(q, "I")] for q in reversed(range(n))))
    return total


def row_values(circuit: Template, outputs: Output) -> Callable[[Row], NDArray[Any]]:
    """The function from one row of bindings to the exact values of one row."""
    n = circuit.n_qubits
    if isinstance(outputs, StateVector):
        return lambda row: statevector(circuit, row)
    if isinstance(outputs, Probabilities):
        return lambda row: marginal(np.diag(density(circuit, row)).real, outputs.qubits, n)
    if isinstance(outputs, DensityMatrix):
        return lambda row: reduced(density(circuit, row), outputs.qubits, n)
    assert isinstance(outputs, Expectations | Variance)
    matrices = [observable_matrix(observable, n) for observable in outputs.observables]

    def expectations(row: Row) -> NDArray[Any]:
        rho = density(circuit, row)
        means = np.array([np.trace(matrix @ rho).real for matrix in matrices])
        if isinstance(outputs, Expectations):
            return means
        squares = np.array([np.trace(matrix @ matrix @ rho).real for matrix in matrices])
        return np.asarray(squares - means**2)

    return expectations


def marginal(weights: NDArray[np.float64], qubits: Sequence[int] | None, n: int) -> NDArray[np.float64]:
    """Probabilities of some qubits' outcomes, the first of them least significant."""
    if qubits is None:
        return weights
    found = np.zeros(1 << len(qubits))
    for outcome in range(1 << n):
        found[_picked(outcome, qubits)] += weights[outcome]
    return found


def reduced(rho: Matrix, qubits: Sequence[int] | None, n: int) -> Matrix:
    """The partial trace over all other qubits."""
    if qubits is None:
        return rho
    found = np.zeros((1 << len(qubits),) * 2, dtype=complex)
    kept = sum(1 << q for q in qubits)
    for row in range(1 << n):
        for column in range(1 << n):
            if row & ~kept == column & ~kept:
                found[_picked(row, qubits), _picked(column, qubits)] += rho[row, column]
    return found


def _picked(outcome: int, qubits: Sequence[int]) -> int:
    return sum((outcome >> q & 1) << i for i, q in enumerate(qubits))
