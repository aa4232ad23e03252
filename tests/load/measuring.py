# SPDX-License-Identifier: Apache-2.0
"""Gauges that run beside a load: how late an event loop is, and how much memory the process takes."""

import asyncio
import os
import time
from pathlib import Path

import numpy as np

from qstore.execution.bridge import background_loop

PERIOD_S = 0.01


class Lag:
    """How late an event loop comes round, while in a `with` block of either kind of loop; seconds."""

    def __init__(self, loop):
        self.loop = loop
        self.late = []
        self._stopped = False

    async def _tick(self):
        while not self._stopped:
            due = time.perf_counter() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            self.late.append(time.perf_counter() - due)

    def start(self):
        self._task = asyncio.run_coroutine_threadsafe(self._tick(), self.loop)
        return self

    def stop(self):
        self._stopped = True
        return self

    def percentile(self, percent):
        return float(np.percentile(self.late or [0.0], percent))


def lags():
    """Of the loop that runs here, and of qstore's own."""
    return [Lag(asyncio.get_running_loop()).start(), Lag(background_loop()).start()]


def resident_bytes():
    """Memory of this process now; without collecting first, which would itself hold up the event loops."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def slope(samples):
    """Bytes per circuit, by least squares over (circuits, bytes), the first fifth of them left out."""
    some = np.array(samples[len(samples) // 5 :], dtype=float)
    return float(np.polyfit(some[:, 0], some[:, 1], 1)[0]) if len(some) > 2 else 0.0
