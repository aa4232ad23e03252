# SPDX-License-Identifier: Apache-2.0
"""Columns of a run as curves of a few hundred points, and what a run comes to: figures for tables, plots and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_storage.metrics.reader import MetricsReader

__all__ = ["BackendShare", "ColumnSummary", "Curve", "RunSummary", "curve_of", "summarise"]

POINTS = 240
SUMMED = ("circuits", "shots", "cost_usd", "circuit_time_s", "queue_time_s")
"""Columns that say what was used since the row before, so that their sum is what the run used."""
_SMALLEST, _LARGEST = 1e-290, 1e290
"""Beyond these, curves are flat."""
Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """A column along the steps.

    Attributes:
        x: (n,) steps, rising.
        mean, low, high: (n,) mean, smallest and largest value of the rows around each step.
    """

    x: Floats
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column of numbers.

    Attributes:
        name, unit, what: as in the schema.
        count: rows that have a value.
        finite: of these, how many are neither NaN nor infinite.
        first, last: of the rows that have one, in the order of their time.
        lowest, highest, total: of the finite values; NaN where there are none.
    """

    name: str
    unit: str
    what: str
    count: int
    finite: int
    first: float
    last: float
    lowest: float
    highest: float
    total: float


@dataclass(frozen=True, slots=True)
class BackendShare:
    """What was logged with one backend: rows, and sums over them."""

    name: str
    rows: int
    circuits: int
    shots: int
    circuit_time_s: float
    queue_time_s: float
    cost_usd: float


@dataclass(slots=True)
class RunSummary:
    """What a run comes to.

    Attributes:
        path: the run's folder.
        rows, ranks: how many rows, of which ranks.
        start, end: seconds since 1970-01-01 UTC of the first and last row; NaN without rows.
        columns: columns of numbers that have a value, in the schema's order.
        texts: for columns of text and truth values, how often each value occurs, the most frequent first.
        backends: by circuits, the busiest first.
        problems: what the reader found out of order.
        data: the columns as arrays, sorted by time.
    """

    path: str
    rows: int
    ranks: tuple[int, ...]
    start: float
    end: float
    columns: dict[str, ColumnSummary]
    texts: dict[str, dict[str, int]]
    backends: tuple[BackendShare, ...]
    problems: tuple[str, ...]
    data: dict[str, NDArray[Any]] = field(repr=False)

    def total(self, name: str) -> float:
        """The sum of a column; 0 where it has no values."""
        return self.columns[name].total if name in self.columns else 0.0

    @property
    def steps(self) -> Floats:
        """(rows,) what curves are drawn along: the step, or the number of the row."""
        step = self.data.get("step")
        along = np.arange(1, self.rows + 1) if step is None else step
        return along.astype(np.float64)

    def curve(self, name: str, *, cumulative: bool = False, points: int = POINTS) -> Curve | None:
        """A column of numbers along the steps; None where it has no finite value."""
        values = _drawn(self.data[name].astype(np.float64))
        if cumulative:
            values = np.cumsum(np.where(np.isfinite(values), values, 0.0))
        return curve_of(self.steps, values, points)


def curve_of(x: Floats, values: Floats, points: int = POINTS) -> Curve | None:
    """At most `points` points of a column; None where there is no finite value.

    Args:
        x: (n,) steps, in any order.
        values: (n,); those that are not finite are left out.
        points: rows are put together where there are more.

    Example:
        >>> curve = curve_of(np.arange(1000.0), np.arange(1000.0), points=10)
        >>> curve.mean[0], curve.low[0], curve.high[0]
        (np.float64(49.5), np.float64(0.0), np.float64(99.0))
    """
    good = np.isfinite(x) & np.isfinite(values)
    if not good.any():
        return None
    x, values = x[good], _drawn(values[good])
    order = np.argsort(x, kind="stable")
    x, values = x[order], values[order]
    span = x[-1] - x[0]
    if len(x) > points and span > 0:
        bins = np.minimum(((x - x[0]) / span * points).astype(np.int64), points - 1)
    else:
        bins = np.unique(x, return_inverse=True)[1]  # ranks that log the same step are one point
    starts = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
    counts = np.diff(np.append(starts, len(x)))
    return Curve(
        np.add.reduceat(x, starts) / counts,
        np.add.reduceat(values, starts) / counts,
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
    )


def _drawn(values: Floats) -> Floats:
    """Values as they are drawn: what lies at the ends of the range of floats would overflow in a mean or an axis."""
    near = np.where(np.abs(values) < _SMALLEST, 0.0, values)
    drawn: Floats = np.where(np.isfinite(near), np.clip(near, -_LARGEST, _LARGEST), near)
    return drawn


def summarise(reader: MetricsReader, columns: Sequence[str] | None = None) -> RunSummary:
    """Read a run and add it up.

    Args:
        reader: of the run.
        columns: which columns to show; by default all that have values.

    Raises:
        OptionError: the run has no such column.
    """
    asked = None if columns is None else list(dict.fromkeys(columns))
    needed = (
        None
        if asked is None
        else list(dict.fromkeys(["timestamp", "rank", "step", "backend", *SUMMED, *asked]))
    )
    table = reader.table(needed)
    data = {
        name: table[name].to_numpy() for name in table.column_names if table[name].null_count < table.num_rows
    }
    if data:
        order = np.argsort(data["timestamp"], kind="stable")  # rows of all ranks as they happened
        data = {name: each[order] for name, each in data.items()}
    stamps = data.get("timestamp", np.empty(0))
    shown = [
        c for c in reader.schema.columns if c.name in data and c.name not in {"rank", "seq", "timestamp"}
    ]
    numbers = {
        c.name: _summary(c.name, c.unit, c.what, data[c.name]) for c in shown if c.kind in {"float", "int"}
    }
    if asked is not None:
        numbers = {name: each for name, each in numbers.items() if name in {*asked, "step", "epoch", *SUMMED}}
    return RunSummary(
        path=str(reader.path),
        rows=table.num_rows,
        ranks=tuple(int(rank) for rank in np.unique(data["rank"])) if data else (),
        start=float(stamps.min()) if len(stamps) else float("nan"),
        end=float(stamps.max()) if len(stamps) else float("nan"),
        columns=numbers,
        texts={c.name: _counted(data[c.name]) for c in shown if c.kind in {"text", "bool"}},
        backends=_backends(data),
        problems=tuple(reader.problems),
        data=data,
    )


def _summary(name: str, unit: str, what: str, values: NDArray[Any]) -> ColumnSummary:
    # A number that is not there came as NaN; so did a NaN that was logged, and both leave curves alone.
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    there = numbers[~np.isnan(numbers)]
    ends = (float(there[0]), float(there[-1])) if len(there) else (float("nan"), float("nan"))
    with np.errstate(over="ignore"):  # a sum that is too large is infinite, and shown so
        extremes = (
            (float(finite.min()), float(finite.max()), float(finite.sum()))
            if len(finite)
            else (float("nan"),) * 3
        )
    return ColumnSummary(name, unit, what, len(there), len(finite), *ends, *extremes)


def _counted(values: NDArray[Any]) -> dict[str, int]:
    found, counts = np.unique([str(value) for value in values if value is not None], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(found[i]): int(counts[i]) for i in order}


def _backends(data: dict[str, NDArray[Any]]) -> tuple[BackendShare, ...]:
    names = data.get("backend")
    if names is None:
        return ()
    sums = {}
    for name in SUMMED:
        values = data.get(name, np.zeros(len(names))).astype(np.float64)
        sums[name] = np.where(np.isfinite(values), values, 0.0)
    found = []
    for name in {each for each in names if each is not None}:
        mine = names == name
        of = {column: float(values[mine].sum()) for column, values in sums.items()}
        found.append(
            BackendShare(
                str(name), int(mine.sum()), int(of["circuits"]), int(of["shots"]), of["circuit_time_s"],
                of["queue_time_s"], of["cost_usd"],
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda share: (-share.circuits, -share.rows, share.name)))
