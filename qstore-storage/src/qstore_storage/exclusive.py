# SPDX-License-Identifier: Apache-2.0
"""One process at a time, for as long as a folder is put in order; the lock goes with its holder, however that ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qstore.errors import StorageError
from qstore.execution.file_lock import FileLock

__all__ = ["exclusively"]

PATIENCE_S = 60.0


@contextmanager
def exclusively(path: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock on a file, which is made where it is missing.

    Raises:
        StorageError: it cannot be taken, or another process held it all the time.
    """
    try:
        lock = FileLock.waited_for(path, patience_s)
    except TimeoutError as exc:
        raise StorageError(str(exc)) from exc
    except OSError as exc:
        raise StorageError(
            f"The lock {path} cannot be taken: {exc.strerror or exc}. Its folder must be writable."
        ) from exc
    try:
        yield
    finally:
        lock.release()
