# SPDX-License-Identifier: Apache-2.0
"""Many circuits into few jobs, within the service's limits: circuits and gates of a job, bytes of a request and its answer.

Rows are packed in their order; only rows with the same shots, gate set, kind of result and run share a job. Nothing is
sent here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from qstore.batch import CircuitBatch
from qstore.errors import CapabilityError
from qstore_ionq.rendering import Rendering
from qstore_ionq.service import circuit_name
from qstore_ionq.wire import dump

__all__ = ["MAX_BODY", "MAX_CIRCUITS", "MAX_GATES", "Packed", "Part", "Row", "pack"]

MAX_CIRCUITS = 5_000
MAX_GATES = 150_000
MAX_BODY = 10_000_000
"""Limits of a multi-circuit job and of a request. Source: OpenAPI v0.4 of 2026-09-02."""
_ENVELOPE = 4096
"""Bytes kept free for everything around the circuits."""
MAX_RESULT_BYTES = 32 << 20
"""Of all results of a job, as far as several circuits share it: they come in one answer and are kept in one row."""
_OUTCOME_BYTES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A batch and its circuits.

    Attributes:
        batch: what was asked for.
        rendering: how its rows are written.
        kind: which result is read: "probabilities", "histogram" or "shots".
    """

    batch: CircuitBatch
    rendering: Rendering
    kind: str

    @property
    def result_bytes(self) -> int:
        """At most how many bytes the result of one row takes."""
        width, shots = self.rendering.n_qubits, self.batch.shots
        outcomes = 1 << width if shots is None else min(1 << width, shots)
        return _OUTCOME_BYTES * (outcomes if self.kind == "probabilities" else shots or 0)

    @property
    def group(self) -> tuple[Any, ...]:
        """What rows must have in common to share a job."""
        return (self.batch.run, self.batch.shots, self.rendering.gateset, self.kind)


class Row(NamedTuple):
    """Where a circuit comes from: the number of the part, and the row in it."""

    part: int
    row: int


@dataclass(slots=True)
class Packed:
    """The circuits of one job.

    Attributes:
        group: what they have in common.
        rows: where they come from, in their order.
        gates, size: how many gates, and at most how many bytes they take.
        results: at most how many bytes their results take.
    """

    group: tuple[Any, ...]
    rows: list[Row] = field(default_factory=list)
    gates: int = 0
    size: int = 0
    results: int = 0

    def holds(self, gates: int, size: int, results: int) -> bool:
        """Whether one more circuit fits."""
        return (
            len(self.rows) < MAX_CIRCUITS
            and self.gates + gates <= MAX_GATES
            and self.size + size <= MAX_BODY - _ENVELOPE
            and self.results + results <= MAX_RESULT_BYTES
        )

    def body(self, parts: Sequence[Part], target: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The body of the POST, without its tag."""
        first = parts[self.rows[0].part]
        shots = first.batch.shots
        body = {
            "type": "ionq.circuit.v1" if len(self.rows) == 1 else "ionq.multi-circuit.v1",
            "backend": target,
            "name": f"qstore {first.batch.run}"[:100],
            **({} if shots is None else {"shots": shots}),
            **fields,
        }
        circuits = [
            (parts[part].rendering.n_qubits, parts[part].rendering.circuit(row)) for part, row in self.rows
        ]
        made: dict[str, Any] = {
            "gateset": first.rendering.gateset,
            "qubits": max(width for width, _ in circuits),
        }
        if len(circuits) == 1:
            made["circuit"] = circuits[0][1]
        else:
            made["circuits"] = [
                {"name": circuit_name(index), "qubits": width, "circuit": gates}
                for index, (width, gates) in enumerate(circuits)
            ]
        return {**body, "input": made}

    def widths(self, parts: Sequence[Part]) -> list[int]:
        """The number of qubits of each circuit."""
        return [parts[part].rendering.n_qubits for part, _ in self.rows]


def pack(parts: Sequence[Part]) -> list[Packed]:
    """Distribute the rows of all parts over jobs.

    Raises:
        CapabilityError: one circuit alone is larger than a request may be.
    """
    open_jobs: dict[tuple[Any, ...], Packed] = {}
    jobs: list[Packed] = []
    for number, part in enumerate(parts):
        gates = sum(part.rendering.gate_counts)
        size = part.rendering.max_bytes + len(circuit_name(MAX_CIRCUITS)) + 64
        results = part.result_bytes
        for row in range(part.batch.size):
            job = open_jobs.get(part.group)
            if job is None or not job.holds(gates, size, results):
                exact = size if size <= MAX_BODY - _ENVELOPE else _exact_size(part, row)
                if exact > MAX_BODY - _ENVELOPE:
                    raise CapabilityError(_too_large(part.batch, gates, exact))
                job = open_jobs[part.group] = Packed(part.group)
                jobs.append(job)
            job.rows.append(Row(number, row))
            job.gates += gates
            job.size += size
            job.results += results
    return jobs


def _exact_size(part: Part, row: int) -> int:
    return len(dump(part.rendering.circuit(row)))


def _too_large(batch: CircuitBatch, gates: int, size: int) -> str:
    return f"{batch.circuit!r} takes {gates} gates and {size} bytes in a request; IonQ takes at most {MAX_BODY}. Split it."
