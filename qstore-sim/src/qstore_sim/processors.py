# SPDX-License-Identifier: Apache-2.0
"""How many processors this process may keep busy."""

from __future__ import annotations

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu")


def processors() -> int:
    """The processors that this process may run on, or fewer if its container's share of time is smaller."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        count = os.cpu_count() or 1
    share = _share()
    return count if share is None else max(1, min(count, round(share)))


def _share() -> float | None:
    """Processors' worth of time that the container gets, None without a limit."""
    try:
        if _QUOTA.exists():
            quota, period = _QUOTA.read_text().split()
        else:
            quota = (_QUOTA_V1 / "cpu.cfs_quota_us").read_text()
            period = (_QUOTA_V1 / "cpu.cfs_period_us").read_text()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # "max": no limit
        return None
