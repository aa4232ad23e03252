# SPDX-License-Identifier: Apache-2.0
"""Locks between processes that the operating system releases when their holder dies, however it dies.

The lock is on an open file (`flock`; a byte range on Windows), so a process that is killed leaves nothing behind but an
unlocked file. A forked child closes its copies at once: it holds none of its parent's locks, and keeps none alive.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qstore.errors import ExecutionError

__all__ = ["FileLock", "holding"]

_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


class FileLock:
    """A lock that is held; `FileLock.taken` takes it or says that another holds it."""

    __slots__ = ("__weakref__", "_descriptor", "path")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def taken(cls, path: Path) -> FileLock | None:
        """The lock on the file, which is made where it is missing; None when another holds it.

        Raises:
            OSError: the file cannot be opened.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        if _lock(descriptor) and _is_still_there(path, descriptor):
            return cls(path, descriptor)
        os.close(descriptor)
        return None

    @classmethod
    def waited_for(cls, path: Path, timeout_s: float) -> FileLock:
        """The lock on the file, once others have let go of it.

        Raises:
            TimeoutError: others held it all the time.
            OSError: the file cannot be opened.
        """
        deadline = time.monotonic() + timeout_s
        pause = 0.0005
        while True:
            lock = cls.taken(path)
            if lock is not None:
                return lock
            if time.monotonic() > deadline:
                raise TimeoutError(f"Another process has been holding {path} for {timeout_s:.0f} s.")
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def release(self) -> None:
        """Give it up; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # which unlocks, as nobody else has this open file


@contextmanager
def holding(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock on a file, waiting for others.

    Raises:
        ExecutionError: others held it all the time, or the file cannot be opened.
    """
    try:
        lock = FileLock.waited_for(path, timeout_s)
    except TimeoutError as exc:
        raise ExecutionError(str(exc)) from exc
    except OSError as exc:
        raise ExecutionError(
            f"The lock {path} cannot be taken: {exc}. Set QSTORE_HOME to a folder that can be written."
        ) from exc
    try:
        yield
    finally:
        lock.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _is_still_there(path: Path, descriptor: int) -> bool:
    # Whoever held it may have removed the file between our opening and our locking it.
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _after_fork() -> None:
    for lock in list(_held):
        with suppress(OSError):
            lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
