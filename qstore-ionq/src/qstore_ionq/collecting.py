# SPDX-License-Identifier: Apache-2.0
"""From finished jobs back to the batches: whose circuit was whose, and each one's share of money and time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from qstore.batch import BatchResult
from qstore.execution.jobs import Finished, JobRequest
from qstore_ionq.asking import Asked
from qstore_ionq.devices import Device
from qstore_ionq.packing import Packed, Part
from qstore_ionq.results import IncompleteJob, Reading

__all__ = ["collect"]

_CENT_FRACTION = Decimal("0.000000001")

Done = tuple[Packed, JobRequest, Finished]


def collect(
    asked: Sequence[Asked], parts: Sequence[Part], done: Sequence[Done], device: Device
) -> list[BatchResult]:
    """The result of each batch.

    Raises:
        IncompleteJob: circuits have no result; it has all the others.
    """
    readings: list[list[Reading | None]] = [[None] * part.batch.size for part in parts]
    reasons: list[dict[int, str]] = [{} for _ in parts]
    facts = [_no_facts(device) for _ in parts]
    dry = True
    for packed, request, finished in done:
        stored = finished.result.get("circuits", [])
        for (part, row), circuit in zip(packed.rows, stored, strict=True):
            readings[part][row] = Reading.of_stored(circuit)
            if "failure" in circuit:
                reasons[part][row] = circuit["failure"]
            dry = dry and bool(circuit.get("dry_run"))
        _share(facts, packed, request, finished)
    results, failures, start = [], [], 0
    for each in asked:
        stop = start + len(each.parts)
        results.append(each.finish(readings[start:stop], facts[start:stop]))
        failures.append({row: text for found in reasons[start:stop] for row, text in found.items()})
        start = stop
    if any(failures):
        raise _incomplete(results, failures, done)
    return results


def _no_facts(device: Device) -> dict[str, Any]:
    return {"backend": device.name, "job_ids": (), "queued_s": 0.0, "run_s": 0.0, "estimated_usd": None,
            "billed_usd": None}  # fmt: skip


def _share(facts: list[dict[str, Any]], packed: Packed, request: JobRequest, finished: Finished) -> None:
    """Give every part its share of a job, by its circuits; the last one gets what rounding leaves."""
    circuits: dict[int, int] = {}
    for row in packed.rows:
        circuits[row.part] = circuits.get(row.part, 0) + 1
    quoted = finished.result.get("cost")
    money = {
        "estimated_usd": request.estimated_usd if quoted is None else Decimal(quoted),
        "billed_usd": finished.billed_usd,
    }
    left = dict(money)
    for place, (part, number) in enumerate(circuits.items()):
        mine = facts[part]
        mine["job_ids"] = (*mine["job_ids"], finished.job_id)
        mine["queued_s"] = max(mine["queued_s"], finished.queued_s)
        mine["run_s"] += finished.run_s * number / len(packed.rows)
        for name, total in money.items():
            rest = left[name]
            if total is None or rest is None:
                continue
            last = place == len(circuits) - 1
            share = (
                rest if last or not total else (total * number / len(packed.rows)).quantize(_CENT_FRACTION)
            )
            left[name] = rest - share
            mine[name] = ((mine[name] or 0) + share).normalize() + Decimal(0)  # without zeros at its end


def _incomplete(
    results: Sequence[BatchResult], failures: Sequence[dict[int, str]], done: Sequence[Done]
) -> IncompleteJob:
    lost = sum(map(len, failures))
    batch, first = next((number, each) for number, each in enumerate(failures) if each)
    row, reason = next(iter(first.items()))
    jobs = [
        finished for _, _, finished in done if any("failure" in each for each in finished.result["circuits"])
    ]
    total = sum(packed_rows for packed_rows in (len(packed.rows) for packed, _, _ in done))
    msg = (
        f"{lost} of {total} circuits have no result; the first is row {row} of batch {batch}: {reason}. The others' results "
        "are in this error's `results`, the reasons in its `failures`."
    )
    return IncompleteJob(msg, results=results, failures=failures, job_id=jobs[0].job_id, tag=jobs[0].tag)
