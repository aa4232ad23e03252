# SPDX-License-Identifier: Apache-2.0
"""Read a run: the rows of all ranks, those that are still in the journals too, each exactly once."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from qstore.errors import OptionError, StorageError, nearest_names
from qstore_storage.metrics.parts import (
    Part,
    arrow_schema,
    list_parts,
    read_part,
    sorted_parts,
    table_of,
    trouble_with,
)
from qstore_storage.metrics.row_table import Stored, read_rows
from qstore_storage.metrics.run_folder import RunFolder
from qstore_storage.metrics.schema import Schema

__all__ = ["MetricsReader", "gaps_in", "read_metrics"]

log = logging.getLogger(__name__)

Numbers = np.ndarray[Any, np.dtype[np.int64]]

DAMAGED = ("raise", "skip")
_PATIENCE_S = 60.0
_MAX_GAPS = 5


class MetricsReader:
    """Reads a run that may be written to meanwhile; changes nothing.

    Args:
        path: the run's folder.
        damaged: what to do with a part or row that is damaged: "raise", or "skip" it and say so in `problems`.

    Attributes:
        schema: the run's columns.
        problems: what was found out of order by the last `table` or `numpy`, in sentences: gaps, damage, strangers.
        dropped: rows that loggers dropped and counted, as the last read found it.

    Raises:
        NotStored: there is no run.
        OptionError: `damaged` is neither.
        StorageError: the schema is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], damaged: str = "raise") -> None:
        if damaged not in DAMAGED:
            raise OptionError(f"damaged is 'raise' or 'skip', got {damaged!r:.60}.")
        self._folder, self._skips = RunFolder(path), damaged == "skip"
        self.schema: Schema = self._folder.written_schema()
        self.problems: list[str] = []
        self.dropped = 0
        self._rolled: dict[int, int] = {}
        self._arrow = arrow_schema(self.schema)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._folder.path

    @property
    def units(self) -> dict[str, str]:
        """The unit of each column that has one."""
        return {column.name: column.unit for column in self.schema.columns if column.unit}

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, sorted by rank and number.

        Args:
            columns: which, in this order; by default all.

        Raises:
            OptionError: the run has no such column.
            StorageError: a part or a row is damaged, unless such are skipped.
        """
        names = list(self.schema.by_name) if columns is None else list(columns)
        for name in names:
            if name not in self.schema.by_name:
                hint = nearest_names(str(name), list(self.schema.by_name))
                raise OptionError(f"The run has no column {name!r:.140}.{hint}")
        read: dict[Part, pa.Table | str] = {}
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._read(names, read)
            except FileNotFoundError as exc:
                # Somebody merges parts just now: the list is made again, and the rows are in the larger one. What was read is
                # kept, so that this ends however fast parts change.
                if time.monotonic() > deadline:
                    raise StorageError(
                        f"The parts of {self._folder.path} change faster than they can be read."
                    ) from exc

    def numpy(self, columns: Sequence[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Columns as arrays of one entry per row, sorted by rank and number.

        Numbers that are not there are NaN, which makes whole numbers float64 in such columns; text and truth values that are not
        there are None in an array of objects.

        Args:
            columns: which; by default those that have a value anywhere.
        """
        table = self.table(columns)
        return {
            name: table[name].to_numpy()
            for name in table.column_names
            if columns is not None or table[name].null_count < table.num_rows
        }

    def _read(self, names: list[str], read: dict[Part, pa.Table | str]) -> pa.Table:
        self.problems, self.dropped, self._rolled = [], 0, {}
        wanted = list(dict.fromkeys(["rank", "seq", *names]))
        # Journals first: rows that move into a part meanwhile are seen twice, not never.
        journals = self._journals()
        parts = self._parts(wanted, read)
        tables: list[pa.Table] = [read[part] for part in parts]
        numbers: dict[int, list[Numbers]] = {}
        for part in parts:
            numbers.setdefault(part.rank, []).append(np.arange(part.first, part.last + 1))
        for rank, stored in journals.items():
            known = np.concatenate(numbers.get(rank, [np.empty(0, np.int64)]))
            new = np.flatnonzero(~np.isin(np.asarray(stored.seqs, np.int64), known)).tolist()
            if new:
                seqs = [stored.seqs[i] for i in new]
                tables.append(table_of(self._arrow, rank, seqs, [stored.rows[i] for i in new]).select(wanted))
                numbers.setdefault(rank, []).append(np.asarray(seqs))
        for rank in sorted({*numbers, *self._rolled}):
            there = np.concatenate([*numbers.get(rank, []), np.empty(0, np.int64)])
            self._look_for_gaps(rank, np.sort(there))
        if self.dropped:
            self.problems.append(f"{self.dropped} rows were dropped because a buffer was full.")
        if not tables:
            return self._arrow.empty_table().select(names)
        found = pa.concat_tables(tables)
        return found.sort_by([("rank", "ascending"), ("seq", "ascending")]).select(names).combine_chunks()

    def _journals(self) -> dict[int, Stored]:
        """The rows of every rank that may be in no part yet."""
        found: dict[int, Stored] = {}
        for rank in self._folder.ranks():
            try:
                found[rank], counters = read_rows(self._folder.journal(rank))
            except StorageError as exc:
                self._trouble(str(exc), exc)
                continue
            self.dropped += counters.get("dropped", 0)
            self._rolled[rank] = counters.get("rolled", 0)
            for seq in found[rank].damaged:
                self._trouble(f"Row {seq} of rank {rank} is damaged in the journal.")
        return found

    def _parts(self, columns: list[str], read: dict[Part, pa.Table | str]) -> list[Part]:
        """The parts that hold each row once; their rows are put into `read`, unless they are there."""
        listed, foreign = list_parts(self._folder)
        self.problems += [
            f"{path} is no part of the run; it is put aside by the next logger that opens it."
            for path in foreign
        ]
        for part in listed:
            if part not in read:
                read[part] = self._part(part, columns)
            if isinstance(read[part], str):
                self._trouble(read[part])
        found = sorted_parts(part for part in listed if not isinstance(read[part], str))
        for part in found.overlapping:
            self._trouble(f"Some rows of the part {part.path} are in another one, too.")
        return found.current

    def _part(self, part: Part, columns: list[str]) -> pa.Table | str:
        """Its rows, or why there are none."""
        trouble = trouble_with(part, self._arrow)
        if trouble and not part.path.exists():
            raise FileNotFoundError(part.path)
        if trouble:
            return f"The part {part.path} cannot be used: {trouble}."
        try:
            return read_part(part, columns)
        except StorageError as exc:
            return str(exc)

    def _trouble(self, sentence: str, cause: StorageError | None = None) -> None:
        if not self._skips:
            raise StorageError(f"{sentence} Read the rest with damaged='skip'.") from cause
        self.problems.append(sentence)

    def _look_for_gaps(self, rank: int, numbers: Numbers) -> None:
        # One more than what went into parts, so that a gap may be at the end.
        end = max(self._rolled.get(rank, 0), int(numbers[-1]) if len(numbers) else 0) + 1
        gaps = gaps_in(np.append(numbers, end))
        self.problems += [f"Rows {a} to {b} of rank {rank} are missing." for a, b in gaps[:_MAX_GAPS]]
        if len(gaps) > _MAX_GAPS:
            self.problems.append(f"Rank {rank} has {len(gaps) - _MAX_GAPS} more gaps.")


def read_metrics(
    path: str | os.PathLike[str], columns: Sequence[str] | None = None, damaged: str = "raise"
) -> pa.Table:
    """All rows of a run as an Arrow table, sorted by rank and number; `MetricsReader` has them as arrays, too.

    Args:
        path: the run's folder.
        columns: which, in this order; by default all.
        damaged: "raise", or "skip" what is damaged; that, and gaps, are logged as warnings.

    Raises:
        NotStored: there is no run.
        OptionError: the run has no such column.
        StorageError: something is damaged, unless it is skipped.
    """
    reader = MetricsReader(path, damaged)
    table = reader.table(columns)
    for problem in reader.problems:
        log.warning("Run %s: %s", reader.path, problem)
    return table


def gaps_in(numbers: np.ndarray[Any, np.dtype[np.int64]]) -> list[tuple[int, int]]:
    """The numbers from 1 on that are missing in a sorted array of numbers, as pairs of the first and the last.

    Example:
        >>> gaps_in(np.array([2, 3, 7]))
        [(1, 1), (4, 6)]
    """
    before = np.concatenate([[0], numbers[:-1]]).astype(np.int64) if len(numbers) else numbers
    at = np.flatnonzero(numbers - before > 1)
    return [(int(before[i]) + 1, int(numbers[i]) - 1) for i in at]
