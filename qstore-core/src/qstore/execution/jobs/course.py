# SPDX-License-Identifier: Apache-2.0
"""The course of one job, from wherever its row stands to its result."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qstore.errors import JobCancelled, JobError, JobFailed, QStoreError
from qstore.execution.clock import Deadline
from qstore.execution.job_rows import UNSENT, JobRow, JobState
from qstore.execution.jobs.contract import TERMINAL, Finished, JobRequest, RemoteJob, RemoteState
from qstore.execution.jobs.desk import Desk, written
from qstore.execution.jobs.searching import drop_duplicates, search
from qstore.execution.jobs.sending import Sending, send, settle

__all__ = ["Course"]

log = logging.getLogger(__name__)

_ENDS: Mapping[RemoteState, JobState] = {
    RemoteState.COMPLETED: JobState.DONE,
    RemoteState.FAILED: JobState.FAILED,
    RemoteState.CANCELLED: JobState.CANCELLED,
}
_STARTED = TERMINAL | {RemoteState.RUNNING}


@dataclass(slots=True)
class Course:
    """One job on its way.

    Attributes:
        sending: its requests that are under way, which outlive a cancelled course.
        begun_here: whether nobody sent it before, and what became of it was clear all the time.
        sent_before: whether an earlier call sent it; if it then had ended badly and free of charge, it starts again.
    """

    desk: Desk
    request: JobRequest
    row: JobRow
    deadline: Deadline
    job: RemoteJob | None = None
    adopted: bool = False
    begun_here: bool = False
    sending: Sending = field(default_factory=set)
    sent_before: bool = False

    async def finish(self) -> Finished:
        """Bring the job to its result.

        Raises:
            JobError: it failed, was cancelled, is held, or is not done by the deadline.
            QStoreError: it was refused, or the service or the journal cannot be used.
        """
        steps: Mapping[JobState, Callable[[], Awaitable[Finished | None]]] = {
            JobState.NEW: self._send,
            JobState.RESERVED: self._send,
            JobState.SENT: self._search,
            JobState.AMBIGUOUS: self._search,
            JobState.HELD: self._search,
            JobState.ACCEPTED: self._watch,
            JobState.DONE: self._stored,
            JobState.FAILED: self._ended,
            JobState.CANCELLED: self._ended,
        }
        self.adopted = self.sent_before = self.row.submissions > 0
        self.begun_here = self.row.state in UNSENT and self.row.ledger_tag == self.row.tag
        while True:
            step = self._wait_for_other_process if self.row.elsewhere else steps[self.row.state]
            done = await step()
            if done is not None:
                return done

    async def _send(self) -> None:
        self.row, self.job = await send(self.desk, self.request, self.row, self.deadline, self.sending)

    async def _search(self) -> None:
        self.begun_here = False
        self.row, self.job = await search(
            self.desk, self.request, self.row, self.deadline, sent_now=not self.sent_before
        )
        if self.job is None:
            await self._send()
            return
        self.adopted = True
        if self.job.state not in TERMINAL:
            self.sent_before = False  # how it ends we see ourselves

    async def _wait_for_other_process(self) -> None:
        desk, asked = self.desk, 0
        while self.row.elsewhere:
            await desk.wait(desk.poll.bound_s(asked), self.row, self.deadline)
            asked += 1
            ledger = str(desk.ledger.path) if desk.ledger is not None else ""
            (self.row,) = await written(desk.journal.claim([self.request], ledger=ledger, again=False))
        self.adopted = True
        self.sent_before = self.begun_here = False  # how it ends we see ourselves

    async def _watch(self) -> Finished | None:
        desk, clock = self.desk, self.desk.clock
        job, asked, polled, started = self.job, 0, 0, None
        if job is not None and job.state in TERMINAL:
            job = None  # the answer to a request, or a list, need not say what it cost
        # Found in the journal rather than sent now: how it stands is asked at once.
        accepted = clock.monotonic() - (
            0.0 if job else max(clock.time() - (self.row.accepted_s or clock.time()), 0.0)
        )
        while job is None or job.state not in TERMINAL:
            if job is not None:
                wait_s = max(
                    desk.poll.bound_s(asked) * (0.9 + 0.2 * desk.chance.random()), job.retry_after_s or 0.0
                )
                await desk.wait(wait_s, self.row, self.deadline)
                asked += 1
            job = await desk.ask(lambda: desk.service.poll(self.row.job_id), self.row, self.deadline)
            polled += 1
            if started is None and job.state in _STARTED:
                started = clock.monotonic()
        self.job = job
        if job.state is RemoteState.CANCELLED and polled > 1:
            self.sent_before = False  # somebody has cancelled it while we waited, and means it
        ended = clock.monotonic()
        started = ended if started is None else started
        times = {
            "queued_s": started - accepted if job.queued_s is None else job.queued_s,
            "run_s": ended - started if job.run_s is None else job.run_s,
        }
        return await self._close(job, times)

    async def _close(self, job: RemoteJob, times: dict[str, float]) -> Finished | None:
        desk, row = self.desk, self.row
        result: Mapping[str, Any] = {}
        if job.state is RemoteState.COMPLETED:
            result = await desk.ask(lambda: desk.service.fetch(self.request, job), row, self.deadline)
        facts: dict[str, Any] = {**times, "billed_usd": job.billed_usd, "failure": job.failure}
        facts["finished_s"] = desk.clock.time()
        if job.state is RemoteState.COMPLETED:
            facts["result"] = result
        # First: a row that is over may start again, and then its money goes by another name.
        await settle(desk, row, job.billed_usd)
        try:
            self.row = await written(desk.journal.record(row.tag, _ENDS[job.state], **facts))
        except QStoreError:
            # The result is here all the same; the journal goes on saying that the job was accepted.
            log.warning(
                "How job %s ended is not in the journal; it will be asked again.", row.job_id, exc_info=True
            )
        if not self.begun_here and await written(desk.journal.was_unclear(row.tag)):
            await drop_duplicates(desk, row)
        if job.state is not RemoteState.COMPLETED and self.sent_before:
            self.adopted = self.sent_before = False
            self.job = None
            (self.row,) = await written(desk.journal.claim([self.request]))
            if self.row.state is JobState.NEW:
                return None
        if job.state is not RemoteState.COMPLETED:
            raise _error(desk, self.row, job.state, job.failure)
        return Finished(
            row.tag, row.job_id, result, job.billed_usd, times["queued_s"], times["run_s"], self.adopted
        )

    async def _stored(self) -> Finished:
        row = self.row
        result = await written(self.desk.journal.result(row.tag))
        await settle(self.desk, row, row.billed_usd)  # if the process died between the two
        return Finished(row.tag, row.job_id, result, row.billed_usd, row.queued_s, row.run_s, adopted=True)

    async def _ended(self) -> Finished:
        state = RemoteState.FAILED if self.row.state is JobState.FAILED else RemoteState.CANCELLED
        await settle(self.desk, self.row, self.row.billed_usd)
        raise _error(self.desk, self.row, state, self.row.failure)


def _error(desk: Desk, row: JobRow, state: RemoteState, failure: str) -> JobError:
    where = f"Job {row.job_id} of {desk.service.name!r}"
    if row.paid and row.billed_usd != 0:
        then = (
            "It may have been paid for, so it is not sent again by itself; 'qstore jobs resume --run "
            f"{desk.journal.run} --resubmit {row.tag[:12]}' does."
        )
    else:
        then = "It cost nothing; starting the script again sends it anew."
    if state is RemoteState.FAILED:
        return JobFailed(
            f"{where} failed: {failure or 'the service gives no reason'}. {then}",
            job_id=row.job_id,
            tag=row.tag,
        )
    return JobCancelled(f"{where} was cancelled. {then}", job_id=row.job_id, tag=row.tag)
