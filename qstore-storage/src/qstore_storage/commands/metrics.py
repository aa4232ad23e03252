# SPDX-License-Identifier: Apache-2.0
"""`qstore metrics`: what a training run logged, as a table with small curves, a plot, JSON or CSV."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.cli.words import seconds
from qstore.errors import StorageError

if TYPE_CHECKING:
    from qstore_storage.commands.series import RunSummary
    from qstore_storage.metrics.reader import MetricsReader

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore metrics runs/digits
  qstore metrics runs/digits --columns train_loss,val_loss --plot loss.png
  qstore metrics runs/digits --csv digits.csv
  qstore metrics runs/digits --json
  qstore metrics runs/digits --compact     put all rows into few files; finishes what a killed process left

A run that is being written can be looked at. What is damaged is skipped and said.
exit codes: 0 shown, 1 there is no such run or it cannot be read
"""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("run", metavar="RUN", help="the run's folder")
    parser.add_argument("--columns", metavar="NAME,...", help="only these columns")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw the curves into a .png, .svg or .pdf file (needs matplotlib)"
    )
    parser.add_argument("--csv", metavar="FILE", help="write all rows as CSV; - is standard output")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument(
        "--compact", action="store_true", help="put the rows of ended processes into few Parquet files first"
    )
    parser.epilog = _EPILOG
    return _run


def _run(args: argparse.Namespace) -> int:
    from qstore_storage.commands.series import summarise
    from qstore_storage.metrics.compaction import compact
    from qstore_storage.metrics.reader import MetricsReader

    said = []
    if args.compact:
        done = compact(args.run)
        said += [
            f"{done.parts_before} parts are {done.parts_after} now, {done.rows_rolled} rows were put into parts."
        ]
        said += [*done.reports, *done.skipped.values()]
    reader = MetricsReader(args.run, damaged="skip")
    names = (
        None if args.columns is None else [name.strip() for name in args.columns.split(",") if name.strip()]
    )
    if args.csv is not None:
        _write_csv(reader, names, args.csv)
        if args.csv == "-":
            return 0
        said.append(f"The rows are in {args.csv}.")
    summary = summarise(reader, names)
    if args.plot is not None:
        from qstore_storage.commands.plot import plot  # only who asks for it needs matplotlib

        plot(summary, args.plot)
        said.append(f"The curves are in {args.plot}.")
    if args.json:
        sys.stdout.write(json_text(_record(summary)) + "\n")
        return 0
    sys.stdout.write("\n".join([_text(summary), *said, *summary.problems]) + "\n")
    return 0


def _write_csv(reader: MetricsReader, names: list[str] | None, target: str) -> None:
    from pyarrow import csv

    found = reader.table(names)
    if names is None:
        found = found.select([name for name in found.column_names if found[name].null_count < found.num_rows])
    if target == "-":
        csv.write_csv(found, sys.stdout.buffer)
        return
    try:
        with Path(target).open("wb") as file:
            csv.write_csv(found, file)
    except OSError as exc:
        raise StorageError(f"--csv {target}: {exc}") from exc


def _text(summary: RunSummary) -> str:
    from qstore_storage.commands.words import amount, figure, moment, money, sparkline

    if not summary.rows:
        return f"{summary.path}: no rows yet"
    count = len(summary.ranks)
    span = f"{moment(summary.start)} to {moment(summary.end)} UTC ({seconds(summary.end - summary.start)})"
    lines = [f"{summary.path}: {summary.rows:,} rows of {count} {'rank' if count == 1 else 'ranks'}, {span}"]
    used = [
        f"{summary.total(name):,.0f} {name}" for name in ("circuits", "shots") if name in summary.columns
    ] + [f"{text} {seconds(summary.total(name))}" for name, text in
         (("circuit_time_s", "on backends"), ("queue_time_s", "in queues")) if summary.total(name) > 0]  # fmt: skip
    if "cost_usd" in summary.columns:
        used.append(f"cost {money(summary.total('cost_usd'))}")
    if used:
        lines.append(", ".join(used))
    rows = []
    for column in summary.columns.values():
        curve = summary.curve(column.name)
        values = (column.first, column.last, column.lowest, column.highest)
        shown = [amount(value, column.unit if column.unit in {"USD", "share"} else "") for value in values]
        unit = "" if column.unit in {"USD", "share"} else column.unit
        drawn = sparkline(curve.mean.tolist()) if curve is not None else ""
        rows.append([column.name, unit, figure(column.count), *shown, drawn])
    header = ["column", "unit", "rows", "first", "last", "lowest", "highest", "curve"]
    lines += ["", table(header, rows, right={"rows", "first", "last", "lowest", "highest"})]
    if summary.backends:
        uses = [
            [share.name, f"{share.rows:,}", f"{share.circuits:,}", seconds(share.circuit_time_s),
             seconds(share.queue_time_s), money(share.cost_usd)] for share in summary.backends
        ]  # fmt: skip
        header = ["backend", "rows", "circuits", "time", "queue", "cost"]
        lines += ["", table(header, uses, right=set(header[1:]))]
    for name, counts in summary.texts.items():
        if name != "backend":
            often = [f"{value!r} {count:,}" for value, count in list(counts.items())[:5]]
            lines += ["", f"{name}: {', '.join(often)}{', ...' if len(counts) > 5 else ''}"]
    return "\n".join([*lines, ""]) if summary.problems else "\n".join(lines)


def _record(summary: RunSummary) -> dict[str, Any]:
    return {
        "path": summary.path,
        "rows": summary.rows,
        "ranks": list(summary.ranks),
        "start": _number(summary.start),
        "end": _number(summary.end),
        "columns": {
            name: {
                "unit": column.unit, "rows": column.count, "finite": column.finite, "first": column.first,
                "last": column.last, "min": column.lowest, "max": column.highest, "sum": column.total,
            }
            for name, column in summary.columns.items()
        },
        "texts": summary.texts,
        "backends": [
            {"backend": each.name, "rows": each.rows, "circuits": each.circuits, "shots": each.shots,
             "circuit_time_s": each.circuit_time_s, "queue_time_s": each.queue_time_s, "cost_usd": each.cost_usd}
            for each in summary.backends
        ],
        "problems": list(summary.problems),
    }  # fmt: skip


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
