# SPDX-License-Identifier: Apache-2.0
"""What a backend brings so that its jobs are sent once: a `JobService`, and the values that pass through it.

A service only speaks its vendor's protocol. Whether something may be sent, sent again or must be held is decided by
`JobRunner` and rests on what the service says truthfully: `NotAccepted` when nothing can have been accepted, `Unclear`
whenever something might have been.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from qstore.errors import OptionError

__all__ = [
    "TERMINAL",
    "Finished",
    "JobBackend",
    "JobRequest",
    "JobService",
    "NotAccepted",
    "RemoteJob",
    "RemoteState",
    "TellsTime",
    "Unclear",
]

_TAG = re.compile(r"[0-9a-f]{64}")


class RemoteState(Enum):
    """What a service says of a job.

    Example:
        >>> RemoteState("queued")
        <RemoteState.QUEUED: 'queued'>
    """

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """A word we do not know, or an id that the service does not know: wait and ask again, until the deadline."""


TERMINAL = frozenset({RemoteState.COMPLETED, RemoteState.FAILED, RemoteState.CANCELLED})
"""States in which nothing happens any more."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One job, as it is kept in the journal before it is sent.

    Attributes:
        tag: our name of the job, 64 hexadecimal digits from `job_tag`; the service puts it into the job's metadata
            under "qstore_tag".
        backend: the registered name of the backend, with which `qstore jobs` makes it again.
        target: what the service calls the machine.
        content: all that the service needs to send the job and to read its result; JSON, and no secrets.
        circuits: number of circuits in the job.
        shots: measurements per circuit; None for exact.
        paid: whether it costs money.
        estimated_usd: what it is expected to cost, which is reserved before it is sent.

    Example:
        >>> request = JobRequest("0" * 64, "ionq.simulator", "simulator", {"gates": []}, 1, 100, False)
        >>> request.estimated_usd
        Decimal('0')
    """

    tag: str
    backend: str
    target: str
    content: Mapping[str, Any]
    circuits: int
    shots: int | None
    paid: bool
    estimated_usd: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not isinstance(self.tag, str) or not _TAG.fullmatch(self.tag):
            raise OptionError(
                f"A job's tag is 64 hexadecimal digits, as job_tag makes them, got {self.tag!r}."
            )
        if not self.estimated_usd.is_finite() or self.estimated_usd < 0:
            raise OptionError(f"estimated_usd must be dollars from 0 up, got {self.estimated_usd!r}.")


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """What a service says of one job.

    Attributes:
        job_id: the service's name of the job.
        state: where it stands.
        raw: the service's own words, for messages and for `fetch`.
        failure: why it failed.
        billed_usd: what was charged, 0 for a failed job that is free; None where the service does not say.
        created_s: when the service accepted it, by its own clock; None where it does not say.
        queued_s, run_s: how long it waited and ran; None where the service does not say.
        retry_after_s: how long the service asks to wait before it is asked again; None where it does not say.

    Example:
        >>> RemoteJob("job-1", RemoteState.QUEUED).state in TERMINAL
        False
    """

    job_id: str
    state: RemoteState
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    failure: str = ""
    billed_usd: Decimal | None = None
    created_s: float | None = None
    queued_s: float | None = None
    run_s: float | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that is done.

    Attributes:
        tag: our name of it.
        job_id: the service's name of it.
        result: what the service's `fetch` returned.
        billed_usd: what was charged; None where the service does not say.
        queued_s, run_s: how long it waited and ran, by the service's word or else as seen from here.
        adopted: whether it was found, in the journal or at the service, rather than sent now.

    Example:
        >>> Finished("0" * 64, "job-1", {"counts": {"0": 7}}, Decimal("0.50")).billed_usd
        Decimal('0.50')
    """

    tag: str
    job_id: str
    result: Mapping[str, Any] = field(repr=False)
    billed_usd: Decimal | None = None
    queued_s: float = 0.0
    run_s: float = 0.0
    adopted: bool = False


class NotAccepted(Exception):
    """A service did not accept a request, and nothing can have been accepted or billed.

    Args:
        retryable: whether the same request may be accepted later (no connection, 429), or never.
        retry_after_s: how long the service asks to wait (`qstore.execution.retry.retry_after_s` reads the header).
        reason: what happened, for messages.
        throttled: whether the service asked for fewer requests; by default, when it says how long to wait.

    Example:
        >>> NotAccepted(True, 2.0, reason="429 Too Many Requests").throttled
        True
    """

    def __init__(
        self,
        retryable: bool,  # the one thing that matters about it
        retry_after_s: float | None = None,
        *,
        reason: str = "",
        throttled: bool | None = None,
    ) -> None:
        super().__init__(reason or "the service did not accept the request")
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.throttled = retry_after_s is not None if throttled is None else throttled


class Unclear(Exception):
    """Nobody knows whether a service accepted a request: the connection broke, or the answer cannot be read.

    Args:
        reason: what happened, for messages.
        timeout: whether waiting for the answer took too long.
        retry_after_s: how long the service asks to wait, if it said.

    Example:
        >>> str(Unclear("502 Bad Gateway"))
        '502 Bad Gateway'
    """

    def __init__(
        self, reason: str = "", *, timeout: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason or "the answer was lost")
        self.timeout = timeout
        self.retry_after_s = retry_after_s


class JobService(Protocol):
    """A vendor's jobs.

    `submit` is called once per job unless it raises `NotAccepted`. The others may be called at any time and again.
    They raise `NotAccepted(retryable=True)`, `Unclear` or `TransportError` for what is worth asking again,
    `AuthenticationError` when the key is wrong, and `ServiceError` for an answer that cannot be used. `JobRunner` shows
    a small one.
    """

    @property
    def name(self) -> str:
        """What it is called in messages."""

    async def submit(self, request: JobRequest) -> RemoteJob:
        """Send a job, with `request.tag` in its metadata under "qstore_tag".

        Raises:
            NotAccepted: nothing was accepted for certain: no byte was sent, a 429, another 4xx that a retry may mend.
            Unclear: it may have been accepted: a broken connection, a timeout, any 5xx, an answer that cannot be read.
            QStoreError: it was refused for good and nothing was accepted. `TransportError`, `ServiceError` and the like
                do not say so and are taken as `Unclear`.
        """

    async def find(self, tag: str, since_s: float) -> Sequence[RemoteJob]:
        """All jobs with this tag that the service accepted after `since_s`, oldest first.

        The listing is read to its end: a job that is not in what this returns counts as not accepted. `since_s` is in
        seconds since 1970 by the service's own clock (`TellsTime`); 0 asks for everything.
        """

    async def poll(self, job_id: str) -> RemoteJob:
        """Where a job stands; UNKNOWN when the service does not know it."""

    async def fetch(self, request: JobRequest, job: RemoteJob) -> Mapping[str, Any]:
        """The result of a completed job as JSON."""

    async def cancel(self, job_id: str) -> None:
        """Ask for a job to be cancelled; one that is over already stays as it is."""


@runtime_checkable
class TellsTime(Protocol):
    """A `JobService` that knows its server's clock; without, a search for a lost job goes through all jobs."""

    def server_time_s(self) -> float | None:
        """Seconds since 1970 by the server's clock, carried on by a monotonic one; None before it was first heard."""


@runtime_checkable
class JobBackend(Protocol):
    """A backend whose jobs `qstore jobs` can resume and cancel."""

    def job_service(self, target: str) -> JobService:
        """The service for one of its machines."""
