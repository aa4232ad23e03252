# SPDX-License-Identifier: Apache-2.0
"""The operations on a local file system that a checkpoint is made of, one method each.

Tests put another object in their place: one that ends the process at an operation, records them, or lets them fail.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from qstore.errors import CheckpointCorrupt

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
            _sync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in a folder are on the disk."""
        if sys.platform == "win32":
            return  # it has no such call; names are journalled
        descriptor = os.open(path, os.O_RDONLY | _NO_LINKS)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)

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
        # Without O_NONBLOCK a pipe in the place of a file would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | _NO_LINKS | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise CheckpointCorrupt(f"{path} is no plain file.")
            if found.st_size > limit:
                raise CheckpointCorrupt(f"{path} has {found.st_size} bytes, at most {limit} were expected.")
            return file.readall()


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync stops at the drive's cache there
    else:
        os.fsync(descriptor)
