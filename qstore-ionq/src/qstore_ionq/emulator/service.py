# SPDX-License-Identifier: Apache-2.0
"""The service itself, without HTTP: submit, look up, list, cancel, delete, and what has been billed.

Used by the server's thread alone; results of the simulating thread arrive through `finished`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qstore_ionq.emulator.devices import NOISE_MODELS
from qstore_ionq.emulator.intake import Intake, read_programs
from qstore_ionq.emulator.jobs import CANCELED, FAILED, Failure, Job
from qstore_ionq.emulator.options import Clock, Options
from qstore_ionq.emulator.sessions import Sessions
from qstore_ionq.emulator.simulation import Failed, Outcome, Simulator, Task
from qstore_ionq.emulator.store import Store
from qstore_ionq.emulator.validation import Submission, read_submission
from qstore_ionq.emulator.wire import ApiError
from qstore_ionq.emulator.worker import Worker

__all__ = ["Service"]


class Service:
    """Jobs and sessions of one emulator.

    Args:
        options: how it behaves.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock(options.clock_offset_s)
        self.store = Store(options.database)
        self.intake = Intake(options, self.store.last_number)
        self.sessions = Sessions(self.store, self.clock, self.intake.name)
        self.worker = Worker(Simulator(options.max_outcomes), self.finished)
        self.max_live = 0
        self._live: deque[Job] = deque()
        self._waiting: dict[str, set[str]] = {}

    def start(self) -> None:
        """Begin to simulate, first what an earlier emulator on the same database left undone."""
        self.worker.start()
        for job in list(self.store.jobs.values()):
            if (
                job.parent_id is None
                and not job.simulated
                and job.failure is None
                and job.canceled_at is None
            ):
                self._resume(job)

    def stop(self) -> None:
        """End; nothing may be called afterwards."""
        self.worker.stop()
        self.store.close()

    # ---- submitting ------------------------------------------------------------------------------------------------

    def submit(self, body: Any, content_type: str = "application/json") -> Job:
        """Accept a job.

        Raises:
            ApiError: the body is wrong, or its session does not take it.
        """
        given = read_submission(body, strict=self.options.strict, content_type=content_type)
        now = self.clock.now()
        accepted = self.intake.accept(given, now)
        self.sessions.admit(given.session_id, accepted.job, self.of_session)
        with self.store.transaction():
            self.store.save_input(accepted.job.id, body)
            for job in (accepted.job, *accepted.children):
                self.store.save(job)
        self._live.append(accepted.job)
        self._count_live(now)
        self._simulate(accepted.job, accepted.tasks)
        return accepted.job

    def clone(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """Submit a job again with some fields changed."""
        self.find(job_id)
        return self.submit({**self.store.input(job_id), **changes})

    def _simulate(self, job: Job, tasks: Sequence[Task]) -> None:
        if tasks and job.child_ids:
            self._waiting[job.id] = {task.job_id for task in tasks}
        self.worker.submit(tasks)

    def _resume(self, job: Job) -> None:
        given: Submission = read_submission(self.store.input(job.id), strict=False, content_type="")
        rates = given.rates if given.device.is_simulator or self.options.qpu_noise else NOISE_MODELS["ideal"]
        targets = [self.store.jobs[child] for child in job.child_ids] or [job]
        tasks = [
            Task(each.id, program, rates, each.shots, each.key)
            for each, program in zip(targets, read_programs(given), strict=True)
            if not each.simulated and each.failure is None
        ]
        if tasks or not job.child_ids:
            self._simulate(job, tasks)
        else:
            self._finish_parent(job)

    def finished(self, result: Outcome | Failed) -> None:
        """Take a result; that of a job that was deleted in the meantime is dropped."""
        job = self.store.jobs.get(result.job_id)
        if job is None:
            return
        now = self.clock.now()
        job.end_at = max(job.end_at, now)
        with self.store.transaction():
            if isinstance(result, Failed):
                job.failure = job.failure or Failure("SimulationError", result.message, job.end_at)
            else:
                self.store.save_result(result)
                job.simulated = True
            self.store.save(job)
            parent = self.store.jobs.get(job.parent_id or "")
            waiting = self._waiting.get(job.parent_id or "")
            if parent is not None and waiting is not None:
                waiting.discard(job.id)
                if not waiting:
                    self._finish_parent(parent)

    def _finish_parent(self, parent: Job) -> None:
        self._waiting.pop(parent.id, None)
        children = [self.store.jobs[child] for child in parent.child_ids if child in self.store.jobs]
        parent.end_at = max([parent.end_at, *(child.end_at for child in children)])
        failures = [child.failure for child in children if child.failure is not None]
        if children and len(failures) == len(children):
            parent.failure = failures[0]
        parent.simulated = True
        self.store.save(parent)

    # ---- looking up ------------------------------------------------------------------------------------------------

    def find(self, job_id: str) -> Job:
        """A job.

        Raises:
            ApiError: 404, there is none of that id.
        """
        job = self.store.jobs.get(job_id)
        if job is None or job.deleted_at is not None:
            raise ApiError(404, f"Job {job_id} not found.")
        return job

    def jobs(self) -> Iterator[Job]:
        """All jobs that are not deleted, the newest first."""
        return (job for job in reversed(self.store.jobs.values()) if job.deleted_at is None)

    def children(self, job: Job) -> list[Job]:
        """The children that still exist, in order."""
        found = [self.store.jobs.get(child) for child in job.child_ids]
        return [child for child in found if child is not None and child.deleted_at is None]

    def of_session(self, session_id: str) -> list[Job]:
        """The jobs that were submitted to a session, the deleted ones too."""
        return [
            job for job in self.store.jobs.values() if job.session_id == session_id and job.parent_id is None
        ]

    # ---- changing --------------------------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> Job:
        """Cancel a job and its children; one that has ended stays as it is."""
        job = self.find(job_id)
        now = self.clock.now()
        with self.store.transaction():
            for each in (job, *self.children(job)):
                if not each.is_final(now):
                    each.canceled_at = now
                    self.store.save(each)
        return job

    def delete(self, job_id: str) -> Job:
        """Forget a job and its children; one that has not ended is cancelled."""
        job = self.cancel(job_id)
        with self.store.transaction():
            for each in (job, *self.children(job)):
                each.deleted_at = self.clock.now()
                self.store.save(each)
        return job

    def fail(self, job_id: str, code: str, message: str) -> None:
        """Let a job fail when it would have ended."""
        job = self.find(job_id)
        with self.store.transaction():
            for each in (job, *self.children(job)):
                each.failure = Failure(code, message, each.end_at)
                self.store.save(each)

    def forget(self) -> None:
        """Forget everything; what is being simulated is dropped when it is done."""
        self.store.clear()
        self._waiting.clear()
        self._live.clear()
        self.max_live = 0

    # ---- what it comes to ------------------------------------------------------------------------------------------

    def spent_usd(self) -> Decimal:
        """What all jobs together have been billed, the deleted ones too."""
        now = self.clock.now()
        return sum(
            (job.billed_usd(now) for job in self.store.jobs.values() if job.parent_id is None), Decimal(0)
        )

    def tally(self) -> Tally:
        """Counts of the jobs that users submitted, children and deleted ones apart."""
        now = self.clock.now()
        tally = Tally({}, {}, {}, 0)
        for job in self.store.jobs.values():
            if job.parent_id is not None:
                continue
            status = job.status(now)
            tally.by_status[status] = tally.by_status.get(status, 0) + 1
            tally.accepted[job.tag] = tally.accepted.get(job.tag, 0) + 1
            tally.circuits += max(1, len(job.child_ids))
            if status not in {CANCELED, FAILED} and not job.dry_run and job.failure is None:
                tally.billed[job.tag] = tally.billed.get(job.tag, 0) + 1
        return tally

    def _count_live(self, now: float) -> None:
        while self._live and self._live[0].is_final(now):
            self._live.popleft()
        if len(self._live) <= _FEW:
            self._live = deque(job for job in self._live if not job.is_final(now))
        self.max_live = max(self.max_live, len(self._live))


_FEW = 500
"""So many jobs are looked at one by one; of more, those behind a job that has not ended count as not ended."""


@dataclass(slots=True)
class Tally:
    """Jobs by status, and by tag: how many were accepted, and how many were or will be billed."""

    by_status: dict[str, int]
    accepted: dict[str, int]
    billed: dict[str, int]
    circuits: int
