# SPDX-License-Identifier: Apache-2.0
"""Cancelling a job, wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qstore.errors import JobAmbiguous
from qstore.execution.clock import Deadline
from qstore.execution.job_rows import OVER, UNSENT, JobRow, JobState
from qstore.execution.jobs.contract import TERMINAL, JobRequest, RemoteJob, RemoteState
from qstore.execution.jobs.desk import Desk, written
from qstore.execution.jobs.searching import search
from qstore.execution.jobs.sending import release, settle

__all__ = ["cancel"]

_ENDS: Mapping[RemoteState, JobState] = {
    RemoteState.FAILED: JobState.FAILED,
    RemoteState.CANCELLED: JobState.CANCELLED,
}


async def cancel(desk: Desk, request: JobRequest, row: JobRow, deadline: Deadline, *, alone: bool) -> JobRow:
    """Cancel a job that is not over.

    Args:
        desk: its service and journal.
        request: the job.
        row: where it stands.
        deadline: for the service's answers.
        alone: whether nobody else in this process is at the job; whoever is sees and writes down what becomes of it.

    Returns:
        Its row: CANCELLED or FAILED, or ACCEPTED where the service is not done with it, or had completed it already.

    Raises:
        JobAmbiguous: it was sent, and the service does not list it.
        QStoreError: the service or the journal cannot be used.
    """
    if row.state in OVER:
        return row
    theirs = row.elsewhere or ("" if alone else "another call")
    if row.state in UNSENT and not theirs:
        row = await release(desk, row)
        facts: dict[str, Any] = {"billed_usd": Decimal(0), "finished_s": desk.clock.time()}
        return await written(desk.journal.record(row.tag, JobState.CANCELLED, "before it was sent", **facts))
    if not row.job_id:
        if theirs:
            raise JobAmbiguous(f"Job {row.tag[:12]} is just being sent, by {theirs}; try again.", tag=row.tag)
        row, found = await search(desk, request, row, deadline)
        if found is None:
            raise JobAmbiguous(
                f"Job {row.tag[:12]} is not listed by {desk.service.name!r}, so there is nothing to cancel.",
                tag=row.tag,
            )
    job_id = row.job_id

    async def stopped() -> RemoteJob:
        await desk.service.cancel(job_id)
        return await desk.service.poll(job_id)

    job = await desk.ask(stopped, row, deadline)
    if theirs or job.state not in TERMINAL or job.state is RemoteState.COMPLETED:
        return row
    await settle(desk, row, job.billed_usd)
    return await written(
        desk.journal.record(
            row.tag, _ENDS[job.state], "cancelled by hand", billed_usd=job.billed_usd, failure=job.failure,
            finished_s=desk.clock.time(),
        )
    )  # fmt: skip
