# SPDX-License-Identifier: Apache-2.0
"""Where jobs, sessions, inputs and results are kept: one SQLite file, or memory.

Records of jobs and sessions are also held in memory, as many requests look at them; circuits and results are read from
the database when they are asked for. Used by the server's thread alone.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError
from qstore_ionq.emulator.jobs import Job
from qstore_ionq.emulator.simulation import Outcome

__all__ = ["Store"]

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS inputs (id TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, probabilities TEXT, samples BLOB);
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, record TEXT NOT NULL);
"""


class Store:
    """The emulator's memory.

    Args:
        path: the database file, None for memory only.

    Raises:
        OptionError: the file is no database of an emulator.
    """

    def __init__(self, path: str | Path | None) -> None:
        where = ":memory:" if path is None else str(path)
        try:
            # The connection is made by the thread that starts the emulator and used by the server's, one at a time.
            self._database = sqlite3.connect(
                where, timeout=1.0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise OptionError(f"The database {where!r} cannot be opened: {exc}.") from exc
        try:
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")  # one emulator on a file
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_TABLES)
            self._database.execute("INSERT OR IGNORE INTO facts VALUES ('version', ?)", (str(_VERSION),))
            (version,) = self._database.execute("SELECT value FROM facts WHERE name = 'version'").fetchone()
            if version != str(_VERSION):
                raise OptionError(
                    f"The database {where!r} has format {version}; this release reads {_VERSION}."
                )
            self.jobs = {
                job.id: job
                for (text,) in self._database.execute("SELECT record FROM jobs ORDER BY number")
                for job in (Job.of_record(json.loads(text)),)
            }
            self.sessions: dict[str, dict[str, Any]] = {
                key: json.loads(text)
                for key, text in self._database.execute("SELECT id, record FROM sessions ORDER BY rowid")
            }
        except (sqlite3.Error, ValueError, KeyError, TypeError) as exc:
            self._database.close()
            if isinstance(exc, OptionError):
                raise
            raise OptionError(f"{where!r} is not the database of an emulator: {exc}.") from exc
        self.last_number = max((job.number for job in self.jobs.values()), default=0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are done, or none."""
        self._database.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def save(self, job: Job) -> None:
        """Keep a new or changed job."""
        self.jobs[job.id] = job
        self.last_number = max(self.last_number, job.number)
        self._database.execute(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", (job.number, job.id, json.dumps(job.record()))
        )

    def save_input(self, job_id: str, content: Any) -> None:
        """Keep what a job was submitted with."""
        packed = zlib.compress(json.dumps(content).encode(), 1)
        self._database.execute("INSERT OR REPLACE INTO inputs VALUES (?, ?)", (job_id, packed))

    def input(self, job_id: str) -> Any:
        """What a job was submitted with."""
        row = self._database.execute("SELECT content FROM inputs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else json.loads(zlib.decompress(row[0]))

    def save_result(self, outcome: Outcome) -> None:
        """Keep what a circuit gave."""
        probabilities = None if outcome.probabilities is None else json.dumps(outcome.probabilities)
        samples = (
            None if outcome.samples is None else zlib.compress(outcome.samples.astype("<i8").tobytes(), 1)
        )
        self._database.execute(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (outcome.job_id, probabilities, samples)
        )

    def result(self, job_id: str) -> Outcome | None:
        """What a circuit gave, None if it did not run."""
        row = self._database.execute(
            "SELECT probabilities, samples FROM results WHERE id = ?", (job_id,)
        ).fetchone()
        if row is None:
            return None
        probabilities = None if row[0] is None else {int(k): v for k, v in json.loads(row[0]).items()}
        samples: NDArray[np.int64] | None = None
        if row[1] is not None:
            samples = np.frombuffer(zlib.decompress(row[1]), dtype="<i8").astype(np.int64)
        return Outcome(job_id, probabilities, samples)

    def save_session(self, record: dict[str, Any]) -> None:
        """Keep a new or changed session."""
        self.sessions[record["id"]] = record
        self._database.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?)", (record["id"], json.dumps(record))
        )

    def clear(self) -> None:
        """Forget everything but the numbers that are used up."""
        with self.transaction():
            for table in ("jobs", "inputs", "results", "sessions"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608  # names from the line above
        self.jobs.clear()
        self.sessions.clear()

    def close(self) -> None:
        """Give the file back."""
        self._database.close()
