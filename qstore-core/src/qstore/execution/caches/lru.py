# SPDX-License-Identifier: Apache-2.0
"""`LruCache`: what was used last, up to so many bytes, with counts of hits and misses.

Finding, keeping and dropping take constant time. What a value takes is told by whoever keeps it; a value larger than the
whole cache is not kept at all. Safe in threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from qstore.errors import OptionError

__all__ = ["ENTRY_BYTES", "CacheStats", "LruCache"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

ENTRY_BYTES = 300
"""What the objects around an entry take besides its data: measured with tracemalloc on CPython 3.11, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What a cache did since it was made, or since it was cleared.

    Attributes:
        hits, misses: look-ups that found something, and that did not.
        entries, bytes: what is kept now.
        max_bytes: the most that is kept.
        evictions: entries that were dropped to make room.

    Example:
        >>> CacheStats(hits=3, misses=1, entries=1, bytes=400, max_bytes=1000, evictions=0).hit_rate
        0.75
    """

    hits: int
    misses: int
    entries: int
    bytes: int
    max_bytes: int
    evictions: int

    @property
    def hit_rate(self) -> float:
        """Hits among all look-ups, 0 to 1; 0 before the first."""
        looked = self.hits + self.misses
        return self.hits / looked if looked else 0.0


class LruCache(Generic[Key, Value]):
    """A cache that drops what was used longest ago once it is full.

    Args:
        max_bytes: the most that is kept; 0 keeps nothing.

    Attributes:
        hits: look-ups that found something; whoever had a value at hand, and did not look, may count it too.

    Raises:
        OptionError: fewer than 0 bytes.

    Example:
        >>> cache = LruCache(max_bytes=1000)
        >>> cache.put("a", 1.5, 500)
        >>> cache.put("b", 2.5, 500)
        >>> cache.get("a")
        1.5
        >>> cache.put("c", 3.5, 500)  # "b" was used longest ago
        >>> cache.get("b") is None, len(cache), cache.stats().hit_rate
        (True, 2, 0.5)
    """

    __slots__ = ("_bytes", "_entries", "_evictions", "_lock", "_misses", "hits", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0:
            raise OptionError(f"A cache's size is a number of bytes from 0 up, got {max_bytes!r}.")
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self.after_fork()
        self._bytes = self.hits = self._misses = self._evictions = 0

    def after_fork(self) -> None:
        """In a forked child: a thread that only the parent has may have been in the middle of keeping something."""
        self._lock = threading.Lock()
        self._bytes = sum(size for _, size in self._entries.values())

    def get(self, key: Key) -> Value | None:
        """The value of that key, which is the last used one from now on; None where there is none."""
        # Without the lock, which would take longer than the rest: each step is atomic, and an entry may only vanish.
        entry = self._entries.get(key)
        if entry is None:
            self._misses += 1
            return None
        self.hits += 1
        try:
            self._entries.move_to_end(key)
        except KeyError:
            return entry[0]  # another thread dropped it just now
        return entry[0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep a value of `size` bytes, in place of an older one of that key."""
        self.put_all(((key, value, size),))

    def put_all(self, entries: Iterable[tuple[Key, Value, int]]) -> None:
        """Keep several: key, value and size in bytes of each."""
        with self._lock:
            kept, used = self._entries, self._bytes
            for key, value, size in entries:
                old = kept.pop(key, None)
                if old is not None:
                    used -= old[1]
                if size <= self.max_bytes:
                    kept[key] = (value, size)
                    used += size
            while used > self.max_bytes:
                _, (_, dropped) = kept.popitem(last=False)
                used -= dropped
                self._evictions += 1
            self._bytes = used

    def discard(self, key: Key) -> None:
        """Drop the value of that key, if there is one."""
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._bytes -= old[1]

    def clear(self) -> None:
        """Drop everything, and begin to count again."""
        with self._lock:
            self._entries.clear()
            self._bytes = self.hits = self._misses = self._evictions = 0

    def stats(self) -> CacheStats:
        """The counts as they are now."""
        with self._lock:
            return CacheStats(hits=self.hits, misses=self._misses, entries=len(self._entries), bytes=self._bytes,
                              max_bytes=self.max_bytes, evictions=self._evictions)  # fmt: skip

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __repr__(self) -> str:
        return f"<LruCache: {len(self)} entries, {self._bytes} of {self.max_bytes} bytes>"
