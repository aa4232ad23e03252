# SPDX-License-Identifier: Apache-2.0
"""The journal of jobs: what was about to be sent, what became of it, and the results.

SQLite with a write-ahead log. From the first paid job on, every commit waits for the disk. One process writes to one
journal; a forked child opens its own. Jobs that earlier processes of the run left behind are taken over when they are
asked for (`qstore.execution.runs_folder`). Every access returns a future: a coroutine wraps it, others call `result()`.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstore.accounting import Ledger
from qstore.accounting.database import Database, Transaction
from qstore.errors import ExecutionError, QStoreError
from qstore.execution import job_table as table
from qstore.execution.canonical_json import canonical_json
from qstore.execution.job_rows import (
    COLUMNS,
    CONFIRMED,
    SCHEMA,
    TRANSITIONS,
    UNSENT,
    VERSION,
    JobRow,
    JobState,
    OtherJob,
)
from qstore.execution.runs_folder import RunFolder
from qstore.execution.slots import Flights

if TYPE_CHECKING:
    from qstore.execution.jobs.contract import JobRequest

__all__ = ["Journal", "run_journal"]

log = logging.getLogger(__name__)


class Journal:
    """The journal of this process for one run.

    Args:
        folder: the run's folder; made where it is missing.

    Attributes:
        flights: who is at which job in this process, whichever runner they use.

    Raises:
        ExecutionError: it cannot be written, or an earlier journal of the run cannot be read. Nothing may be sent then.

    Example:
        >>> import tempfile
        >>> from qstore.execution.jobs import JobRequest
        >>> with tempfile.TemporaryDirectory() as home:
        ...     journal = Journal(RunFolder("example", Path(home)))
        ...     rows = journal.claim([JobRequest("0" * 64, "ionq.simulator", "simulator", {}, 1, 100, False)]).result()
        ...     journal.close()
        >>> rows[0].state
        <JobState.NEW: 'new'>
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.flights = Flights()
        self._lock = threading.Lock()
        self._open()

    @property
    def run(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """The file of this process."""
        return self._store().path

    def claim(
        self, requests: Sequence[JobRequest], *, ledger: str = "", again: bool = True, pay_again: bool = False
    ) -> Future[list[JobRow]]:
        """Make sure of a row for every request, so that this process alone may send it.

        What an earlier process of the run left behind is taken over. What a live one is at comes back with `elsewhere`
        set, unless it is confirmed: then its row is copied. A job that failed or was cancelled starts again as NEW if
        that cannot pay for it twice.

        Args:
            requests: the jobs.
            ledger: where their money is counted.
            again: whether failed and cancelled jobs may start again.
            pay_again: whether those may that perhaps were paid for.

        Raises:
            ExecutionError: the journal cannot be written.
            OptionError: a request's content is no JSON.
        """
        contents = {each.tag: canonical_json(each.content, "A job's content") for each in requests}
        unique = {each.tag: each for each in requests}
        store = self._store()
        if any(each.paid for each in requests):
            store.make_durable()

        def claim(transaction: Transaction) -> list[JobRow]:
            rows = {tag: row for tag in unique if (row := table.find(transaction, tag)) is not None}
            unsure = [
                tag for tag in unique
                if tag not in rows or rows[tag].state not in CONFIRMED or table.may_start_again(rows[tag], pay_again)
            ]  # fmt: skip
            copies = self.folder.find(unsure, store.path)
            taken = [table.take(transaction, rows, copy) for copy in copies.values()]
            orphaned = [copy for copy in taken if copy is not None]
            if orphaned:
                transaction.after_commit(lambda: self.folder.forget(orphaned))
            for tag, request in unique.items():
                row = rows.get(tag)
                if row is None:
                    table.enter(transaction, request, contents[tag], ledger)
                elif again and table.may_start_again(row, pay_again):
                    table.start_again(transaction, row)
                else:
                    continue
                rows[tag] = table.known(transaction, tag)
            return [rows[each.tag] for each in requests]

        return store.submit(claim, guarded=True)

    def record(self, tag: str, state: JobState, note: str = "", **facts: Any) -> Future[JobRow]:
        """Write down that a job came to a state; the future is done once that is safe.

        Args:
            tag: the job.
            state: the new state.
            note: for the history.
            facts: columns of the row, such as `job_id`; `result` for DONE.

        Raises:
            ExecutionError: by the future: it cannot be written, or the state cannot follow the present one.
        """

        def record(transaction: Transaction) -> JobRow:
            row = table.known(transaction, tag)
            if state not in TRANSITIONS[row.state]:
                raise ExecutionError(
                    f"Job {tag[:12]} is {row.state.value}, which cannot become {state.value}."
                )
            values = table.columns(facts)
            values["submissions"] = row.submissions + table.submitted(row.state, state)
            table.change(transaction, row, state, values)
            table.note(transaction, tag, state.value, note)
            return table.known(transaction, tag)

        return self._store().submit(record)

    def reserve(self, tags: Iterable[str], ledger: str) -> Future[list[JobRow]]:
        """Write down that money is going to be set aside for jobs; the rows of those that were NEW until now."""
        wanted = tuple(tags)

        def reserve(transaction: Transaction) -> list[JobRow]:
            fresh = [row for row in (table.find(transaction, tag) for tag in wanted) if row is not None]
            fresh = [row for row in fresh if row.state is JobState.NEW]
            for row in fresh:
                table.change(transaction, row, JobState.RESERVED, {"ledger": ledger})
                table.note(transaction, row.tag, JobState.RESERVED.value, f"${row.estimated_usd}")
            return [table.known(transaction, row.tag) for row in fresh]

        return self._store().submit(reserve)

    def note_other(self, tag: str, job: OtherJob) -> Future[None]:
        """Write down a further job at the service that has the same tag."""
        return self._store().submit(lambda t: table.enter_other(t, tag, job))

    def drop_unsent(self, tags: Iterable[str]) -> Future[None]:
        """Take out jobs that were never sent and are not going to be."""
        wanted = tuple(tags)

        def drop(transaction: Transaction) -> None:
            for tag in wanted:
                row = table.find(transaction, tag)
                # One that started again keeps its row, which knows its earlier jobs at the service.
                if row is not None and row.state in UNSENT and row.ledger_tag == tag:
                    transaction.connection.execute("DELETE FROM jobs WHERE tag = ?", (tag,))
                    transaction.connection.execute("DELETE FROM events WHERE tag = ?", (tag,))

        return self._store().submit(drop)

    def rows(self) -> Future[list[JobRow]]:
        """All jobs, in the order in which they were made."""
        query = f"SELECT {COLUMNS} FROM jobs ORDER BY created_s, tag"  # noqa: S608  # our own names
        return self._store().submit(lambda t: [JobRow.of(row) for row in t.connection.execute(query)])

    def row(self, tag: str) -> Future[JobRow | None]:
        """One job; None when it is not in this journal."""
        return self._store().submit(lambda t: table.find(t, tag))

    def content(self, tag: str) -> Future[dict[str, Any]]:
        """The content of a job's request."""
        return self._store().submit(lambda t: table.json_of(t, tag, "content"))

    def result(self, tag: str) -> Future[dict[str, Any]]:
        """The stored result of a job that is done."""
        return self._store().submit(lambda t: table.json_of(t, tag, "result"))

    def rows_of(self, tags: Iterable[str]) -> Future[list[JobRow]]:
        """Some jobs; those that are not in this journal are left out."""
        wanted = tuple(tags)
        return self._store().submit(
            lambda t: [row for row in (table.find(t, tag) for tag in wanted) if row is not None]
        )

    def was_unclear(self, tag: str) -> Future[bool]:
        """Whether it was ever not known what became of a request: there may be several jobs of it then."""
        query = "SELECT 1 FROM events WHERE tag = ? AND state = ? LIMIT 1"
        asked = (tag, JobState.AMBIGUOUS.value)
        return self._store().submit(lambda t: t.connection.execute(query, asked).fetchone() is not None)

    def others(self, tag: str) -> Future[list[OtherJob]]:
        """Further jobs at the service with the same tag."""
        return self._store().submit(lambda t: table.others(t, tag))

    def close(self, *, discard: bool = False) -> None:
        """Close the file and give up the lock; the next start of the run takes the journal over.

        Args:
            discard: delete the journal if it holds nothing that is unfinished or paid.
        """
        with self._lock:
            database, lock = self._database, self._file_lock
            if database.closed:
                return
            disposable = discard and not database.is_foreign and database.write(table.is_disposable)
            database.close()
            if disposable:
                self.folder.remove(database.path)
            lock.release()

    def _open(self) -> None:
        self.folder.make()
        with self.folder.guard():
            path, self._file_lock = self.folder.new_journal()
            try:
                inherited = self.folder.inherit(path)
                self._database = Database(
                    path, schema=SCHEMA, version=VERSION, what="journal", guard=self.folder.guard
                )
                if self.folder.adopt_into(path) or inherited:
                    self._database.write(_give_back_reservations)
            except BaseException:
                self._file_lock.release()
                raise

    def _store(self) -> Database:
        if self._database.is_foreign:
            _open_after_fork(self)
        return self._database


_journals: dict[Path, Journal] = {}
_opening = threading.RLock()


def run_journal(run: str, *, home: Path | None = None) -> Journal:
    """This process's journal for a run, opened once.

    Args:
        run: the run's name, as in `CircuitBatch.run`.
        home: the state folder; by default `qstore.batch.state_home()`.

    Raises:
        ExecutionError: it cannot be opened.
        OptionError: that is no name for a run.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     journal = run_journal("example", home=Path(home))
        ...     again = run_journal("example", home=Path(home)) is journal
        ...     journal.close()
        >>> again
        True
    """
    folder = RunFolder(run, home)
    with _opening:
        found = _journals.get(folder.path)
        if found is None or found._database.closed:
            found = _journals[folder.path] = Journal(folder)
        return found


def _give_back_reservations(transaction: Transaction) -> None:
    """Release the money that dead processes set aside for jobs they never sent."""
    query = f"SELECT {COLUMNS} FROM jobs WHERE state = 'reserved'"  # noqa: S608  # our own names
    for row in [JobRow.of(found) for found in transaction.connection.execute(query)]:
        if row.ledger:
            try:
                with Ledger(row.ledger) as ledger:
                    ledger.release(row.ledger_tag)
            except QStoreError:
                # Such as a state folder that has moved. The reservation stays, rather than the run.
                log.warning("The reservation of job %s is not released.", row.tag[:12], exc_info=True)
        table.change(transaction, row, JobState.NEW, {})
        table.note(transaction, row.tag, JobState.NEW.value, "its process ended before it was sent")


def _open_after_fork(journal: Journal) -> None:
    with _opening:
        if journal._database.is_foreign:
            journal._database.close()  # leaves the parent's alone
            journal.flights = Flights()
            journal._open()


def _close_all() -> None:
    from qstore.batch.runs import is_random_name

    for journal in list(_journals.values()):
        # Nobody is going to start a run again whose name was drawn: what is over and was free need not be kept.
        journal.close(discard=is_random_name(journal.run))


def _after_fork() -> None:
    global _opening  # noqa: PLW0603  # a thread of the parent may have held it
    _opening = threading.RLock()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
