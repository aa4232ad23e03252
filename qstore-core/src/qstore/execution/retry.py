# SPDX-License-Identifier: Apache-2.0
"""Trying again what is safe to try again: how often, and after how long.

The quota is the one of the AWS SDKs: a bucket of 500 tokens per service, 5 for a retry, 10 for one after a timeout, so
that a service in trouble meets a hundred retries and not a storm of them; success fills it up again. Delays are drawn
from the whole interval up to an exponential bound ("full jitter"), so that clients that failed together do not return
together. What a service asks for in `Retry-After` goes before our own bound, never earlier, at most a fifth later.

Source: AWS SDKs and Tools Reference Guide, "Retry behavior"; M. Brooker, "Exponential Backoff And Jitter", 2015.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
from dataclasses import dataclass

from qstore.errors import OptionError

__all__ = ["MAX_RETRY_AFTER_S", "Backoff", "RetryQuota", "retry_after_s"]

MAX_RETRY_AFTER_S = 300.0
"""The longest that a service can make us wait between two tries."""
_LATER = 0.2
_SECONDS = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")


class RetryQuota:
    """The tokens that all retries at one service share, in all threads.

    Args:
        capacity: tokens to begin with, and at most.
        retry_cost: tokens for a retry.
        timeout_cost: tokens for a retry after a timeout.
        refund: tokens that a first try brings back when it succeeds; a retry that succeeds brings back what it cost.

    Example:
        >>> quota = RetryQuota()
        >>> sum(quota.spend() for _ in range(200))
        500
        >>> quota.left
        0
    """

    def __init__(
        self, capacity: int = 500, *, retry_cost: int = 5, timeout_cost: int = 10, refund: int = 1
    ) -> None:
        if min(capacity, refund) < 0 or min(retry_cost, timeout_cost) < 1:
            raise OptionError("A retry quota is made of numbers from 0 up, and a retry costs at least 1.")
        self.capacity, self.retry_cost, self.timeout_cost, self.refund = (
            capacity,
            retry_cost,
            timeout_cost,
            refund,
        )
        self._left = capacity
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Tokens left."""
        return self._left

    def spend(self, *, timeout: bool = False, divisor: int = 1) -> int:
        """Take the tokens for one retry: how many were taken, 0 when there are not enough and no retry may be made.

        Args:
            timeout: whether it follows a timeout.
            divisor: makes it cheaper, but not free.
        """
        cost = max((self.timeout_cost if timeout else self.retry_cost) // divisor, 1)
        with self._lock:
            if self._left < cost:
                return 0
            self._left -= cost
            return cost

    def succeeded(self, spent: int = 0) -> None:
        """Give tokens back after a success; `spent` is what its last retry cost, 0 for a first try."""
        with self._lock:
            self._left = min(self.capacity, self._left + (spent or self.refund))


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a retry.

    Formula: uniform(0, min(cap_s, base * 2**attempt)); with Retry-After r: uniform(r, 1.2 r), at most 300 s.

    Attributes:
        base_s: the first bound after trouble on the way.
        throttled_s: the first bound after the service asked for fewer requests.
        cap_s: the highest bound.

    Example:
        >>> Backoff().wait_s(0, random.Random(7), retry_after_s=2.0)
        2.12...
        >>> Backoff().wait_s(30, random.Random(7)) <= 20
        True
    """

    base_s: float = 0.05
    throttled_s: float = 1.0
    cap_s: float = 20.0

    def wait_s(
        self,
        attempt: int,
        chance: random.Random,
        *,
        throttled: bool = False,
        retry_after_s: float | None = None,
    ) -> float:
        """Seconds to wait.

        Args:
            attempt: 0 before the first retry.
            chance: where the jitter comes from.
            throttled: whether the service asked for fewer requests.
            retry_after_s: what it said; None, zero or less where it said nothing of use.
        """
        if retry_after_s is not None and retry_after_s > 0:
            asked = min(retry_after_s, MAX_RETRY_AFTER_S)
            return min(asked * (1 + _LATER * chance.random()), MAX_RETRY_AFTER_S)
        bound = (self.throttled_s if throttled else self.base_s) * 2.0 ** min(attempt, 60)
        return min(bound, self.cap_s) * chance.random()


def retry_after_s(header: str | None, *, date: str | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for.

    Args:
        header: seconds or a date, as the service sent it.
        date: the answer's `Date` header; a date is read against it, so that a wrong clock here does no harm.

    Returns:
        0 to 300; 0 for what lies in the past, None for what cannot be read.

    Example:
        >>> retry_after_s("2"), retry_after_s("-5"), retry_after_s("1e9"), retry_after_s("soon")
        (2.0, 0.0, 300.0, None)
        >>> retry_after_s("Fri, 20 Nov 2026 10:00:30 GMT", date="Fri, 20 Nov 2026 10:00:00 GMT")
        30.0
    """
    text = (header or "").strip()
    if not text or len(text) > 500:
        return None
    if _SECONDS.fullmatch(text):
        seconds: float | None = float(text)
    else:
        until, now = _unix_s(text), _unix_s((date or "").strip())
        seconds = None if until is None else until - (time.time() if now is None else now)
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _unix_s(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # 10 ms that only a date costs

    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
