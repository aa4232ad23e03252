# SPDX-License-Identifier: Apache-2.0
"""A clock that does not wait: when everybody sleeps, it jumps to the moment at which the first one wakes."""

import asyncio
import time

START_S = 1_800_000_000.0
REAL_S = 0.0002
"""Real seconds that others get to finish what they are at before time jumps."""


class FakeClock:
    """Monotonic and wall time that pass only in `sleep`; `wall_shift_s` is a wall clock that somebody sets."""

    def __init__(self, real_s=REAL_S):
        self.now = 0.0
        self.real_s = real_s
        self.wall_shift_s = 0.0
        self.slept = []
        self._wakes = []

    def monotonic(self):
        return self.now

    def time(self):
        return START_S + self.now + self.wall_shift_s

    def true_time(self):
        """The time of the world, which no setting of a clock changes."""
        return START_S + self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        wake = self.now + seconds
        self._wakes.append(wake)
        try:
            while self.now < wake:
                # Some real time passes, so that what others are doing does not seem to take hours.
                until = time.perf_counter() + self.real_s
                while time.perf_counter() < until and self.now < wake:  # noqa: ASYNC110  # the others' sleep is waited for
                    await asyncio.sleep(0)
                if wake == min(self._wakes):
                    self.now = max(self.now, wake)
            await asyncio.sleep(0)
        finally:
            self._wakes.remove(wake)
