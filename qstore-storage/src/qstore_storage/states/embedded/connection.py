# SPDX-License-Identifier: Apache-2.0
"""The SQLite file of an embedded database: how it is opened, what its tables are, and its errors in words.

Write-ahead log: readers and one writer at a time, in any number of processes. A commit survives the death of the process;
with `durable` it also waits for the disk and survives the loss of power.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qstore.accounting.database import BUSY_S, switch_to_log
from qstore.errors import StorageError

__all__ = ["Connection"]

VERSION = 1
APPLICATION = 0x51535431  # "QST1"
PAGE_BYTES = 16 * 1024
"""A state of 8 qubits is 4 KiB: on pages of that size each would leave a page of overflow nearly empty."""
WAL_BYTES = 64 * 1024 * 1024
CACHE_KIB = 64 * 1024
"""With the default of 2 MiB, inserting into the indexes of a large database reads their pages again and again."""

_SCHEMA = (
    # All states of one size and kind in a namespace; `removed` counts, so that a cache learns that it is out of date.
    """CREATE TABLE groups (
        number INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        n_qubits INTEGER NOT NULL,
        mixed INTEGER NOT NULL,
        count INTEGER NOT NULL DEFAULT 0,
        removed INTEGER NOT NULL DEFAULT 0,
        UNIQUE (namespace, n_qubits, mixed))""",
    # AUTOINCREMENT: a number is never used again, so that a row is the same row for ever.
    """CREATE TABLE states (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        grp INTEGER NOT NULL REFERENCES groups (number),
        namespace TEXT NOT NULL,
        id TEXT NOT NULL,
        metadata TEXT NOT NULL,
        blob BLOB NOT NULL,
        UNIQUE (namespace, id))""",
    "CREATE INDEX states_of_group ON states (grp, number)",
    # No type for `value`: see filter_sql.py.
    """CREATE TABLE attributes (
        grp INTEGER NOT NULL,
        key TEXT NOT NULL,
        kind INTEGER NOT NULL,
        value NOT NULL,
        state INTEGER NOT NULL,
        PRIMARY KEY (grp, key, kind, value, state)) WITHOUT ROWID""",
    "CREATE INDEX attributes_of_state ON attributes (state)",
)

_REASONS = {
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_IOERR": "the disk reports an error or has no space left",
    "SQLITE_CANTOPEN": "it cannot be opened or made; is its folder there, and may you write to it?",
    "SQLITE_BUSY": "another process has been holding it for a minute",
    "SQLITE_CORRUPT": "it is damaged; restore it from a copy, or move it away to start afresh",
    "SQLITE_NOTADB": "it is no database; move it away, or choose another name",
}

_abandoned: list[sqlite3.Connection] = []
"""Connections of a parent process. Closing one in a child could disturb the parent, so they are only dropped at exit."""


class Connection:
    """The file, open in this process; in a forked child it opens itself anew.

    Args:
        path: of the file; its folder is made.
        durable: whether a commit waits for the disk.

    Raises:
        StorageError: it cannot be opened, is no such database, or is of a later version.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._pid = os.getpid()
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StorageError(f"The folder of the database of states {path} cannot be made: {exc}.") from exc
        self._open()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """One unchanging view of the database."""
        yield from self._transaction("BEGIN")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """All of it or, if something is raised, nothing."""
        yield from self._transaction("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        if self._pid == os.getpid():
            self._finalizer()

    def _transaction(self, begin: str) -> Iterator[sqlite3.Cursor]:
        if self._closed:
            raise StorageError(f"The database of states {self.path} is closed.")
        if self._pid != os.getpid():
            _abandoned.append(self._connection)
            self._finalizer.detach()
            self._pid = os.getpid()
            self._open()
        cursor = self._connection.cursor()
        try:
            cursor.execute(begin)
            yield cursor
            cursor.execute("COMMIT")
        except sqlite3.Error as exc:
            raise self._in_words(exc) from exc
        finally:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
            cursor.close()

    def _open(self) -> None:
        try:
            connection = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise self._in_words(exc) from exc
        try:
            self._prepare(connection)
        except sqlite3.Error as exc:
            connection.close()
            raise self._in_words(exc) from exc
        except StorageError:
            connection.close()
            raise
        self._connection = connection
        # A forked child that forgets its copy must leave the parent's file alone.
        self._finalizer = weakref.finalize(self, _close, connection, os.getpid())

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in (
            f"page_size={PAGE_BYTES}", f"synchronous={'FULL' if self._durable else 'NORMAL'}", "trusted_schema=OFF",
            f"journal_size_limit={WAL_BYTES}", f"cache_size=-{CACHE_KIB}", "cell_size_check=ON",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")
        switch_to_log(connection)
        version = self._version(connection)
        if version == VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables while this one waited.
        if self._version(connection) == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION and (version or tables):
            raise StorageError(
                f"{self.path} is a database of something else than states; choose another name."
            )
        if version > VERSION:
            raise StorageError(
                f"The database of states {self.path} was written by a later qstore-storage (format {version}, this one "
                f"reads {VERSION}): upgrade it."
            )
        return version

    def _in_words(self, exc: sqlite3.Error) -> StorageError:
        name = getattr(exc, "sqlite_errorname", None) or ""
        reason = next((text for code, text in _REASONS.items() if name.startswith(code)), str(exc))
        return StorageError(f"The database of states {self.path} cannot be used: {reason} ({exc}).")


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if os.getpid() == pid:
        connection.close()
    else:
        _abandoned.append(connection)
