# SPDX-License-Identifier: Apache-2.0
"""`AsyncMetricsLogger`: rows of numbers that cost a training loop microseconds and are never lost once acknowledged."""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import threading
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from qstore.batch import process_rank
from qstore.errors import OptionError, StorageError
from qstore_storage.metrics.buffer import RowBuffer
from qstore_storage.metrics.rank_store import RankStore, checked_rank
from qstore_storage.metrics.row_table import DURABILITIES
from qstore_storage.metrics.run_folder import RunFolder
from qstore_storage.metrics.schema import Row, Schema, kind_of, named_values
from qstore_storage.metrics.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from qstore_storage.metrics.tensorboard import ScalarWriter

__all__ = ["AsyncMetricsLogger"]

log = logging.getLogger(__name__)

MAX_ROWS_PER_PART = 100_000

_open: weakref.WeakSet[AsyncMetricsLogger] = weakref.WeakSet()


class AsyncMetricsLogger:
    """Logs rows of a run without making the training loop wait.

    `log` checks a row and queues it; a thread of its own writes. A row is *acknowledged* when `flush()`, `close()`,
    `log(..., durable=True)` or their async twins returned after it: from then on it survives that this process is killed, and
    with `durability="power"` that the machine loses its power. Rows that are not acknowledged are on the disk after about
    `flush_interval_s`. Every row is read back exactly once, whatever happens.

    What goes wrong in the thread is raised by the next call, whatever that is; rows that could not be written are kept and
    tried again every second. A call that raises took no row.

    Any thread may log. A forked child must make its own logger, with a rank of its own. Loggers that are still open when the
    interpreter ends are closed.

    Args:
        path: the run's folder, made where it is missing; an earlier run is continued.
        columns: the user's own columns, name to float, int, bool or str. Without, those of the first row are taken. They are
            pinned: no row may have others.
        rank: which of several processes of the run this is; by default the environment variable RANK, or 0.
        buffer_size: rows that may wait to be written.
        on_full: what `log` does when so many wait: "block" until there is room, or "drop_counted": the row is lost, and counted
            in `dropped`, in the log of `qstore.*`, and on the disk.
        flush_interval_s: seconds for which rows are gathered before they are written.
        rows_per_part: rows of a Parquet part.
        part_interval_s: seconds after which rows go to a part even if there are fewer.
        durability: what an acknowledged row survives, "process" (the process is killed) or "power" (power loss; a flush takes
            milliseconds).
        tensorboard: a folder for TensorBoard's event files (extra `tensorboard`), or a writer with
            `add_scalar(tag, value, step)`, which is called from the logger's thread.

    Attributes:
        path: the run's folder.
        rank: see above.
        reports: what was out of order in the folder, in sentences; also logged as warnings.

    Raises:
        OptionError: an argument is out of its range.
        SchemaError: the run is pinned to other columns.
        StorageError: the folder cannot be used, or another process logs as this rank.

    Example:
        >>> import tempfile
        >>> from qstore_storage.metrics import TrainingMetrics, read_metrics
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with AsyncMetricsLogger(folder, columns={"auc": float}) as metrics:
        ...         metrics.log(TrainingMetrics(step=1, train_loss=0.5), auc=0.8)
        ...         metrics.log({"step": 2, "train_loss": 0.25, "auc": 0.9}, durable=True)
        ...     read_metrics(folder, ["step", "auc"]).to_pydict()
        {'step': [1, 2], 'auc': [0.8, 0.9]}
    """

    def __init__(
        self, path: str | os.PathLike[str], columns: Mapping[str, Any] | None = None, *, rank: int | None = None,
        buffer_size: int = 65_536, on_full: str = "block", flush_interval_s: float = 0.2, rows_per_part: int = 10_000,
        part_interval_s: float = 60.0, durability: str = "process",
        tensorboard: str | os.PathLike[str] | ScalarWriter | None = None,
    ) -> None:  # fmt: skip
        self.rank = checked_rank(int(process_rank()) if rank is None else rank)
        if (
            isinstance(rows_per_part, bool)
            or not isinstance(rows_per_part, int)
            or not 1 <= rows_per_part <= MAX_ROWS_PER_PART
        ):
            raise OptionError(
                f"rows_per_part is a number of rows, 1 to {MAX_ROWS_PER_PART:,}; got {rows_per_part!r:.60}."
            )
        for name, seconds in (("flush_interval_s", flush_interval_s), ("part_interval_s", part_interval_s)):
            if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or seconds < 0:
                raise OptionError(f"{name} is a number of seconds, at least 0; got {seconds!r:.60}.")
        if durability not in DURABILITIES:
            raise OptionError(f"durability is 'process' or 'power', got {durability!r:.60}.")
        self._buffer = RowBuffer(buffer_size, on_full)
        folder = RunFolder(path)
        self._folder, self._columns, self._pid = folder, columns, os.getpid()
        self._pinning = threading.Lock()
        wanted = None if columns is None else Schema.of(columns)
        folder.make()
        store = RankStore(folder, self.rank, durability)
        try:
            self.reports = store.reports
            pinned = folder.schema()
            self._schema = pinned if wanted is None else folder.pin(wanted)
            mirror = _mirror(tensorboard, self.rank)
        except BaseException:
            store.close()
            raise
        self._writer = Writer(
            self._buffer, store, rows_per_part, float(part_interval_s), float(flush_interval_s), mirror
        )
        self._writer.schema = self._schema
        self._closing = threading.RLock()
        self._said_dropped = False
        self._writer.start()
        _open.add(self)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._folder.path

    @property
    def schema(self) -> Schema | None:
        """The run's columns; None before the first row, where they were not given."""
        return self._schema

    @property
    def dropped(self) -> int:
        """Rows that this logger lost because the buffer was full; always 0 with `on_full="block"`."""
        return self._buffer.dropped

    @property
    def pending(self) -> int:
        """Rows that are not on the disk yet."""
        return self._buffer.pending

    def log(self, *rows: Row, durable: bool = False, **values: Any) -> None:
        """Queue one row.

        Args:
            rows: mappings from column to value, `TrainingMetrics`, `QuantumMetrics`: together they are one row. None stands for
                no value. Numbers may be numpy scalars or tensors of one entry.
            durable: return when the row, and all before it, are on the disk.
            values: more columns.

        Raises:
            SchemaError: it does not fit the run's columns; nothing of it was logged.
            StorageError: what went wrong in the writer before; this row was not logged. Or the logger is closed.
        """
        if self._pid != os.getpid():
            raise self._forked()
        given = (*rows, values) if values else rows
        schema = self._schema if self._schema is not None else self._pin(given)
        if not self._buffer.put(schema.values(given)):
            self._say_dropped()
        if durable:
            self._buffer.flush()

    async def log_async(self, *rows: Row, durable: bool = False, **values: Any) -> None:
        """As `log`; where it has to wait, the event loop goes on."""
        if self._pid != os.getpid():
            raise self._forked()
        given = (*rows, values) if values else rows
        schema = self._schema if self._schema is not None else self._pin(given)
        row = schema.values(given)
        if not self._buffer.put(row, wait=False):
            if self._buffer.drops:
                self._say_dropped()
            else:
                await asyncio.to_thread(self._buffer.put, row)
        if durable:
            await asyncio.to_thread(self._buffer.flush)

    def flush(self) -> None:
        """Return when all rows logged so far are on the disk: they are acknowledged then.

        Raises:
            StorageError: what went wrong in the writer. Rows that are not on the disk are kept and tried again.
        """
        if self._pid != os.getpid():
            raise self._forked()
        self._buffer.flush()

    async def flush_async(self) -> None:
        """As `flush`; the event loop goes on."""
        await asyncio.to_thread(self.flush)

    def rows(self) -> list[dict[str, Any]]:
        """Every row of this rank that is on the disk, in the order of logging; a value that was left out is None.

        Raises:
            StorageError: something is damaged.
        """
        from qstore_storage.metrics.reader import MetricsReader  # who only logs reads nothing

        if self._schema is None:
            return []
        found: list[dict[str, Any]] = MetricsReader(self.path).table().to_pylist()
        return [row for row in found if row["rank"] == self.rank]

    def compact(self) -> int:
        """Merge small parts of this rank into large ones, and put all rows into parts.

        Who reads the parts meanwhile without `read_metrics` may see rows twice for a moment; (`rank`, `seq`) tells.

        Returns:
            How many parts there are fewer.

        Raises:
            StorageError: it cannot be done; nothing is lost.
        """
        if self._pid != os.getpid():
            raise self._forked()
        with self._closing:
            if not self._writer.is_alive():
                raise StorageError("The metrics logger is closed; use qstore_storage.metrics.compact(path).")
            done = self._writer.ask(self._writer.compact)
        return int(done.result())

    def close(self) -> None:
        """Save everything, put it into parts, and let go of the run; a second time does nothing.

        Raises:
            StorageError: rows cannot be saved: the logger stays open and keeps them, so close it again when there is room. Or
                rows are safe in the journal but could not be put into a part: the logger is closed, and who opens the run next
                does it.
        """
        if self._pid != os.getpid():
            return  # a forked child has nothing to save
        with self._closing:
            if not self._writer.is_alive():
                return
            self._buffer.forget_error()
            try:
                self._writer.ask(self._writer.finish).result()
            finally:
                if self._writer.is_over:
                    self._writer.join()
                    _open.discard(self)
        if self.dropped:
            log.warning("Run %s, rank %d: %d rows were dropped because the buffer was full.", self.path, self.rank, self.dropped)  # fmt: skip

    async def close_async(self) -> None:
        """As `close`; the event loop goes on."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()

    def __repr__(self) -> str:
        state = "open" if self._writer.is_alive() else "closed"
        return f"<AsyncMetricsLogger of {str(self.path)!r}, rank {self.rank}, {state}, {self.pending} rows pending>"

    def _pin(self, given: tuple[Row, ...]) -> Schema:
        """The columns of the first row become the run's."""
        with self._pinning:
            if self._schema is None:
                standard = Schema.of()
                own = {
                    name: kind_of(value)
                    for row in given
                    for name, value in named_values(row)
                    if value is not None and not standard.knows(name)
                }
                schema = Schema.of(own)
                schema.values(given)  # a row that is refused pins nothing
                self._schema = self._folder.pin(schema)
                self._writer.schema = self._schema
            return self._schema

    def _say_dropped(self) -> None:
        if not self._said_dropped:
            self._said_dropped = True
            log.warning(
                "Run %s, rank %d: the buffer of %d rows is full, rows are dropped from now on and counted in `dropped`.",
                self.path, self.rank, self._buffer.size,
            )  # fmt: skip

    def _forked(self) -> StorageError:
        return StorageError(
            "This metrics logger was made before the process was forked, and belongs to the parent. Make one in the child, with a "
            "rank of its own."
        )


def _mirror(tensorboard: Any, rank: int) -> Any:
    if tensorboard is None:
        return None
    from qstore_storage.metrics.tensorboard import TensorBoardMirror  # only who asks for it needs the extra

    return TensorBoardMirror(tensorboard, rank)


@atexit.register
def _close_all() -> None:
    for logger in list(_open):
        try:
            logger.close()
        except StorageError as exc:
            rows = logger.pending
            log.error("Run %s, rank %d: %d rows are lost: %s", logger.path, logger.rank, rows, exc)  # noqa: TRY400  # its traceback says no more
