# SPDX-License-Identifier: Apache-2.0
"""Parts: Parquet files of the rows of one rank from one sequence number to another, without gaps.

A part is written beside the parts, brought to the disk, and then renamed, so a part that is there is whole. Its name tells which
rows it holds: writing the same rows again makes the same part, and rows that lie in two parts are found by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qstore.errors import StorageError
from qstore_storage.metrics.run_folder import RunFolder, publish
from qstore_storage.metrics.schema import Schema

__all__ = [
    "Part",
    "Sorted",
    "arrow_schema",
    "list_parts",
    "read_part",
    "sorted_parts",
    "table_of",
    "trouble_with",
    "write_part",
]

_NAME = re.compile(r"rank-(\d{1,5})-(\d{12})-(\d{12})\.parquet")
DAMAGE = (OSError, pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
"""What Arrow raises for a file that is damaged: a flipped bit may hit a name, a length, a count."""
MAX_ROWS = 2_000_000
"""More than any part of ours has: a small file can promise a billion rows, which nobody should try to read."""
MAX_TEXT_BYTES = 2**31 - 1
_TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "text": pa.string()}


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A part, by its name.

    Attributes:
        rank: whose rows.
        first, last: sequence numbers of its first and its last row.
        path: the file.
    """

    rank: int
    first: int
    last: int
    path: Path

    @property
    def rows(self) -> int:
        """How many rows its name promises."""
        return self.last - self.first + 1

    @classmethod
    def named(cls, path: Path) -> Part | None:
        """The part of that name; None if it is no name of a part."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        rank, first, last = map(int, match.groups())
        return cls(rank, first, last, path) if 1 <= first <= last < first + MAX_ROWS else None


def arrow_schema(schema: Schema) -> pa.Schema:
    """The columns as Arrow has them; units and meanings are metadata of the fields."""
    return pa.schema(
        [
            pa.field(
                column.name, _TYPES[column.kind], nullable=column.name not in {"rank", "seq", "timestamp"},
                metadata={"unit": column.unit, "description": column.what},
            )
            for column in schema.columns
        ]
    )  # fmt: skip


def table_of(schema: pa.Schema, rank: int, seqs: list[int], rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table: (len(rows),) of each column."""
    present = set().union(*rows)
    size = len(rows)
    columns = []
    for field in schema:
        if field.name == "rank":
            columns.append(_array(field.type, [rank] * size))
        elif field.name == "seq":
            columns.append(_array(field.type, seqs))
        elif field.name in present:
            columns.append(_array(field.type, [row.get(field.name) for row in rows]))
        else:
            columns.append(pa.nulls(size, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _array(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """Values, None for null, in Arrow's own layout.

    `pa.array` would do, but it imports pandas where that is installed: a second of a training loop's time, and impossible while
    the interpreter ends.
    """
    size = len(values)
    nulls = values.count(None)
    validity = None
    if nulls:
        there = np.fromiter((value is not None for value in values), np.bool_, size)
        validity = pa.py_buffer(np.packbits(there, bitorder="little"))
    if kind == pa.string():
        texts = [b"" if value is None else value.encode() for value in values]
        ends = np.zeros(size + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, size), out=ends[1:])
        if ends[-1] > MAX_TEXT_BYTES:
            raise StorageError(
                f"{size:,} rows have {ends[-1]:,} bytes of text in one column, more than can be read at once."
            )
        buffers = [validity, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(texts))]
    elif kind == pa.bool_():
        truths = np.fromiter((value is True for value in values), np.bool_, size)
        buffers = [validity, pa.py_buffer(np.packbits(truths, bitorder="little"))]
    else:
        filled = values if not nulls else [0 if value is None else value for value in values]
        buffers = [validity, pa.py_buffer(np.array(filled, kind.to_pandas_dtype()))]
    return pa.Array.from_buffers(kind, size, buffers, nulls)


def write_part(folder: RunFolder, rank: int, table: pa.Table) -> Part:
    """Publish rows without gaps as a part.

    Raises:
        StorageError: it cannot be written; nothing is left behind.
    """
    first, last = table["seq"][0].as_py(), table["seq"][-1].as_py()
    target = folder.parts / f"rank-{rank}-{first:012d}-{last:012d}.parquet"

    def write(path: Path) -> None:
        pq.write_table(table, path, compression="zstd", write_page_checksum=True, row_group_size=1 << 17)

    try:
        publish(target, write, folder.journals)
    except (OSError, pa.ArrowException) as exc:
        raise StorageError(
            f"The part {target} cannot be written: {exc}. Its rows are safe in the journal and are tried again."
        ) from exc
    return Part(rank, first, last, target)


def list_parts(folder: RunFolder) -> tuple[list[Part], list[Path]]:
    """All parts, sorted by rank and first row; and the files among them that are none, or are links."""
    parts, foreign = [], []
    for path in sorted(folder.parts.iterdir()) if folder.parts.is_dir() else []:
        part = Part.named(path)
        if part is None or path.is_symlink() or not path.is_file():
            foreign.append(path)
        else:
            parts.append(part)
    return sorted(parts), foreign


class Sorted(NamedTuple):
    """Parts by what they are good for.

    Attributes:
        current: hold each row once.
        superseded: all of their rows lie in a larger one, because compaction was cut short.
        overlapping: some of their rows lie in another, which none of ours does.
    """

    current: list[Part]
    superseded: list[Part]
    overlapping: list[Part]


def sorted_parts(parts: Iterable[Part]) -> Sorted:
    """Tell which parts to read.

    Example:
        >>> a, b, both = (Part(0, *span, Path("p")) for span in ((1, 10), (11, 20), (1, 20)))
        >>> sorted_parts([a, b, both]) == ([both], [a, b], [])
        True
    """
    found = Sorted([], [], [])
    kept = found.current
    for part in sorted(parts, key=lambda each: (each.rank, each.first, -each.last)):
        covering = kept[-1] if kept and kept[-1].rank == part.rank else None
        if covering is not None and part.last <= covering.last:
            found.superseded.append(part)
        elif covering is not None and part.first <= covering.last:
            found.overlapping.append(part)
        else:
            kept.append(part)
    return found


def trouble_with(part: Part, schema: pa.Schema) -> str:
    """Why a part cannot be used, from its footer; "" if it can."""
    try:
        with pq.ParquetFile(part.path) as file:
            rows, found = file.metadata.num_rows, file.schema_arrow
    except DAMAGE as exc:
        return f"it is no whole Parquet file ({exc})"
    if rows != part.rows:
        return f"it has {rows} rows, its name promises {part.rows}"
    if not found.equals(schema):
        return "its columns are not those of the run"
    return ""


def read_part(part: Part, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a part, every page checked against its checksum.

    Raises:
        StorageError: it is damaged.
        FileNotFoundError: it is not there any more; a larger one has its rows.
    """
    wanted = None if columns is None else list(dict.fromkeys(["seq", *columns]))
    try:
        with pq.ParquetFile(part.path, page_checksum_verification=True) as file:
            table = file.read(columns=wanted, use_threads=False)
        numbers = table["seq"].to_numpy()
    except FileNotFoundError:
        raise
    except DAMAGE as exc:
        raise StorageError(f"The part {part.path} is damaged: {exc}.") from exc
    if not np.array_equal(numbers, np.arange(part.first, part.last + 1)):
        raise StorageError(f"The part {part.path} does not hold the rows that its name promises.")
    return table if columns is None else table.select(list(columns))
