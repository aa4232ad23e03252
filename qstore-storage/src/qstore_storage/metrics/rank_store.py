# SPDX-License-Identifier: Apache-2.0
"""The rows of one rank on the disk: saved to the journal first, rolled into parts later, put in order when opened.

The order of things, and what a kill between two of them leaves to the next one who opens:

    rows are committed to the journal           they are acknowledged
    the part is written beside the parts        a file with a dot in front, which is deleted
    ... synced, renamed, the folder synced      the rows are in both: those of the journal are deleted
    the rows are deleted from the journal       nothing

Compaction writes one part of the rows of several, and deletes these. A kill between leaves rows in two parts: the smaller ones are
deleted.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from qstore.errors import OptionError, StorageError
from qstore.execution.file_lock import FileLock
from qstore_storage.durable import sync_folder
from qstore_storage.metrics.parts import (
    Part,
    arrow_schema,
    list_parts,
    read_part,
    sorted_parts,
    table_of,
    trouble_with,
    write_part,
)
from qstore_storage.metrics.row_table import RowTable, Stored
from qstore_storage.metrics.run_folder import MAX_RANK, RunFolder
from qstore_storage.metrics.schema import Schema

__all__ = ["RankStore", "checked_rank"]

log = logging.getLogger(__name__)

MAX_TAIL = 200_000
"""Rows that are kept in memory until they are in a part, too; more wait only where no part can be written."""
COMPACT_ROWS = 1_000_000
"""A compacted part has at most so many rows, unless one of its parts has more."""


def checked_rank(rank: Any) -> int:
    """The rank, if it is one.

    Raises:
        OptionError: it is not.
    """
    if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank <= MAX_RANK:
        raise OptionError(f"rank is a number from 0 to {MAX_RANK}, one for each process; got {rank!r:.60}.")
    return rank


class RankStore:
    """What one process keeps of a run, with the lock on it.

    Args:
        folder: the run's folder, made.
        rank: whose rows.
        durability: what a saved row survives: "process" or "power".

    Attributes:
        next_seq: number of the next row.
        reports: what was found out of order, in sentences.

    Raises:
        StorageError: another process logs as this rank, or what is there cannot be used.
    """

    def __init__(self, folder: RunFolder, rank: int, durability: str = "process") -> None:
        self.folder, self.rank = folder, rank
        self.reports: list[str] = []
        self.next_seq = 1
        self._tail: list[dict[str, Any]] | None = []
        """Rows of the journal, where all of them are of this process."""
        self._published: Part | None = None
        self._arrow: pa.Schema | None = None
        try:
            lock = FileLock.taken(folder.lock(rank))
        except OSError as exc:
            raise StorageError(f"The lock {folder.lock(rank)} cannot be taken: {exc}.") from exc
        if lock is None:
            raise StorageError(
                f"Somebody logs to {folder.path} as rank {rank} already. Give each process a rank of its own (rank=, or the "
                "environment variable RANK), or close the other logger."
            )
        self._lock = lock
        try:
            self.table = RowTable(folder.journal(rank), durability)
            try:
                self._recover()
            except BaseException:
                self.table.close()
                raise
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Close the journal and give up the lock."""
        self.table.close()
        self._lock.release()

    def save(self, rows: list[dict[str, Any]], *, dropped: int = 0) -> None:
        """Commit rows to the journal: when this returns they are acknowledged.

        Raises:
            StorageError: they cannot be written; none of them is.
        """
        self.table.append(self.next_seq, rows, dropped=dropped)
        self.next_seq += len(rows)
        if self._tail is not None:
            self._tail += rows
            if len(self._tail) > MAX_TAIL:
                self._tail = None

    def roll(self, limit: int, schema: Schema) -> int:
        """Move the oldest rows of the journal, `limit` at most, into a part; returns how many went.

        Raises:
            StorageError: the part cannot be written; the rows stay in the journal.
        """
        self._forget_published()
        stored = self._oldest(limit)
        for seq in stored.damaged:
            self._set_aside(f"rank-{self.rank}-row-{seq}.txt", self.table.raw(seq),
                            f"Row {seq} of rank {self.rank} is damaged in the journal")  # fmt: skip
            self.table.forget(seq, seq)
        done, start = 0, 0
        numbers = stored.seqs
        # A damaged row leaves a gap, and parts have none.
        ends = [
            i for i in range(1, len(numbers) + 1) if i == len(numbers) or numbers[i] != numbers[i - 1] + 1
        ]
        for end in ends:
            table = table_of(
                self._arrow_schema(schema), self.rank, numbers[start:end], stored.rows[start:end]
            )
            self._published = write_part(self.folder, self.rank, table)
            self._forget_published()
            done, start = done + end - start, end
        if self._tail is None and len(numbers) + len(stored.damaged) < limit:
            self._tail = []  # the journal is empty now
        return done + len(stored.damaged)

    def _forget_published(self) -> None:
        """Delete from the journal what went into the last part; again, if that failed."""
        part, self._published = self._published, None
        if part is None:
            return
        try:
            self.table.forget(part.first, part.last)
        except StorageError:
            self._published = part
            raise
        if self._tail:
            del self._tail[: part.rows]

    def _oldest(self, limit: int) -> Stored:
        """The oldest rows of the journal: those of this process from memory, which is a third of the work of a part."""
        if self._tail:
            first = self.next_seq - len(self._tail)
            rows = self._tail[:limit]
            return Stored(list(range(first, first + len(rows))), rows, [])
        return self.table.read(limit)

    def compact(self) -> int:
        """Merge neighbouring parts; returns how many parts there are fewer.

        Raises:
            StorageError: a part is damaged or the new one cannot be written; nothing is lost.
        """
        before = self._parts()
        groups: list[list[Part]] = []
        for part in before:
            group = groups[-1] if groups else None
            if (
                group is not None
                and group[-1].last + 1 == part.first
                and part.last - group[0].first < COMPACT_ROWS
            ):
                group.append(part)
            else:
                groups.append([part])
        for group in groups:
            if len(group) > 1:
                write_part(self.folder, self.rank, pa.concat_tables([read_part(part) for part in group]))
                self._delete(group)
        return len(before) - len(groups)

    def _arrow_schema(self, schema: Schema) -> pa.Schema:
        if self._arrow is None:
            self._arrow = arrow_schema(schema)
        return self._arrow

    def _parts(self) -> list[Part]:
        parts, _ = list_parts(self.folder)
        return [part for part in parts if part.rank == self.rank]

    def _recover(self) -> None:
        """Put in order what an earlier process left."""
        for left in self.folder.journals.glob(f".rank-{self.rank}-*.tmp"):
            with suppress(OSError):
                left.unlink()
        self.folder.tidy()
        self._refuse_foreign()
        schema, parts = self.folder.schema(), self._parts()
        if schema is None:
            if parts or self.table.count() or self.table.rolled():
                raise StorageError(
                    f"{self.folder.schema_file} is missing, but there are rows of the run. Restore it, for instance from a run of the "
                    "same columns; the rows are safe."
                )
            return
        usable = []
        for part in parts:
            trouble = trouble_with(part, self._arrow_schema(schema))
            if trouble:
                self._quarantine(part.path, trouble)
            else:
                usable.append(part)
        kept, superseded, overlapping = sorted_parts(usable)
        self._delete(superseded)
        for part in overlapping:
            self._quarantine(part.path, "some of its rows are in another part, too")
        for part in kept:
            self.table.forget(part.first, part.last)
        ends = [part.last for part in (*kept, *self._quarantined())]
        self.next_seq = max([*ends, self.table.last(), self.table.rolled()]) + 1
        self._tail = None if self.table.count() else []

    def _refuse_foreign(self) -> None:
        # Whoever opens puts them aside, whatever the rank: they make the dataset unreadable for everybody.
        _, foreign = list_parts(self.folder)
        for path in foreign:
            self._quarantine(path, "it is no part of ours")

    def _quarantined(self) -> list[Part]:
        folder = self.folder.quarantine
        # Numbers are never given twice, though a part of that name came to harm.
        found = [Part.named(path) for path in folder.iterdir()] if folder.is_dir() else []
        return [part for part in found if part is not None and part.rank == self.rank]

    def _delete(self, parts: list[Part]) -> None:
        for part in parts:
            try:
                part.path.unlink(missing_ok=True)
            except OSError as exc:
                raise StorageError(
                    f"{part.path}, whose rows are in a larger part, cannot be deleted: {exc}."
                ) from exc
        if parts:
            sync_folder(self.folder.parts)

    def _quarantine(self, path: Path, trouble: str) -> None:
        folder = self.folder.quarantine
        target = folder / path.name
        try:
            folder.mkdir(exist_ok=True)
            if target.exists() or target.is_symlink():
                target = folder / f"{path.name}.{os.urandom(4).hex()}"
            path.rename(target)
        except FileNotFoundError:
            return  # another rank was faster
        except OSError as exc:
            raise StorageError(f"{path} is to be put aside, as {trouble}; that failed: {exc}.") from exc
        self._report(f"{path.name} was moved to {folder}: {trouble}")

    def _set_aside(self, name: str, text: str, trouble: str) -> None:
        try:
            self.folder.quarantine.mkdir(exist_ok=True)
            (self.folder.quarantine / name).write_text(text, "utf-8", errors="backslashreplace")
        except OSError as exc:
            raise StorageError(f"{trouble}, and it cannot be put aside: {exc}.") from exc
        self._report(f"{trouble}: what is left of it is in {self.folder.quarantine / name}")

    def _report(self, sentence: str) -> None:
        self.reports.append(f"{sentence}.")
        log.warning("Run %s: %s.", self.folder.path, sentence)
