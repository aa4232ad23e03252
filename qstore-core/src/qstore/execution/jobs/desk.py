# SPDX-License-Identifier: Apache-2.0
"""What the handling of every job shares, and the calls that may be repeated: asking costs nothing and changes nothing.

After a "too many requests" that says how long to wait, all jobs of the service wait: who asks earlier is refused too.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from qstore.accounting import Budget, Ledger
from qstore.errors import ServiceError, StillRunning, TransportError
from qstore.execution.clock import Clock, Deadline
from qstore.execution.jobs.contract import JobService, NotAccepted, TellsTime, Unclear
from qstore.execution.retry import MAX_RETRY_AFTER_S, Backoff, RetryQuota

if TYPE_CHECKING:
    from qstore.execution.job_rows import JobRow
    from qstore.execution.journal import Journal

__all__ = ["Desk", "PollPolicy", "still_running", "written"]

Answer = TypeVar("Answer")
_UNUSABLE_ANSWERS = 3
"""An answer that cannot be used may be a passing proxy's; this many in a row are the service's own."""
_GUIDED_COST_DIVISOR = 5
"""A retry at the time that the service named is no storm: it takes a fifth of the tokens."""


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How often a job is asked after.

    Attributes:
        first_s: seconds before the first time.
        factor: how much longer each wait is than the one before.
        cap_s: the longest wait.

    Example:
        >>> [PollPolicy(first_s=1, factor=2, cap_s=5).bound_s(n) for n in range(4)]
        [1.0, 2.0, 4.0, 5.0]
    """

    first_s: float = 0.25
    factor: float = 1.5
    cap_s: float = 15.0

    def bound_s(self, asked: int) -> float:
        """Seconds to wait when it was asked after so many times; a little jitter comes on top."""
        return float(min(self.first_s * self.factor ** min(asked, 200), self.cap_s))


@dataclass(slots=True)
class Desk:
    """One service, one journal, and how to deal with them."""

    service: JobService
    journal: Journal
    ledger: Ledger | None
    budget: Budget | None
    resubmits: bool
    settle_s: float
    poll: PollPolicy
    quota: RetryQuota
    backoff: Backoff
    clock: Clock
    chance: random.Random
    paused_until: float = field(default=float("-inf"))

    def server_time_s(self) -> float | None:
        """The service's clock; None where it is not known."""
        return self.service.server_time_s() if isinstance(self.service, TellsTime) else None

    async def ask(self, call: Callable[[], Awaitable[Answer]], row: JobRow, deadline: Deadline) -> Answer:
        """Call what is safe to call again, until it answers.

        Raises:
            StillRunning: not before the deadline.
            TransportError: the retries are used up.
            ServiceError: the answers cannot be used.
            QStoreError: whatever else the service raises, at once.
        """
        tries, spent, unusable = 0, 0, 0
        while True:
            await self.wait_until_allowed(row, deadline)
            try:
                async with asyncio.timeout(_finite(deadline.left_s())) as limit:
                    answer = await call()
            except NotAccepted as exc:
                if not exc.retryable:
                    raise TransportError(f"{self.service.name!r} refuses to answer: {exc}.") from exc
                trouble: Exception = exc
            except ServiceError as exc:
                unusable += 1
                if unusable >= _UNUSABLE_ANSWERS:
                    raise
                trouble = exc
            except (Unclear, OSError) as exc:
                if limit.expired():
                    raise still_running(self, row) from exc
                trouble = exc
            else:
                self.quota.succeeded(spent)
                return answer
            spent = await self.wait_to_try_again(trouble, tries, row, deadline)
            tries += 1

    async def wait_to_try_again(self, trouble: Exception, tries: int, row: JobRow, deadline: Deadline) -> int:
        """Take tokens and wait; how many were taken.

        Raises:
            TransportError: there are none left.
            StillRunning: the deadline comes first.
        """
        retry_after_s = getattr(trouble, "retry_after_s", None)
        throttled = isinstance(trouble, NotAccepted) and trouble.throttled
        timeout = isinstance(trouble, TimeoutError) or bool(getattr(trouble, "timeout", False))
        guided = throttled and bool(retry_after_s)
        spent = self.quota.spend(timeout=timeout, divisor=_GUIDED_COST_DIVISOR if guided else 1)
        if not spent:
            msg = (
                f"{self.service.name!r} keeps failing ({trouble}), and the retries are used up. "
                f"{_where(self, row)} Start the script again under the same run name when the service is back."
            )
            raise TransportError(msg) from trouble
        wait_s = self.backoff.wait_s(tries, self.chance, throttled=throttled, retry_after_s=retry_after_s)
        if guided:
            self.pause(retry_after_s)
        await self.wait(wait_s, row, deadline)
        return spent

    def pause(self, retry_after_s: float | None) -> None:
        """Let all jobs wait as long as the service asks for, 300 s at most."""
        pause_s = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
        self.paused_until = max(self.paused_until, self.clock.monotonic() + pause_s)

    async def wait_until_allowed(self, row: JobRow, deadline: Deadline) -> None:
        """Wait while the service has asked for fewer requests.

        Raises:
            StillRunning: the deadline comes first.
        """
        while (pause_s := self.paused_until - self.clock.monotonic()) > 0:
            # Not all at the same moment: spread over a tenth of the pause.
            await self.wait(pause_s * (1 + 0.1 * self.chance.random()), row, deadline)

    async def wait(self, seconds: float, row: JobRow, deadline: Deadline) -> None:
        """Wait, but not beyond the deadline.

        Raises:
            StillRunning: the deadline comes first.
        """
        left_s = deadline.left_s()
        await self.clock.sleep(min(seconds, left_s))
        if left_s <= seconds:
            raise still_running(self, row)


def still_running(desk: Desk, row: JobRow) -> StillRunning:
    """The error for a deadline that has passed."""
    msg = (
        f"{_where(desk, row)} The deadline has passed; start the script again under the run name {desk.journal.run!r}, "
        f"or 'qstore jobs resume --run {desk.journal.run} {row.tag[:12]}'."
    )
    return StillRunning(msg, job_id=row.job_id, tag=row.tag)


def _where(desk: Desk, row: JobRow) -> str:
    if row.elsewhere:
        return f"Job {row.tag[:12]} is in the hands of another process of the run ({row.elsewhere})."
    if row.job_id:
        return f"Job {row.job_id} of {desk.service.name!r} was accepted and is kept."
    if row.submissions:
        return f"Job {row.tag[:12]} was sent to {desk.service.name!r}, and it is not known whether it was accepted."
    return f"Job {row.tag[:12]} was not sent to {desk.service.name!r}."


def _finite(seconds: float) -> float | None:
    return None if seconds == float("inf") else seconds


async def written(future: Future[Answer]) -> Answer:
    """What the journal answers."""
    return await asyncio.wrap_future(future)
