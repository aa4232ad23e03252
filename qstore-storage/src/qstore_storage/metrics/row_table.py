# SPDX-License-Identifier: Apache-2.0
"""Rows that are in no part yet: SQLite with a write-ahead log, one file for each rank, one process at a time.

A committed row survives that its process is killed. With `durability="power"` every commit waits for the disk, so that it
survives a power failure too. A row is kept as JSON with a CRC-32: SQLite has no number for NaN and no checksum.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from qstore.errors import StorageError

__all__ = ["DURABILITIES", "RowTable", "Stored", "read_rows"]

DURABILITIES = {"process": "NORMAL", "power": "FULL"}
"""What an acknowledged row survives, to SQLite's word for it."""
VERSION = 1
_APPLICATION = 0x71736D74
_SCHEMA = """
CREATE TABLE rows (seq INTEGER PRIMARY KEY, crc INTEGER NOT NULL, row TEXT NOT NULL);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class Stored(NamedTuple):
    """Rows as they lie in the table: sequence numbers, values by column; and the numbers of those that are damaged."""

    seqs: list[int]
    rows: list[dict[str, Any]]
    damaged: list[int]


class RowTable:
    """The table of one rank, open for writing by one thread.

    Args:
        path: the file; made where it is missing.
        durability: what a commit survives: "process" (kill -9) or "power" (power loss too).

    Raises:
        StorageError: it cannot be opened, is damaged, or comes from a later version.
    """

    def __init__(self, path: Path, durability: str = "process") -> None:
        self.path = path
        try:
            # The thread that opens it is not the one that writes; they never use it at the same time.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute(f"PRAGMA synchronous={DURABILITIES[durability]}")
                self._connection.execute("PRAGMA cell_size_check=ON")
                self._migrate()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as exc:
            raise _error(path, exc) from exc

    def append(self, first: int, rows: Sequence[dict[str, Any]], *, dropped: int = 0) -> None:
        """Commit rows, numbered from `first`; and count those that were dropped before them.

        Raises:
            StorageError: they cannot be written; none of them is.
        """
        made = ((first + i, _encode(row)) for i, row in enumerate(rows))
        records = [(seq, zlib.crc32(text.encode()), text) for seq, text in made]
        try:
            with _transaction(self._connection):
                self._connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", records)
                if dropped:
                    self._connection.execute(
                        "INSERT INTO counters VALUES ('dropped', ?1) ON CONFLICT(name) DO UPDATE SET value = value + ?1",
                        (dropped,),
                    )
        except sqlite3.Error as exc:
            raise _error(self.path, exc) from exc

    def read(self, limit: int) -> Stored:
        """The oldest rows.

        Raises:
            StorageError: they cannot be read.
        """
        try:
            return _parsed(self._connection.execute("SELECT * FROM rows ORDER BY seq LIMIT ?", (limit,)))
        except sqlite3.Error as exc:
            raise _error(self.path, exc) from exc

    def raw(self, seq: int) -> str:
        """What is written in a row, damaged or not."""
        found = self._connection.execute("SELECT row FROM rows WHERE seq = ?", (seq,)).fetchone()
        return str(found[0]) if found else ""

    def forget(self, first: int, last: int) -> None:
        """Delete the rows from `first` to `last`, which lie in a part now.

        Raises:
            StorageError: they cannot be deleted; all of them are there still.
        """
        try:
            with _transaction(self._connection):
                self._connection.execute("DELETE FROM rows WHERE seq BETWEEN ? AND ?", (first, last))
                # So that a part that somebody deletes is missed, though it was the last one.
                self._connection.execute(
                    "INSERT INTO counters VALUES ('rolled', ?1) ON CONFLICT(name) DO UPDATE SET value = max(value, ?1)",
                    (last,),
                )
        except sqlite3.Error as exc:
            raise _error(self.path, exc) from exc

    def count(self) -> int:
        """How many rows there are."""
        return int(self._connection.execute("SELECT COUNT(*) FROM rows").fetchone()[0])

    def last(self) -> int:
        """The largest sequence number, 0 if there is none."""
        return int(self._connection.execute("SELECT COALESCE(MAX(seq), 0) FROM rows").fetchone()[0])

    def rolled(self) -> int:
        """The largest number of a row that went into a part, 0 if none did."""
        found = self._connection.execute("SELECT value FROM counters WHERE name = 'rolled'").fetchone()
        return int(found[0]) if found else 0

    def close(self) -> None:
        """Write the log back and close the file."""
        with suppress(sqlite3.Error):  # everything is committed; whoever opens it next writes the log back
            self._connection.close()

    def _migrate(self) -> None:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise StorageError(
                f"{self.path} was written by a later qstore-storage (format {version}); upgrade it."
            )
        if version == VERSION:
            return
        with _transaction(self._connection):
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id={_APPLICATION}")
            self._connection.execute(f"PRAGMA user_version={VERSION}")


def read_rows(path: Path) -> tuple[Stored, dict[str, int]]:
    """The rows of a table that another process may be writing to, and its counters; nothing is changed.

    Returns:
        The rows; "dropped", how many were lost in a full buffer, and "rolled", the last number that went into a part.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return _read_only(path, "mode=ro")
    except sqlite3.OperationalError as exc:
        if path.with_name(f"{path.name}-wal").exists():
            raise _error(path, exc) from exc
    try:
        # Even a reader of a write-ahead log makes files, which a folder on read-only media refuses. Without a log nothing changes.
        return _read_only(path, "immutable=1")
    except sqlite3.Error as exc:
        raise _error(path, exc) from exc


def _read_only(path: Path, how: str) -> tuple[Stored, dict[str, int]]:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, isolation_level=None)
    try:
        if int(connection.execute("PRAGMA user_version").fetchone()[0]) != VERSION:
            return Stored([], [], []), {}  # its process died before it made the table
        connection.execute("BEGIN")
        found = _parsed(connection.execute("SELECT * FROM rows ORDER BY seq"))
        counters = {str(name): int(value) for name, value in connection.execute("SELECT * FROM counters")}
    except sqlite3.OperationalError:
        raise
    except sqlite3.Error as exc:
        raise _error(path, exc) from exc
    finally:
        connection.close()
    return found, counters


class _transaction:  # noqa: N801  # used as a statement
    """All or nothing; sqlite3's own `with connection` does not begin one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, exc: object, trace: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite may have rolled back by itself
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def _parsed(records: Iterable[tuple[Any, Any, Any]]) -> Stored:
    seqs, texts, damaged = [], [], []
    for seq, crc, text in records:
        if isinstance(text, str) and zlib.crc32(text.encode("utf-8", "surrogatepass")) == crc:
            seqs.append(seq)
            texts.append(text)
        else:
            damaged.append(seq)
    rows = json.loads(f"[{','.join(texts)}]")  # one call for all: three times as fast
    return Stored(seqs, rows, damaged)


def _error(path: Path, exc: sqlite3.Error) -> StorageError:
    hints = {
        "SQLITE_FULL": "Free some space: rows that are not written yet are kept in memory and tried again.",
        "SQLITE_READONLY": "Make it writable, or log to another folder.",
        "SQLITE_CORRUPT": "Move it away to go on; rows in it that are in no part yet are lost.",
        "SQLITE_NOTADB": "Move it away to go on.",
    }
    name = getattr(exc, "sqlite_errorname", "")
    hint = next((text for start, text in hints.items() if name.startswith(start)), "")
    return StorageError(f"The rows in {path} cannot be written or read: {exc}. {hint}".rstrip())
