# SPDX-License-Identifier: Apache-2.0
"""`AdaptiveBatchScheduler`: how many circuits the next request should carry, from what requests took so far.

Model: a request of b circuits of complexity c takes `fixed + per_circuit * b * c` seconds. Both are fitted, not below
zero, by least squares over past requests in which each counts 0.9 times as much as the one after it. Three requests in a
row that take twice or half of what the model says mean that the backend has changed: everything before is forgotten. So
there is no state from which the scheduler would not recover.

Rule: a request takes all that waits, up to what the model says is done in the target latency. Where the fixed part alone
is longer than that, it takes as many as make the fixed part a half of the whole: smaller requests would mostly wait.
A longer queue never makes smaller requests: what a request costs by itself is what a long queue can afford least.
"""

from __future__ import annotations

import math
import threading

from qstore.errors import OptionError

__all__ = ["AdaptiveBatchScheduler"]

FORGETTING = 0.9
"""What a request counts against the one after it."""
SURPRISE, SURPRISES = 2.0, 3
"""So many times longer or shorter than expected, so many times in a row, and the model is of another backend."""
_SAME = 1e-9
"""Requests whose sizes differ by less, relatively, tell nothing about the fixed part."""
_NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0)
"""Sums of the weights, of x, y, x*x and x*y, with x circuits times complexity and y seconds."""


class AdaptiveBatchScheduler:
    """Learns what a request costs, and says how many circuits to put into the next one.

    Args:
        minimum, maximum: circuits of a request.
        target_latency_s: how long a request should take at most.

    Raises:
        OptionError: not 1 <= minimum <= maximum, or a latency that is not above zero.

    Example:
        >>> scheduler = AdaptiveBatchScheduler(maximum=1000, target_latency_s=2.0)
        >>> scheduler.get_batch_size(queue_depth=20)  # nothing is known yet: all that waits
        20
        >>> for circuits in (10, 50, 20):
        ...     scheduler.record_latency(0.5 + 0.01 * circuits, circuits)
        >>> round(scheduler.fixed_s, 6), round(scheduler.per_circuit_s, 6)
        (0.5, 0.01)
        >>> scheduler.get_batch_size(queue_depth=10_000)  # (2.0 - 0.5) / 0.01
        150
        >>> scheduler.get_batch_size(queue_depth=10_000, circuit_complexity=3.0)
        50
    """

    def __init__(self, minimum: int = 1, maximum: int = 100, target_latency_s: float = 5.0) -> None:
        for name, value in (("minimum", minimum), ("maximum", maximum)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OptionError(f"{name} must be an integer from 1 up, got {value!r}.")
        if minimum > maximum:
            raise OptionError(f"minimum is {minimum}, which is more than maximum, {maximum}.")
        if not target_latency_s > 0 or math.isinf(target_latency_s):
            raise OptionError(f"target_latency_s must be seconds above 0, got {target_latency_s!r}.")
        self.minimum, self.maximum, self.target_latency_s = minimum, maximum, float(target_latency_s)
        self.fixed_s, self.per_circuit_s = 0.0, 0.0
        self.after_fork()
        self._sums = _NOTHING
        self._surprises = 0

    def after_fork(self) -> None:
        """In a forked child: nobody holds the lock."""
        self._lock = threading.Lock()

    def get_batch_size(self, queue_depth: int, circuit_complexity: float = 1.0) -> int:
        """Circuits for the next request.

        Args:
            queue_depth: circuits that wait.
            circuit_complexity: how long one of them takes, in any unit that `record_latency` gets as well.

        Returns:
            `minimum` to `maximum`, and not more than wait; at least 1.
        """
        return max(
            1, min(queue_depth, max(self.minimum, min(self.maximum, self._within_target(circuit_complexity))))
        )

    def record_latency(self, seconds: float, circuits: int, circuit_complexity: float = 1.0) -> None:
        """Learn from a request that took so long.

        Args:
            seconds: from sending it to having its results.
            circuits: how many it carried.
            circuit_complexity: of one of them, on average.
        """
        if not (seconds >= 0 and circuits >= 1 and circuit_complexity > 0) or math.isinf(seconds):
            return  # a clock that jumped tells nothing
        x = circuits * circuit_complexity
        with self._lock:
            expected = self.fixed_s + self.per_circuit_s * x
            surprising = expected > 0 and not expected / SURPRISE <= seconds <= expected * SURPRISE
            self._surprises = self._surprises + 1 if surprising else 0
            if self._surprises == SURPRISES:
                self._sums, self._surprises = _NOTHING, 0
            w, sx, sy, sxx, sxy = (FORGETTING * each for each in self._sums)
            self._sums = (w + 1, sx + x, sy + seconds, sxx + x * x, sxy + x * seconds)
            self.fixed_s, self.per_circuit_s = _fitted(*self._sums)

    def _within_target(self, complexity: float) -> int:
        each = self.per_circuit_s * complexity
        if each <= 0:
            return self.maximum
        left = max(self.target_latency_s - self.fixed_s, self.fixed_s)
        return int(min(left / each + 1e-9, self.maximum))

    def __repr__(self) -> str:
        return (
            f"<AdaptiveBatchScheduler: {self.minimum} to {self.maximum} circuits for {self.target_latency_s:g} s; "
            f"a request takes {self.fixed_s:.3g} s and {self.per_circuit_s:.3g} s per circuit>"
        )


def _fitted(w: float, sx: float, sy: float, sxx: float, sxy: float) -> tuple[float, float]:
    """Fixed and per-circuit seconds, the least squares above zero."""
    spread = sxx - sx * sx / w
    if spread <= _SAME * sxx:
        # All of one size: all of it is put down to the circuits, which makes requests smaller rather than late.
        return 0.0, sy / sx
    slope = (sxy - sx * sy / w) / spread
    fixed = (sy - slope * sx) / w
    if slope < 0:
        # Larger requests were faster, so something else has changed: small ones next, which will tell more.
        return 0.0, sy / sx
    if fixed < 0:
        return 0.0, sxy / sxx
    return fixed, slope
