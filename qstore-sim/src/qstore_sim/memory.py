# SPDX-License-Identifier: Apache-2.0
"""How much memory there is, and arrays on cache-line boundaries. Sizes are bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import ResourceError

ALIGNMENT = 64
_UNCHECKED = 1 << 28
"""Requests below 256 MiB are not held against the free memory: looking costs more than the small runs themselves."""
_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")


def available_bytes() -> int:
    """Memory that can still be used, by the system and by this process's control groups.

    Files that are only cached count as free: the kernel drops them when memory is asked for.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # not Linux: the first figure stands
    return max(0, min([free, *_left_in_groups()]))


def _left_in_groups() -> Iterator[int]:
    """What each control group above this process leaves; version 2 in one tree, version 1 in that of `memory`."""
    try:
        lines = _MEMBERSHIP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, used, cached = _ROOT, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, limit, used, cached = (
                _ROOT / "memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        else:
            continue
        # In a container the path is the host's: then the group is the root of what is seen.
        group = root / path.lstrip("/")
        while True:
            left = _left(group, limit, used, cached)
            if left is not None:
                yield left
            if group == root or root not in group.parents:
                break
            group = group.parent


def _left(group: Path, limit: str, used: str, cached: str) -> int | None:
    try:
        most = int((group / limit).read_text())  # "max" is no number: no limit
        now = int((group / used).read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return most - now + int(stat.get(cached, 0))
    except (OSError, ValueError):
        return None


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
