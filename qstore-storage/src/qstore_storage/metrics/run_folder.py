# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: where its files are, how they get there whole, and the schema that is pinned in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qstore.errors import NotStored, OptionError, SchemaError, StorageError
from qstore_storage.durable import sync_descriptor, sync_folder
from qstore_storage.exclusive import exclusively
from qstore_storage.metrics.schema import KINDS, MAX_COLUMNS, Column, Schema
from qstore_storage.plain_file import read_plain
from qstore_storage.strict_json import strict_value

__all__ = ["RunFolder", "publish"]

FORMAT = 1
_MAX_SCHEMA_BYTES = 1 << 20
_JOURNAL = re.compile(r"rank-(\d{1,5})\.sqlite")
MAX_RANK = 99_999
_NAMED = 5
"""So many runs below a folder that is none are named."""


class RunFolder:
    """The paths of a run.

    Args:
        path: the run's folder; nothing is made or read yet.

    Raises:
        OptionError: that is no path, or a file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in str(path):
            raise OptionError(f"A run is a folder, such as 'runs/digits'; got {path!r:.80}.")
        self.path = Path(path).absolute()  # the program may change its working folder
        if self.path.exists() and not self.path.is_dir():
            raise OptionError(f"{str(path)!r} is a file; a run is a folder.")
        self.parts = self.path / "parts"
        self.journals = self.path / "journal"
        self.quarantine = self.path / "quarantine"
        self.schema_file = self.path / "schema.json"

    def make(self) -> None:
        """Make the folders.

        Raises:
            StorageError: they cannot be made.
        """
        try:
            for folder in (self.parts, self.journals):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StorageError(
                f"The folder of the run {self.path} cannot be made: {exc}. Choose one that can be written."
            ) from exc

    def journal(self, rank: int) -> Path:
        """The SQLite file of a rank."""
        return self.journals / f"rank-{rank}.sqlite"

    def lock(self, rank: int) -> Path:
        """The file that the process of a rank has locked."""
        return self.journals / f"rank-{rank}.lock"

    def ranks(self) -> list[int]:
        """The ranks that have a journal, sorted."""
        found = (_JOURNAL.fullmatch(path.name) for path in self.journals.glob("rank-*.sqlite"))
        return sorted(int(match[1]) for match in found if match)

    def schema(self) -> Schema | None:
        """The pinned schema; None before the first row.

        Raises:
            StorageError: the file cannot be read or is damaged.
        """
        try:
            raw = read_plain(self.schema_file, _MAX_SCHEMA_BYTES)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StorageError(f"{self.schema_file} cannot be read: {exc}.") from exc
        except ValueError as exc:
            raise StorageError(f"The columns of the run cannot be read: {exc}") from exc
        return _read_schema(raw, self.schema_file)

    def written_schema(self) -> Schema:
        """The pinned schema of a run that has rows.

        Raises:
            NotStored: there is no run; one that lies a folder deeper is named.
            StorageError: the file cannot be read or is damaged.
        """
        schema = self.schema()
        if schema is None:
            below = sorted(file.parent.name for file in self.path.glob("*/schema.json"))
            hint = f" There is one in {', '.join(below[:_NAMED])}." if below else ""
            raise NotStored(
                f"There is no run in {str(self.path)!r}: it has no schema.json, which the first row of a run makes.{hint}"
            )
        return schema

    def tidy(self) -> None:
        """Delete what a process that was killed while it pinned the columns left behind."""
        left = list(self.journals.glob(".schema.json.*.tmp"))
        if left:
            with self.guard():  # nobody is at it now
                for path in left:
                    path.unlink(missing_ok=True)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Hold the run's own lock, which those of the ranks have nothing to do with.

        Raises:
            StorageError: it cannot be taken.
        """
        with exclusively(self.journals / "folder.lock"):
            yield

    def pin(self, schema: Schema) -> Schema:
        """Make a schema the run's own, unless it has one.

        Returns:
            The run's schema: this one, or an earlier one that has all its columns.

        Raises:
            SchemaError: the run is pinned to other columns.
            StorageError: it cannot be written.
        """
        with self.guard():
            pinned = self.schema()
            if pinned is None:
                document = {
                    "format": FORMAT,
                    "columns": [
                        {"name": c.name, "kind": c.kind, "unit": c.unit, "what": c.what}
                        for c in schema.columns
                    ],
                }
                text = json.dumps(document, indent=1) + "\n"
                try:
                    publish(self.schema_file, lambda path: path.write_text(text, "utf-8"), self.journals)
                except OSError as exc:
                    raise StorageError(f"{self.schema_file} cannot be written: {exc}.") from exc
                return schema
        for name in schema.user_columns:
            theirs = pinned.by_name.get(name)
            if theirs is None or theirs.kind != schema.by_name[name].kind:
                was = "has no such column" if theirs is None else f"pinned it as {theirs.kind!r}"
                raise SchemaError(
                    f"Column {name!r} is to be {schema.by_name[name].kind!r}, but the run {self.path} {was}. "
                    "The columns of a run never change: start a run in another folder, or log what this one has."
                )
        return pinned


def publish(target: Path, write: Callable[[Path], object], staging: Path) -> None:
    """Make a file appear whole or not at all, power loss included.

    Args:
        target: its name.
        write: writes the file at the path that it is given.
        staging: a folder of the same file system, where it is written first under a name that starts with a dot.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = staging / f".{target.name}.{os.urandom(4).hex()}.tmp"
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            sync_descriptor(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _read_schema(raw: bytes, path: Path) -> Schema:
    try:
        document = strict_value(raw.decode())
        version = document["format"]
        if isinstance(version, int) and version > FORMAT:
            raise StorageError(
                f"{path} was written by a later qstore-storage (format {version}); upgrade it."
            )
        columns = [_read_column(each) for each in document["columns"]]
        named = {column.name.casefold() for column in columns}
        if len(named) != len(columns) or not {"rank", "seq", "timestamp"} <= named or version != FORMAT:
            raise ValueError
    except (KeyError, TypeError, ValueError, RecursionError):
        raise StorageError(
            f"{path} is damaged. Restore it, for instance from a run of the same columns; the rows are safe."
        ) from None
    return Schema(columns)


def _read_column(record: Mapping[str, Any]) -> Column:
    column = Column(record["name"], record["kind"], record["unit"], record["what"])
    texts = (column.name, column.unit, column.what)
    if column.kind not in KINDS or not all(
        isinstance(text, str) and len(text) <= MAX_COLUMNS for text in texts
    ):
        raise ValueError
    return column
