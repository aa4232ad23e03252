# SPDX-License-Identifier: Apache-2.0
"""What happens to executors when the process forks or ends: nothing hangs, nobody waits for ever."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from typing import Protocol

__all__ = ["at_fork_and_exit"]

EXIT_S = 2.0
"""How long the end of the interpreter waits for requests to be cancelled, all executors together."""


class _Ends(Protocol):
    def after_fork(self) -> None:
        """In a forked child."""

    def at_exit(self, timeout_s: float) -> None:
        """Cancel everything, waiting for so long at most."""


_open: weakref.WeakSet[_Ends] = weakref.WeakSet()


def at_fork_and_exit(each: _Ends) -> None:
    """From now on, as long as it lives, it is told."""
    _open.add(each)


def _after_fork() -> None:
    for each in list(_open):
        each.after_fork()


def _at_exit() -> None:
    until = time.monotonic() + EXIT_S
    for each in list(_open):
        each.at_exit(max(until - time.monotonic(), 0.0))


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
