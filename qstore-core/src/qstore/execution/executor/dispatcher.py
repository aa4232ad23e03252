# SPDX-License-Identifier: Apache-2.0
"""`Dispatcher`: from works that wait to requests that are under way, and from their results to whoever waits for them.

Works may come from any thread; requests are sent from qstore's own event loop, one task each. What several threads touch
is guarded by one lock, which is never held while anything is computed, awaited or told.

Every handle settles: when its request ends, however it ends; at its deadline; when it is cancelled; when the executor is
closed; when the process forks (in the child) or ends.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence
from functools import partial

from qstore.batch import BatchResult
from qstore.errors import DeadlineExceeded, ExecutionError
from qstore.execution.bridge import on_background_loop
from qstore.execution.caches import MultiLevelCache, ShotPool
from qstore.execution.caches.results import served_again
from qstore.execution.executor.carrying import Carrier
from qstore.execution.executor.handle import CANCELLED, DONE, FAILED, PENDING, Handle, Told, tell
from qstore.execution.executor.merging import Piece, is_missing
from qstore.execution.executor.queue import Request, WorkQueue
from qstore.execution.executor.scheduler import AdaptiveBatchScheduler
from qstore.execution.executor.sending import Sender
from qstore.execution.executor.waking import Waker
from qstore.execution.executor.work import Work
from qstore.plugins import Backend

__all__ = ["Dispatcher"]


class Dispatcher:
    """The engine of an executor.

    Args:
        backend: where requests go.
        queue: what waits.
        sender: sends requests.
        max_concurrent: most circuits under way.
        scheduler: learns how long requests take.
        cache: remembers exact results.
        pool: adds samples up.
    """

    def __init__(
        self, backend: Backend, queue: WorkQueue, sender: Sender, max_concurrent: int,
        scheduler: AdaptiveBatchScheduler, cache: MultiLevelCache, pool: ShotPool,
    ) -> None:  # fmt: skip
        self._name = backend.name
        self._carrier = Carrier(backend, sender, scheduler, cache, pool, self._succeeded, self._failed)
        self._max_concurrent = max_concurrent
        self.queue = queue
        self.counts = {"submitted": 0, "deduplicated": 0, "completed": 0, "failed": 0, "cancelled": 0,
                       "requests": 0, "sent": 0}  # fmt: skip
        self.pending = self.in_flight = 0
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._works: set[Work] = set()
        self._flights: dict[object, Work] = {}
        self._requests: set[Request] = set()
        self._idle: list[Told] = []
        self._waker = Waker(self._pump)

    # From any thread

    def add(
        self, works: Sequence[Work], handles: Sequence[Handle], circuits: int, priority: float,
        deadline_s: float | None = None, room: int | None = None,
    ) -> bool:  # fmt: skip
        """Let works wait, each with its handle.

        Args:
            works: what waits.
            handles: one for each.
            circuits: rows of all works.
            priority: higher goes first.
            deadline_s: seconds from now.
            room: most circuits that may be pending with them; None for no limit.

        Returns:
            False if there is no room for all of them; then none was taken.
        """
        until = None if deadline_s is None else time.monotonic() + deadline_s
        with self._lock:
            if room is not None and self.pending + circuits > room:
                return False
            self.counts["submitted"] += circuits
            for work, handle in zip(works, handles, strict=True):
                self._join(work, handle, priority, until)
            # While all slots are taken the end of a request sends what waits.
            stale = self.in_flight < self._max_concurrent and self._waker.wake()
        if stale:
            self._waker.post()
        if until is not None and deadline_s is not None:
            self._at_deadline(handles, until, deadline_s)
        return True

    def _join(self, work: Work, handle: Handle, priority: float, until: float | None) -> None:
        """One more who waits for a work, or for one that is under way already and will have the same result."""
        key = work.key
        if key is not None:
            known = self._flights.setdefault(key, work)
            if known is not work:
                self.counts["deduplicated"] += work.rows
                if known.taken < known.rows:
                    self.queue.push_again(known, priority, until)
                known.handles = (*known.handles, handle)
                handle.work = known
                return
        self._works.add(work)
        self.pending += work.rows
        work.handles = (handle,)
        handle.work = work
        self.queue.push(work, priority, until)

    def settled(self, result: BatchResult) -> Handle:
        """A handle that has its result already."""
        handle = Handle(self)
        handle.state, handle.value = DONE, result
        with self._lock:
            self.counts["submitted"] += len(result.values) if result.values is not None else 1
        return handle

    def cancel(self, handle: Handle) -> bool:
        """Settle a handle as cancelled, if it has not settled; what nobody else wants is dropped."""
        with self._lock:
            told = self._give_up(handle, CANCELLED, None)
        if told is None:
            return False
        tell(told)
        return True

    def cancel_all(self) -> None:
        """Cancel every handle."""
        with self._lock:
            handles = [handle for work in self._works for handle in work.handles]
        for handle in handles:
            self.cancel(handle)

    def tell_later(self, handle: Handle, told: Told) -> bool:
        """Have somebody told when a handle settles; False if it has."""
        with self._lock:
            if handle.state != PENDING:
                return False
            if handle.told is None:
                handle.told = []
            handle.told.append(told)
            return True

    def forget(self, handle: Handle, told: Told) -> bool:
        """Somebody waits no longer; returns whether nobody waits now."""
        with self._lock:
            if handle.told and told in handle.told:
                handle.told.remove(told)
            return not any(other.waits for other in handle.told or ())

    def when_idle(self, told: Told) -> None:
        """Have somebody told when nothing waits and nothing is under way."""
        with self._lock:
            if self.pending or self._requests:
                self._idle.append(told)
                return
        tell([told])

    def hurry(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Somebody waits on that loop, or in a thread: send soon."""
        self._waker.hurry(loop)

    def _at_deadline(self, handles: Iterable[Handle], until: float, deadline_s: float) -> None:
        loop = self._waker.loop

        def arm() -> None:
            for handle in handles:
                if handle.state == PENDING:
                    left_s = until - time.monotonic()
                    handle.timer = loop.call_later(left_s, self._expire, handle, deadline_s)

        loop.call_soon_threadsafe(arm)

    # On our own event loop

    def _expire(self, handle: Handle, deadline_s: float) -> None:
        msg = f"Not done within {deadline_s:g} s. Give it a later deadline, a higher priority or a faster backend."
        with self._lock:
            told = self._give_up(handle, FAILED, DeadlineExceeded(msg))
        tell(told or ())

    def _pump(self) -> None:
        error: Exception | None = None
        with self._lock:
            self._waker.awake()
            try:
                requests = self.queue.take(self._max_concurrent - self.in_flight)
            except Exception as exc:  # noqa: BLE001  # a scheduler of the user's own: what it would keep for ever fails
                requests, error = [], exc
            for request in requests:
                self.in_flight += request.circuits
                self._requests.add(request)
                for piece in request.pieces:
                    piece.work.requests += (request,)
                self.counts["sent"] += sum([stop - start for _, start, stop in request.pieces])
            self.counts["requests"] += len(requests)
            told: list[Told] = []
            if error is not None:
                for work in [work for work in self._works if not work.requests]:
                    self._finish(work, FAILED, error, told)
                told += self._told_if_idle()
        tell(told)
        loop = self._waker.loop
        for request in requests:
            carried = self._carrier.carry_out(request.pieces)
            request.task = loop.create_task(carried, context=request.pieces[0].work.context)
            request.task.add_done_callback(partial(self._ended, request))
            if request.wanted <= 0:
                request.task.cancel()

    def _succeeded(self, done: Sequence[tuple[Work, BatchResult]]) -> None:
        told: list[Told] = []
        with self._lock:
            for work, result in done:
                if not work.settled:
                    self._finish(work, DONE, result, told)
        if told:
            tell(told)

    def _failed(self, pieces: Iterable[Piece], error: BaseException) -> None:
        if not isinstance(error, Exception):
            stopped = ExecutionError(f"The backend {self._name!r} stopped with {error!r}.")
            stopped.__cause__ = error
            error = stopped
        told: list[Told] = []
        with self._lock:
            for piece in pieces:
                if not piece.work.settled:
                    self._finish(piece.work, FAILED, error, told)
        tell(told)

    def _ended(self, request: Request, task: asyncio.Task[None]) -> None:
        cancelled = task.cancelled()
        error = None if cancelled else task.exception()
        if cancelled or error is not None:
            # Whatever came about, nobody goes on waiting for this request.
            left = [piece for piece in request.pieces if not piece.work.settled and is_missing(piece)]
            reason = error or ExecutionError(f"The backend {self._name!r} cancelled a request.")
            self._failed(left, reason)
        with self._lock:
            self.in_flight -= request.circuits
            self._requests.discard(request)
            for work, _, _ in request.pieces:
                if not work.settled:
                    work.requests = tuple(other for other in work.requests if other is not request)
            told = self._told_if_idle()
        tell(told)
        self._pump()

    # Under the lock

    def _finish(self, work: Work, state: int, value: BatchResult | BaseException, told: list[Told]) -> None:
        """Settle a work, and every handle that waits for it."""
        self._close(work)
        if state == FAILED:
            self._abandon(work)
        self.counts["completed" if state == DONE else "failed"] += work.rows
        handles, work.handles, work.requests = work.handles, (), ()
        own = value
        for handle in handles:
            waiting = self._settle(handle, state, own)
            if waiting:
                told += waiting
            if handle is not handles[-1] and isinstance(value, BatchResult):
                own = served_again(value)

    def _give_up(self, handle: Handle, state: int, error: BaseException | None) -> list[Told] | None:
        """Settle one handle before its work is done; None if it has settled."""
        if handle.state != PENDING:
            return None
        work = handle.work
        told = self._settle(handle, state, error) or []
        if work is not None:
            work.handles = tuple(other for other in work.handles if other is not handle)
            if not work.handles:
                self.counts["cancelled" if state == CANCELLED else "failed"] += work.rows
                self._close(work)
                self._abandon(work)
                told += self._told_if_idle()
        return told

    def _told_if_idle(self) -> list[Told]:
        """Who waits for everything to be done, if that is so now."""
        if self.pending or self._requests:
            return []
        told, self._idle = self._idle, []
        return told

    def _settle(self, handle: Handle, state: int, value: object) -> list[Told] | None:
        handle.state, handle.value, handle.work = state, value, None
        if handle.timer is not None:
            # The loop would hold every timer until it is due.
            if on_background_loop():
                handle.timer.cancel()
            else:
                self._waker.loop.call_soon_threadsafe(handle.timer.cancel)
            handle.timer = None
        told, handle.told = handle.told, None
        return told

    def _close(self, work: Work) -> None:
        work.settled = True
        work.parts = None
        self.pending -= work.rows
        if work.taken < work.rows:
            self.queue.drop(work)
        self._works.discard(work)
        if work.key is not None:
            del self._flights[work.key]  # only one at a time of each key, and this is the one

    def _abandon(self, work: Work) -> None:
        """Stop requests that carry nothing that anybody waits for."""
        for request in work.requests:
            request.wanted -= 1
            if request.wanted <= 0:
                self._waker.loop.call_soon_threadsafe(_cancel, request)

    # At the ends of processes

    def after_fork(self) -> None:
        """In a forked child: the parent's requests are the parent's; whoever asks for them here is told so."""
        lost = [handle for work in self._works for handle in work.handles]
        self.queue.clear()
        self._carrier.after_fork()
        self.pending = self.in_flight = 0
        self._forget()
        error = ExecutionError(
            "This was submitted before the process forked; only its parent gets the result."
        )
        for handle in lost:
            handle.state, handle.value, handle.work, handle.told = FAILED, error, None, None

    def at_exit(self, timeout_s: float) -> None:
        """At the end of the interpreter: cancel what is left, and wait for that so long at most."""
        if self.pending or self.in_flight:
            idle = threading.Event()
            self.cancel_all()
            self.when_idle(Told(None, lambda event: event.set(), idle))
            idle.wait(timeout_s)


def _cancel(request: Request) -> None:
    if request.task is not None:
        request.task.cancel()
