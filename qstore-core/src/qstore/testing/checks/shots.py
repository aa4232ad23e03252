# SPDX-License-Identifier: Apache-2.0
"""Counts: as many as asked for, from the right distribution, with honest standard errors."""

from __future__ import annotations

import numpy as np

from qstore.batch import Expectations, Output, Probabilities
from qstore.circuit import QuantumCircuit, X, Z
from qstore.testing.check import NotClaimed, Table, require
from qstore.testing.exam import BackendExam
from qstore.testing.reference import expected_values, outcome_probabilities
from qstore.testing.statistics import check_counts, check_standard_errors

CHECKS = Table("shots")


@CHECKS.check("every row has exactly {} shots", each=(1, 7, 1000))
def number(exam: BackendExam, shots: int) -> None:
    """None lost, none made up."""
    exam.need_shots()
    shots = exam.shots(shots)
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(51))
    batch = exam.batch(circuit, exam.builder.bindings(circuit, exam.rng(52), 4), shots=shots)
    result = exam.run(batch)
    require(result.counts is not None, "there are no counts")
    for row, counts in enumerate(result.counts or ()):
        total = sum(counts.values())
        require(total == shots, f"row {row} has {total} counts for {shots} shots")


@CHECKS.check("counts come from the circuit's distribution, row by row")
def distribution(exam: BackendExam) -> None:
    """Several rows of a circuit of no symmetry."""
    exam.need_shots()
    circuit = exam.builder.ansatz(exam.n_qubits(3), exam.rng(53))
    batch = exam.batch(circuit, exam.builder.bindings(circuit, exam.rng(54), 4), shots=exam.shots(4000))
    exam.check_counts(exam.run(batch), batch, of="counts")


@CHECKS.check("shots of one row are independent of each other")
def independent(exam: BackendExam) -> None:
    """Over many rows of one shot each, the outcomes spread as the shots of one row do."""
    exam.need_shots()
    rng = exam.rng(55)
    circuit = exam.builder.ansatz(exam.n_qubits(2), rng)
    shared = exam.builder.bindings(circuit, rng, 1, ())
    rows = 200
    repeated = {
        name: np.repeat(array[None], rows, axis=0) if name == "x" else array for name, array in shared.items()
    }
    batch = exam.batch(circuit, repeated, shots=1)
    counts = exam.run(batch).counts
    require(counts is not None and len(counts) == rows, "there are not as many rows as asked for")
    total: dict[int, int] = {}
    for row in counts or ():
        for outcome, number in row.items():
            total[outcome] = total.get(outcome, 0) + number
    check_counts(total, outcome_probabilities(batch.rows(0, 1))[0], of=f"{rows} rows of one shot",
                 allowance=exam.allowance(batch))  # fmt: skip


@CHECKS.check("the shots of different rows are drawn independently")
def rows_differ(exam: BackendExam) -> None:
    """Eight rows with the same bindings do not all have the same counts."""
    exam.need_shots()
    circuit = QuantumCircuit(exam.n_qubits(2))
    exam.builder.layer(circuit, exam.rng(56))
    weights = outcome_probabilities(exam.batch(circuit))[0]
    if weights.max() > 0.9:
        raise NotClaimed("no declared gate makes an outcome uncertain")
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(57))
    shared = exam.builder.bindings(circuit, exam.rng(58), 1, ())
    repeated = {
        name: np.repeat(array[None], 8, axis=0) if name == "x" else array for name, array in shared.items()
    }
    counts = exam.run(exam.batch(circuit, repeated, shots=exam.shots(1000))).counts or ()
    require(
        len({tuple(sorted(row.items())) for row in counts}) > 1,
        "eight equal rows have eight times the same counts",
    )


@CHECKS.check("standard errors of {} are as large as the deviations", each=("Expectations", "Probabilities"))
def standard_errors(exam: BackendExam, kind: str) -> None:
    """Two hundred rows, each an independent estimate of the same number."""
    exam.need_shots(kind)
    if exam.capabilities.fidelity_1q is not None or exam.capabilities.fidelity_2q is not None:
        raise NotClaimed("it declares gate errors, so deviations are not of shots alone")
    circuit = exam.builder.ansatz(1, exam.rng(59)) if exam.builder.turn()[1] == 1 else None
    if circuit is None:
        raise NotClaimed("no gate that turns one qubit is declared")
    shared = _undecided(exam, circuit)
    rows = 200
    repeated = {
        name: np.repeat(array[None], rows, axis=0) if name == "x" else array for name, array in shared.items()
    }
    outputs: Output = Expectations([Z(0), 0.5 * X(0) + 1.0]) if kind == "Expectations" else Probabilities()
    shots = exam.shots(400)
    if shots < 100:
        raise NotClaimed("it takes fewer than 100 shots, too few for estimates to be normal")
    batch = exam.batch(circuit, repeated, outputs, shots=shots)
    result = exam.run(batch)
    require(result.standard_errors is not None, "there are no standard errors")
    assert result.standard_errors is not None
    found, expected = np.asarray(result.values), expected_values(batch)
    columns = range(found.shape[1]) if kind == "Expectations" else range(1)  # two outcomes deviate as one
    for column in columns:
        check_standard_errors(found[:, column], expected[:, column], result.standard_errors[:, column],
                              of=f"{kind}, column {column}")  # fmt: skip


def _undecided(exam: BackendExam, circuit: QuantumCircuit) -> dict[str, np.ndarray]:
    """Shared bindings at which neither Z nor X of qubit 0 is nearly certain."""
    for key in range(100):
        bindings = exam.builder.bindings(circuit, exam.rng(600 + key), 1, ())
        means = expected_values(exam.batch(circuit, bindings, Expectations([Z(0), X(0)])))
        if np.abs(means).max() < 0.8:
            return bindings
    raise NotClaimed("the declared gates turn about one axis only")
