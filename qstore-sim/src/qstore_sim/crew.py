# SPDX-License-Identifier: Apache-2.0
"""The process's helping threads, one crew per precision.

They are plain Python threads around a kernel that releases the GIL: safe in any number of callers, in forked workers
and inside other thread pools, where numba's own threading layers are not. A crew helps one caller at a time; another
caller meanwhile works alone, so that no more threads than asked for ever compute.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_sim.kernels import crew
from qstore_sim.program.layout import GradientArrays, Inputs

_NOBODY = np.zeros((0, crew.MAILBOX_SIZE), dtype=np.int64)
_NUMBERS = np.zeros(0, dtype=np.int64)
_SEATS = np.zeros((0, 0), dtype=np.int64)
_TABLE = np.zeros((0, 0))
_INPUTS = Inputs(np.zeros(0), _TABLE, _NUMBERS, _TABLE, _TABLE, _TABLE, _NUMBERS)
NO_GRADIENTS = GradientArrays(_TABLE, _TABLE, _TABLE)
_crews: dict[tuple[int, str], Crew] = {}
MOST_HELPERS = 64


class Crew:
    """Helpers for runs in one precision.

    Args:
        dtype: of the state, float32 or float64.
    """

    def __init__(self, dtype: Any) -> None:
        self._like = np.zeros(1, dtype=dtype)
        self._lock = threading.Lock()
        self._mail = np.zeros((MOST_HELPERS, crew.MAILBOX_SIZE), dtype=np.int64)
        self._alarms: list[threading.Event] = []

    def run(self, count: int, seats: NDArray[np.int64], *arguments: Any) -> None:
        """`kernels.crew.run` with up to `count` helpers; the arguments are those after the mailboxes."""
        if count == 0 or not self._lock.acquire(blocking=False):  # the crew is helping somebody else
            crew.run(self._like, _NUMBERS, seats, _NOBODY, *arguments)
            return
        try:
            mail = self._mail[: min(count, MOST_HELPERS)]
            while len(self._alarms) < len(mail):
                self._hire()
            for number in range(len(mail)):
                if not mail[number, crew.AWAKE]:
                    self._alarms[number].set()
            crew.run(self._like, _NUMBERS, seats, mail, *arguments)
        finally:
            self._lock.release()

    def _hire(self) -> None:
        number, alarm = len(self._alarms), threading.Event()
        self._alarms.append(alarm)
        arguments = (self._like, self._mail[number], alarm)
        threading.Thread(target=_serve, args=arguments, name=f"qstore-sim-{number}", daemon=True).start()


def _serve(like: NDArray[Any], box: NDArray[np.int64], alarm: threading.Event) -> None:
    while True:
        alarm.wait()
        alarm.clear()
        crew.run(like, box, _SEATS, _NOBODY, False, _INPUTS, _NUMBERS, 0, -1, _TABLE, NO_GRADIENTS, _SEATS)


def crew_for(dtype: np.dtype[Any]) -> Crew:
    """This process's crew; a forked child has none of its parent's threads and gets one of its own."""
    key = os.getpid(), dtype.char
    found = _crews.get(key)
    return found if found is not None else _crews.setdefault(key, Crew(dtype))
