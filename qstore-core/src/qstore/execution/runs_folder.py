# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: one journal for each process, and what dead processes left.

    QSTORE_HOME/runs/NAME/journal-RANK-PID-XXXXXXXX.sqlite     and beside it .lock, held while its process lives
    QSTORE_HOME/runs/NAME/folder.lock                          held by whoever looks into the others' journals

A journal whose lock can be taken is an orphan. Opening a run's journal takes over the orphans of the own rank (one of
them becomes the new process's journal, under a new name), and those of other ranks in which nothing is unconfirmed; the rest waits for whoever asks for one of its jobs, so that two
ranks that start again do not take each other's. Nobody writes to a live process's journal; what is confirmed there may
be copied. All of it happens under the folder's lock.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from qstore.accounting.database import connect, storage_error
from qstore.batch import process_rank, state_home
from qstore.batch.runs import checked_run_name
from qstore.errors import ExecutionError
from qstore.execution.file_lock import FileLock, holding
from qstore.execution.job_rows import COLUMNS, CONFIRMED, OVER, VERSION, JobRow

__all__ = ["Copied", "RunFolder", "run_names"]

log = logging.getLogger(__name__)

WAIT_S = 60.0
_TABLES = ("jobs", "events", "others")
_ALL = f"SELECT {COLUMNS} FROM jobs"  # noqa: S608  # our own names, here and below
_CONFIRMED_STATES = ", ".join(f"'{state.value}'" for state in CONFIRMED)
_UNCONFIRMED = f"SELECT 1 FROM jobs WHERE state NOT IN ({_CONFIRMED_STATES}) LIMIT 1"  # noqa: S608  # our own names


class Copied(NamedTuple):
    """A job's rows in another journal: by table, the column values; the journal; whether its process lives."""

    row: JobRow
    rows: dict[str, list[dict[str, object]]]
    journal: Path
    is_live: bool


class RunFolder:
    """The folder of one run.

    Args:
        name: the run's name.
        home: the state folder; by default `qstore.batch.state_home()`.

    Raises:
        OptionError: that is no name for a run.
    """

    def __init__(self, name: str, home: Path | None = None) -> None:
        self.name = checked_run_name(name)
        self.path = (home or state_home()) / "runs" / name

    def guard(self) -> AbstractContextManager[None]:
        """Hold the folder's lock.

        Raises:
            ExecutionError: others hold it for a minute, or the folder is gone.
        """
        return holding(self.path / "folder.lock", WAIT_S)

    def new_journal(self) -> tuple[Path, FileLock]:
        """A name for a journal of this process, and the lock on it; under the guard.

        Raises:
            ExecutionError: the folder cannot be written.
        """
        name = f"journal-{process_rank()}-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            lock = FileLock.taken(self.path / f"{name}.lock")
        except OSError as exc:
            raise storage_error(f"The folder {self.path}", exc) from exc
        if lock is None:
            raise ExecutionError(f"The lock {self.path / name}.lock is held by another process.")
        return self.path / f"{name}.sqlite", lock

    def make(self) -> None:
        """Make the folder.

        Raises:
            ExecutionError: it cannot be made.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise ExecutionError(
                f"The folder {self.path} cannot be made: {exc}. Set QSTORE_HOME to a folder that can be written."
            ) from exc

    def journals(self) -> list[Path]:
        """All journals, sorted."""
        return sorted(self.path.glob("journal-*.sqlite"))

    @contextmanager
    def orphaned(self, journal: Path) -> Iterator[bool]:
        """Whether its process is dead; while the block runs nobody else can take it over. Under the guard."""
        lock = FileLock.taken(journal.with_suffix(".lock"))
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def inherit(self, own: Path) -> bool:
        """Make the largest orphan of the own rank the own journal, by renaming it; whether there was one. Under the guard.

        Nothing is copied, so that a run that is started for the hundredth time starts as fast as ever.

        Raises:
            ExecutionError: it cannot be read.
        """
        mine = [journal for journal in self.journals() if _rank(journal) == _rank(own)]
        for journal in sorted(mine, key=lambda path: -path.stat().st_size):
            with self.orphaned(journal) as is_orphan:
                if not is_orphan:
                    continue
                try:
                    with closing(_opened(journal)) as connection:
                        if _is_empty(connection):
                            continue
                        # What its process left in the log is written back. With the last connection the log goes.
                        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    if journal.with_name(journal.name + "-wal").exists():
                        continue
                    journal.rename(own)
                except (sqlite3.Error, OSError) as exc:
                    raise storage_error(f"The journal {journal}", exc) from exc
                remove_journal(journal)
                log.info("Run %r: goes on with the journal of an earlier process.", self.name)
                return True
        return False

    def adopt_into(self, own: Path) -> int:
        """Move what orphans hold into the own journal; how many orphans were taken over. Under the guard.

        Raises:
            ExecutionError: a journal cannot be read. It may know of paid jobs, so it is not passed over.
        """
        adopted = 0
        for journal in self.journals():
            if journal == own:
                continue
            with self.orphaned(journal) as is_orphan:
                if not is_orphan:
                    continue
                try:
                    with closing(_opened(journal)) as orphan:
                        empty, mine = _is_empty(orphan), _rank(journal) == _rank(own)
                        if not empty and not mine and orphan.execute(_UNCONFIRMED).fetchone() is not None:
                            continue
                    if not empty:
                        _merge(own, journal)
                except sqlite3.Error as exc:
                    raise storage_error(f"The journal {journal}", exc) from exc
                remove_journal(journal)
                adopted += 1
        if adopted:
            log.info("Run %r: took over the journals of %d earlier processes.", self.name, adopted)
        return adopted

    def find(self, tags: Iterable[str], own: Path | None = None) -> dict[str, Copied]:
        """The newest rows that other journals have for these tags; of equal ones a live process's. Under the guard.

        Raises:
            ExecutionError: a journal cannot be read.
        """
        found: dict[str, Copied] = {}
        others = [journal for journal in self.journals() if journal != own]
        wanted = list(tags) if others else []
        for journal in others if wanted else []:
            with self.orphaned(journal) as is_orphan:
                try:
                    with closing(_opened(journal, read_only=not is_orphan)) as connection:
                        copies = [copied for tag in ([] if _is_empty(connection) else wanted)
                                  if (copied := _copied(connection, tag, journal, is_live=not is_orphan))]  # fmt: skip
                except sqlite3.Error as exc:
                    raise storage_error(f"The journal {journal}", exc) from exc
            for copy in copies:
                best = found.get(copy.row.tag)
                if best is None or _age(copy) > _age(best):
                    found[copy.row.tag] = copy
        return found

    def overview(self) -> list[JobRow]:
        """Every job of the run, from all journals; `elsewhere` is set where a process lives.

        Raises:
            ExecutionError: a journal cannot be read.
        """
        rows: dict[str, JobRow] = {}
        if not self.path.is_dir():
            return []
        with self.guard():
            for journal in self.journals():
                with self.orphaned(journal) as is_orphan:
                    try:
                        with closing(_opened(journal, read_only=not is_orphan)) as connection:
                            found = [] if _is_empty(connection) else connection.execute(_ALL)
                            each = [JobRow.of(row, "" if is_orphan else str(journal)) for row in found]
                    except sqlite3.Error as exc:
                        raise storage_error(f"The journal {journal}", exc) from exc
                for row in each:
                    known = rows.get(row.tag)
                    if known is None or (row.revision, row.elsewhere) > (known.revision, known.elsewhere):
                        rows[row.tag] = row
        return sorted(rows.values(), key=lambda row: (row.created_s, row.tag))

    def forget(self, copies: Iterable[Copied]) -> None:
        """Delete from orphans what was copied from them; under the guard."""
        for copy in copies:
            with self.orphaned(copy.journal) as is_orphan:
                if is_orphan and copy.journal.exists():
                    with closing(_opened(copy.journal)) as connection:
                        for table in _TABLES:
                            connection.execute(f"DELETE FROM {table} WHERE tag = ?", (copy.row.tag,))  # noqa: S608  # our own names

    def remove(self, journal: Path) -> None:
        """Delete a journal, and the folder with it if that was the last one."""
        if not self.path.is_dir():
            return  # somebody has deleted all of it
        with self.guard():
            self._remove([journal])
        self._vanish()

    def reason_to_keep(self, before_s: float) -> str | None:
        """Why `remove_if_over` would not delete the run now; None if it would.

        Args:
            before_s: wall time.

        Raises:
            ExecutionError: a journal cannot be read.
        """
        if not self.path.is_dir():
            return None
        with self.guard(), ExitStack() as held:
            return self._reason_to_keep(held, before_s)

    def remove_if_over(self, before_s: float) -> str | None:
        """Delete the whole run, results included, if all its jobs ended before a moment; else say why not.

        Whoever starts the run again afterwards starts from nothing, and pays again for what was paid.

        Args:
            before_s: wall time.

        Raises:
            ExecutionError: a journal cannot be read.
        """
        if not self.path.is_dir():
            return None
        with self.guard(), ExitStack() as held:
            reason = self._reason_to_keep(held, before_s)
            if reason is not None:
                return reason
            self._remove(self.journals())
        self._vanish()
        return None

    def _remove(self, journals: Iterable[Path]) -> None:
        """Delete journals, and with the last one the folder's own lock; under the guard."""
        for journal in journals:
            remove_journal(journal)
        if not self.journals():
            (self.path / "folder.lock").unlink(missing_ok=True)

    def _vanish(self) -> None:
        with suppress(OSError):  # there are other journals, or another process has made something in it
            self.path.rmdir()

    def _reason_to_keep(self, held: ExitStack, before_s: float) -> str | None:
        journals = self.journals()
        # All locks are held until the end, so that nobody takes one over while another is looked at.
        if not all(held.enter_context(self.orphaned(journal)) for journal in journals):
            return "a process that is running has it open"
        reasons = (_unfinished(journal, before_s) for journal in journals)
        return next((reason for reason in reasons if reason is not None), None)


def run_names(home: Path | None = None) -> list[str]:
    """The names of all runs that have a folder, sorted."""
    runs = (home or state_home()) / "runs"
    return sorted(path.name for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []


def _unfinished(journal: Path, before_s: float) -> str | None:
    """Why what an orphan holds is to be kept."""
    try:
        with closing(_opened(journal)) as connection:
            rows = [] if _is_empty(connection) else [JobRow.of(row) for row in connection.execute(_ALL)]
    except sqlite3.Error as exc:
        raise storage_error(f"The journal {journal}", exc) from exc
    unfinished = sum(row.state not in OVER for row in rows)
    if unfinished:
        return f"{unfinished} of its jobs are not over"
    if any((row.finished_s or row.created_s) >= before_s for row in rows):
        return "one of its jobs ended later than that"
    return None


def remove_journal(journal: Path) -> None:
    """Delete a journal and what belongs to it, the lock last."""
    for suffix in ("-wal", "-shm", ""):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
    with suppress(
        OSError
    ):  # Windows refuses while it is held; then an empty lock stays behind, which harms nobody
        journal.with_suffix(".lock").unlink(missing_ok=True)


def insert(connection: sqlite3.Connection, copy: Copied) -> None:
    """Put copied rows in the place of our own of that tag."""
    for table, rows in copy.rows.items():
        for row in rows:
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            connection.execute(
                f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})",  # noqa: S608  # our own names
                tuple(row.values()),
            )


def _opened(journal: Path, *, read_only: bool = False) -> sqlite3.Connection:
    # An orphan is not opened read-only: what its process left in the log is written back, which takes a writer.
    connection = connect(journal, read_only=read_only)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        connection.close()
        raise ExecutionError(
            f"The journal {journal} was written by a later qstore (format {version}): upgrade qstore-core."
        )
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether its process died before it made the tables."""
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == 0)


def _copied(connection: sqlite3.Connection, tag: str, journal: Path, *, is_live: bool) -> Copied | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM jobs WHERE tag = ?", (tag,)).fetchone()  # noqa: S608
    if row is None:
        return None
    rows = {
        table: [dict(found) for found in connection.execute(f"SELECT * FROM {table} WHERE tag = ?", (tag,))]  # noqa: S608
        for table in _TABLES
    }
    return Copied(JobRow.of(row, str(journal) if is_live else ""), rows, journal, is_live)


def _merge(own: Path, journal: Path) -> None:
    with closing(connect(own)) as connection:
        connection.execute("PRAGMA synchronous=FULL")  # the orphan is removed after this
        connection.execute("ATTACH ? AS orphan", (str(journal),))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            """INSERT OR REPLACE INTO main.jobs SELECT * FROM orphan.jobs AS theirs WHERE NOT EXISTS
               (SELECT 1 FROM main.jobs AS ours WHERE ours.tag = theirs.tag AND ours.revision >= theirs.revision)"""
        )
        connection.execute("INSERT OR IGNORE INTO main.events SELECT * FROM orphan.events")
        connection.execute("INSERT OR REPLACE INTO main.others SELECT * FROM orphan.others")
        connection.execute("COMMIT")
        connection.execute("DETACH orphan")


def _rank(journal: Path) -> str:
    return journal.name.split("-")[1]


def _age(copy: Copied) -> tuple[int, bool]:
    return copy.row.revision, copy.is_live
