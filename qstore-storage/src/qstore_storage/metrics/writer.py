# SPDX-License-Identifier: Apache-2.0
"""The thread that takes rows from the buffer to the disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from qstore.errors import StorageError
from qstore_storage.metrics.buffer import RowBuffer
from qstore_storage.metrics.rank_store import RankStore
from qstore_storage.metrics.schema import Schema

__all__ = ["Mirror", "Writer"]

log = logging.getLogger(__name__)

RETRY_S = 1.0


class Mirror(Protocol):
    """Somebody who is told of rows once they are saved."""

    def write(self, first: int, rows: list[dict[str, Any]]) -> None:
        """Rows, numbered from `first`."""

    def close(self) -> None:
        """No more will come."""


class Writer(threading.Thread):
    """Saves rows as they come, rolls them into parts when there are enough or they are old.

    Args:
        buffer: where rows come from.
        store: where they go; only this thread uses it from now on.
        rows_per_part: a part's rows.
        part_interval_s: seconds after which rows go to a part, though it has fewer.
        flush_interval_s: seconds for which rows are gathered, unless somebody waits for them.
        mirror: who else is told; None for nobody.

    Attributes:
        schema: the run's columns, once they are known.
        is_over: whether it has finished.
    """

    def __init__(
        self, buffer: RowBuffer, store: RankStore, rows_per_part: int, part_interval_s: float,
        flush_interval_s: float, mirror: Mirror | None,
    ) -> None:  # fmt: skip
        # A daemon, so that an interpreter that ends is not held by it; what is left is saved by `atexit` then.
        super().__init__(name="qstore-metrics", daemon=True)
        self.schema: Schema | None = None
        self._buffer, self._store, self._mirror = buffer, store, mirror
        self._rows_per_part, self._part_interval_s = rows_per_part, part_interval_s
        self._flush_interval_s = flush_interval_s
        self._requests: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._requests_lock = threading.RLock()
        self._has_ended = False
        self.is_over = False
        self._in_journal = store.table.count()
        self._oldest: float | None = time.monotonic() if self._in_journal else None
        self._failed: float | None = None

    def ask(self, action: Callable[[], Any]) -> Future[Any]:
        """Have something done on this thread, between two batches."""
        future: Future[Any] = Future()
        with self._requests_lock:
            if self._has_ended:
                future.set_exception(StorageError("The metrics logger is closed."))
                return future
            self._requests.append((action, future))
        self._buffer.attention.set()
        self._buffer.urgent.set()
        return future

    def run(self) -> None:
        """Until `finish` has been done."""
        buffer = self._buffer
        if self._in_journal:
            buffer.attention.set()  # an earlier process may have left more than a part
        while not self.is_over:
            if buffer.attention.wait(self._patience()):
                buffer.urgent.wait(self._flush_interval_s)
            buffer.attention.clear()
            buffer.urgent.clear()
            self._work()
            self._serve()
        with self._requests_lock:
            self._has_ended = True
            late, self._requests = self._requests, []
        for _, future in late:
            future.set_exception(StorageError("The metrics logger is closed."))

    def finish(self) -> None:
        """Save everything, roll everything, end. On this thread.

        Raises:
            StorageError: rows could not be saved, and the thread goes on; or not rolled, and it ended.
        """
        trouble = None
        try:
            self._save()
        except StorageError as exc:
            if self._buffer.waiting()[0]:
                raise
            trouble = exc  # the mirror's
        self._buffer.shut()
        self._save()  # what came in between
        self.is_over = True
        try:
            while self._in_journal:
                self._roll()
        finally:
            self._store.close()
            if self._mirror is not None:
                self._mirror.close()
        if trouble is not None:
            raise trouble

    def compact(self) -> int:
        """Roll everything and merge parts; returns how many parts there are fewer. On this thread."""
        self._save()
        while self._in_journal:
            self._roll()
        return self._store.compact()

    def _patience(self) -> float | None:
        """Seconds until there is something to do without being called."""
        moments = []
        if self._oldest is not None:
            moments.append(self._oldest + self._part_interval_s)
        if self._failed is not None:
            moments = [self._failed + RETRY_S]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _work(self) -> None:
        try:
            self._save()
            self._roll_what_is_due()
        except Exception as exc:  # noqa: BLE001  # a thread that ends would lose rows in silence
            self._failed = time.monotonic()
            self._buffer.fail(_told(exc))
        else:
            self._failed = None

    def _save(self) -> None:
        rows, dropped = self._buffer.waiting()
        if not rows and not dropped:
            return
        first = self._store.next_seq
        self._store.save(rows, dropped=dropped)
        self._in_journal += len(rows)
        if self._oldest is None and rows:
            self._oldest = time.monotonic()
        self._buffer.done(len(rows), dropped)
        if self._mirror is not None and rows:
            self._tell(self._mirror, first, rows)

    def _tell(self, mirror: Mirror, first: int, rows: list[dict[str, Any]]) -> None:
        try:
            mirror.write(first, rows)
        except Exception as exc:
            # The user's own writer may do anything. The rows are saved; going on would fail for every one of them.
            self._mirror = None
            raise StorageError(
                f"The mirror of the metrics failed and is off now; the rows themselves are saved: {type(exc).__name__}: {exc}"
            ) from exc

    def _roll_what_is_due(self) -> None:
        while self._in_journal >= self._rows_per_part:
            self._roll()
        if self._oldest is not None and time.monotonic() - self._oldest >= self._part_interval_s:
            while self._in_journal:
                self._roll()

    def _roll(self) -> None:
        schema = self.schema or self._store.folder.schema()
        if schema is None:
            raise StorageError(
                f"{self._store.folder.schema_file} is not there any more; rows are safe in the journal."
            )
        rolled = self._store.roll(self._rows_per_part, schema)
        self._in_journal = self._in_journal - rolled if rolled else self._store.table.count()
        self._oldest = time.monotonic() if self._in_journal else None

    def _serve(self) -> None:
        with self._requests_lock:
            requests, self._requests = self._requests, []
        for action, future in requests:
            try:
                future.set_result(action())
            except Exception as exc:  # noqa: BLE001  # whoever asked is told
                future.set_exception(_told(exc))


def _told(exc: Exception) -> StorageError:
    """What the caller is told."""
    if isinstance(exc, StorageError):
        return exc
    log.error("The writer of metrics failed.", exc_info=exc)
    error = StorageError(f"The writer of metrics failed: {type(exc).__name__}: {exc}")
    error.__cause__ = exc
    return error
