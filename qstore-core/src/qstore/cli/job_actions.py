# SPDX-License-Identifier: Apache-2.0
"""What `qstore jobs resume` and `cancel` do: make the backends again by name, and go on where a run stopped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from qstore.accounting import Ledger
from qstore.errors import CapabilityError, QStoreError
from qstore.execution.job_rows import OVER, UNSENT, JobRow, JobState
from qstore.execution.jobs import JobBackend, JobRequest, JobRunner
from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder
from qstore.plugins import get_backend

__all__ = ["cancel", "resume"]

Jobs = Sequence[tuple[str, JobRow]]
_AGAIN = (JobState.FAILED, JobState.CANCELLED)


def resume(jobs: Jobs, *, resubmit: bool, deadline_s: float | None, settle_s: float, named: bool) -> int:
    """Bring jobs to their results; the exit code is 1 if one of them does not get there.

    Args:
        jobs: with the names of their runs.
        resubmit: send again what is held, failed or was cancelled.
        deadline_s: how long to wait.
        settle_s: how long to look for a job that the service does not list.
        named: whether the user named them; then what cannot be resumed is said.
    """
    wanted = []
    for run, row in jobs:
        reason = _against(row, resubmit=resubmit)
        if reason is None:
            wanted.append((run, row))
        elif named:
            print(f"{row.tag[:12]}  {reason}")
    if not wanted:
        print("There is nothing to resume.")
        return 0

    async def one(runners: _Runners, run: str, row: JobRow) -> bool:
        try:
            runner, request = runners.of(run, row)
            (done,) = await runner.run([request], deadline_s=deadline_s, pay_again=resubmit)
        except QStoreError as exc:
            print(f"{row.tag[:12]}  {type(exc).__name__}: {exc}")
            return False
        billed = "unknown" if done.billed_usd is None else f"${done.billed_usd}"
        print(f"{row.tag[:12]}  done: job {done.job_id}, billed {billed}")
        return True

    async def all_of_them(runners: _Runners) -> list[bool]:
        return await asyncio.gather(*(one(runners, run, row) for run, row in wanted))

    with _Runners(on_ambiguous="resubmit" if resubmit else "hold", settle_s=settle_s) as runners:
        return 0 if all(asyncio.run(all_of_them(runners))) else 1


def cancel(jobs: Jobs) -> int:
    """Cancel jobs; the exit code is 1 if one of them cannot be."""

    async def one(runners: _Runners, run: str, row: JobRow) -> bool:
        if row.state in OVER:
            print(f"{row.tag[:12]}  it is {row.state.value} already")
            return True
        try:
            runner, request = runners.of(run, row)
            after = await runner.cancel(request)
        except QStoreError as exc:
            print(f"{row.tag[:12]}  {type(exc).__name__}: {exc}")
            return False
        asked = f"the service was asked to cancel job {after.job_id}, but it is not cancelled yet, or was completed"
        print(f"{row.tag[:12]}  {asked if after.state is JobState.ACCEPTED else after.state.value}")
        return True

    async def all_of_them(runners: _Runners) -> list[bool]:
        return [await one(runners, run, row) for run, row in jobs]

    with _Runners() as runners:
        return 0 if all(asyncio.run(all_of_them(runners))) else 1


class _Runners(ExitStack):
    """Journals and runners for the jobs of several runs, made as they are needed, closed at the end."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = options
        self._journals: dict[str, Journal] = {}
        self._made: dict[tuple[str, str, str, str], JobRunner] = {}

    def of(self, run: str, row: JobRow) -> tuple[JobRunner, JobRequest]:
        """What runs a job, and its request.

        Raises:
            CapabilityError: its backend does not let its jobs be taken up.
            QStoreError: the backend or the journal cannot be opened.
        """
        journal = self._journals.get(run)
        if journal is None:
            journal = self._journals[run] = Journal(RunFolder(run))
            self.callback(journal.close)
        key = (run, row.backend, row.target, row.ledger)
        if key not in self._made:
            backend = get_backend(row.backend)
            if not isinstance(backend, JobBackend):
                msg = f"Backend {row.backend!r} has no job_service, so its jobs cannot be taken up by name."
                raise CapabilityError(msg)
            ledger = self.enter_context(Ledger(row.ledger)) if row.ledger else None
            service = backend.job_service(row.target)
            self._made[key] = JobRunner(service, journal=journal, ledger=ledger, **self._options)
        return self._made[key], _request(journal, row)


def _against(row: JobRow, *, resubmit: bool) -> str | None:
    """Why a job is not resumed; None if it is."""
    if row.elsewhere:
        return "it is in the hands of a process that is running"
    if row.state in UNSENT:
        return "it was never sent; start the script again"
    if row.state is JobState.DONE or (row.state in _AGAIN and not resubmit):
        return f"it is {row.state.value} already"
    return None


def _request(journal: Journal, row: JobRow) -> JobRequest:
    with journal.folder.guard():
        stored = journal.folder.find([row.tag])[row.tag].rows["jobs"][0]
    content = json.loads(str(stored["content"]))
    return JobRequest(
        row.tag, row.backend, row.target, content, row.circuits, row.shots, row.paid, row.estimated_usd
    )
