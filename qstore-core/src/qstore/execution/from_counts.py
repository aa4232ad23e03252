# SPDX-License-Identifier: Apache-2.0
"""Estimates from a backend that only returns counts: measured bases, shot allocation, standard errors.

The shots of a row are split over the groups of strings that are measured together (`qstore.circuit.grouping`) in
proportion to the largest sum of absolute coefficients that any observable has in the group, which minimises the
worst-case variance.

Each function returns the batches to run and the function that makes the result of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Counts, Samples
from qstore.batch.streams import derived_keys
from qstore.circuit import MeasuredGroup, Observable, grouped, in_basis
from qstore.errors import OptionError, ResourceError

__all__ = [
    "MAX_PROBABILITIES",
    "check_size",
    "counts_of_samples",
    "expectations",
    "flat_outcomes",
    "group_signs",
    "probabilities",
    "variances",
]

Derived = tuple[tuple[CircuitBatch, ...], Callable[[Sequence[BatchResult]], BatchResult]]
Array = NDArray[np.float64]

_MAX_MASK_BITS = 63
MAX_PROBABILITIES = 1 << 27
"""Most numbers that are made of counts at once: 1 GiB."""


def expectations(batch: CircuitBatch, observables: Sequence[Observable], backend: str) -> Derived:
    """Estimates of expectation values with standard errors; of multiples of the identity alone nothing is measured.

    Args:
        batch: with shots.
        observables: of these.
        backend: its name, for the facts where nothing is measured.

    Raises:
        OptionError: fewer shots than bases to measure.
    """
    constants, groups = grouped(observables)
    assert batch.shots is not None
    shares = _shares(groups, batch.shots) if groups else []
    nothing = BatchResult(n_qubits=batch.circuit.n_qubits, backend=backend)
    batches = tuple(
        batch.replace(circuit=in_basis(batch.circuit, group.basis), outputs=Counts(), shots=share,
                      _keys=derived_keys(batch.stream_keys, index))
        for index, (group, share) in enumerate(zip(groups, shares, strict=True))
    )  # fmt: skip

    def combine(results: Sequence[BatchResult]) -> BatchResult:
        means = np.tile(constants, (batch.size, 1))
        variances = np.zeros_like(means)
        for group, result in zip(groups, results, strict=True):
            _add_group(means, variances, group, flat_outcomes(result, batch.size))
        return _estimate(batch, results or (nothing,), means, np.sqrt(variances))

    return batches, combine


def variances(batch: CircuitBatch, observables: Sequence[Observable], backend: str) -> Derived:
    """Estimates of <O**2> - <O>**2; the standard error to first order. Otherwise as `expectations`."""
    k = len(observables)
    batches, combine_both = expectations(batch, [*observables, *(o.squared() for o in observables)], backend)

    def combine(results: Sequence[BatchResult]) -> BatchResult:
        both = combine_both(results)
        assert both.values is not None
        assert both.standard_errors is not None
        mean, square = both.values[:, :k], both.values[:, k:]
        errors = np.hypot(both.standard_errors[:, k:], 2 * mean * both.standard_errors[:, :k])
        return _estimate(batch, (both,), square - mean**2, errors)

    return batches, combine


def probabilities(batch: CircuitBatch, qubits: Sequence[int] | None) -> Derived:
    """Frequencies of outcomes, with the binomial standard error.

    Raises:
        ResourceError: more numbers than are held in memory at once.
    """
    wanted = tuple(range(batch.circuit.n_qubits)) if qubits is None else tuple(qubits)
    check_size(batch.size, len(wanted))

    def combine(results: Sequence[BatchResult]) -> BatchResult:
        rows, outcomes, weights = flat_outcomes(results[0], batch.size)
        index = np.array(
            [sum((o >> q & 1) << i for i, q in enumerate(wanted)) for o in outcomes], dtype=np.int64
        )
        size = 1 << len(wanted)
        flat = np.bincount(rows * size + index, weights=weights, minlength=batch.size * size)
        shots = weights.sum() / batch.size
        frequencies = flat.reshape(batch.size, size) / shots
        return _estimate(batch, results, frequencies, np.sqrt(frequencies * (1 - frequencies) / shots))

    return (batch.replace(outputs=Counts()),), combine


def check_size(rows: int, qubits: int) -> None:
    """Refuse more probabilities than are held in memory at once; asked before anything is sent and paid for.

    Raises:
        ResourceError: they are more.
    """
    if rows << qubits > MAX_PROBABILITIES:
        msg = (
            f"Probabilities of {qubits} qubits for {rows} rows are {rows << qubits} numbers, more than "
            f"{MAX_PROBABILITIES}; ask for Counts(), for fewer rows or for Probabilities of fewer qubits."
        )
        raise ResourceError(msg)


def counts_of_samples(batch: CircuitBatch) -> Derived:
    """Counts, for a backend that only returns single shots."""

    def combine(results: Sequence[BatchResult]) -> BatchResult:
        samples = results[0].values
        assert samples is not None
        n = samples.shape[2]
        counts = []
        for row in samples:
            packed = [
                int("".join("1" if bit else "0" for bit in shot[::-1]), 2) for shot in row.reshape(-1, n)
            ]
            values, numbers = np.unique(np.array(packed, dtype=object), return_counts=True)
            counts.append({int(value): int(number) for value, number in zip(values, numbers, strict=True)})
        return _with_facts(batch, results, counts=tuple(counts))

    return (batch.replace(outputs=Samples()),), combine


def _shares(groups: Sequence[MeasuredGroup], shots: int) -> list[int]:
    """Shots per group: at least one each, the rest in proportion to the weights, adding up exactly."""
    if shots < len(groups):
        raise OptionError(
            f"The observables take {len(groups)} measured bases, so at least that many shots; got {shots}."
        )
    weights = np.array([_weight(group) for group in groups])
    exact = (shots - len(groups)) * weights / weights.sum()
    shares = np.floor(exact).astype(int)
    rest = shots - len(groups) - int(shares.sum())
    shares[np.argsort(-(exact - shares), kind="stable")[:rest]] += 1
    return [int(share) + 1 for share in shares]


def _weight(group: MeasuredGroup) -> float:
    sums: dict[int, float] = {}
    for number, _, coefficient in group.terms:
        sums[number] = sums.get(number, 0.0) + abs(coefficient)
    return max(sums.values())


def flat_outcomes(result: BatchResult, size: int) -> tuple[NDArray[np.intp], list[int], Array]:
    """All counts of a result, flat: row numbers, outcomes, weights."""
    assert result.counts is not None
    assert len(result.counts) == size
    lengths = [len(row) for row in result.counts]
    rows = np.repeat(np.arange(size), lengths)
    outcomes = [outcome for row in result.counts for outcome in row]
    weights = np.fromiter(
        (count for row in result.counts for count in row.values()), dtype=float, count=len(outcomes)
    )
    return rows, outcomes, weights


def _add_group(
    means: Array, variances: Array, group: MeasuredGroup, outcomes: tuple[NDArray[np.intp], list[int], Array]
) -> None:
    rows, measured, weights = outcomes
    size = len(means)
    shots = weights.sum() / size
    signs = group_signs(measured, group)
    values: dict[int, Array] = {}
    for position, (number, _, coefficient) in enumerate(group.terms):
        part: Array = coefficient * signs[:, position].astype(np.float64)
        values[number] = values[number] + part if number in values else part
    for number, value in values.items():
        mean = np.bincount(rows, weights=weights * value, minlength=size) / shots
        square = np.bincount(rows, weights=weights * (value - mean[rows]) ** 2, minlength=size)
        means[:, number] += mean
        if shots > 1:
            variances[:, number] += square / (shots - 1) / shots
        else:
            # One shot says nothing about its own spread; the coefficients bound it.
            variances[:, number] += sum(abs(c) for n, _, c in group.terms if n == number) ** 2


def group_signs(outcomes: Sequence[int], group: MeasuredGroup) -> NDArray[np.int8]:
    """(-1) to the parity of outcome & support, for every outcome and every string of the group: (outcomes, strings)."""
    signs = np.empty((len(outcomes), len(group.terms)), dtype=np.int8)
    low = (1 << _MAX_MASK_BITS) - 1
    packed = np.fromiter((outcome & low for outcome in outcomes), dtype=np.int64, count=len(outcomes))
    for position, (_, support, _) in enumerate(group.terms):
        if support <= low:
            parity = np.bitwise_count(packed & support) & 1
        else:
            parity = np.fromiter(
                ((outcome & support).bit_count() & 1 for outcome in outcomes), dtype=np.uint8
            )
        signs[:, position] = 1 - 2 * parity.astype(np.int8)
    return signs


def _estimate(
    batch: CircuitBatch, results: Sequence[BatchResult], values: Array, errors: Array
) -> BatchResult:
    return _with_facts(batch, results, values=values, standard_errors=errors)


def _with_facts(
    batch: CircuitBatch,
    results: Sequence[BatchResult],
    *,
    values: Array | None = None,
    standard_errors: Array | None = None,
    counts: tuple[dict[int, int], ...] | None = None,
) -> BatchResult:
    from qstore.execution.plan import run_facts  # the plan knows this module

    facts = run_facts(results) | {"shots": batch.shots, "seed": batch.seed}
    return BatchResult(values=values, standard_errors=standard_errors, counts=counts, **facts)
