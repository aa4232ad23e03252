# SPDX-License-Identifier: Apache-2.0
"""The grid: fault x {one circuit, a batch of 20} x {first, third, every attempt} x seeds, against the emulator.

The seeds of a case run side by side on one backend; attempts are counted per job, so each meets the fault by itself.
Whatever happens, no job is billed twice, every caller gets its result or a typed error, and no result is wrong.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import qstore as qs
from qstore_ionq.backend import IonQBackend
from qstore_ionq.emulator import Emulator

X = qs.Parameter("x", (1,))
CIRCUIT = qs.QuantumCircuit(1).rx(0, X[0])
SHOTS = 40
ERRORS = (500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529)
ROWS = (1, 20)
_numbers = itertools.count()
ATTEMPTS: dict[str, dict[str, Any]] = {"first": {"attempts": [1]}, "third": {"attempts": [3]}, "every": {}}


def _on(route: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"route": route, "kind": kind, **more}


FAULTS: dict[str, dict[str, Any]] = {
    "submit: refused": _on("submit", "refuse", seconds=0.2),
    **{f"submit: {kind} before": _on("submit", kind, stage="before") for kind in ("reset", "close")},
    **{f"submit: {kind} after": _on("submit", kind, stage="after") for kind in ("reset", "close")},
    "submit: no answer": _on("submit", "hang", stage="after", seconds=20),
    **{f"submit: {kind}": _on("submit", kind) for kind in
       ("cut", "truncated", "html", "empty", "wrong_type", "deep", "duplicate_key", "gzip_bomb")},
    "submit: no id": _on("submit", "missing", field="id"),
    **{f"submit: {status} {stage}": _on("submit", "status", status=status, stage=stage)
       for status in ERRORS for stage in ("before", "after")},
    **{f"submit: 429, {text or 'no time'}": _on("submit", "status", status=429, **({"retry_after": text} if text else {}))
       for text in ("0.1", "-5", "soon", "date:+1", "")},
    **{f"{route}: {kind}": _on(route, kind) for route in ("job", "result") for kind in
       ("reset", "close", "cut", "truncated", "html", "empty", "wrong_type", "deep", "duplicate_key", "gzip_bomb")},
    **{f"{route}: 503": _on(route, "status", status=503) for route in ("job", "result")},
    **{f"result: {kind}": _on("result", kind) for kind in ("bad_sum", "negative", "too_wide", "nan", "child_missing",
                                                            "child_twice", "reordered")},
    "job: forgotten": _on("job", "forget"),
    "job: unknown word": _on("job", "set", field="status", value="paused"),
    "job: backwards": _on("job", "set", field="status", value="submitted"),
    "job: failed": _on("submit", "fail", code="QuantumComputerError", message="dark"),
    "job: cancelled": _on("submit", "cancel"),
}  # fmt: skip


class Case(NamedTuple):
    """One cell of the grid, for all of its seeds."""

    fault: str
    rows: int
    attempts: str
    machine: str


def cases(machines: Sequence[str] = ("ionq.simulator", "ionq.aria-1")) -> Iterator[Case]:
    """All cells."""
    for fault in FAULTS:
        for rows in ROWS:
            for attempts in ATTEMPTS:
                for machine in machines:
                    yield Case(fault, rows, attempts, machine)


MUST_SUCCEED = ("job: reset", "job: 503", "result: reset", "result: 503", "result: reordered", "submit: 429")
"""Faults that, met once, end in the right results on every machine; others may end in a typed error on a paid one."""


def run(case: Case, emulator: Emulator, seeds: int) -> list[str]:
    """Problems of one case, for seeds 0, 1, ... side by side; each case is a run of its own, so that all of it is sent."""
    emulator.reset()
    emulator.set_faults({"fault": [{**FAULTS[case.fault], **ATTEMPTS[case.attempts]}]})
    try:
        with qs.run_context(f"grid-{next(_numbers)}"):
            found = asyncio.run(_all(case, emulator.url, seeds))
        fired = sum(emulator.fired())
    finally:
        emulator.clear_faults()
    problems = []
    stats = emulator.stats
    if not stats.posts and not case.fault.startswith("submit: refused"):
        problems.append("nothing was sent")
    if not fired and case.attempts != "third" and not case.fault.startswith("submit: refused"):
        problems.append("the fault did not occur")
    if case.attempts == "first" and case.fault.startswith(MUST_SUCCEED):
        failed = [result for result in found if isinstance(result, BaseException)]
        problems += (
            [f"{len(failed)} of {seeds} did not get their results, the first: {failed[0]!r}"]
            if failed
            else []
        )
    if stats.duplicates:
        problems.append(f"{stats.duplicates} jobs were billed more than once")
    billed = [tag for tag, number in stats.billed.items() if number > 1]
    if billed:
        problems.append(f"billed twice: {billed[:3]}")
    for seed, result in enumerate(found):
        if isinstance(result, qs.QStoreError):
            continue
        if isinstance(result, BaseException):
            problems.append(f"seed {seed}: {type(result).__name__}: {result}")
        elif not all(result.counts[row].get(row % 2, 0) > SHOTS * 0.6 for row in range(case.rows)):
            problems.append(f"seed {seed}: a wrong result")
    return problems


async def _all(case: Case, url: str, seeds: int) -> list[Any]:
    backend = IonQBackend(
        case.machine, url=url, api_key="any", settle_s=0.3, timeout_s=1.0, deadline_s=3.0, max_in_flight=100
    )
    angles = np.pi * (np.arange(case.rows) % 2)[:, None]
    runs = (
        qs.run_async(CIRCUIT, {"x": angles}, shots=SHOTS, seed=seed, backend=backend) for seed in range(seeds)
    )
    return await asyncio.gather(*runs, return_exceptions=True)
