# SPDX-License-Identifier: Apache-2.0
"""What concurrent calls share, whichever threads and event loops they are on: slots, and one flight per job.

asyncio's own primitives belong to one loop, and a user's loop and the background loop may run jobs at the same time. So
these are built of futures that any loop can wait for.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qstore.execution.jobs.contract import Finished

__all__ = ["Flights", "Slots"]


class Slots:
    """At most so many at a time, first come, first served."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    @asynccontextmanager
    async def one(self, timeout_s: float | None = None) -> AsyncIterator[None]:
        """Hold a slot, waiting for it.

        Raises:
            TimeoutError: none was free in time.
        """
        await self._take(timeout_s)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, timeout_s: float | None) -> None:
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            turn: Future[None] = Future()
            turn.set_running_or_notify_cancel()
            self._waiting.append(turn)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wrap_future(turn)
        except BaseException:
            with self._lock:
                waiting = turn in self._waiting
                if waiting:
                    self._waiting.remove(turn)
            if not waiting:
                self._give_back()  # it was our turn already
            raise

    def _give_back(self) -> None:
        with self._lock:
            turn = self._waiting.popleft() if self._waiting else None
            if turn is None:
                self._free += 1
        if turn is not None:
            turn.set_result(None)


class Flights:
    """Who is at a job already: one leads, the others wait for what comes of it."""

    def __init__(self) -> None:
        self._open: dict[str, Future[Finished | None]] = {}
        self._lock = threading.Lock()

    def board(self, tag: str) -> tuple[Future[Finished | None], bool]:
        """The flight of a job, and whether the caller leads it and has to land it."""
        with self._lock:
            flight = self._open.get(tag)
            if flight is not None:
                return flight, False
            flight = self._open[tag] = Future()
            flight.set_running_or_notify_cancel()
            return flight, True

    def land(self, tag: str, outcome: Finished | Exception | None) -> None:
        """End a flight with its result or its error; with None, somebody else has to take over."""
        with self._lock:
            flight = self._open.pop(tag)
        if isinstance(outcome, Exception):
            flight.set_exception(outcome)
        else:
            flight.set_result(outcome)
