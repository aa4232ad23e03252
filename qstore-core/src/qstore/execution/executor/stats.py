# SPDX-License-Identifier: Apache-2.0
"""`ExecutorStats`: what an executor did so far, in circuits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qstore.execution.caches import CacheStats, MultiLevelCache

if TYPE_CHECKING:
    from qstore.execution.executor.dispatcher import Dispatcher

__all__ = ["ExecutorStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorStats:
    """Counts since an executor was made. All but `requests` are circuits, as rows of batches.

    Attributes:
        submitted: taken.
        completed, failed, cancelled: settled, by how; what came from the cache is not among them.
        pending: waiting or under way.
        in_flight: at the backend now.
        deduplicated: asked for while the very same was under way already.
        sent: to the backend, repetitions apart.
        requests: to the backend.
        caches: hits, misses and hit rate of each level.
    """

    submitted: int
    completed: int
    failed: int
    cancelled: int
    pending: int
    in_flight: int
    deduplicated: int
    sent: int
    requests: int
    caches: Mapping[str, CacheStats]

    @classmethod
    def of(cls, dispatcher: Dispatcher, cache: MultiLevelCache) -> ExecutorStats:
        """The counts as they are now."""
        return cls(
            **dispatcher.counts,
            pending=dispatcher.pending,
            in_flight=dispatcher.in_flight,
            caches=cache.stats(),
        )
