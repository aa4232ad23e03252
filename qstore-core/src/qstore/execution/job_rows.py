# SPDX-License-Identifier: Apache-2.0
"""What the journal knows of a job: its states, the way from one to the next, and the tables.

    NEW ──▶ RESERVED ──▶ SENT ──▶ ACCEPTED ──▶ DONE | FAILED | CANCELLED
                          │           ▲
                          ▼           │ found
                      AMBIGUOUS ──▶ HELD          (or SENT again, where that is allowed)

SENT is committed before the first byte leaves: a row without it was never sent. A row that has it and no job id may
have been accepted, and is looked for at the service before anything else happens to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "CONFIRMED",
    "OVER",
    "SCHEMA",
    "TRANSITIONS",
    "UNSENT",
    "VERSION",
    "Event",
    "JobRow",
    "JobState",
    "OtherJob",
]


class JobState(Enum):
    """Where a job stands, as far as we know."""

    NEW = "new"
    RESERVED = "reserved"
    SENT = "sent"
    AMBIGUOUS = "ambiguous"
    HELD = "held"
    ACCEPTED = "accepted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = JobState
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    _S.NEW: frozenset({_S.RESERVED, _S.SENT, _S.CANCELLED}),
    _S.RESERVED: frozenset({_S.SENT, _S.NEW, _S.CANCELLED}),
    _S.SENT: frozenset({_S.ACCEPTED, _S.AMBIGUOUS, _S.RESERVED, _S.NEW}),
    _S.AMBIGUOUS: frozenset({_S.ACCEPTED, _S.HELD, _S.SENT, _S.AMBIGUOUS}),
    _S.HELD: frozenset({_S.ACCEPTED, _S.AMBIGUOUS}),
    _S.ACCEPTED: frozenset({_S.DONE, _S.FAILED, _S.CANCELLED, _S.ACCEPTED}),
    _S.DONE: frozenset(),
    _S.FAILED: frozenset({_S.NEW}),
    _S.CANCELLED: frozenset({_S.NEW}),
}
"""Back from SENT: to RESERVED when the service certainly did not accept it, to NEW when it refused it for good."""

UNSENT = frozenset({_S.NEW, _S.RESERVED})
OVER = frozenset({_S.DONE, _S.FAILED, _S.CANCELLED})
CONFIRMED = OVER | {_S.ACCEPTED}
"""States with a job id: any process may read such a job at the service, so these rows may be copied freely."""

VERSION = 1
SCHEMA = (
    """CREATE TABLE jobs (
        tag TEXT PRIMARY KEY, state TEXT NOT NULL, revision INTEGER NOT NULL, backend TEXT NOT NULL, target TEXT NOT NULL,
        circuits INTEGER NOT NULL, shots INTEGER, paid INTEGER NOT NULL, estimated_usd TEXT NOT NULL, ledger TEXT NOT NULL,
        ledger_tag TEXT NOT NULL, submissions INTEGER NOT NULL, job_id TEXT NOT NULL, failure TEXT NOT NULL, billed_usd TEXT,
        queued_s REAL NOT NULL, run_s REAL NOT NULL, created_s REAL NOT NULL, sent_s REAL, sent_server_s REAL,
        accepted_s REAL, finished_s REAL, content TEXT NOT NULL, result TEXT)""",
    """CREATE TABLE events (
        tag TEXT NOT NULL, revision INTEGER NOT NULL, at_s REAL NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL,
        PRIMARY KEY (tag, revision, at_s, state, note)) WITHOUT ROWID""",
    """CREATE TABLE others (
        tag TEXT NOT NULL, job_id TEXT NOT NULL, role TEXT NOT NULL, billed_usd TEXT,
        PRIMARY KEY (tag, job_id)) WITHOUT ROWID""",
)
"""`events` is the history of a job; `others` are further jobs with its tag at the service, duplicates and failed tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in the journal, without its content and result.

    Attributes:
        tag: our name of it.
        state: where it stands.
        revision: counts the changes; of two copies the one with the higher number is newer.
        backend, target, circuits, shots, paid, estimated_usd: as in the request.
        ledger: the file where its money is counted; "" for none.
        ledger_tag: under which name it is counted there; another one each time it starts again.
        submissions: how often it was sent, what was not accepted left out.
        job_id: the service's name of it, "" before it has one.
        failure: why it failed.
        billed_usd: what was charged; None where nothing is known.
        queued_s, run_s: how long it waited and ran.
        created_s, sent_s, accepted_s, finished_s: when that happened, wall time; None for not yet.
        sent_server_s: when it was sent by the server's clock; None where that is not known.
        has_result: whether the result is stored.
        elsewhere: the journal of another live process that is at it; "" for our own.
    """

    tag: str
    state: JobState
    revision: int
    backend: str
    target: str
    circuits: int
    shots: int | None
    paid: bool
    estimated_usd: Decimal
    ledger: str
    ledger_tag: str
    submissions: int
    job_id: str
    failure: str
    billed_usd: Decimal | None
    queued_s: float
    run_s: float
    created_s: float
    sent_s: float | None
    sent_server_s: float | None
    accepted_s: float | None
    finished_s: float | None
    has_result: bool
    elsewhere: str = ""

    @classmethod
    def of(cls, row: sqlite3.Row, elsewhere: str = "") -> JobRow:
        """From what `SELECT` returns for `COLUMNS`."""
        values: dict[str, Any] = {name: row[name] for name in _STORED}
        billed = values["billed_usd"]
        values |= {
            "state": JobState(values["state"]),
            "paid": bool(values["paid"]),
            "has_result": bool(values["has_result"]),
            "estimated_usd": Decimal(values["estimated_usd"]),
            "billed_usd": None if billed is None else Decimal(billed),
        }
        return cls(**values, elsewhere=elsewhere)


class Event(NamedTuple):
    """A line of a job's history: when (wall time), which state it got to, and what there is to say."""

    at_s: float
    state: str
    note: str


class OtherJob(NamedTuple):
    """A further job at the service with the same tag: a "duplicate", or an earlier "failed" try."""

    job_id: str
    role: str
    billed_usd: Decimal | None


_STORED = tuple(field.name for field in fields(JobRow) if field.name != "elsewhere")
COLUMNS = ", ".join("result IS NOT NULL AS has_result" if name == "has_result" else name for name in _STORED)
"""The columns of a `JobRow` in a SELECT."""
