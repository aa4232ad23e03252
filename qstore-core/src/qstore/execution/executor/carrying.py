# SPDX-License-Identifier: Apache-2.0
"""`Carrier`: a request on its way: merged, sent, divided where one spoils it for the others, and its results told apart."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from qstore.batch import BatchResult
from qstore.errors import ExecutionError, QStoreError
from qstore.execution.caches import MultiLevelCache, ShotPool
from qstore.execution.executor.merging import Piece, merged, split, whole
from qstore.execution.executor.safety import may_divide
from qstore.execution.executor.scheduler import AdaptiveBatchScheduler
from qstore.execution.executor.sending import Sender
from qstore.execution.executor.work import Work
from qstore.plugins import Backend

__all__ = ["Carrier"]

log = logging.getLogger(__name__)


class Carrier:
    """Carries out requests, on qstore's own event loop.

    Args:
        backend: where requests go.
        sender: sends them.
        scheduler: learns how long they take.
        cache: remembers exact results.
        pool: adds samples up.
        succeeded: is told of works with their results.
        failed: is told of pieces that have none, and why.
    """

    def __init__(
        self, backend: Backend, sender: Sender, scheduler: AdaptiveBatchScheduler, cache: MultiLevelCache, pool: ShotPool,
        succeeded: Callable[[Sequence[tuple[Work, BatchResult]]], None],
        failed: Callable[[Sequence[Piece], BaseException], None],
    ) -> None:  # fmt: skip
        self._backend, self._sender, self._scheduler = backend, sender, scheduler
        self._cache, self._pool = cache, pool
        self._succeeded, self._failed = succeeded, failed

    def after_fork(self) -> None:
        """In a forked child: nobody holds any lock."""
        for each in (self._sender, self._scheduler, self._cache, self._pool):
            each.after_fork()

    async def carry_out(self, pieces: Sequence[Piece]) -> None:
        """Have each piece succeed or fail, unless the task is cancelled."""
        try:
            parts = await self._results(pieces)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            reason = ExecutionError(f"The backend {self._backend.name!r} cancelled a request by itself.")
            self._failed([piece for piece in pieces if not piece.work.settled], reason)
            return
        except BaseException as exc:  # noqa: BLE001  # even SystemExit: our loop serves others, and handles must settle
            wanted = [piece for piece in pieces if not piece.work.settled]
            paid = self._backend.capabilities.paid
            if len(wanted) > 1 and may_divide(exc, paid=paid):
                log.info("A request of %d submissions is sent in two halves after: %s", len(wanted), exc)
                middle = len(wanted) // 2
                halves = (wanted[:middle], wanted[middle:])
                await asyncio.gather(*(self.carry_out(half) for half in halves))
            else:
                if paid and isinstance(exc, QStoreError):
                    exc.perhaps_paid |= any(_is_sent_elsewhere(piece.work) for piece in wanted)
                self._failed(wanted, exc)
            return
        self._deliver(parts)

    async def _results(self, pieces: Sequence[Piece]) -> list[tuple[Piece, BatchResult]]:
        only = pieces[0].work
        if only.call is not None:
            return [(pieces[0], await only.call())]
        start = time.perf_counter()
        found = merged(pieces)
        kinds = [each.pieces[0].work.kind for each in found]
        results = await self._sender.send([each.batch for each in found], kinds)
        rows = sum([each.batch.size for each in found])
        weighed = sum(
            [each.batch.size * kind.complexity for each, kind in zip(found, kinds, strict=True) if kind]
        )
        self._scheduler.record_latency(time.perf_counter() - start, rows, weighed / rows)
        return [
            pair
            for each, result in zip(found, results, strict=True)
            for pair in zip(each.pieces, split(result, each.pieces), strict=True)
        ]

    def _deliver(self, parts: Sequence[tuple[Piece, BatchResult]]) -> None:
        done: list[tuple[Work, BatchResult]] = []
        exact: list[tuple[object, BatchResult, int]] = []
        for piece, part in parts:
            work = piece.work
            if work.settled:
                continue
            try:
                result = self._completed(piece, part)
            except Exception as exc:  # noqa: BLE001  # replies that do not fit together; the other works are well
                self._failed([piece], exc)
                continue
            if result is None:
                continue
            if work.pool_key is None and work.key is not None:
                exact.append((work.key, result, _bytes(work)))
            done.append((work, result))
        self._cache.cache_results(exact)
        self._succeeded(done)

    def _completed(self, piece: Piece, part: BatchResult) -> BatchResult | None:
        """The result of a work, if this piece is the last of it."""
        work, start, stop = piece
        result = part if stop - start == work.rows else whole(work, start, stop, part)
        if result is None or work.pool_key is None:
            return result
        return self._pool.add(
            work.pool_key, work.batch.outputs, result, work.batch.stream_keys, key_bytes=_bytes(work)
        )


def _is_sent_elsewhere(work: Work) -> bool:
    """Whether other rows of a work have results already, or are in another request."""
    return bool(work.parts) or len(work.requests) > 1


def _bytes(work: Work) -> int:
    """What its bindings take in a key."""
    return sum(map(len, work.arrays))


def _is_cancelled() -> bool:
    """Whether the present task was cancelled, rather than something inside it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
