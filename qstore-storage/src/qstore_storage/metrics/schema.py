# SPDX-License-Identifier: Apache-2.0
"""The columns of a run, and the check that a row fits them.

A column has one of four kinds: "float" (64 bits, NaN and infinities are values), "int" (64 bits, signed), "bool", "text"
(at most 4,096 characters). The columns of a run never change: all of its parts have one schema, so that every reader of Parquet
takes them as one dataset.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from qstore.errors import SchemaError, nearest_names
from qstore_storage.metrics.rows import KEYS, STANDARD, QuantumMetrics, TrainingMetrics

__all__ = ["KINDS", "Column", "Row", "Schema", "kind_of"]

Row = Mapping[str, Any] | TrainingMetrics | QuantumMetrics

MAX_TEXT = 4096
MAX_COLUMNS = 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,127}")
_INT64 = 2**63
_SET = {each: tuple(f.name for f in fields(each)) for each in (TrainingMetrics, QuantumMetrics)}
_FILLED = {"rank", "seq"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a run.

    Attributes:
        name: letters, digits and `_./-`.
        kind: "float", "int", "bool" or "text".
        unit: "" for none.
        what: one line.
    """

    name: str
    kind: str
    unit: str = ""
    what: str = ""


def _scalar(value: Any) -> Any:
    """The Python number of a numpy scalar, of an array or tensor with one entry; anything else as it is."""
    item = getattr(value, "item", None)
    if item is None:
        return value
    try:
        return item()
    except (TypeError, ValueError, RuntimeError):
        return value  # more than one entry: refused by its type


def _float(value: Any) -> float:
    value = value if type(value) in {float, int} else _scalar(value)
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or hasattr(type(value), "__float__")):
        raise TypeError
    return float(value)  # Decimal and Fraction too; an int that is too large is an OverflowError


def _int(value: Any) -> int:
    if type(value) is int and -_INT64 <= value < _INT64:
        return value
    value = value if type(value) is int else _scalar(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not -_INT64 <= value < _INT64:
        raise OverflowError
    return int(value)


def _bool(value: Any) -> bool:
    value = _scalar(value)
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if type(value) is str and len(value) <= MAX_TEXT and value.isascii():
        return value
    if not isinstance(value, str):
        raise TypeError
    if len(value) > MAX_TEXT:
        raise OverflowError
    if not value.isascii():
        value.encode()  # half a surrogate pair is no text: UnicodeEncodeError is a ValueError
    return str(value)


KINDS: dict[str, tuple[type, Callable[[Any], Any], str]] = {
    "float": (float, _float, "a number"),
    "int": (int, _int, "a whole number of 64 bits"),
    "bool": (bool, _bool, "True or False"),
    "text": (str, _text, f"text of at most {MAX_TEXT} characters"),
}
"""Kind to the Python type that names it in `columns=`, the check, and words for it."""


def kind_of(value: Any) -> str:
    """The kind of a user's column, from its first value.

    Raises:
        SchemaError: it is none of them.

    Example:
        >>> import numpy as np
        >>> kind_of(0.5), kind_of(np.int32(3)), kind_of(True), kind_of("warm-up")
        ('float', 'int', 'bool', 'text')
    """
    found = _scalar(value)
    for kind in ("bool", "int", "float", "text"):
        if isinstance(found, KINDS[kind][0]):
            return kind
    raise SchemaError(
        f"A column holds numbers, True or False, or text; got {type(value).__name__}: {value!r:.60}."
    )


class Schema:
    """The columns of a run, in their order.

    Args:
        columns: `KEYS`, standard columns, then the user's.

    Example:
        >>> schema = Schema.of({"auc": float})
        >>> schema.user_columns
        ('auc',)
        >>> schema.values([{"step": 1, "auc": 0.9, "train_loss": 0.5, "timestamp": 0}])
        {'step': 1, 'auc': 0.9, 'train_loss': 0.5, 'timestamp': 0.0}
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = tuple(columns)
        self.by_name = {column.name: column for column in self.columns}
        self._checks = {c.name: KINDS[c.kind][1] for c in self.columns if c.name not in _FILLED}

    @classmethod
    def of(cls, user: Mapping[str, Any] | None = None) -> Schema:
        """The standard columns, and the user's: name to float, int, bool, str or the kind's name.

        Raises:
            SchemaError: a name is none, is taken, or differs from another in case alone; a type is none of these.
        """
        standard = [Column(*facts) for facts in (*KEYS, *STANDARD)]
        names = {column.name.casefold(): column.name for column in standard}
        known = {column.name: column.kind for column in standard}
        kinds = {python: kind for kind, (python, _, _) in KINDS.items()} | {kind: kind for kind in KINDS}
        added = []
        for name, declared in (user or {}).items():
            kind = kinds.get(declared) if isinstance(declared, (str, type)) else None
            if kind is None:
                raise SchemaError(
                    f"columns: {name!r} is declared as {declared!r:.60}; use float, int, bool or str."
                )
            if known.get(name) == kind:
                continue  # a standard column that is declared once more
            if name in known:
                raise SchemaError(
                    f"columns: {name!r} is a column of every run and holds {KINDS[known[name]][2]}, not {kind}."
                )
            _check_name(name, names)
            names[name.casefold()] = name
            added.append(Column(name, kind, "", "the user's own"))
        if len(added) > MAX_COLUMNS:
            raise SchemaError(f"columns: {len(added)} are more than the {MAX_COLUMNS} that a run may add.")
        return cls([*standard, *added])

    @property
    def user_columns(self) -> tuple[str, ...]:
        """The names of the columns that are not standard."""
        standard = {facts.name for facts in (*KEYS, *STANDARD)}
        return tuple(column.name for column in self.columns if column.name not in standard)

    def knows(self, name: Any) -> bool:
        """Whether a row may have this column, or the logger fills it."""
        return name in self.by_name

    def values(self, rows: Iterable[Row]) -> dict[str, Any]:
        """One row's values by column: checked, converted, with a timestamp, without what is None.

        Raises:
            SchemaError: a column that is not there, a value of another kind, or one column twice. Nothing is logged.
        """
        found: dict[str, Any] = {}
        checks = self._checks
        for row in rows:
            for name, value in row.items() if type(row) is dict else named_values(row):
                if value is None:
                    continue
                convert = checks.get(name)
                if convert is None:
                    raise self._unknown(name)
                if name in found:
                    raise SchemaError(f"A row has one value for {name!r}; it is given twice.")
                if convert is _float and type(value) is float:
                    found[name] = value  # most values are, and this is most of the time
                    continue
                try:
                    found[name] = convert(value)
                except (TypeError, ValueError, OverflowError, ArithmeticError):
                    raise self._drift(name, value) from None
        if not found:
            raise SchemaError("A row needs at least one value; got none.")
        if "timestamp" not in found:
            found["timestamp"] = time.time()
        return found

    def _unknown(self, name: Any) -> SchemaError:
        if name in _FILLED:
            return SchemaError(f"{name!r} is filled by the logger; leave it out of the row.")
        hint = nearest_names(str(name), [*self._checks])
        return SchemaError(
            f"The run has no column {name!r:.140}.{hint} The columns of a run are pinned by its first row: name all of your own "
            "there, or in columns={name: float, ...} when the logger is made. This row was not logged."
        )

    def _drift(self, column: str, value: Any) -> SchemaError:
        kind = self.by_name[column].kind
        return SchemaError(
            f"Column {column!r} of this run holds {KINDS[kind][2]}; got {type(value).__name__}: {value!r:.60}. "
            f"This row was not logged."
        )


def named_values(row: Row) -> Iterable[tuple[Any, Any]]:
    """The columns and values of a row.

    Raises:
        SchemaError: that is no row.
    """
    names = _SET.get(type(row))  # type: ignore[arg-type]  # any other type is simply not there
    if names is not None:
        return [(name, getattr(row, name)) for name in names]
    if isinstance(row, Mapping):
        return row.items()
    raise SchemaError(
        f"A row is a mapping from column to value, TrainingMetrics or QuantumMetrics; got {type(row).__name__}: {row!r:.60}."
    )


def _check_name(name: Any, taken: Mapping[str, str]) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SchemaError(
            f"{name!r:.140} cannot name a column: use 1 to 128 letters, digits and '_./-', starting with a letter or '_'."
        )
    if name.casefold() in taken:
        raise SchemaError(
            f"Column {name!r} would be hard to tell from {taken[name.casefold()]!r}: names differ in more than case."
        )
