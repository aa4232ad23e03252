# SPDX-License-Identifier: Apache-2.0
"""`MultiLevelCache`: what an executor remembers, on three levels, each with its own hit rate.

1. *parameters*: arrays that were bound before, such as the weights that come with every sample, are kept once (those of
   64 bytes and more);
2. *templates*: what a backend makes of a circuit and its outputs: whether it can, in how many measured bases, with which
   circuits; the same objects again, so that a backend finds its compiled program by them;
3. *results*: exact results.

The sizes are those of the data; all in this process and gone with it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from qstore.batch import BatchResult
from qstore.errors import OptionError
from qstore.execution.caches.lru import ENTRY_BYTES, CacheStats, LruCache
from qstore.execution.caches.results import ResultCache

__all__ = ["MultiLevelCache"]

_SHARES = {"parameters": 8, "templates": 4}
"""A level gets one part in so many of all bytes; results get the rest."""
MIN_TEMPLATE_BYTES = 1 << 20
"""Compiled templates are needed even where no result is kept: without them every batch would be compiled afresh."""

MIN_PARAMETER_BYTES = 64
"""Keeping a smaller array once would take more than the array."""


class MultiLevelCache:
    """Three caches in one.

    Args:
        max_bytes: of all levels together; 0 keeps neither parameters nor results.

    Attributes:
        templates, results: two of the levels, for whoever looks often.

    Example:
        >>> cache = MultiLevelCache(max_bytes=1 << 20)
        >>> weights = bytes(64)
        >>> cache.get_parameters(weights) is weights, cache.get_parameters(bytes(64)) is weights
        (True, True)
        >>> cache.stats()["parameters"].hit_rate
        0.5
    """

    __slots__ = ("_parameters", "max_bytes", "results", "templates")

    def __init__(self, max_bytes: int) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0:
            raise OptionError(f"cache_bytes must be a number of bytes from 0 up, got {max_bytes!r}.")
        shares = {level: max_bytes // part for level, part in _SHARES.items()}
        self.max_bytes = max_bytes
        self._parameters: LruCache[bytes, bytes] = LruCache(shares["parameters"])
        self.templates: LruCache[Hashable, Any] = LruCache(max(shares["templates"], MIN_TEMPLATE_BYTES))
        self.results = ResultCache(max_bytes - sum(shares.values()))

    def get_parameters(self, array: bytes) -> bytes:
        """These bytes, or the same that were seen before: equal parameters become one object."""
        if len(array) < MIN_PARAMETER_BYTES:
            return array
        known = self._parameters.get(array)
        if known is not None:
            return known
        self._parameters.put(array, array, len(array) + ENTRY_BYTES)
        return array

    def get_compiled_circuit(self, key: Hashable) -> Any:
        """What was kept for a circuit and its outputs, or None."""
        return self.templates.get(key)

    def cache_circuit(self, key: Hashable, compiled: Any, size: int) -> None:
        """Keep what a backend makes of a circuit; `size` in bytes."""
        self.templates.put(key, compiled, size + ENTRY_BYTES)

    def get_result(self, key: Hashable) -> BatchResult | None:
        """A copy of an exact result, or None."""
        return self.results.get(key)

    def cache_result(self, key: Hashable, result: BatchResult, key_bytes: int = 0) -> bool:
        """Keep a copy of a result, if it is exact; returns whether it is."""
        return self.results.put(key, result, key_bytes)

    def cache_results(self, entries: Sequence[tuple[Hashable, BatchResult, int]]) -> bool:
        """Keep copies of the results of one request: key, result, and bytes of the key."""
        return self.results.put_all(entries)

    def after_fork(self) -> None:
        """In a forked child: nobody holds any lock."""
        for level in (self._parameters, self.templates, self.results):
            level.after_fork()

    def clear(self) -> None:
        """Drop everything, and begin to count again."""
        for level in (self._parameters, self.templates, self.results):
            level.clear()

    def stats(self) -> dict[str, CacheStats]:
        """The counts of each level: hits, misses, hit rate, entries, bytes."""
        return {
            "parameters": self._parameters.stats(),
            "templates": self.templates.stats(),
            "results": self.results.stats(),
        }

    def __repr__(self) -> str:
        levels = ", ".join(
            f"{name} {each.hit_rate:.0%} of {each.hits + each.misses}" for name, each in self.stats().items()
        )
        return f"<MultiLevelCache: hits: {levels}>"
