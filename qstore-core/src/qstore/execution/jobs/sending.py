# SPDX-License-Identifier: Apache-2.0
"""Sending a job: written down before the first byte leaves, and written down what came of it, whatever is cancelled.

The request and the journal entry after it are a task of their own. Whoever waits for it may be cancelled; it is not,
or a paid job would be accepted and its id lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from qstore.accounting import Ledger
from qstore.errors import BudgetExceeded, ExecutionError, QStoreError, TransportError
from qstore.execution.clock import Deadline
from qstore.execution.job_rows import JobRow, JobState
from qstore.execution.jobs.contract import JobRequest, NotAccepted, RemoteJob, Unclear
from qstore.execution.jobs.desk import Desk, still_running, written

__all__ = ["Sending", "release", "reserve", "send", "set_aside", "settle"]

log = logging.getLogger(__name__)

GRACE_S = 10.0
"""How long a cancelled caller waits for a request that is under way to be written down."""


class _Answer(NamedTuple):
    row: JobRow
    said: RemoteJob | NotAccepted | Unclear | QStoreError


Sending = set["asyncio.Task[_Answer]"]
"""The requests that are under way; a task that nothing refers to may be collected while it runs."""


async def send(
    desk: Desk, request: JobRequest, row: JobRow, deadline: Deadline, sending: Sending
) -> tuple[JobRow, RemoteJob | None]:
    """Send a job until it is accepted or its fate is unclear.

    Returns:
        Its row, ACCEPTED with what the service said, or AMBIGUOUS.

    Raises:
        BudgetExceeded: it costs more than is left.
        TransportError: the service does not accept it, and the retries are used up.
        StillRunning: nor does it before the deadline.
        QStoreError: the service refuses it.
    """
    tries, spent = 0, 0
    while True:
        await desk.wait_until_allowed(row, deadline)
        row = await reserve(desk, request, row)
        task = asyncio.get_running_loop().create_task(_sent_once(desk, request, row))
        sending.add(task)
        task.add_done_callback(sending.discard)
        task.add_done_callback(_heard)
        row, said = await _outcome(desk, task, row, deadline)
        if isinstance(said, RemoteJob):
            desk.quota.succeeded(spent)
            return row, said
        if isinstance(said, QStoreError):
            raise said
        if row.state is JobState.AMBIGUOUS:
            desk.pause(getattr(said, "retry_after_s", None))
            return row, None
        assert isinstance(said, NotAccepted)
        try:
            if not said.retryable:
                raise TransportError(
                    f"{desk.service.name!r} does not accept job {row.tag[:12]}: {said}."
                ) from said
            spent = await desk.wait_to_try_again(said, tries, row, deadline)
        except QStoreError:
            await release(desk, row)
            raise
        tries += 1


async def reserve(desk: Desk, request: JobRequest, row: JobRow) -> JobRow:
    """Set the money for a job aside that is about to be sent, if money is counted and it is not set aside yet.

    Journal first, ledger second: what the ledger has reserved, the next start finds by the journal. A row that says so
    need not have its money any more, since whoever gives it back may be cancelled or killed between the two.

    Raises:
        BudgetExceeded: it costs more than is left; nothing is reserved.
    """
    if desk.ledger is None or not request.paid:
        return row
    mine: list[JobRow] = []
    if row.state is JobState.NEW:
        mine = await written(desk.journal.reserve((row.tag,), str(desk.ledger.path)))
        row = mine[0] if mine else row
    facts = _facts(desk, row)
    try:
        await _in_ledger(
            desk, row, lambda ledger: ledger.reserve(row.ledger_tag, request.estimated_usd, **facts)
        )
    except BudgetExceeded:
        if mine:
            await written(desk.journal.record(row.tag, JobState.NEW, "the budget does not suffice"))
        raise
    return row


async def release(desk: Desk, row: JobRow) -> JobRow:
    """Give the money back for a job that is not going to be sent now."""
    if row.state is not JobState.RESERVED or desk.ledger is None:
        return row
    await _in_ledger(desk, row, lambda ledger: ledger.release(row.ledger_tag))
    return await written(desk.journal.record(row.tag, JobState.NEW, "its reservation was released"))


async def settle(desk: Desk, row: JobRow, billed_usd: Decimal | None, entry: str = "") -> None:
    """Put the bill in the place of the reservation, or of another entry of the ledger."""
    if not row.paid:
        return
    tag, facts = entry or row.ledger_tag, _facts(desk, row)
    try:
        await _in_ledger(desk, row, lambda ledger: ledger.settle(tag, billed_usd, **facts))
    except QStoreError:
        # Such as a full disk, or a bill of billions. The reservation stays, so that too much counts as spent, not too little.
        log.warning("The bill of job %s is not in the ledger.", row.job_id, exc_info=True)


async def set_aside(desk: Desk, row: JobRow, entry: str) -> None:
    """Count what a job is expected to cost once more under another entry, whatever is left, until its bill is known."""
    if not row.paid:
        return
    facts = _facts(desk, row) | {"budget": None}
    try:
        await _in_ledger(desk, row, lambda ledger: ledger.reserve(entry, row.estimated_usd, **facts))
    except QStoreError:
        log.warning("The duplicate of job %s is not in the ledger.", row.job_id, exc_info=True)


def _facts(desk: Desk, row: JobRow) -> dict[str, Any]:
    """What an entry of the ledger says besides its amount."""
    return {"budget": desk.budget, "backend": row.backend, "run": desk.journal.run}


async def _in_ledger(desk: Desk, row: JobRow, call: Callable[[Ledger], None]) -> None:
    """Do something in the ledger that has a job's reservation: an earlier start may have used another one."""
    own = desk.ledger
    theirs = row.ledger if row.state is not JobState.NEW else ""

    def do() -> None:
        # A file that is gone has moved with its folder, most likely to where we have ours.
        if theirs and (own is None or theirs != str(own.path)) and Path(theirs).exists():
            with Ledger(theirs) as ledger:
                call(ledger)
        elif own is not None:
            call(own)

    if theirs or own is not None:
        await asyncio.to_thread(do)


def _heard(task: asyncio.Task[_Answer]) -> None:
    """Take note of an error that nobody waits for any more; the journal has it."""
    if not task.cancelled():
        task.exception()


async def _outcome(desk: Desk, task: asyncio.Task[_Answer], row: JobRow, deadline: Deadline) -> _Answer:
    left_s = deadline.left_s()
    try:
        await asyncio.wait({task}, timeout=None if left_s == float("inf") else left_s)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=GRACE_S)
        raise
    if not task.done():
        raise still_running(desk, row)
    return task.result()


async def _sent_once(desk: Desk, request: JobRequest, row: JobRow) -> _Answer:
    resubmitted = row.submissions > 0
    record = desk.journal.record
    times: dict[str, float | None] = {"sent_s": desk.clock.time()}
    if not resubmitted:
        times["sent_server_s"] = desk.server_time_s()  # a search has to reach back to the first time
    row = await written(record(row.tag, JobState.SENT, "", **times))
    # Nothing was sent before this line; from here on, a process that dies leaves a row that says so.
    said: RemoteJob | NotAccepted | Unclear | QStoreError
    try:
        said = await desk.service.submit(request)
    except (NotAccepted, Unclear) as exc:
        said = exc
    except (OSError, ExecutionError) as exc:
        said = Unclear(
            str(exc)
        )  # trouble on the way, or with the answer: neither says that nothing was accepted
    except QStoreError as exc:
        said = exc
    except Exception as exc:
        # A mistake in the service's code says nothing about the request either, but repeating it mends nothing.
        what = f"{type(exc).__name__}: {exc}"
        await written(record(row.tag, JobState.AMBIGUOUS, what))
        raise ExecutionError(
            f"Sending job {row.tag[:12]} to {desk.service.name!r} raised {what}. It may have been accepted; the next start "
            f"under the run name {desk.journal.run!r} looks for it."
        ) from exc
    if isinstance(said, RemoteJob):
        return _Answer(await _accepted(desk, row, said), said)
    if isinstance(said, Unclear) or resubmitted:
        # Sent before without an answer: that this one was refused says nothing of the one before.
        row = await written(record(row.tag, JobState.AMBIGUOUS, str(said)))
    elif isinstance(said, NotAccepted):
        state = JobState.RESERVED if desk.ledger is not None and row.paid else JobState.NEW
        row = await written(record(row.tag, state, str(said)))
    else:
        if row.paid:
            await _in_ledger(desk, row, lambda ledger: ledger.release(row.ledger_tag))
        row = await written(record(row.tag, JobState.NEW, str(said)))
    return _Answer(row, said)


async def _accepted(desk: Desk, row: JobRow, job: RemoteJob) -> JobRow:
    try:
        return await written(
            desk.journal.record(row.tag, JobState.ACCEPTED, job_id=job.job_id, accepted_s=desk.clock.time())
        )
    except ExecutionError:
        # The disk is full, say. The row says SENT, so that the job is found again; and its id is in the log.
        log.exception("Job %s was accepted as %s, which cannot be written down.", row.tag[:12], job.job_id)
        raise
