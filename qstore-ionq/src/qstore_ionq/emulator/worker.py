# SPDX-License-Identifier: Apache-2.0
"""The thread that simulates, so that the server's thread can answer while it does."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence

from qstore_ionq.emulator.simulation import Failed, Outcome, Simulator, Task

__all__ = ["Worker"]

_PATIENCE_S = 5.0
"""How long the end of an emulator waits for a simulation; a longer one is abandoned."""


class Worker:
    """Simulates tasks one submission after the other.

    Args:
        finished: called with each result on the loop that `start` was called on.
    """

    def __init__(self, simulator: Simulator, finished: Callable[[Outcome | Failed], None]) -> None:
        self._simulator = simulator
        self._finished = finished
        self._tasks: queue.SimpleQueue[Sequence[Task] | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        # A daemon: a program that ends does not wait for a job of hours.
        self._thread = threading.Thread(target=self._run, name="qstore-emulator-simulator", daemon=True)

    def start(self) -> None:
        """Load the kernels in the background; results go to the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, tasks: Sequence[Task]) -> None:
        """Simulate tasks when their turn comes."""
        if tasks:
            self._tasks.put(tasks)

    def stop(self) -> None:
        """Leave what has not begun."""
        self._stopped.set()
        self._tasks.put(None)
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        self._simulator.warm_up()
        while (tasks := self._tasks.get()) is not None:
            for result in self._simulator.run(tasks):
                if self._stopped.is_set():
                    return
                assert self._loop is not None
                with contextlib.suppress(RuntimeError):  # the loop was closed in this very moment
                    self._loop.call_soon_threadsafe(self._finished, result)
