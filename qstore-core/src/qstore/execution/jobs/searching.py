# SPDX-License-Identifier: Apache-2.0
"""Looking for a job whose fate is unclear, and what to do when it is found twice or not at all.

A listing may lag behind, so "not in the list" proves nothing until the service has had time to settle; and on a paid
machine it is no proof even then: the job is held until somebody decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from qstore.errors import JobAmbiguous, QStoreError
from qstore.execution.clock import Deadline
from qstore.execution.job_rows import JobRow, JobState, OtherJob
from qstore.execution.jobs.contract import TERMINAL, JobRequest, NotAccepted, RemoteJob, RemoteState, Unclear
from qstore.execution.jobs.desk import Desk, written
from qstore.execution.jobs.sending import set_aside, settle

__all__ = ["drop_duplicates", "search"]

log = logging.getLogger(__name__)

MARGIN_S = 300.0
"""How much earlier than it was sent a job is looked for, for clocks that differ; and how long a request may take."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 15.0
_LAST_LOOK_S = 10.0


async def search(
    desk: Desk, request: JobRequest, row: JobRow, deadline: Deadline, *, sent_now: bool = False
) -> tuple[JobRow, RemoteJob | None]:
    """Find a job that was sent, or decide what is to become of it.

    Args:
        desk: the service and the journal.
        request: what was sent.
        row: where the job stands.
        deadline: until when it may take.
        sent_now: whether the caller sent it, so that the service may have accepted it a moment ago.

    Returns:
        Its row, ACCEPTED with what the service says of it; or AMBIGUOUS, to be sent again.

    Raises:
        JobAmbiguous: it is not found, and must not be sent again.
        StillRunning: the deadline comes first.
        TransportError: the service cannot be asked.
    """
    settled = not sent_now and _has_settled(desk, row)
    if row.state is JobState.SENT:
        row = await written(desk.journal.record(row.tag, JobState.AMBIGUOUS, "its fate is not known"))
    known = {other.job_id for other in await written(desk.journal.others(row.tag))}
    tag, since_s = row.tag, _since_s(row)
    until = desk.clock.monotonic() + desk.settle_s
    pause_s = _FIRST_PAUSE_S
    while True:
        last = settled or desk.clock.monotonic() >= until
        jobs = await desk.ask(partial(desk.service.find, tag, since_s), row, deadline)
        fresh = [job for job in jobs if job.job_id not in known]
        if fresh:
            kept, younger = _oldest(fresh)
            row = await written(
                desk.journal.record(
                    row.tag, JobState.ACCEPTED, "found at the service", job_id=kept.job_id,
                    accepted_s=desk.clock.time(),
                )
            )  # fmt: skip
            await _cancel_duplicates(desk, row, younger)
            return row, kept
        if last:
            return await _not_found(desk, request, row), None
        await desk.wait(min(pause_s, max(until - desk.clock.monotonic(), 0.0)), row, deadline)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def drop_duplicates(desk: Desk, row: JobRow) -> None:
    """Look once more for further jobs with the tag of one whose fate was unclear, and cancel them.

    The result is there already, so this is tried once and not for long; what is not found out is in the log.
    """
    known = {other.job_id for other in await written(desk.journal.others(row.tag))} | {row.job_id}
    try:
        async with asyncio.timeout(_LAST_LOOK_S):
            jobs = await desk.service.find(row.tag, _since_s(row))
    except Exception:
        log.warning("Whether job %s has duplicates cannot be found out now.", row.job_id, exc_info=True)
        return
    await _cancel_duplicates(desk, row, [job for job in jobs if job.job_id not in known])


async def _cancel_duplicates(desk: Desk, row: JobRow, jobs: Sequence[RemoteJob]) -> None:
    """Cancel further jobs with the same tag, and write down what they cost: the estimate where the service does not say."""
    for job in jobs:
        over, found = await _stopped(desk, row, job)
        billed, entry = found.billed_usd, f"{row.tag}#{job.job_id}"
        log.warning(
            "Job %s has a duplicate at %r: %s, billed %s.", row.job_id, desk.service.name, job.job_id,
            "unknown" if billed is None else f"${billed}",
        )  # fmt: skip
        if not over:
            # Not written down as known, so that the next look tries again; but it may well have to be paid for.
            await set_aside(desk, row, entry)
            continue
        await written(desk.journal.note_other(row.tag, OtherJob(job.job_id, "duplicate", billed)))
        await settle(desk, row, row.estimated_usd if billed is None else billed, entry)


async def _stopped(desk: Desk, row: JobRow, job: RemoteJob) -> tuple[bool, RemoteJob]:
    """Whether a duplicate is over, and what the service says of it."""
    try:
        if job.state not in TERMINAL:
            await desk.service.cancel(job.job_id)
        if job.state not in TERMINAL or job.billed_usd is None:
            job = await desk.service.poll(job.job_id)  # a list need not say what it cost
    except (QStoreError, NotAccepted, Unclear, OSError):
        log.warning("The duplicate %s of job %s is not cancelled.", job.job_id, row.job_id, exc_info=True)
    return job.state in TERMINAL, job


def _since_s(row: JobRow) -> float:
    """From when on a job may be in the service's list, by the service's clock: by the earlier of two, as one may be wrong."""
    times = [time_s for time_s in (row.sent_server_s, row.sent_s) if time_s is not None]
    return max(min(times) - MARGIN_S, 0.0) if row.sent_server_s is not None else 0.0


def _has_settled(desk: Desk, row: JobRow) -> bool:
    """Whether enough time has passed since a job was sent by a process that is dead, by the server's clock.

    What is known is when the process wrote down that it was going to send it: its request may have taken long.
    """
    now_s = desk.server_time_s()
    if row.submissions != 1 or now_s is None or row.sent_server_s is None or row.sent_s is None:
        return False
    # By our own clock, too: what we know of the server's may not have gone on while the machine slept.
    passed_s = min(now_s - row.sent_server_s, desk.clock.time() - row.sent_s)
    return passed_s >= desk.settle_s + MARGIN_S


def _oldest(jobs: Sequence[RemoteJob]) -> tuple[RemoteJob, list[RemoteJob]]:
    """The job to keep, the oldest that has not come to nothing; and the rest."""
    ordered = list(jobs)
    if all(job.created_s is not None for job in ordered):
        ordered.sort(key=lambda job: job.created_s or 0.0)
    dead = (RemoteState.FAILED, RemoteState.CANCELLED)
    kept = next((job for job in ordered if job.state not in dead), ordered[0])
    return kept, [job for job in ordered if job.job_id != kept.job_id]


async def _not_found(desk: Desk, request: JobRequest, row: JobRow) -> JobRow:
    if request.paid and not desk.resubmits:
        if row.state is not JobState.HELD:
            row = await written(desk.journal.record(row.tag, JobState.HELD, "not found at the service"))
        msg = (
            f"Job {row.tag[:12]} was sent to {desk.service.name!r}, no answer came, and the service does not list it. It is "
            f"held, because sending it again may pay for it twice. Look at the service's own list of jobs; then 'qstore jobs "
            f"resume --run {desk.journal.run} --resubmit {row.tag[:12]}' sends it again, and "
            'on_ambiguous="resubmit" always does.'
        )
        raise JobAmbiguous(msg, tag=row.tag)
    if not desk.quota.spend():
        raise JobAmbiguous(
            f"Job {row.tag[:12]} gets no answer from {desk.service.name!r}, and the retries are used up. Start the script "
            f"again under the run name {desk.journal.run!r} when the service is back.",
            tag=row.tag,
        )
    if row.state is JobState.HELD:
        row = await written(desk.journal.record(row.tag, JobState.AMBIGUOUS, "to be sent again"))
    return row  # with the reservation that it has
