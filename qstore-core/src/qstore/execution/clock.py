# SPDX-License-Identifier: Apache-2.0
"""The clocks that waiting goes by: monotonic for deadlines, which no change of the wall clock moves; wall time for records."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "Deadline", "SystemClock"]


class Clock(Protocol):
    """What tells the time and waits; tests bring one that does not wait."""

    def monotonic(self) -> float:
        """Seconds from some start, never going back."""

    def time(self) -> float:
        """Seconds of wall time since 1970, for records only."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clocks.

    Example:
        >>> SystemClock().monotonic() <= SystemClock().monotonic()
        True
    """

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # 20 ms, and whoever awaits this has it

        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


class Deadline:
    """A moment on a monotonic clock, or never.

    Example:
        >>> Deadline(SYSTEM_CLOCK, None).left_s()
        inf
    """

    __slots__ = ("_at", "_clock")

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._at = float("inf") if seconds is None else clock.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds left; not below zero."""
        return max(self._at - self._clock.monotonic(), 0.0)
