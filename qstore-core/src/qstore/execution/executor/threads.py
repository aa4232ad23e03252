# SPDX-License-Identifier: Apache-2.0
"""Threads for local backends: their blocking calls leave the event loop free, and never keep the interpreter from ending.

Python waits at its end for the threads of `asyncio.to_thread` and for everything that is queued for them; these here are
daemons. A call that has begun cannot be stopped: whoever is cancelled meanwhile still waits for it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["DaemonThreads"]

Result = TypeVar("Result")


class DaemonThreads:
    """At most so many threads, started as they are needed.

    Example:
        >>> threads = DaemonThreads(2)
        >>> asyncio.run(threads.call(pow, 2, 10))
        1024
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._started = 0
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = (
            queue.SimpleQueue()
        )

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What a function returns or raises, called in one of the threads."""
        future: Future[Result] = Future()
        self._calls.put((future, function, arguments))
        with self._lock:
            if self._started < self._number:
                self._started += 1
                name = f"qstore-worker-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not future.cancel():
                await asyncio.wait([waiting])
                if not waiting.cancelled():
                    waiting.exception()  # seen: nobody else will ask
            raise

    def _work(self) -> None:
        while True:
            future, function, arguments = self._calls.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function(*arguments)
            except BaseException as exc:  # noqa: BLE001  # whoever waits gets it, whatever it is
                future.set_exception(exc)
            else:
                future.set_result(result)
                del result
            del future, function, arguments  # an idle thread keeps nothing alive
