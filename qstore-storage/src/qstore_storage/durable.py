# SPDX-License-Identifier: Apache-2.0
"""Bringing files and the names in folders to the disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["sync_descriptor", "sync_folder"]


def sync_descriptor(descriptor: int) -> None:
    """Return when the content of an open file is on the disk.

    Raises:
        OSError: it cannot be written.
    """
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync stops at the drive's cache there
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk; Windows does so by itself and cannot be asked.

    A folder that is a link is the one that it leads to: people link runs to larger disks.

    Raises:
        OSError: it cannot be opened or written.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)
