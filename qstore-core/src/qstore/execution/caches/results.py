# SPDX-License-Identifier: Apache-2.0
"""`ResultCache`: exact results by what was asked, safe against whoever changes an array that it was given.

Only exact values are kept: no shots, no standard errors. What is found again was not run again: it took no time and was
not billed. Not here: results from shots, which add up and are never served twice (`qstore.execution.caches.shot_pool`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any

from numpy.typing import NDArray

from qstore.batch import BatchResult
from qstore.execution.caches.lru import ENTRY_BYTES, CacheStats, LruCache

__all__ = ["ResultCache", "served_again"]


_Facts = tuple[int, str, tuple[str, ...], bool, tuple[str, ...]]
"""Qubits, backend, job ids, whether it was billed, notes: the same for all that came of one request."""


class ResultCache:
    """Exact results, the last used ones up to so many bytes.

    Args:
        max_bytes: the most that is kept; 0 keeps nothing.

    Example:
        >>> import numpy as np
        >>> cache = ResultCache(max_bytes=10_000)
        >>> cache.put("a key", BatchResult(values=np.array([[0.5]]), n_qubits=1, backend="here", run_s=2.0))
        True
        >>> found = cache.get("a key")
        >>> found.values.tolist(), found.run_s
        ([[0.5]], 0.0)
        >>> cache.put("counts", BatchResult(counts=({0: 10},), n_qubits=1, backend="here", shots=10))
        False
    """

    __slots__ = ("_kept",)

    def __init__(self, max_bytes: int) -> None:
        self._kept: LruCache[Hashable, tuple[NDArray[Any], _Facts]] = LruCache(max_bytes)

    def get(self, key: Hashable) -> BatchResult | None:
        """A copy of the result of that key, or None."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        values, (n_qubits, backend, job_ids, billed, notes) = kept
        return BatchResult(values=values.copy(), n_qubits=n_qubits, backend=backend, job_ids=job_ids, notes=notes,
                           billed_usd=Decimal(0) if billed else None)  # fmt: skip

    def put(self, key: Hashable, result: BatchResult, key_bytes: int = 0) -> bool:
        """Keep a copy of a result, if it is exact; returns whether it is.

        Args:
            key: everything that the result depends on.
            result: it may go on to a user who changes its arrays.
            key_bytes: how much the key takes.
        """
        return self.put_all([(key, result, key_bytes)])

    def put_all(self, entries: Sequence[tuple[Hashable, BatchResult, int]]) -> bool:
        """Keep copies of the results of one request, if they are exact; returns whether they are.

        Args:
            entries: key, result and bytes of the key; of one request, so that they differ in their values only.
        """
        if not entries or not self._kept.max_bytes:
            return False
        first = entries[0][1]
        if first.values is None or first.shots is not None or first.standard_errors is not None:
            return False
        facts = (first.n_qubits, first.backend, first.job_ids, first.billed_usd is not None, first.notes)
        rest = ENTRY_BYTES
        self._kept.put_all([
            (key, (result.values.copy(), facts), result.values.nbytes + key_bytes + rest)
            for key, result, key_bytes in entries if result.values is not None
        ])  # fmt: skip
        return True

    def after_fork(self) -> None:
        """In a forked child: nobody holds the lock."""
        self._kept.after_fork()

    def clear(self) -> None:
        """Drop everything, and begin to count again."""
        self._kept.clear()

    def stats(self) -> CacheStats:
        """The counts as they are now."""
        return self._kept.stats()

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return repr(self._kept).replace("LruCache", "ResultCache")


def served_again(result: BatchResult) -> BatchResult:
    """An exact result for one more who asked for it: arrays of its own, no time, nothing billed a second time."""
    values, errors = result.values, result.standard_errors
    return BatchResult(
        values=None if values is None else values.copy(), standard_errors=None if errors is None else errors.copy(),
        n_qubits=result.n_qubits, backend=result.backend, job_ids=result.job_ids, notes=result.notes,
        billed_usd=None if result.billed_usd is None else Decimal(0),
    )  # fmt: skip
