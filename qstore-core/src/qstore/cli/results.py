# SPDX-License-Identifier: Apache-2.0
"""A result for people, as tables with bars, and for scripts, as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Expectations, bitstring
from qstore.cli.table import table
from qstore.cli.words import bar, dollars, number, seconds

__all__ = ["as_record", "as_text"]

_MANY_ROWS = 8
"""Rows of a batch that are shown with bars; more of them are a table of numbers."""


def as_record(result: BatchResult, batch: CircuitBatch) -> dict[str, Any]:
    """The whole result as a value for JSON: per row the counts, probabilities above 0 or expectation values."""
    record: dict[str, Any] = {
        "backend": result.backend,
        "shots": result.shots,
        "seed": result.seed,
        "n_qubits": result.n_qubits,
        "job_ids": list(result.job_ids),
        "queued_s": result.queued_s,
        "run_s": result.run_s,
        "estimated_usd": None if result.estimated_usd is None else str(result.estimated_usd),
        "billed_usd": None if result.billed_usd is None else str(result.billed_usd),
        "notes": list(getattr(result, "notes", ())),
    }
    if isinstance(batch.outputs, Expectations):
        assert result.values is not None
        record["observables"] = [str(each) for each in batch.outputs.observables]
        record["values"] = result.values.tolist()
        errors = result.standard_errors
        record["standard_errors"] = None if errors is None else errors.tolist()
    else:
        name = "counts" if result.counts is not None else "probabilities"
        record[name] = [dict(_outcomes(result, row)) for row in range(batch.size)]
    return record


def as_text(result: BatchResult, batch: CircuitBatch, *, top: int) -> str:
    """Tables for people."""
    if isinstance(batch.outputs, Expectations):
        parts = [_expectations(result, batch, batch.outputs)]
    else:
        parts = []
        for row in range(min(batch.size, _MANY_ROWS)):
            title = f"row {row}\n" if batch.size > 1 else ""
            parts.append(title + _histogram(_outcomes(result, row), result, top))
        if batch.size > _MANY_ROWS:
            parts.append(
                f"... and {batch.size - _MANY_ROWS} more rows; --json and --output have all of them."
            )
    return "\n\n".join([*parts, _facts(result)])


def _outcomes(result: BatchResult, row: int) -> list[tuple[str, float]]:
    """What was seen and how often, or how likely it is, the most frequent first."""
    if result.counts is not None:
        found: dict[int, float] = dict(result.counts[row])
    else:
        assert result.values is not None
        values: NDArray[np.float64] = result.values[row]
        likely = np.flatnonzero(values > 0)
        found = dict(zip(likely.tolist(), values[likely].tolist(), strict=True))
    ordered = sorted(found.items(), key=lambda item: (-round(item[1], 12), item[0]))
    return [(bitstring(outcome, result.n_qubits), weight) for outcome, weight in ordered]


def _histogram(outcomes: list[tuple[str, float]], result: BatchResult, top: int) -> str:
    counted = result.counts is not None
    total = sum(weight for _, weight in outcomes) or 1.0
    # Rounding leaves traces of what cannot happen.
    shown = [each for each in outcomes if counted or each[1] > 1e-12]
    cut = shown[: max(1, top)]
    largest = cut[0][1] if cut else 1.0
    name = "count" if counted else "probability"
    rows = [
        [
            outcome,
            str(int(weight)) if counted else f"{weight:.6f}",
            f"{weight / total:.1%}",
            bar(weight / largest),
        ]
        for outcome, weight in cut
    ]
    if not counted:
        rows = [[outcome, weight, drawn] for outcome, weight, _, drawn in rows]
    header = ["outcome", name, *(["share"] if counted else []), ""]
    text = table(header, rows, right={name, "share"})
    left = shown[len(cut) :]
    if left:
        share = sum(weight for _, weight in left) / total
        text += f"\n... and {len(left)} more outcomes ({share:.1%}); --top shows more."
    return text


def _expectations(result: BatchResult, batch: CircuitBatch, outputs: Expectations) -> str:
    assert result.values is not None
    errors = result.standard_errors
    rows = []
    for row in range(batch.size):
        for column, observable in enumerate(outputs.observables):
            cells = [str(row)] if batch.size > 1 else []
            cells += [str(observable), number(result.values[row, column])]
            rows.append(cells + ([] if errors is None else [f"{errors[row, column]:.6f}"]))
    header = ["row"] if batch.size > 1 else []
    header += ["observable", "value", *([] if errors is None else ["standard error"])]
    return table(header, rows, right={"row", "value", "standard error"})


def _facts(result: BatchResult) -> str:
    parts = [f"backend {result.backend}"]
    parts.append("exact" if result.shots is None else f"{result.shots} shots, seed {result.seed}")
    if result.run_s:
        parts.append(f"ran {seconds(result.run_s)}")
    if result.queued_s:
        parts.append(f"queued {seconds(result.queued_s)}")
    if result.job_ids:
        parts.append(f"job {', '.join(result.job_ids[:3])}{' ...' if len(result.job_ids) > 3 else ''}")
    if result.billed_usd is not None:
        parts.append(f"billed {dollars(result.billed_usd)}")
    return "; ".join(parts)
