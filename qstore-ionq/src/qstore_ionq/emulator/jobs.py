# SPDX-License-Identifier: Apache-2.0
"""A job and its life: submitted, ready, started, then completed or failed; or canceled at any time before that.

A job's state is a function of its record and the time: nothing runs in the background to move it on. Times are unix
seconds of the service's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any

__all__ = ["CANCELED", "COMPLETED", "FAILED", "FINAL", "Failure", "Job"]

SUBMITTED, READY, STARTED = "submitted", "ready", "started"
COMPLETED, FAILED, CANCELED = "completed", "failed", "canceled"
FINAL = frozenset({COMPLETED, FAILED, CANCELED})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: the service's code, its words, and from when on."""

    code: str
    message: str
    at: float


@dataclass(slots=True, kw_only=True)
class Job:
    """One job of the service.

    Attributes:
        number: counts the jobs from 1.
        id: what the service calls it.
        type, backend, name, metadata, noise, settings, session_id, dry_run: as submitted.
        shots: measurements of each circuit; None where the ideal simulator ignores them.
        parent_id, child_ids: of a job with several circuits and of each of them.
        qubits: the declared width, the widest circuit's of several.
        gates_1q, gates_2q: what it is billed for, summed over its circuits.
        mitigated: whether it is debiased.
        native: whether it was submitted in native gates.
        sampled: whether it is measured shot by shot; the ideal simulator gives probabilities.
        key: names its random outcomes.
        registers: of an OpenQASM job, each classical register and the qubit behind each of its bits.
        price_usd: what it costs if it runs.
        run_s: how long it takes on the machine, in the machine's seconds.
        submitted_at, ready_at, start_at, end_at: when it was submitted, checked, begins and ends.
        simulated: whether its result is there; a job does not complete before.
    """

    number: int
    id: str
    type: str
    backend: str
    submitted_at: float
    ready_at: float
    start_at: float
    end_at: float
    name: str | None = None
    metadata: Mapping[str, str] | None = None
    noise: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    session_id: str | None = None
    dry_run: bool = False
    shots: int | None = None
    parent_id: str | None = None
    child_ids: tuple[str, ...] = ()
    qubits: int = 1
    gates_1q: int = 0
    gates_2q: int = 0
    mitigated: bool = False
    native: bool = False
    sampled: bool = False
    key: int = 0
    registers: tuple[tuple[str, tuple[int | None, ...]], ...] = ()
    price_usd: Decimal = Decimal(0)
    run_s: float = 0.0
    failure: Failure | None = None
    simulated: bool = False
    canceled_at: float | None = None
    deleted_at: float | None = None

    def status(self, now: float) -> str:
        """The service's word for its state."""
        if self.canceled_at is not None:
            return CANCELED
        if now < self.ready_at:
            return SUBMITTED
        if self.failure is not None and now >= self.failure.at:
            return FAILED
        if now < self.start_at:
            return READY
        return COMPLETED if self.simulated and now >= self.end_at else STARTED

    def is_final(self, now: float) -> bool:
        """Whether its state cannot change any more."""
        return self.status(now) in FINAL

    def billed_usd(self, now: float) -> Decimal:
        """What has been charged: all of it once it ran, nothing if it failed, was cancelled or only compiled."""
        return self.price_usd if self.status(now) == COMPLETED and not self.dry_run else Decimal(0)

    @property
    def tag(self) -> str:
        """The name that its sender gave it under `qstore_tag`, "" without one."""
        return (self.metadata or {}).get("qstore_tag", "")

    def record(self) -> dict[str, Any]:
        """As JSON-able data."""
        failure = None if self.failure is None else asdict(self.failure)
        return {name: getattr(self, name) for name in _NAMES} | {
            "price_usd": str(self.price_usd),
            "failure": failure,
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Job:
        """Read what `record` wrote."""
        values = {name: value for name, value in record.items() if name in _NAMES}
        failure = values.get("failure")
        values["failure"] = None if failure is None else Failure(**failure)
        values["child_ids"] = tuple(values["child_ids"])
        values["registers"] = tuple((name, tuple(held)) for name, held in values["registers"])
        values["price_usd"] = Decimal(values["price_usd"])
        return cls(**values)


_NAMES = tuple(each.name for each in fields(Job))
