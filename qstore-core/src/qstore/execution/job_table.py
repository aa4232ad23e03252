# SPDX-License-Identifier: Apache-2.0
"""Operations on the journal's tables, each inside a transaction that somebody else began."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qstore.accounting.database import Transaction
from qstore.errors import ExecutionError
from qstore.execution.canonical_json import canonical_json
from qstore.execution.job_rows import COLUMNS, CONFIRMED, OVER, UNSENT, JobRow, JobState, OtherJob
from qstore.execution.runs_folder import Copied, insert

if TYPE_CHECKING:
    from qstore.execution.jobs.contract import JobRequest

__all__ = [
    "MAX_RESULT_BYTES",
    "change",
    "columns",
    "enter",
    "enter_other",
    "find",
    "is_disposable",
    "json_of",
    "known",
    "may_start_again",
    "note",
    "others",
    "start_again",
    "submitted",
    "take",
]

log = logging.getLogger(__name__)

MAX_RESULT_BYTES = 64 << 20
"""Longer results are not stored; the job stays accepted, and its result is fetched again when it is asked for."""
_FACTS = frozenset(
    {
        "job_id",
        "failure",
        "billed_usd",
        "queued_s",
        "run_s",
        "sent_s",
        "sent_server_s",
        "accepted_s",
        "finished_s",
        "ledger",
    }
)


def find(transaction: Transaction, tag: str) -> JobRow | None:
    """A job's row; None when there is none."""
    query = f"SELECT {COLUMNS} FROM jobs WHERE tag = ?"  # noqa: S608  # our own names
    row = transaction.connection.execute(query, (tag,)).fetchone()
    return None if row is None else JobRow.of(row)


def known(transaction: Transaction, tag: str) -> JobRow:
    """A job's row.

    Raises:
        ExecutionError: there is none.
    """
    row = find(transaction, tag)
    if row is None:
        raise ExecutionError(f"The journal has no job {tag[:12]}.")
    return row


def take(transaction: Transaction, rows: dict[str, JobRow], copy: Copied) -> Copied | None:
    """Use another journal's newer row; returned if it has to be deleted there afterwards."""
    own = rows.get(copy.row.tag)
    if own is not None and (own.revision, own.state in CONFIRMED) > (copy.row.revision, False):
        return None if copy.is_live else copy  # what is older than our own is only deleted
    if copy.is_live and copy.row.state not in CONFIRMED:
        rows[copy.row.tag] = copy.row
        return None
    insert(transaction.connection, copy)
    rows[copy.row.tag] = known(transaction, copy.row.tag)
    if copy.is_live:
        log.warning(
            "Job %s was sent by another process of this run, and its result is shared. Give the processes different "
            "ranks (environment variable RANK) or run names if each should draw its own.", copy.row.tag[:12],
        )  # fmt: skip
        return None
    return copy


def may_start_again(row: JobRow, pay_again: bool) -> bool:
    """Whether a job that did not end well may be sent anew: if the last try was free of charge, or that is all the same."""
    ended_badly = row.state in (JobState.FAILED, JobState.CANCELLED)
    return ended_badly and not row.elsewhere and (pay_again or not row.paid or row.billed_usd == 0)


def start_again(transaction: Transaction, row: JobRow) -> None:
    """Make a job NEW; the service's job that it had is kept among the others."""
    if row.job_id:
        enter_other(transaction, row.tag, OtherJob(row.job_id, "failed", row.billed_usd))
    empty = dict.fromkeys(("billed_usd", "sent_s", "sent_server_s", "accepted_s", "finished_s", "result"))
    change(
        transaction,
        row,
        JobState.NEW,
        {
            **empty,
            "job_id": "",
            "failure": "",
            "queued_s": 0.0,
            "run_s": 0.0,
            "submissions": 0,
            "ledger_tag": f"{row.tag}#{row.revision}",
        },
    )
    note(transaction, row.tag, JobState.NEW.value, f"starts again; it was {row.state.value}")


def enter(transaction: Transaction, request: JobRequest, content: str, ledger: str) -> None:
    """Make the row of a job that has none."""
    now = time.time()
    transaction.connection.execute(
        """INSERT INTO jobs (tag, state, revision, backend, target, circuits, shots, paid, estimated_usd, ledger,
           ledger_tag, submissions, job_id, failure, queued_s, run_s, created_s, content)
           VALUES (?, 'new', 0, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', 0, 0, ?, ?)""",
        (request.tag, request.backend, request.target, request.circuits, request.shots, request.paid,
         str(request.estimated_usd), ledger, request.tag, now, content),
    )  # fmt: skip
    note(transaction, request.tag, JobState.NEW.value, "")


def change(transaction: Transaction, row: JobRow, state: JobState, columns: Mapping[str, Any]) -> None:
    """Give a row its next state and other columns."""
    values = {**columns, "state": state.value, "revision": row.revision + 1}
    names = ", ".join(f"{name} = ?" for name in values)
    transaction.connection.execute(f"UPDATE jobs SET {names} WHERE tag = ?", (*values.values(), row.tag))  # noqa: S608


def note(transaction: Transaction, tag: str, state: str, text: str) -> None:
    """Add a line to a job's history."""
    transaction.connection.execute(
        "INSERT OR IGNORE INTO events SELECT tag, revision, ?, ?, ? FROM jobs WHERE tag = ?",
        (time.time(), state, text, tag),
    )


def submitted(before: JobState, after: JobState) -> int:
    """How the number of submissions changes: one more when it is sent, back when it certainly was not accepted."""
    if after is JobState.SENT:
        return 1
    return -1 if before is JobState.SENT and after in UNSENT else 0


def columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as columns.

    Raises:
        ExecutionError: there is no such column, or a result is too long.
        OptionError: a result is no JSON.
    """
    found: dict[str, Any] = {
        name: str(value) if isinstance(value, Decimal) else value for name, value in facts.items()
    }
    result = found.pop("result", None)
    unknown = set(found) - _FACTS
    if unknown:
        raise ExecutionError(f"A job has no {sorted(unknown)}.")
    if result is not None:
        found["result"] = _packed(result)
    return found


def _packed(result: Mapping[str, Any]) -> str:
    text = canonical_json(result, "A job's result")
    if len(text) > MAX_RESULT_BYTES or len(text.encode()) > MAX_RESULT_BYTES:
        raise ExecutionError(
            f"A result of {len(text)} characters is not stored; the limit is {MAX_RESULT_BYTES} bytes."
        )
    return text


def enter_other(transaction: Transaction, tag: str, job: OtherJob) -> None:
    """Remember a further job at the service that has the same tag."""
    billed = None if job.billed_usd is None else str(job.billed_usd)
    transaction.connection.execute(
        "INSERT OR REPLACE INTO others VALUES (?, ?, ?, ?)", (tag, job.job_id, job.role, billed)
    )
    note(transaction, tag, job.role, f"job {job.job_id}, billed {billed or 'unknown'}")


def others(transaction: Transaction, tag: str) -> list[OtherJob]:
    """Further jobs at the service that have the same tag."""
    rows = transaction.connection.execute("SELECT job_id, role, billed_usd FROM others WHERE tag = ?", (tag,))
    return [OtherJob(job_id, role, None if usd is None else Decimal(usd)) for job_id, role, usd in rows]


def json_of(transaction: Transaction, tag: str, column: str) -> dict[str, Any]:
    """A column that holds JSON.

    Raises:
        ExecutionError: there is nothing in it.
    """
    found = transaction.connection.execute(f"SELECT {column} FROM jobs WHERE tag = ?", (tag,)).fetchone()  # noqa: S608
    if found is None or found[0] is None:
        raise ExecutionError(f"The journal has no {column} for job {tag[:12]}.")
    loaded: dict[str, Any] = json.loads(found[0])
    return loaded


def is_disposable(transaction: Transaction) -> bool:
    """Whether nothing in the journal is unfinished or was paid for."""
    over = ", ".join(f"'{state.value}'" for state in OVER)
    query = f"SELECT 1 FROM jobs WHERE paid OR state NOT IN ({over}) LIMIT 1"  # noqa: S608  # our own names
    return transaction.connection.execute(query).fetchone() is None
