# SPDX-License-Identifier: Apache-2.0
"""A word to people who wait: the kernels are compiled once per installation, which takes up to a minute.

Whether that is the case shows only in the time it takes, so a timer speaks up when a first call is slow. The message is
a log record of the level WARNING, which Python shows on stderr unless logging is set up otherwise.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

__all__ = ["announced", "first_call"]

log = logging.getLogger("qstore.sim")
PATIENCE_S = 2.0
"""Loading compiled kernels from disk takes a fraction of this."""
MESSAGE = (
    "Compiling the simulator's kernels; this takes up to a minute and happens once per installation. "
    "If you see it at every start, no cache folder can be written: set NUMBA_CACHE_DIR to one that can."
)

_done: set[Hashable] = set()


def announced(kernels: Hashable) -> bool:
    """Whether the first call of these kernels in this process is over."""
    return kernels in _done


@contextmanager
def first_call(kernels: Hashable) -> Iterator[None]:
    """Announce the wait if the first call of these kernels in this process turns out to be slow."""
    if announced(kernels):
        yield
        return
    timer = threading.Timer(PATIENCE_S, log.warning, (MESSAGE,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    _done.add(kernels)
