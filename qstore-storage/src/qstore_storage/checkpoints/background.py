# SPDX-License-Identifier: Apache-2.0
"""One thread that writes, one job after another, behind a queue of bounded length.

What goes wrong there is raised by the next call in front. Jobs that are queued when the program ends without closing are
still done: Python waits for the threads of a pool before it tears itself down.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from qstore.errors import OptionError

__all__ = ["BackgroundWriter"]


class BackgroundWriter:
    """Runs jobs in order in a thread of its own.

    Args:
        queue_size: jobs that may wait behind the one that runs.

    Raises:
        OptionError: less than 0.
    """

    def __init__(self, queue_size: int) -> None:
        if type(queue_size) is not int or queue_size < 0:
            raise OptionError(f"queue_size must be a whole number from 0, got {queue_size!r}.")
        self._size = queue_size + 1
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="qstore-checkpoints")
        self._slots = threading.BoundedSemaphore(self._size)
        self._lock = threading.Lock()
        self._errors: list[BaseException] = []
        self._jobs: list[Future[None]] = []

    def reserve(self) -> None:
        """Wait for room for one job; `put` or `release` must follow."""
        if self._pid != os.getpid():
            self._start()  # a forked child: the thread, its jobs and its errors are the parent's
        self._slots.acquire()

    def release(self) -> None:
        """Give back what was reserved."""
        self._slots.release()

    def put(self, job: Callable[..., None], *arguments: Any) -> None:
        """Queue a job for what was reserved."""
        with self._lock:
            self._jobs = [each for each in self._jobs if not each.done()]
            self._jobs.append(self._pool.submit(self._run, job, *arguments))

    def _run(self, job: Callable[..., None], *arguments: Any) -> None:
        try:
            job(*arguments)
        except BaseException as exc:  # noqa: BLE001  # the thread goes on; the next call in front raises it
            with self._lock:
                self._errors.append(exc)
        finally:
            self._slots.release()

    @property
    def queued(self) -> int:
        """Jobs that are not done."""
        if self._pid != os.getpid():
            return 0
        with self._lock:
            return sum(not each.done() for each in self._jobs)

    def settle(self) -> None:
        """Return when every job is done, well or not."""
        if self._pid != os.getpid():
            return
        with self._lock:
            jobs = list(self._jobs)
        for each in jobs:
            each.result()

    def raise_errors(self) -> None:
        """Raise what went wrong since the last time; of several the first, which tells how many there are."""
        if self._pid != os.getpid():
            return
        with self._lock:
            errors, self._errors = self._errors, []
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"And after it: {type(other).__name__}: {other}")
            raise errors[0]

    def stop(self) -> None:
        """End the thread when its jobs are done."""
        if self._pid == os.getpid():
            self._pool.shutdown(wait=True)
