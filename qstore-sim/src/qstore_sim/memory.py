# SPDX-License-Identifier: Apache-2.0
"""How much memory there is, and arrays on cache-line boundaries. Sizes are bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import ResourceError

ALIGNMENT = 64
_UNCHECKED = 1 << 28
"""Requests below 256 MiB are not held against the free memory: looking costs more than the small runs themselves."""
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Memory that can still be used, by the system and by this process's control group."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int((_CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no /proc or no control group: the first figure stands
    return max(free, 0)


def check_memory(needed: int, what: str) -> None:
    """Raise ResourceError if `needed` bytes are not there."""
    if needed < _UNCHECKED:
        return
    available = available_bytes()
    if needed > available:
        raise ResourceError(
            f"{what} needs {needed / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are available. Use fewer qubits or a "
            "smaller batch."
        )


def aligned(count: int, dtype: Any) -> NDArray[Any]:
    """An uninitialised array of `count` numbers that starts on a cache line."""
    size = count * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype)
