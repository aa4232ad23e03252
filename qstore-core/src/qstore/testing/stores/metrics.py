# SPDX-License-Identifier: Apache-2.0
"""Checks of stores of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qstore.errors import SchemaError
from qstore.testing.check import require
from qstore.testing.stores.exam import StoreExam, StoreTable, closing

__all__ = ["CHECKS"]

CHECKS = StoreTable("metrics")


def _row(step: int) -> dict[str, Any]:
    return {"step": step, "loss": 1.0 / (step + 1), "phase": "train"}


def _agree(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]], what: str) -> None:
    require(len(found) == len(expected), f"{what}: {len(found)} rows came back of {len(expected)}")
    for number, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        left = {key: got.get(key) for key in wanted}
        require(
            all(_equal(left[key], wanted[key]) for key in wanted),
            f"{what}: row {number} was {dict(wanted)}, it came back as {left}",
        )


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    return type(found) is type(expected) and bool(found == expected)


@CHECKS.check("rows come back in their order, to the last bit")
def order(exam: StoreExam) -> None:
    """Five hundred."""
    rows = [_row(step) for step in range(500)]
    with closing(exam.open()) as store:
        for row in rows:
            store.log(row)
        store.flush()
        _agree(store.rows(), rows, "500 rows")


@CHECKS.check("closed and opened again, the store has what it had, and goes on")
def reopened(exam: StoreExam) -> None:
    """`close()` flushes."""
    folder = exam.folder()
    for start in (0, 10, 20):
        with closing(exam.open(folder)) as store:
            for step in range(start, start + 10):
                store.log(_row(step))
    with closing(exam.open(folder)) as store:
        _agree(store.rows(), [_row(step) for step in range(30)], "three sessions of ten rows")


@CHECKS.check(
    "{} come back as they were",
    each=("numbers that are none or infinite", "texts", "whole numbers", "truths"),
)
def values(exam: StoreExam, what: str) -> None:
    """With their types."""
    columns: dict[str, list[Any]] = {
        "numbers that are none or infinite": [math.nan, math.inf, -math.inf, -0.0, 5e-324],
        "texts": ["", "é ∈ 💡", "a\nb", "'; DROP TABLE rows; --"],
        "whole numbers": [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)],
        "truths": [True, False, True],
    }
    rows = [{"step": step, "value": value} for step, value in enumerate(columns[what])]
    with closing(exam.open()) as store:
        for row in rows:
            store.log(row)
        store.flush()
        _agree(store.rows(), rows, what)


@CHECKS.check("a value that is left out, or None, comes back as None")
def left_out(exam: StoreExam) -> None:
    """Not as zero."""
    with closing(exam.open()) as store:
        for row in ({"step": 0, "loss": 0.5}, {"step": 1}, {"step": 2, "loss": None}):
            store.log(row)
        store.flush()
        _agree(
            store.rows(),
            [{"step": 0, "loss": 0.5}, {"step": 1, "loss": None}, {"step": 2, "loss": None}],
            "gaps",
        )


@CHECKS.check("a value of another type is refused at once, and nothing else is lost")
def drift(exam: StoreExam) -> None:
    """A column keeps the type that it began with."""
    with closing(exam.open()) as store:
        store.log(_row(0))
        for bad in ({"loss": "low"}, {"step": "first"}, {"phase": 3.5}, {"loss": [1.0]}, {"loss": object()}):
            exam.refuses(lambda bad=bad: store.log({**_row(1), **bad}), f"the value {bad}", SchemaError)  # type: ignore[misc]
        store.log(_row(1))
        store.flush()
        _agree(store.rows(), [_row(0), _row(1)], "around refused rows")


@CHECKS.check("a row that is changed after log() has returned is kept as it was")
def snapshot(exam: StoreExam) -> None:
    """One dictionary, used again."""
    row: dict[str, Any] = {}
    with closing(exam.open()) as store:
        for step in range(50):
            row.update(_row(step))
            store.log(row)
        store.flush()
        _agree(store.rows(), [_row(step) for step in range(50)], "one dictionary for 50 rows")


@CHECKS.check("threads that log at once lose nothing and add nothing")
def threads(exam: StoreExam) -> None:
    """Four, 250 rows each; each thread's rows stay in their order."""
    with closing(exam.open()) as store:

        def work(thread: int) -> None:
            for step in range(250):
                store.log({"thread": thread, "step": step})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        store.flush()
        rows = store.rows()
    for thread in range(4):
        own = [row["step"] for row in rows if row["thread"] == thread]
        require(own == list(range(250)), f"of thread {thread} came back {len(own)} rows: {own[:5]} ...")
    require(len(rows) == 1000, f"{len(rows)} rows came back of 1000")


@CHECKS.check(
    "what is no row is refused: {}", each=("a list", "a number", "an empty name", "a name that is no text")
)
def no_row(exam: StoreExam, what: str) -> None:
    """At once."""
    bad: Any = {"a list": [("loss", 1.0)], "a number": 3, "an empty name": {"": 1.0},
                "a name that is no text": {3: 1.0}}[what]  # fmt: skip
    with closing(exam.open()) as store:
        exam.refuses(lambda: store.log(bad), what)
        store.log(_row(0))
        store.flush()
        _agree(store.rows(), [_row(0)], f"after {what}")


@CHECKS.check("after close() a row is refused; closing again does nothing")
def closed(exam: StoreExam) -> None:
    """Not lost in silence."""
    with closing(exam.open()) as store:
        store.log(_row(0))
    store.close()
    exam.refuses(lambda: store.log(_row(1)), "log() after close()")
