# SPDX-License-Identifier: Apache-2.0
"""How many qubits this machine's memory takes, whether it is free at the moment or not. Sizes are bytes.

What is declared does not change from one run to the next; a run that does not fit into what is free just then is refused by
`memory.check_memory`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

__all__ = ["largest_state", "total_bytes"]

_COPIES = 4
"""A library holds a state, a scratch copy and what it returns, and we the result."""
_GROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_UNKNOWN = 1 << 33
"""Where a system does not say how much memory it has."""


@cache
def total_bytes() -> int:
    """The machine's memory, or its container's share."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        total = _UNKNOWN
    for limit in _GROUP_LIMITS:
        try:
            total = min(total, int(limit.read_text()))  # "max" is no number: no limit
        except (OSError, ValueError):
            continue
    return total


def largest_state(most_qubits: int, amplitude_bytes: int) -> int:
    """The qubits of the largest state that memory holds with its copies, at most `most_qubits`.

    Example:
        >>> largest_state(5, 16)
        5
    """
    amplitudes = total_bytes() // (_COPIES * amplitude_bytes)
    return max(1, min(most_qubits, amplitudes.bit_length() - 1))
