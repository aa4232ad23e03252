# SPDX-License-Identifier: Apache-2.0
"""One process at a time, for as long as a folder is put in order; the lock goes with its holder, however that ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qstore.errors import StorageError
from qstore.execution.file_lock import FileLock

__all__ = ["exclusively"]

PATIENCE_S = 60.0
_PAUSE_S = 0.005


@contextmanager
def exclusively(path: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock on a file, which is made where it is missing.

    Raises:
        StorageError: it cannot be taken, or another process held it all the time.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            lock = FileLock.taken(path)
        except OSError as exc:
            raise StorageError(
                f"The lock {path} cannot be taken: {exc.strerror or exc}. Its folder must be writable."
            ) from exc
        if lock is not None:
            break
        if time.monotonic() > deadline:
            raise StorageError(f"Another process has been holding {path} for {patience_s:.0f} s.")
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        lock.release()
