# SPDX-License-Identifier: Apache-2.0
"""`JobRunner`: many jobs at once, each sent once.

billed(tag) <= 1, spend <= budget, and every call comes to an end: with results, or with an error that says where the
jobs stand. A call that ends early leaves its accepted jobs at the service and in the journal; the same request under
the same run name, now or in another process, takes them up again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qstore.accounting import Budget, Ledger
from qstore.errors import BudgetExceeded, ExecutionError, OptionError, QStoreError, StillRunning
from qstore.execution.clock import SYSTEM_CLOCK, Clock, Deadline
from qstore.execution.job_rows import UNSENT, JobRow, JobState
from qstore.execution.jobs.cancelling import cancel
from qstore.execution.jobs.contract import Finished, JobRequest, JobService
from qstore.execution.jobs.course import Course
from qstore.execution.jobs.desk import Desk, PollPolicy, still_running, written
from qstore.execution.retry import Backoff, RetryQuota
from qstore.execution.slots import Slots

if TYPE_CHECKING:
    from qstore.execution.journal import Journal

__all__ = ["JobRunner"]

log = logging.getLogger(__name__)

_CLAIMED_AT_ONCE = 500
"""The contents of a hundred thousand jobs as JSON need not be in memory at once."""
ON_AMBIGUOUS = ("hold", "resubmit")


class JobRunner:
    """Runs the jobs of one service for one run.

    Args:
        service: speaks the vendor's protocol.
        journal: `qstore.execution.journal.run_journal(batch.run)`.
        ledger: where the money of paid jobs is counted; with a budget by default the user's own.
        budget: what may be spent; None for no limit.
        on_ambiguous: what becomes of a paid job whose fate stays unclear: "hold" it, or "resubmit" it.
        max_in_flight: jobs at the service at a time, over all concurrent calls.
        deadline_s: seconds that one call of `run` may take; None for no limit.
        settle_s: how long a job that the service does not list is looked for.
        poll: how often a job is asked after.
        retry: the tokens for retries at this service.
        backoff: how long to wait between them.
        clock: what tells the time and waits.
        chance: where jitter comes from.

    Raises:
        OptionError: an argument out of its range.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qstore.execution.jobs import RemoteJob, RemoteState, job_tag
        >>> from qstore.execution.journal import run_journal
        >>> class Echo:
        ...     name = "echo"
        ...     async def submit(self, request):
        ...         return RemoteJob("job-1", RemoteState.COMPLETED)
        ...     async def find(self, tag, since_s):
        ...         return []
        ...     async def poll(self, job_id):
        ...         return RemoteJob(job_id, RemoteState.COMPLETED)
        ...     async def fetch(self, request, job):
        ...         return {"echo": dict(request.content)}
        ...     async def cancel(self, job_id):
        ...         pass
        >>> tag = job_tag("example", {"x": 1}, b"", {})
        >>> request = JobRequest(tag, "echo", "echo", {"x": 1}, circuits=1, shots=None, paid=False)
        >>> with tempfile.TemporaryDirectory() as home:
        ...     journal = run_journal("example", home=Path(home))
        ...     (done,) = asyncio.run(JobRunner(Echo(), journal=journal).run([request]))
        ...     journal.close()
        >>> done.job_id, done.result
        ('job-1', {'echo': {'x': 1}})
    """

    def __init__(
        self,
        service: JobService,
        *,
        journal: Journal,
        ledger: Ledger | None = None,
        budget: Budget | None = None,
        on_ambiguous: str = "hold",
        max_in_flight: int = 100,
        deadline_s: float | None = None,
        settle_s: float = 60.0,
        poll: PollPolicy | None = None,
        retry: RetryQuota | None = None,
        backoff: Backoff | None = None,
        clock: Clock = SYSTEM_CLOCK,
        chance: random.Random | None = None,
    ) -> None:
        if on_ambiguous not in ON_AMBIGUOUS:
            raise OptionError(f"on_ambiguous must be 'hold' or 'resubmit', got {on_ambiguous!r}.")
        if isinstance(max_in_flight, bool) or not isinstance(max_in_flight, int) or max_in_flight < 1:
            raise OptionError(f"max_in_flight must be an integer from 1 up, got {max_in_flight!r}.")
        if not settle_s >= 0:
            raise OptionError(f"settle_s must be seconds from 0 up, got {settle_s!r}.")
        self._max_in_flight = max_in_flight
        self._deadline_s = deadline_s
        self._desk = Desk(
            service=service,
            journal=journal,
            ledger=ledger if ledger is not None or budget is None else Ledger(),
            budget=budget,
            resubmits=on_ambiguous == "resubmit",
            settle_s=settle_s,
            poll=poll if poll is not None else PollPolicy(),
            quota=retry if retry is not None else RetryQuota(),
            backoff=backoff if backoff is not None else Backoff(),
            clock=clock,
            chance=chance if chance is not None else random.Random(),  # noqa: S311  # jitter is no secret
        )
        self._start()

    async def run(
        self, requests: Sequence[JobRequest], *, deadline_s: float | None = None, pay_again: bool = False
    ) -> list[Finished]:
        """Send what was not sent, take up what was, and wait for all of it.

        The money for all new jobs is reserved together, before the first is sent. The first error ends the call: no
        further job is sent, requests under way are written down, accepted jobs stay at the service.

        Args:
            requests: the jobs; equal tags are one job.
            deadline_s: instead of the runner's.
            pay_again: send jobs anew that failed or were cancelled, even if they may have been paid for. Those that were
                free are sent anew anyway.

        Returns:
            What became of each, in their order.

        Raises:
            BudgetExceeded: the new jobs cost more than is left; nothing was sent.
            JobError: a job failed, was cancelled, is held, or is not done by the deadline.
            QStoreError: the service refuses a job, or the service, journal or ledger cannot be used.
                `perhaps_paid` says whether some job of the call may have been paid for.
        """
        if not requests:
            return []
        if self._pid != os.getpid():
            self._start()  # in a forked child: the slots are its parent's
        deadline = Deadline(self._desk.clock, deadline_s if deadline_s is not None else self._deadline_s)
        rows = await self._claimed(requests, pay_again=pay_again)
        results: list[Finished | None] = [None] * len(requests)
        pending = iter(enumerate(requests))
        reserved: Mapping[str, str] = {}
        workers: list[asyncio.Task[None]] = []
        try:
            reserved = await self._reserved(requests, rows)
            workers += [
                asyncio.get_running_loop().create_task(self._work(pending, results, deadline))
                for _ in range(min(self._max_in_flight, len(requests)))
            ]
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in done:
                worker.result()
        except BaseException as exc:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._release_unsent(reserved)
            if isinstance(exc, QStoreError):
                exc.perhaps_paid |= await self._perhaps_paid(rows)
            raise
        return [result for result in results if result is not None]

    async def cancel(self, request: JobRequest, *, deadline_s: float | None = None) -> JobRow:
        """Cancel a job.

        Returns:
            Its row in the journal: CANCELLED or FAILED; ACCEPTED where the service is not done with it, or had completed
            it already.

        Raises:
            JobAmbiguous: it was sent, and the service does not list it.
            QStoreError: the service or the journal cannot be used.
        """
        deadline = Deadline(self._desk.clock, deadline_s if deadline_s is not None else self._deadline_s)
        flights = self._desk.journal.flights
        _, leads = flights.board(request.tag)
        try:
            (row,) = await written(self._desk.journal.claim([request], again=False))
            return await cancel(self._desk, request, row, deadline, alone=leads)
        finally:
            if leads:
                flights.land(request.tag, None)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._slots = Slots(self._max_in_flight)

    async def _claimed(self, requests: Sequence[JobRequest], *, pay_again: bool = False) -> list[JobRow]:
        ledger = str(self._desk.ledger.path) if self._desk.ledger is not None else ""
        rows: list[JobRow] = []
        for start in range(0, len(requests), _CLAIMED_AT_ONCE):
            some = requests[start : start + _CLAIMED_AT_ONCE]
            found = await written(self._desk.journal.claim(some, ledger=ledger, pay_again=pay_again))
            rows += found
        return rows

    async def _reserved(self, requests: Sequence[JobRequest], rows: Sequence[JobRow]) -> dict[str, str]:
        """`_reserve_all` to its end, also where the caller is cancelled: then what was set aside is given back."""
        task = asyncio.get_running_loop().create_task(self._reserve_all(requests, rows))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None:
                await self._release_unsent(task.result())
            raise

    async def _reserve_all(self, requests: Sequence[JobRequest], rows: Sequence[JobRow]) -> dict[str, str]:
        """Set the money for all jobs aside that are not sent yet; their entries in the ledger by tag."""
        desk = self._desk
        if desk.ledger is None:
            return {}
        unsent = {
            row.tag: (row.ledger_tag, request.estimated_usd) for request, row in zip(requests, rows, strict=True)
            if request.paid and row.state in UNSENT and not row.elsewhere
        }  # fmt: skip
        if not unsent:
            return {}
        entries = {tag: entry for tag, (entry, _) in unsent.items()}
        await written(desk.journal.reserve(unsent, str(desk.ledger.path)))
        try:
            whose = {"backend": requests[0].backend, "run": desk.journal.run}  # one service, one backend
            await asyncio.to_thread(desk.ledger.reserve_all, dict(unsent.values()), desk.budget, **whose)
        except QStoreError as exc:
            await self._release_unsent(entries, drop=isinstance(exc, BudgetExceeded))
            raise
        return entries

    @contextmanager
    def _boarded(self, tags: Iterable[str]) -> Iterator[list[str]]:
        """Those of some jobs that no other call is at, nor can be as long as this lasts."""
        flights = self._desk.journal.flights
        mine = [tag for tag in tags if flights.board(tag)[1]]
        try:
            yield mine
        finally:
            for tag in mine:
                flights.land(tag, None)

    async def _release_unsent(self, reserved: Mapping[str, str], *, drop: bool = False) -> None:
        """Give back the money for jobs that were not sent and that nobody else is about to send.

        Args:
            reserved: their entries in the ledger by tag.
            drop: take those that are new out of the journal, too.
        """
        desk = self._desk
        if desk.ledger is None:
            return
        with self._boarded(reserved) as mine:
            try:
                rows = {row.tag: row for row in await written(desk.journal.rows_of(mine))}
                unsent = [tag for tag in mine if tag not in rows or rows[tag].state in UNSENT]
                await asyncio.to_thread(desk.ledger.release_all, [reserved[tag] for tag in unsent])
                if drop:
                    await written(desk.journal.drop_unsent(unsent))
                    rows = {row.tag: row for row in await written(desk.journal.rows_of(unsent))}
                writes = [
                    desk.journal.record(tag, JobState.NEW, "its reservation was released")
                    for tag in unsent if tag in rows and rows[tag].state is JobState.RESERVED
                ]  # fmt: skip
                for write in writes:
                    await written(write)
            except ExecutionError:
                log.warning("Reservations of jobs that were not sent are not released.", exc_info=True)

    async def _perhaps_paid(self, rows: Sequence[JobRow]) -> bool:
        """Whether any job of a call may have been paid for, whoever sent it, now or earlier."""
        paid = [row for row in rows if row.paid]
        try:
            now = await written(self._desk.journal.rows_of(row.tag for row in paid))
        except ExecutionError:
            return bool(paid)  # nobody can say
        return any(row.elsewhere for row in paid) or any(
            row.state not in UNSENT and row.billed_usd != 0 for row in now
        )

    async def _work(
        self, pending: Iterator[tuple[int, JobRequest]], results: list[Finished | None], deadline: Deadline
    ) -> None:
        for index, request in pending:
            results[index] = await self._finished(request, deadline)

    async def _finished(self, request: JobRequest, deadline: Deadline) -> Finished:
        while True:
            flight, leads = self._desk.journal.flights.board(request.tag)
            if leads:
                return await self._led(request, deadline)
            left_s = deadline.left_s()
            # Shielded: whoever stops waiting must not end the flight for the others.
            waiting = asyncio.shield(asyncio.wrap_future(flight))
            done, _ = await asyncio.wait({waiting}, timeout=None if left_s == float("inf") else left_s)
            if not done:
                raise still_running(self._desk, await self._row(request))
            finished = waiting.result()
            if finished is not None:
                return finished

    async def _led(self, request: JobRequest, deadline: Deadline) -> Finished:
        outcome: Finished | Exception | None = None
        course: Course | None = None
        try:
            left_s = deadline.left_s()
            async with self._slots.one(None if left_s == float("inf") else left_s):
                course = Course(self._desk, request, await self._row(request), deadline)
                finished = outcome = await course.finish()
            return finished
        except TimeoutError:
            raise still_running(self._desk, await self._row(request)) from None
        except StillRunning:
            raise  # others may have more time: one of them takes over
        except Exception as exc:
            outcome = exc
            raise
        finally:
            self._land(request.tag, outcome, course)

    async def _row(self, request: JobRequest) -> JobRow:
        """Where a job stands now: others may have been at it since it was claimed."""
        row = await written(self._desk.journal.row(request.tag))
        return row if row is not None else (await self._claimed([request]))[0]

    def _land(self, tag: str, outcome: Finished | Exception | None, course: Course | None) -> None:
        under_way = next(iter(course.sending), None) if course is not None else None
        flights = self._desk.journal.flights
        if under_way is None:
            flights.land(tag, outcome)
        else:
            # Its request outlives us: nobody may take the job up before that is written down.
            under_way.add_done_callback(lambda _: flights.land(tag, outcome))
