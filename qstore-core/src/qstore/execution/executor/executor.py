# SPDX-License-Identifier: Apache-2.0
"""`AsyncQuantumExecutor`: every circuit in flight that a backend allows, in as few requests as do.

Not here: how works are merged (`merging`), sent (`sending`) and told of (`dispatcher`); what may be sent again (`safety`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from qstore.batch import BatchResult, Capabilities, CircuitBatch, Estimate
from qstore.errors import ExecutionError, OptionError, QStoreError
from qstore.execution.caches import MultiLevelCache, ShotPool
from qstore.execution.executor.dispatcher import Dispatcher
from qstore.execution.executor.handle import Handle, Told
from qstore.execution.executor.intake import Intake, checked_count
from qstore.execution.executor.iteration import Batches, Progress, as_completed, mapped
from qstore.execution.executor.lifecycle import at_fork_and_exit
from qstore.execution.executor.queue import WorkQueue
from qstore.execution.executor.scheduler import AdaptiveBatchScheduler
from qstore.execution.executor.sending import Sender
from qstore.execution.executor.stats import ExecutorStats
from qstore.execution.executor.sync_facade import SyncExecutor
from qstore.execution.settings import current_settings, resolve_backend
from qstore.plugins import Backend, Gradients, chooses, is_differentiable, runs_many

__all__ = ["AsyncQuantumExecutor"]


class AsyncQuantumExecutor:
    """Takes batches at once and runs them side by side, merged into few requests; a backend like any other.

    A *circuit* is a row of a batch, as the backend runs it: an expectation that is measured in three bases counts three.

    Args:
        backend: a registered name, a backend, or None for the default.
        max_concurrent: most circuits at the backend at a time; by default 100, or as `qs.configure` has set it. A router
            gets what belongs together in one call, even if it is more.
        batch_size: circuits of one request: a number, "adaptive", or an `AdaptiveBatchScheduler` of your own.
        max_pending: most circuits that wait or are under way; `submit` raises `QueueFull` beyond.
        cache_bytes: what is remembered of exact results, templates and parameters; 0 for nothing but templates; by
            default 256 MiB, or as `qs.configure` has set it.
        pool_shots: whether a submission that repeats an earlier one, seed apart, returns the shots of both together.
        merge: whether different submissions share requests. By default they do where running is free. What is paid for
            is sent as it was submitted, each call of `submit` or `submit_batch` a request of its own: so a script that
            is started again under its run's name makes the same jobs, and finds the ones that it has paid for.
        retries: how often a request is repeated that could not be delivered; only where running is free. A paid backend
            repeats by itself what is safe.

    Raises:
        BackendUnavailable: no such backend.
        OptionError: an argument outside its range.

    Example:
        >>> import asyncio
        >>> import qstore as qs
        >>> from qstore.execution import AsyncQuantumExecutor
        >>> circuit = qs.QuantumCircuit(1).rx(0, "t")
        >>> async def main():
        ...     async with AsyncQuantumExecutor("statevector") as executor:
        ...         batches = [qs.CircuitBatch.of(circuit, {"t": t}, qs.Expectations([qs.Z(0)])) for t in (0.0, 3.141592653589793)]
        ...         handles = [executor.submit(batch) for batch in batches]
        ...         results = [await handle for handle in handles]
        ...         return [round(float(result.values[0, 0]), 6) for result in results], executor.stats().requests
        >>> asyncio.run(main())
        ([1.0, -1.0], 1)
    """

    def __init__(
        self,
        backend: Backend | str | None = None,
        max_concurrent: int | None = None,
        batch_size: int | str | AdaptiveBatchScheduler = "adaptive",
        *,
        max_pending: int = 10_000,
        cache_bytes: int | None = None,
        pool_shots: bool = False,
        merge: bool | None = None,
        retries: int = 3,
    ) -> None:
        self._backend = resolve_backend(backend)
        settings = current_settings()
        if max_concurrent is None:
            max_concurrent = settings.max_concurrent
        if cache_bytes is None:
            cache_bytes = settings.cache_bytes
        self._max_concurrent = checked_count("max_concurrent", max_concurrent)
        self._max_pending = checked_count("max_pending", max_pending)
        self._batch_size = batch_size
        self._scheduler = _scheduler(batch_size, self._max_concurrent)
        self._merge = merge
        self.cache = MultiLevelCache(cache_bytes)
        pool = ShotPool(cache_bytes)
        fixed = batch_size if isinstance(batch_size, int) else None
        queue = WorkQueue(
            self._max_concurrent, self._scheduler.get_batch_size if fixed is None else lambda _rows, _each: fixed,
            largest=fixed or self._max_concurrent, mixes=runs_many(self._backend),
            merges=merge if merge is not None else not self._backend.capabilities.paid,
        )  # fmt: skip
        self._sender = Sender(self._backend, self._max_concurrent, checked_count("retries", retries, least=0))
        self._dispatcher = Dispatcher(
            self._backend, queue, self._sender, self._max_concurrent, self._scheduler, self.cache, pool
        )
        self._intake = Intake(self._backend, self.cache, fixed or self._max_concurrent, pool_shots=pool_shots)
        self._pool = pool
        self._closed = False
        at_fork_and_exit(self._dispatcher)

    # A backend

    @property
    def name(self) -> str:
        """The backend's name."""
        return self._backend.name

    @property
    def backend(self) -> Backend:
        """Where requests go."""
        return self._backend

    @property
    def capabilities(self) -> Capabilities:
        """The backend's own."""
        return self._backend.capabilities

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """Dollars, seconds and error expected for a batch; nothing is sent."""
        return self._backend.estimate(batch)

    @property
    def reason_against_vjp(self) -> Any:
        """The backend's own, if it chooses; otherwise not there."""
        if not chooses(self._backend):
            raise AttributeError(f"{self._backend.name!r} chooses no backend.")
        return self._backend.reason_against_vjp

    async def run(self, batch: CircuitBatch) -> BatchResult:
        """Run every row of a batch, and wait for it; however many others wait."""
        return (await self.run_many((batch,)))[0]

    async def run_many(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        """Run several batches, and wait for them; the first failure cancels the others and is raised.

        A backend that chooses, such as a router, gets them in one call, however many circuits that are.
        """
        if self.keeps_together(batches):
            found: Any = await self.submit_together(batches)[0]
            return list(found)
        handles = self._submitted(batches, pooled=False, bounded=False)
        try:
            return [await handle for handle in handles]
        except QStoreError as exc:
            self.note_paid(exc, handles)
            raise
        finally:
            for handle in handles:
                handle.cancel()

    def note_paid(self, error: QStoreError, handles: Sequence[Handle]) -> None:
        """Have the error of a call say whether any batch of it may have been paid for."""
        error.perhaps_paid |= self.capabilities.paid and any(handle.perhaps_paid for handle in handles)

    @property
    def vjp(self) -> Any:
        """The backend's own gradients, within `max_concurrent`; not there where it has none."""
        if not is_differentiable(self._backend):
            raise AttributeError(f"{self._backend.name!r} computes no gradients itself.")
        return self._vjp

    async def _vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Gradients]:
        backend = self._backend
        assert is_differentiable(backend)

        def call() -> Coroutine[Any, Any, tuple[BatchResult, Gradients]]:
            return backend.vjp(batch, cotangent, wrt)

        self._check_open()
        handle = Handle(self._dispatcher)
        self._dispatcher.add((self._intake.call(batch, call),), (handle,), batch.size, 0)
        found: Any = await handle
        return found[0], found[1]

    # Submitting

    def submit(self, batch: CircuitBatch, *, priority: int = 0, deadline: float | None = None) -> Handle:
        """Take a batch, and return a handle at once: `await handle` is the result, `handle.result()` waits for it.

        Args:
            batch: made by `qs.CircuitBatch.of`; its arrays are copied now.
            priority: higher goes first.
            deadline: seconds from now after which the handle fails with `DeadlineExceeded`; among equals the earlier
                deadline goes first.

        Raises:
            QueueFull: more than `max_pending` circuits would wait.
            CapabilityError: the backend cannot do it.
            ExecutionError: the executor is closed.
        """
        if self._closed:
            self._check_open()
        return self._intake.take_one(self._dispatcher, batch, priority, deadline, self._max_pending)

    def submit_batch(
        self, batches: Iterable[CircuitBatch], *, priority: int = 0, deadline: float | None = None,
        progress: Progress | None = None,
    ) -> list[Handle]:  # fmt: skip
        """Take several batches, all or none; one handle each.

        Args:
            batches: what to run.
            priority: as for `submit`.
            deadline: likewise.
            progress: called as `progress(done, total)`, in batches, as handles settle: on the event loop that runs here,
                else on qstore's own thread.

        Raises:
            QueueFull: with all of them more than `max_pending` circuits would wait; none is taken.
        """
        batches = tuple(batches)
        handles = self._submitted(batches, priority=priority, deadline=deadline)
        if progress is not None:
            report = _Report(progress, len(handles))
            for handle in handles:
                handle.add_done_callback(report)
        return handles

    def map(self, batches: Batches, *, progress: Progress | None = None) -> AsyncIterator[BatchResult]:
        """The results of batches in their order, for `async for`.

        Batches are pulled as there is room, so that neither an endless iterator nor one of a million batches takes
        memory; leaving the loop cancels what is under way.

        Args:
            batches: an iterable, or an asynchronous one.
            progress: called as `progress(done, total)` after each batch; `total` is None where it is not known.
        """
        return mapped(self.submit_one, batches, self.window, progress)

    def as_completed(self, handles: Iterable[Handle]) -> AsyncIterator[Handle]:
        """Handles in the order in which they settle, for `async for`."""
        return as_completed(handles)

    @property
    def window(self) -> int:
        """Circuits that `map` keeps submitted: enough for the next requests to be ready when the present ones end."""
        return 3 * self._max_concurrent

    def submit_unbounded(
        self, batches: Sequence[CircuitBatch], *, priority: int = 0, deadline: float | None = None
    ) -> list[Handle]:
        """As `submit_batch`, however many wait; for callers that bound by themselves what they submit."""
        return self._submitted(batches, priority=priority, deadline=deadline, bounded=False)

    def keeps_together(self, batches: Sequence[CircuitBatch], *, pooled: bool = False) -> bool:
        """Whether these batches go out in one call, because cut up they could come from several backends.

        Those whose shots are added to earlier ones do not.
        """
        if not chooses(self._backend) or (pooled and self._intake.pools):
            return False
        return sum(getattr(batch, "size", 0) for batch in batches) > 1

    def submit_together(
        self, batches: Sequence[CircuitBatch], *, priority: int = 0, deadline: float | None = None
    ) -> list[Handle]:
        """Take batches that go out in one call, with one handle, whose result is the list of theirs."""
        self._check_open()
        work = self._intake.together(tuple(batches), priority, deadline, self._sender.send_together)
        handle = Handle(self._dispatcher)
        self._dispatcher.add((work,), (handle,), work.rows, priority, deadline)
        return [handle]

    def submit_one(self, batch: CircuitBatch) -> Handle:
        """As `submit_unbounded`, for one."""
        self._check_open()
        return self._intake.take_one(self._dispatcher, batch, 0, None, None)

    @property
    def sync(self) -> SyncExecutor:
        """The same for callers without `await`."""
        return SyncExecutor(self)

    def _submitted(
        self, batches: Sequence[CircuitBatch], *, priority: int = 0, deadline: float | None = None,
        bounded: bool = True, pooled: bool = True,
    ) -> list[Handle]:  # fmt: skip
        self._check_open()
        return self._intake.take(
            self._dispatcher,
            batches,
            priority,
            deadline,
            self._max_pending if bounded else None,
            pooled=pooled,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise ExecutionError("This executor is closed; make another one.")

    # Ending

    async def close(self, *, cancel: bool = False) -> None:
        """Take nothing more, and wait until everything is done; with `cancel`, until everything is cancelled."""
        import asyncio

        self._closed = True
        if cancel:
            self._dispatcher.cancel_all()
        loop = asyncio.get_running_loop()
        idle = asyncio.Event()
        self._dispatcher.when_idle(Told(loop, lambda _: idle.set(), None))
        self._dispatcher.hurry(loop)
        await idle.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close(cancel=exc_type is not None)

    # Looking

    def stats(self) -> ExecutorStats:
        """What it did so far."""
        return ExecutorStats.of(self._dispatcher, self.cache)

    def clear(self) -> None:
        """Forget exact results, parameters, templates and pooled shots."""
        self.cache.clear()
        self._pool.clear()

    def __repr__(self) -> str:
        size = "adaptive" if self._batch_size is self._scheduler else self._batch_size
        stats = self.stats()
        state = "closed" if self._closed else f"{stats.pending} circuits pending, {stats.in_flight} in flight"
        return (
            f"<AsyncQuantumExecutor on {self.name!r}: max_concurrent={self._max_concurrent}, batch_size={size!r}, "
            f"{state}, {stats.completed} done in {stats.requests} requests>"
        )


class _Report:
    """Adds up what is done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, _: Handle) -> None:
        self._done += 1
        self._progress(self._done, self._total)


def _scheduler(batch_size: object, max_concurrent: int) -> AdaptiveBatchScheduler:
    if isinstance(batch_size, AdaptiveBatchScheduler):
        return batch_size
    if batch_size == "adaptive":
        # Two requests at least, so that one is under way while the other's results are read.
        return AdaptiveBatchScheduler(maximum=(max_concurrent + 1) // 2)
    if isinstance(batch_size, str):
        raise OptionError(f"batch_size must be a number of circuits or 'adaptive', got {batch_size!r}.")
    return AdaptiveBatchScheduler(maximum=checked_count("batch_size", batch_size))
