# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about an emulator, and the clock that it lives by.

Waiting times (queue, run) are divided by `speed`; time stamps are the wall clock's, shifted by `clock_offset_s`;
durations in job objects are those of the machine that is played.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from qstore.errors import OptionError
from qstore_ionq.emulator.prices import PRICE_LISTS

__all__ = ["Clock", "Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an emulator behaves.

    Attributes:
        seed: makes job ids and measured outcomes repeat; None draws them afresh.
        strict: refuse everything that the published schema does not list, with 400 and `validation.keys`.
        speed: seconds of the machine for one second of yours; `inf` for jobs that finish as soon as they are simulated.
        queue_s: how long a job waits, in seconds of the machine; None for each device's own.
        latency_s: added to every request.
        prices: a name of `PRICE_LISTS`.
        api_key: the only key that is accepted; None accepts every key, but not a missing one.
        database: file that keeps jobs over restarts; None keeps them in memory.
        qpu_noise: whether machines are as noisy as their models; False makes them ideal but still shot by shot.
        rate_limit: requests per second before 429; None for no limit.
        page_size: most jobs in one page of a listing.
        clock_offset_s: how far the service's clock is ahead of this computer's.
        max_outcomes: a result with more different outcomes fails the job instead of filling the memory.
        log_size: how many requests are remembered.
    """

    seed: int | None = None
    strict: bool = False
    speed: float = 1000.0
    queue_s: float | None = None
    latency_s: float = 0.0
    prices: str = "azure"
    api_key: str | None = field(default=None, repr=False)
    database: str | Path | None = None
    qpu_noise: bool = True
    rate_limit: float | None = None
    page_size: int = 100
    clock_offset_s: float = 0.0
    max_outcomes: int = 1 << 20
    log_size: int = 100_000

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:
                raise OptionError(f"{name} must be a number from {least} up, got {value!r}.")
            if math.isinf(value) and name != "speed":
                raise OptionError(f"{name} must be finite, got {value!r}.")
        if self.prices not in PRICE_LISTS:
            raise OptionError(f"prices must be one of {', '.join(PRICE_LISTS)}, got {self.prices!r}.")

    def real_seconds(self, machine_s: float) -> float:
        """How long something takes on your clock."""
        return machine_s / self.speed  # zero for an infinite speed


_OPTIONAL = ("seed", "queue_s", "rate_limit")
_LEAST = {"seed": 0, "speed": 1e-6, "queue_s": 0, "latency_s": 0, "rate_limit": 1e-6, "page_size": 1,
          "max_outcomes": 2, "log_size": 1}  # fmt: skip


class Clock:
    """The service's wall clock: it never runs backwards, can be set off from this computer's and moved forward."""

    __slots__ = ("_ahead", "_started")

    def __init__(self, offset_s: float = 0.0) -> None:
        self._started = time.time() - time.monotonic() + offset_s
        self._ahead = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._started + self._ahead + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move forward: what would have happened in that time has happened."""
        self._ahead += max(0.0, seconds)
