# SPDX-License-Identifier: Apache-2.0
"""From sync callers to async code: one background event-loop thread per process.

It works inside a running loop (notebooks), in any thread (autograd's own included) and after a fork: a child gets a
loop of its own. Local backends with a synchronous twin never come here.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from qstore.errors import ExecutionError

__all__ = ["background_loop", "on_background_loop", "wait_for"]

Result = TypeVar("Result")
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_pid: int | None = None


def wait_for(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the background loop and return its result; an interrupt cancels it.

    Raises:
        ExecutionError: called on the background loop itself, which would wait for itself for ever.
    """
    loop = background_loop()
    if on_background_loop():
        coroutine.close()
        raise ExecutionError(
            "A blocking call was made on qstore's own event loop; use the *_async twin there."
        )
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def on_background_loop() -> bool:
    """Whether this is the thread of qstore's own event loop, where nothing may block."""
    return threading.current_thread() is _thread


def background_loop() -> asyncio.AbstractEventLoop:
    """This process's own event loop, started if it is not running yet."""
    global _loop, _thread, _pid  # noqa: PLW0603  # one loop per process is the point
    with _lock:
        if _loop is None or _pid != os.getpid():
            _loop, _pid = asyncio.new_event_loop(), os.getpid()
            _thread = threading.Thread(target=_serve, args=(_loop,), name="qstore-event-loop", daemon=True)
            _thread.start()
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        try:
            loop.run_forever()
        except (
            BaseException
        ):  # SystemExit in a backend's task ends a loop; everybody else here would wait for ever
            import logging

            logging.getLogger(__name__).exception("Something tried to end qstore's own event loop.")
        else:
            return


def _after_fork() -> None:
    # The parent's thread may have held the lock at the moment of the fork.
    global _lock  # noqa: PLW0603  # see above
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
