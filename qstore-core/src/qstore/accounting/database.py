# SPDX-License-Identifier: Apache-2.0
"""SQLite files that survive a kill: write-ahead log, one writing thread, many callers' writes in one commit.

A commit that must outlast a power failure waits for the disk, some milliseconds; a hundred callers that wait for the
same one share it. An operation that raises is rolled back alone; a commit that fails fails all that were in it. A
result is handed out only after its commit.

After a fork the child must not touch its parent's handle: `is_foreign` tells, and whoever owns the handle opens a new one.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from qstore.errors import ExecutionError, QStoreError

__all__ = ["Database", "Transaction", "connect", "storage_error", "switch_to_log"]

log = logging.getLogger(__name__)
Result = TypeVar("Result")

MAX_IN_A_COMMIT = 256
BUSY_S = 60.0
"""How long one process waits for another's commit."""

_REASONS = {
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_READONLY": "it is read-only; make it writable or set QSTORE_HOME to another folder",
    "SQLITE_IOERR": "the disk reports an error or has no space left",
    "SQLITE_CANTOPEN": "it cannot be opened; set QSTORE_HOME to a folder that can be written",
    "SQLITE_BUSY": "another process has been holding it for a minute",
    "SQLITE_CORRUPT": "it is damaged; move it away to start afresh, and look for its jobs at the service first",
    "SQLITE_NOTADB": "it is no database; move it away to start afresh, and look for its jobs at the service first",
}

_open: weakref.WeakSet[Database] = weakref.WeakSet()
_abandoned: list[sqlite3.Connection] = []
"""Connections of a parent process. Closing one in a child could disturb the parent, so they are only dropped at exit."""


class Transaction:
    """What an operation gets: the connection, and a place for what may only happen once it is committed."""

    __slots__ = ("_then", "connection")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._then: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action` after the commit and before anybody hears of it; what it raises is logged."""
        self._then.append(action)

    def finish(self) -> None:
        """Call what was left for after the commit."""
        for action in self._then:
            try:
                action()
            except (OSError, sqlite3.Error, QStoreError):
                log.warning("Tidying up after a commit failed; it is done again later.", exc_info=True)


Operation = Callable[[Transaction], Result]
_Item = tuple[Operation[Any], "Future[Any]", bool]


class Database:
    """One SQLite file, open for writing.

    Args:
        path: the file; its folder is there.
        schema: statements that make the tables of a new file.
        version: of the schema; a file of a later version is refused.
        what: what the file is called in messages.
        durable: whether a commit waits for the disk.
        upgrades: by older version, the statements that make the next version of a file.
        guard: what surrounds the commits that hold a guarded operation, for instance a lock between processes.

    Raises:
        ExecutionError: the file cannot be opened or written.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: Sequence[str],
        version: int,
        what: str,
        durable: bool = False,
        upgrades: Mapping[int, Sequence[str]] = MappingProxyType({}),
        guard: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.path = path
        self._what = what
        self._guard = guard
        self._pid = os.getpid()
        self._durable = durable
        self._waits_for_disk: bool | None = None
        self._closed = False
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        try:
            self._connection = connect(path)
            self._set_durability()
            _prepare(self._connection, schema, version, upgrades, f"The {what} {path}")
        except (sqlite3.Error, OSError) as exc:
            raise storage_error(f"The {what} {path}", exc) from exc
        self._thread = threading.Thread(target=self._work, name=f"qstore-{what}", daemon=True)
        self._thread.start()
        _open.add(self)

    @property
    def is_foreign(self) -> bool:
        """Whether this handle belongs to the parent of a forked process."""
        return self._pid != os.getpid()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def make_durable(self) -> None:
        """Let every later commit wait for the disk, which takes all earlier ones along."""
        self._durable = True

    def submit(self, operation: Operation[Result], *, guarded: bool = False) -> Future[Result]:
        """Have the operation carried out; the future is done after the commit and cannot be cancelled.

        Raises:
            ExecutionError: the file has been closed, or belongs to a parent process.
        """
        if self._closed or self.is_foreign:
            state = "closed" if self._closed else "open in another process"
            raise ExecutionError(f"The {self._what} {self.path} is {state}; nothing was written.")
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()
        self._queue.put((operation, future, guarded))
        return future

    def write(self, operation: Operation[Result], *, guarded: bool = False) -> Result:
        """Carry the operation out and wait for its commit."""
        return self.submit(operation, guarded=guarded).result()

    def close(self) -> None:
        """Finish what is waiting and close the file; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        if self.is_foreign:
            _abandoned.append(self._connection)
            return
        self._queue.put(None)
        self._thread.join(BUSY_S)
        if not self._thread.is_alive():
            self._connection.close()

    def _set_durability(self) -> None:
        # FULL makes the log reach the disk at each commit; NORMAL survives a kill of the process all the same.
        # It cannot be changed inside a transaction, so this is left to the thread that makes them.
        if self._waits_for_disk != self._durable:
            self._waits_for_disk = self._durable
            self._connection.execute(f"PRAGMA synchronous={'FULL' if self._waits_for_disk else 'NORMAL'}")
            if self._durable and hasattr(os, "O_DIRECTORY"):
                # A new file's name reaches the disk with its folder.
                folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def _work(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            items, last = [item], False
            while len(items) < MAX_IN_A_COMMIT and not last:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    last = True
                else:
                    items.append(item)
            self._commit(items)
            if last:
                return

    def _commit(self, items: Sequence[_Item]) -> None:
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        committed = False
        transaction = Transaction(self._connection)
        try:
            self._set_durability()
            with self._guard() if any(guarded for _, _, guarded in items) else nullcontext():
                self._connection.execute("BEGIN IMMEDIATE")
                for operation, future, _ in items:
                    done.append((future, *self._carried_out(operation, transaction)))
                self._connection.execute("COMMIT")
                committed = True
                transaction.finish()
        except Exception as exc:  # noqa: BLE001  # everybody who waits hears of it, and this thread goes on
            if not committed:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                if len(items) > 1:
                    # One of them may be too large for the disk: each for itself.
                    for item in items:
                        self._commit([item])
                    return
                done = [(items[0][1], None, self._in_words(exc))]
        for future, result, problem in done:
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

    def _carried_out(
        self, operation: Operation[Any], transaction: Transaction
    ) -> tuple[Any, BaseException | None]:
        self._connection.execute("SAVEPOINT one")
        own = Transaction(self._connection)
        try:
            result = operation(own)
        except Exception as exc:
            if not self._connection.in_transaction:
                raise  # a full disk, for instance, takes the whole transaction back
            self._connection.execute("ROLLBACK TO one")
            self._connection.execute("RELEASE one")
            return None, self._in_words(exc)
        self._connection.execute("RELEASE one")
        transaction.after_commit(own.finish)
        return result, None

    def _in_words(self, exc: Exception) -> Exception:
        foreign = isinstance(exc, (sqlite3.Error, OSError)) and not isinstance(exc, QStoreError)
        return storage_error(f"The {self._what} {self.path}", exc) if foreign else exc


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that any one thread at a time may use and that commits only when told to."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None,
        check_same_thread=False,
    )  # fmt: skip
    connection.row_factory = sqlite3.Row
    if not read_only:
        switch_to_log(connection)
    return connection


def storage_error(what: str, exc: Exception) -> ExecutionError:
    """An error of SQLite or of the file system in words, with the remedy."""
    name = getattr(exc, "sqlite_errorname", None) or ""
    reason = next((text for code, text in _REASONS.items() if name.startswith(code)), str(exc))
    return ExecutionError(f"{what} cannot be used: {reason} ({exc}).")


def switch_to_log(connection: sqlite3.Connection) -> None:
    """Write ahead from now on; waits for others, which SQLite does not do here: two processes may be making the same file.

    Raises:
        sqlite3.OperationalError: it cannot, or another process has been holding the file for `BUSY_S`.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as exc:
            busy = getattr(exc, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _prepare(
    connection: sqlite3.Connection,
    schema: Sequence[str],
    version: int,
    upgrades: Mapping[int, Sequence[str]],
    what: str,
) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == version:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise ExecutionError(
                f"{what} was written by a later qstore (format {found}, this one has {version}): upgrade qstore-core."
            )
        for statement in schema if found == 0 else ():
            connection.execute(statement)
        # All of it or nothing: another process waits at BEGIN, and finds the file as it was or as it is to be.
        for older in range(found, version) if found else ():
            for statement in upgrades.get(older, ()):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={version}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _close_all() -> None:
    for database in list(_open):
        database.close()


atexit.register(_close_all)
