# SPDX-License-Identifier: Apache-2.0
"""How uncertain a linear combination of estimates from shots is, and running batches so that this is known.

Observables that are measured in the same shots have correlated estimates: the standard error of `w . values` does not
follow from those of the values. Where the core derives expectations from counts anyway, the counts are kept until the
gradient is made, and give the variance of any combination:
    sum over measured bases of  var(sum_k w_k O_k) / shots.
Frequencies are multinomial: (sum_k w_k**2 p_k - (sum_k w_k p_k)**2) / shots. In all other cases (a backend that
estimates by itself) the variance is bounded by (sum_k |w_k| error_k)**2, which is exact for one observable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Expectations, Output, Probabilities
from qstore.circuit import MeasuredGroup, grouped
from qstore.execution import execute_many, execute_many_async, from_counts
from qstore.plugins import Backend, chooses

__all__ = [
    "BOUNDED",
    "combination_variance",
    "execute_estimates",
    "execute_estimates_async",
    "is_bounded",
    "plain_result",
]

Array = NDArray[np.float64]
BASIS_GATES = frozenset({"h", "sdg"})
BOUNDED = "standard errors are upper bounds: the backend does not say how the estimates of several observables are correlated"


class Measured(NamedTuple):
    """The counts of one measured basis, flat, with the Pauli strings read from them.

    Attributes:
        rows: the row of each outcome, (M,).
        weights: how often it occurred, (M,).
        signs: of every string in every outcome, (M, T) int8.
        numbers, coefficients: which observable each string belongs to, and with what factor, (T,).
    """

    rows: NDArray[np.intp]
    weights: Array
    signs: NDArray[np.int8]
    numbers: tuple[int, ...]
    coefficients: Array


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SampledResult(BatchResult):
    """A result that still holds its counts."""

    measured: tuple[Measured, ...] = ()


class _Derived(NamedTuple):
    """A batch as it is run: itself, or one batch of counts per measured basis."""

    batches: tuple[CircuitBatch, ...]
    source: CircuitBatch | None
    combine: object


def execute_estimates(batches: Sequence[CircuitBatch], backend: Backend) -> tuple[BatchResult, ...]:
    """As `execute_many`; results that the core derives from counts keep them for `combination_variance`."""
    derived = [_derived(batch, backend) for batch in batches]
    results = execute_many([part for each in derived for part in each.batches], backend)
    return _gathered(derived, results)


async def execute_estimates_async(
    batches: Sequence[CircuitBatch], backend: Backend
) -> tuple[BatchResult, ...]:
    """The twin of `execute_estimates` for coroutines."""
    derived = [_derived(batch, backend) for batch in batches]
    results = await execute_many_async([part for each in derived for part in each.batches], backend)
    return _gathered(derived, results)


def combination_variance(result: BatchResult, outputs: Output, weights: Array) -> Array | None:
    """The variance of `sum_k weights[s, row, k] * values[row, k]` by shots, (S, rows); None for exact values."""
    if isinstance(result, SampledResult) and result.measured:
        found = [_of_counts(measured, weights) for measured in result.measured]
        total: Array = np.sum(found, axis=0)
        return total
    errors = result.standard_errors
    if errors is None:
        return None
    assert result.values is not None
    if isinstance(outputs, Probabilities) and result.shots:
        mean = np.einsum("srk,rk->sr", weights, result.values)
        square = np.einsum("srk,rk->sr", weights**2, result.values)
        spread: Array = np.maximum(square - mean**2, 0.0) / result.shots
        return spread
    bound: Array = np.einsum("srk,rk->sr", np.abs(weights), errors) ** 2
    return bound


def is_bounded(result: BatchResult, outputs: Output) -> bool:
    """Whether `combination_variance` gives a bound for this result rather than an estimate."""
    if result.standard_errors is None or (isinstance(result, SampledResult) and result.measured):
        return False
    return result.standard_errors.shape[1] > 1 and not (isinstance(outputs, Probabilities) and result.shots)


def plain_result(result: BatchResult) -> BatchResult:
    """The result without its counts, for keeping."""
    if not isinstance(result, SampledResult):
        return result
    return BatchResult(**{field.name: getattr(result, field.name) for field in fields(BatchResult)})


def _derived(batch: CircuitBatch, backend: Backend) -> _Derived:
    served, gates = backend.capabilities.shot_outputs, backend.capabilities.gates
    outputs = batch.outputs
    # A router also names what the core would derive for its candidates.
    estimates = "Expectations" in served and not chooses(backend)
    if (batch.shots is None or not isinstance(outputs, Expectations) or estimates
            or "Counts" not in served or not gates >= BASIS_GATES):  # fmt: skip
        return _Derived((batch,), None, None)
    batches, combine = from_counts.expectations(batch, outputs.observables, backend.name)
    return _Derived(batches, batch, combine)


def _gathered(derived: Sequence[_Derived], results: Sequence[BatchResult]) -> tuple[BatchResult, ...]:
    remaining = iter(results)
    gathered = []
    for each in derived:
        parts = [next(remaining) for _ in each.batches]
        gathered.append(parts[0] if each.source is None else _kept(each, parts))
    return tuple(gathered)


def _kept(derived: _Derived, parts: Sequence[BatchResult]) -> SampledResult:
    assert derived.source is not None
    assert callable(derived.combine)
    outputs = derived.source.outputs
    assert isinstance(outputs, Expectations)
    made = derived.combine(parts)
    _, groups = grouped(outputs.observables)
    measured = tuple(
        _measured(group, part, derived.source.size) for group, part in zip(groups, parts, strict=False)
    )
    known = {field.name: getattr(made, field.name) for field in fields(BatchResult)}
    return SampledResult(**known, measured=measured)


def _measured(group: MeasuredGroup, result: BatchResult, size: int) -> Measured:
    rows, outcomes, weights = from_counts.flat_outcomes(result, size)
    signs = from_counts.group_signs(outcomes, group)
    numbers = tuple(number for number, _, _ in group.terms)
    return Measured(rows, weights, signs, numbers, np.array([factor for _, _, factor in group.terms]))


def _of_counts(measured: Measured, weights: Array) -> Array:
    size = weights.shape[1]
    shots = measured.weights.sum() / size
    factors = weights[:, :, list(measured.numbers)] * measured.coefficients
    if shots <= 1:
        # One shot says nothing about its own spread; the coefficients bound it.
        bound: Array = np.abs(factors).sum(axis=2) ** 2
        return bound
    variances = np.empty(weights.shape[:2])
    for number, each in enumerate(factors):
        combined = np.zeros(len(measured.rows))
        for position in range(len(measured.numbers)):
            combined += each[measured.rows, position] * measured.signs[:, position]
        mean = np.bincount(measured.rows, weights=measured.weights * combined, minlength=size) / shots
        spread = measured.weights * (combined - mean[measured.rows]) ** 2
        variances[number] = np.bincount(measured.rows, weights=spread, minlength=size) / (shots - 1) / shots
    return variances
