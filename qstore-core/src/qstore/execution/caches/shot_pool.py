# SPDX-License-Identifier: Apache-2.0
"""`ShotPool`: results from shots that add up: a repeat adds its shots and narrows the error bar.

One sample never counts as two. A sample is known by its rows' stream keys: one whose keys are in the pool already is not
added again, and one that shares only some of its keys with the pool is left alone.

Formulas, for samples of N1 and N2 shots, N = N1 + N2:
    values   (N1 v1 + N2 v2) / N
    errors   sqrt((N1 e1)**2 + (N2 e2)**2) / N, the standard error of that mean of independent samples
    probabilities' errors   sqrt(p (1 - p) / N) of the values together, as one run of N shots would have them
Variances of observables are averaged too; like every estimate of theirs they are biased by about 1/N1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, Output, Probabilities
from qstore.execution.caches.lru import ENTRY_BYTES, CacheStats, LruCache

__all__ = ["ShotPool"]

Keys = NDArray[np.uint64]
_KEY_BYTES = 100
"""What a stream key in a set takes, roughly."""
_BYTES_OF_A_COUNT = 100


class _Pooled(NamedTuple):
    result: BatchResult
    keys: frozenset[int]
    samples: int


class ShotPool:
    """The samples of everything that was asked more than once.

    Args:
        max_bytes: the most that is kept; what was used longest ago is forgotten first, and begins anew.

    Example:
        >>> from qstore.batch import Counts
        >>> pool = ShotPool(max_bytes=100_000)
        >>> first = BatchResult(counts=({0: 60, 1: 40},), n_qubits=1, backend="here", shots=100, seed=1)
        >>> second = BatchResult(counts=({0: 55, 1: 45},), n_qubits=1, backend="here", shots=100, seed=2)
        >>> pool.add("coin", Counts(), first, np.array([11], dtype=np.uint64)).shots
        100
        >>> both = pool.add("coin", Counts(), second, np.array([12], dtype=np.uint64))
        >>> both.shots, both.counts, both.notes
        (200, ({0: 115, 1: 85},), ('pooled from 2 samples',))
        >>> pool.add("coin", Counts(), second, np.array([12], dtype=np.uint64)).shots  # the same sample once more
        200
    """

    __slots__ = ("_pools",)

    def __init__(self, max_bytes: int) -> None:
        self._pools: LruCache[Hashable, _Pooled] = LruCache(max_bytes)

    def add(
        self, key: Hashable, outputs: Output, result: BatchResult, keys: Keys, *, key_bytes: int = 0
    ) -> BatchResult:
        """Add a sample to the others of that key.

        Args:
            key: everything that the distribution depends on, but neither shots nor seed.
            outputs: what was asked for.
            result: the sample; not changed.
            keys: (B,) the stream keys of its rows.
            key_bytes: how much the key takes.

        Returns:
            All samples together, with `shots` their total and the sample's own share of time and money; `seed` is None
            once there are several, as no single seed repeats them.
        """
        if result.shots is None:
            return result
        new = frozenset(keys.tolist())
        pooled = self._pools.get(key)
        if pooled is None or pooled.result.backend != result.backend:
            self._keep(key, _Pooled(_copied(result), new, 1), key_bytes)
            return result
        # Of two samples from the same keys the larger one counts, unless it would come on top of others.
        larger = result.shots > (pooled.result.shots or 0)
        if larger and new == pooled.keys and pooled.samples == 1:
            self._keep(key, _Pooled(_copied(result), new, 1), key_bytes)
            return result
        if new <= pooled.keys and not larger:
            return _with_facts_of(_copied(pooled.result), result)
        if new & pooled.keys:
            note = "not pooled: it shares rows' stream keys with an earlier sample"
            return _changed(result, notes=(*result.notes, note))
        samples = pooled.samples + 1
        notes = (
            *(note for note in result.notes if not note.startswith("pooled")),
            f"pooled from {samples} samples",
        )
        total = _changed(_added(outputs, pooled.result, result), notes=notes)
        self._keep(key, _Pooled(total, pooled.keys | new, samples), key_bytes)
        return _with_facts_of(_copied(total), result)

    def after_fork(self) -> None:
        """In a forked child: nobody holds the lock."""
        self._pools.after_fork()

    def clear(self) -> None:
        """Forget all samples."""
        self._pools.clear()

    def stats(self) -> CacheStats:
        """How often there was something to add to, and what is kept."""
        return self._pools.stats()

    def _keep(self, key: Hashable, pooled: _Pooled, key_bytes: int) -> None:
        result = pooled.result
        size = ENTRY_BYTES + key_bytes + _KEY_BYTES * len(pooled.keys)
        size += sum(a.nbytes for a in (result.values, result.standard_errors) if a is not None)
        size += _BYTES_OF_A_COUNT * sum(map(len, result.counts or ()))
        self._pools.put(key, pooled, size)


def _added(outputs: Output, first: BatchResult, second: BatchResult) -> BatchResult:
    """Two independent samples of the same rows as one."""
    n1, n2 = first.shots or 0, second.shots or 0
    total = n1 + n2
    if first.counts is not None and second.counts is not None:
        counts = tuple(
            dict(Counter(one) + Counter(two)) for one, two in zip(first.counts, second.counts, strict=True)
        )
        return _changed(second, counts=counts, shots=total, seed=None)
    assert first.values is not None
    assert second.values is not None
    if first.standard_errors is None or second.standard_errors is None:  # single shots, not estimates
        values = np.concatenate([first.values, second.values], axis=1)
        return _changed(second, values=values, shots=total, seed=None)
    values = (n1 * first.values + n2 * second.values) / total
    if isinstance(outputs, Probabilities):
        errors = np.sqrt(np.clip(values * (1 - values), 0, None) / total)
    else:
        errors = np.hypot(n1 * first.standard_errors, n2 * second.standard_errors) / total
    return _changed(second, values=values, standard_errors=errors, shots=total, seed=None)


def _changed(result: BatchResult, **changes: object) -> BatchResult:
    from dataclasses import replace

    return replace(result, **changes)  # type: ignore[arg-type]  # each caller's fields are right


def _copied(result: BatchResult) -> BatchResult:
    """With arrays and dicts of its own, so that nobody's changes reach anybody else."""
    copies = {
        "values": None if result.values is None else result.values.copy(),
        "standard_errors": None if result.standard_errors is None else result.standard_errors.copy(),
        "counts": None if result.counts is None else tuple(map(dict, result.counts)),
    }
    return _changed(result, **copies)


def _with_facts_of(total: BatchResult, last: BatchResult) -> BatchResult:
    return _changed(
        total, job_ids=last.job_ids, queued_s=last.queued_s, run_s=last.run_s,
        estimated_usd=last.estimated_usd, billed_usd=last.billed_usd,
    )  # fmt: skip
