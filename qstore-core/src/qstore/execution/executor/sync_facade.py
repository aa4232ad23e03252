# SPDX-License-Identifier: Apache-2.0
"""`SyncExecutor`: an executor for callers without `await`: scripts, notebooks, threads, autograd's own threads, forks.

Every call hands its work to qstore's own event loop and waits for it there, so it works inside a running loop as well.
On qstore's own loop itself a call is refused: it would wait for itself for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import ExecutionError, QStoreError
from qstore.execution.bridge import on_background_loop, wait_for
from qstore.execution.executor.handle import Handle
from qstore.execution.executor.iteration import Progress, Window

if TYPE_CHECKING:
    from qstore.execution.executor.executor import AsyncQuantumExecutor

__all__ = ["SyncExecutor"]


class SyncExecutor:
    """The blocking face of an executor; made by `AsyncQuantumExecutor.sync`.

    Example:
        >>> import qstore as qs
        >>> from qstore.execution import AsyncQuantumExecutor
        >>> coin = qs.QuantumCircuit(1).rx(0, "t")
        >>> with AsyncQuantumExecutor("statevector").sync as executor:
        ...     batches = (qs.CircuitBatch.of(coin, {"t": t}, qs.Expectations([qs.Z(0)])) for t in (0.0, 3.141592653589793))
        ...     [round(float(result.values[0, 0]), 6) for result in executor.map(batches)]
        [1.0, -1.0]
    """

    def __init__(self, executor: AsyncQuantumExecutor) -> None:
        self._executor = executor

    def submit(self, batch: CircuitBatch, *, priority: int = 0, deadline: float | None = None) -> Handle:
        """As `AsyncQuantumExecutor.submit`; wait with `handle.result()`."""
        return self._executor.submit(batch, priority=priority, deadline=deadline)

    def submit_batch(
        self, batches: Iterable[CircuitBatch], *, priority: int = 0, deadline: float | None = None,
        progress: Progress | None = None,
    ) -> list[Handle]:  # fmt: skip
        """As `AsyncQuantumExecutor.submit_batch`."""
        return self._executor.submit_batch(batches, priority=priority, deadline=deadline, progress=progress)

    def run(self, batch: CircuitBatch, *, priority: int = 0, deadline: float | None = None) -> BatchResult:
        """Run one batch and wait for its result; an interrupt cancels it."""
        return self.run_many((batch,), priority=priority, deadline=deadline)[0]

    def run_many(
        self, batches: Sequence[CircuitBatch], *, priority: int = 0, deadline: float | None = None
    ) -> list[BatchResult]:
        """Run several batches and wait for all results; the first failure cancels the others and is raised."""
        _refuse_on_own_loop()
        executor = self._executor
        together = executor.keeps_together(batches, pooled=True)
        submit = executor.submit_together if together else executor.submit_unbounded
        handles = submit(batches, priority=priority, deadline=deadline)
        try:
            found: list[Any] = [handle.result() for handle in handles]
        except QStoreError as exc:
            executor.note_paid(exc, handles)
            raise
        finally:
            for handle in handles:
                handle.cancel()
        return list(found[0]) if together else found

    def map(
        self, batches: Iterable[CircuitBatch], *, progress: Progress | None = None
    ) -> Iterator[BatchResult]:
        """The results of batches in their order, pulled as there is room; leaving the loop cancels what is under way."""
        _refuse_on_own_loop()
        total = len(batches) if isinstance(batches, Sized) else None
        under_way = Window(self._executor.submit_one, self._executor.window)
        source = iter(batches)
        done = 0
        try:
            while True:
                under_way.fill(source)
                if not under_way.handles:
                    return
                result = under_way.handles[0][0].result()
                under_way.hand_on()
                done += 1
                if progress is not None:
                    progress(done, total)
                yield result
        finally:
            under_way.cancel()

    def as_completed(self, handles: Iterable[Handle]) -> Iterator[Handle]:
        """The handles in the order in which they settle."""
        import queue

        _refuse_on_own_loop()
        wanted = list(handles)
        settled: queue.SimpleQueue[Handle] = queue.SimpleQueue()
        leave = [handle.call_when_done(None, settled.put) for handle in wanted]
        try:
            for _ in wanted:
                yield settled.get()
        finally:
            for each in leave:
                each()

    def close(self, *, cancel: bool = False) -> None:
        """As `AsyncQuantumExecutor.close`, waiting for it."""
        wait_for(self._executor.close(cancel=cancel))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(cancel=exc_type is not None)

    def __repr__(self) -> str:
        return f"{self._executor!r}.sync"


def _refuse_on_own_loop() -> None:
    if on_background_loop():
        raise ExecutionError(
            "A blocking call was made on qstore's own event loop; await the executor there instead."
        )
