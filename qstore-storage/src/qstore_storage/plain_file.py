# SPDX-License-Identifier: Apache-2.0
"""Reading a file that anybody may have put there: no link is followed, no pipe waited for, nothing endless read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["read_plain"]

# Without O_NONBLOCK a pipe in the place of a file would wait for a writer.
_FLAGS = os.O_RDONLY
for _name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NONBLOCK"):
    _FLAGS |= getattr(os, _name, 0)


def read_plain(path: Path, limit: int) -> bytes:
    """The content of a plain file.

    Args:
        path: the file.
        limit: the most bytes that are read.

    Raises:
        OSError: it cannot be read, or is a link.
        ValueError: it is a folder, a pipe or a device, or longer than the limit; says which.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} is no plain file.")
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if found.st_size > limit:
            raise ValueError(f"{path} has {found.st_size} bytes, at most {limit} were expected.")
        return file.readall()
