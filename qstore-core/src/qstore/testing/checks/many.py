# SPDX-License-Identifier: Apache-2.0
"""`run_many`: several batches at once, of different circuits, sizes and shots, each answered in its place."""

from __future__ import annotations

from collections.abc import Sequence

from qstore.batch import BatchResult, CircuitBatch, Counts
from qstore.execution import execute_many
from qstore.testing.check import Moot, NotClaimed, Table, require
from qstore.testing.exam import BackendExam

CHECKS = Table("run_many")


def _batches(exam: BackendExam) -> list[CircuitBatch]:
    batches = []
    for number in range(4):
        rng = exam.rng(130 + number)
        circuit = exam.builder.ansatz(
            exam.n_qubits(1 + number % 3) if exam.builder.turn()[1] == 1 else 2, rng
        )
        outputs = exam.telling(circuit.n_qubits)
        shots = None if outputs is not None else exam.shots(500 + 100 * number)
        batches.append(
            exam.batch(
                circuit, exam.builder.bindings(circuit, rng, exam.rows(1 + number)), outputs, shots=shots
            )
        )
    return batches


def _compare(exam: BackendExam, batches: Sequence[CircuitBatch], results: Sequence[BatchResult]) -> None:
    require(len(results) == len(batches), f"{len(results)} results for {len(batches)} batches")
    for number, (batch, result) in enumerate(zip(batches, results, strict=True)):
        if isinstance(batch.outputs, Counts):
            exam.check_counts(result, batch, of=f"batch {number}")
        else:
            exam.check_values(result.values, batch, of=f"batch {number}")


def _need(exam: BackendExam) -> None:
    if not hasattr(exam.backend, "run_many"):
        raise Moot("it has no run_many")


@CHECKS.check("results come in the order of the batches")
def order(exam: BackendExam) -> None:
    """Straight to the backend."""
    _need(exam)
    batches = _batches(exam)
    for batch in batches:
        exam.spend(batch)
    _compare(exam, batches, list(exam.wait(exam.backend.run_many(batches))))  # type: ignore[attr-defined]


@CHECKS.check("the same batch twice is answered twice")
def twice(exam: BackendExam) -> None:
    """Two results."""
    _need(exam)
    batch = _batches(exam)[0]
    exam.spend(batch)
    exam.spend(batch)
    _compare(exam, [batch, batch], list(exam.wait(exam.backend.run_many([batch, batch]))))  # type: ignore[attr-defined]


@CHECKS.check("several batches through the core")
def through_the_core(exam: BackendExam) -> None:
    """With run_many or without."""
    batches = _batches(exam)
    for batch in batches:
        exam.spend(batch)
    _compare(exam, batches, execute_many(batches, exam.backend))


@CHECKS.check("exact and measured batches together")
def mixed(exam: BackendExam) -> None:
    """One of each."""
    exam.need_shots()
    exact = [batch for batch in _batches(exam) if batch.shots is None]
    if not exact:
        raise NotClaimed("it declares no exact output")
    measured = exact[1].replace(outputs=Counts(), shots=exam.shots(300), seed=3)
    batches = [exact[0], measured, exact[2]]
    _compare(exam, batches, execute_many(batches, exam.backend))
