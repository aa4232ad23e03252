# SPDX-License-Identifier: Apache-2.0
"""Where checkpoints lie: what the manager needs of a place, local (`local`) or on an object store (`remote`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from qstore.errors import QStoreError, StorageError
from qstore_storage.checkpoints.manifest import FileEntry

__all__ = ["Place", "Stage", "digest", "storing"]

Parts = Iterable[bytes | memoryview]


class Stage(Protocol):
    """A checkpoint that nobody sees yet."""

    @property
    def data(self) -> str:
        """The folder below the checkpoint's own that its files go to; "" for none."""

    @property
    def token(self) -> str:
        """What another process needs for `Place.join`."""

    def write(self, name: str, parts: Parts) -> FileEntry:
        """Write one file."""

    def sync(self) -> None:
        """Return when everything written is on the disk."""

    def missing(self, files: Iterable[tuple[str, FileEntry]]) -> list[str]:
        """The files of other processes that are not there with their size."""

    def publish(self, manifest: bytes) -> None:
        """Make it visible, all at once.

        Raises:
            AlreadyStored: the step has a checkpoint; nothing was changed.
        """

    def discard(self) -> None:
        """Forget it."""


class Place(Protocol):
    """A folder of checkpoints."""

    def steps(self) -> list[int]:
        """Steps that have something of the form of a checkpoint, in order."""

    def stage(self, step: int) -> Stage:
        """Begin a checkpoint."""

    def join(self, step: int, token: str) -> Stage:
        """Write into the stage of another process; only that one publishes and discards it."""

    def read(self, step: int, name: str, limit: int) -> bytes:
        """The content of one file of a checkpoint.

        Raises:
            NotStored: it is not there.
            CheckpointCorrupt: it is no plain file of at most that many bytes.
        """

    def remove(self, step: int) -> None:
        """Remove a checkpoint; at no moment can half of it be loaded."""

    def sweep(self, before: int) -> None:
        """Remove what processes that died left of unpublished checkpoints; `before` is the oldest step that is kept."""


def digest(parts: Parts) -> FileEntry:
    """Size and SHA-256 of a file's content."""
    found, size = hashlib.sha256(), 0
    for part in parts:
        found.update(part)
        size += len(part)
    return FileEntry(size, found.hexdigest())


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Turn what an operating system or a service reports into a StorageError.

    Raises:
        StorageError: with the reason, and what holds now.
    """
    try:
        yield
    except QStoreError:
        raise
    except OSError as exc:
        raise StorageError(f"{what}: {exc.strerror or exc}. What was stored before is untouched.") from exc
