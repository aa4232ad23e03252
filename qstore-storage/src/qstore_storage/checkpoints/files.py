# SPDX-License-Identifier: Apache-2.0
"""The operations on a local file system that a checkpoint is made of, one method each.

Tests put another object in their place: one that ends the process at an operation, records them, or lets them fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from qstore.errors import CheckpointCorrupt
from qstore_storage.durable import sync_descriptor, sync_folder
from qstore_storage.plain_file import read_plain

__all__ = ["LocalFiles"]

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class LocalFiles:
    """Files and folders as the operating system has them. All methods raise OSError."""

    def make_folder(self, path: Path) -> None:
        """Make a folder that is not there."""
        path.mkdir()

    def write(self, path: Path, parts: Iterable[bytes | memoryview]) -> None:
        """Make a file that is not there, with this content; it is not on the disk before `sync_file`."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o666)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[file.write(rest) or 0 :]

    def sync_file(self, path: Path) -> None:
        """Return when the content of a file is on the disk."""
        descriptor = os.open(path, os.O_RDWR | _NO_LINKS)
        try:
            sync_descriptor(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in a folder are on the disk."""
        sync_folder(path)

    def rename(self, source: Path, target: Path) -> None:
        """Give a folder another name, which no other folder with something in it has."""
        source.rename(target)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder with everything in it."""
        shutil.rmtree(path)

    def read(self, path: Path, limit: int) -> bytes:
        """The content of a plain file.

        Raises:
            CheckpointCorrupt: it is a link, a folder or a device, or longer than the limit.
        """
        try:
            return read_plain(path, limit)
        except ValueError as exc:
            raise CheckpointCorrupt(str(exc)) from exc
