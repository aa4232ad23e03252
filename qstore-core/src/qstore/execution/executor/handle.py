# SPDX-License-Identifier: Apache-2.0
"""`Handle`: what `submit` returns at once: await it on any event loop, or ask it for its result in any thread.

A handle settles exactly once: with a result, with an error, or cancelled. Whoever waits for it is told in the loop that
it waits on; waiters on one loop are told together, so that a request of a hundred circuits wakes a loop once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, NamedTuple

from qstore.batch import BatchResult
from qstore.errors import ExecutionError
from qstore.execution.bridge import on_background_loop
from qstore.execution.executor.safety import nothing_sent

if TYPE_CHECKING:
    from qstore.execution.executor.dispatcher import Dispatcher
    from qstore.execution.executor.work import Work

__all__ = ["Handle", "Told", "tell"]

PENDING, DONE, FAILED, CANCELLED = range(4)
_WORDS = ("pending", "done", "failed", "cancelled")


class Told(NamedTuple):
    """Who is told that a handle has settled: the loop to do it on (None: at once), what to call, and with what.

    What somebody waits for goes on; a mere callback, which does not wait, keeps nothing going.
    """

    loop: asyncio.AbstractEventLoop | None
    call: Callable[[Any], object]
    argument: Any
    waits: bool = True


class Handle:
    """The result of a submission, now or later.

    Made by `AsyncQuantumExecutor.submit`; its attributes are the dispatcher's. Cancelling a task that awaits it cancels it too, unless somebody else waits
    for it (`asyncio.shield(handle)` keeps it).
    """

    __slots__ = ("_dispatcher", "state", "timer", "told", "value", "work")

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.work: Work | None = None
        self.state = PENDING
        self.value: Any = None
        self.told: list[Told] | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def perhaps_paid(self) -> bool:
        """Whether anything of it may have been paid for, if its backend is paid."""
        if self.state == DONE:
            return bool(getattr(self.value, "billed_usd", None) != 0)
        if self.state == FAILED:
            return not nothing_sent(self.value)
        return self.work is not None and self.work.taken > 0

    def done(self) -> bool:
        """Whether it has settled: has a result or an error, or was cancelled."""
        return self.state != PENDING

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.state == CANCELLED

    def cancel(self) -> bool:
        """Give up: what waits is not sent, what is under way is abandoned once nobody wants any of it.

        Returns:
            Whether that came in time; False when it had settled.
        """
        return self._dispatcher.cancel(self)

    def result(self, timeout: float | None = None) -> BatchResult:
        """Wait, in any thread, and return the result.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it has not settled by then; it goes on.
            concurrent.futures.CancelledError: it was cancelled.
            ExecutionError: called on qstore's own event loop, which would wait for itself for ever.
            QStoreError: what went wrong with it.
        """
        self._wait(timeout)
        return self._outcome(CancelledError)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait as `result` does, and return what went wrong, or None."""
        self._wait(timeout)
        if self.state == CANCELLED:
            raise CancelledError
        return self.value if self.state == FAILED else None

    def add_done_callback(self, call: Callable[[Handle], object]) -> None:
        """Have `call(handle)` made when it settles, on the event loop that runs here, else on qstore's own thread.

        It should be quick, and must not wait for other results there. It does not keep the work going: that ends when
        nobody waits for it.
        """
        told = Told(_running_loop(), call, self, waits=False)
        if not self._dispatcher.tell_later(self, told):
            tell([told])

    def call_when_done(
        self, loop: asyncio.AbstractEventLoop | None, call: Callable[[Handle], object]
    ) -> Callable[[], object]:
        """As `add_done_callback`, for somebody who waits: on that loop, or on whichever thread settles it.

        Returns:
            What ends the waiting.
        """
        told = Told(loop, call, self)
        if self._dispatcher.tell_later(self, told):
            self._dispatcher.hurry(loop)
        else:
            tell([told])
        return lambda: self._dispatcher.forget(self, told)

    def __await__(self) -> Generator[Any, None, BatchResult]:
        if self.state == PENDING:
            loop = asyncio.get_running_loop()
            waiter = loop.create_future()
            told = Told(loop, _wake, waiter)
            if self._dispatcher.tell_later(self, told):
                self._dispatcher.hurry(loop)
                try:
                    yield from waiter
                except asyncio.CancelledError:
                    if self._dispatcher.forget(self, told):
                        self.cancel()
                    raise
        return self._outcome(asyncio.CancelledError)

    def _wait(self, timeout: float | None) -> None:
        if self.state != PENDING:
            return
        if on_background_loop():
            raise ExecutionError(
                "A blocking call was made on qstore's own event loop; await the handle there instead."
            )
        event = threading.Event()
        told = Told(None, _set, event)
        if self._dispatcher.tell_later(self, told):
            self._dispatcher.hurry(None)
            try:
                if not event.wait(timeout):
                    raise TimeoutError(f"The result is not there after {timeout:g} s; the work goes on.")
            finally:
                self._dispatcher.forget(self, told)

    def _outcome(self, cancelled: type[BaseException]) -> BatchResult:
        if self.state == DONE:
            found: BatchResult = self.value
            return found
        if self.state == CANCELLED:
            raise cancelled
        error: BaseException = self.value
        # As it was: every raise would otherwise add its own frames to one exception that many share.
        raise error.with_traceback(None)

    def __repr__(self) -> str:
        what = f": {self.value!r}" if self.state in {DONE, FAILED} else ""
        return f"<Handle {_WORDS[self.state]}{what}>"


def tell(all_told: Iterable[Told]) -> None:
    """Tell everybody, each loop once."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[Told]] = defaultdict(list)
    for told in all_told:
        by_loop[told.loop].append(told)
    for loop, some in by_loop.items():
        if loop is None:
            _call(some)
            continue
        try:
            loop.call_soon_threadsafe(_call, some)
        except RuntimeError:
            continue  # that loop is closed: nobody waits there any more


def _call(some: Iterable[Told]) -> None:
    end: BaseException | None = None
    for told in some:
        try:
            told.call(told.argument)
        except BaseException as exc:  # a user's callback must not keep the others from being told
            import logging

            logging.getLogger(__name__).exception("A callback of a handle failed.")
            if isinstance(exc, (SystemExit, KeyboardInterrupt)):
                end = exc
    if end is not None and not on_background_loop():
        raise end  # a user's own loop ends as it would by any other callback of his


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _set(event: threading.Event) -> None:
    event.set()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
