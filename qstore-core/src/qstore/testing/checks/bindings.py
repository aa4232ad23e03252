# SPDX-License-Identifier: Apache-2.0
"""Shared and per-sample bindings: which row gets which numbers, and that nobody writes into them."""

from __future__ import annotations

import numpy as np

from qstore.batch import BatchResult, CircuitBatch
from qstore.circuit import Parameter, QuantumCircuit
from qstore.testing.check import Table, require
from qstore.testing.exam import BackendExam

CHECKS = Table("bindings")


def _compared(
    exam: BackendExam, key: int, rows: int, per_sample: tuple[str, ...]
) -> tuple[CircuitBatch, BatchResult]:
    """Run the ansatz and compare every row."""
    rng = exam.rng(key)
    circuit = exam.builder.ansatz(exam.n_qubits(2), rng)
    bindings = exam.builder.bindings(circuit, rng, rows, per_sample)
    outputs = exam.telling(circuit.n_qubits)
    batch = exam.batch(circuit, bindings, outputs, shots=None if outputs is not None else exam.shots(1000))
    if outputs is None:
        exam.need_shots()
    result = exam.run(batch)
    if outputs is None:
        exam.check_counts(result, batch, of="counts")
    else:
        exam.check_values(result.values, batch, of="values")
    return batch, result


@CHECKS.check("shared bindings alone make one row")
def shared(exam: BackendExam) -> None:
    """No batch axis in, a batch axis of length 1 out."""
    _, result = _compared(exam, 21, 1, ())
    rows = result.counts if result.values is None else result.values
    require(rows is not None and len(rows) == 1, "shared bindings alone do not make one row")


@CHECKS.check("per-sample data with shared weights: every row gets its own data")
def data(exam: BackendExam) -> None:
    """The usual case in training."""
    _compared(exam, 22, 5, ("x",))


@CHECKS.check("per-sample weights with shared data")
def weights(exam: BackendExam) -> None:
    """The other way round."""
    _compared(exam, 23, 4, ("w",))


@CHECKS.check("everything per sample, a scalar parameter included")
def everything(exam: BackendExam) -> None:
    """A scalar's per-sample binding has shape (B,)."""
    _compared(exam, 24, 3, ("x", "w", "s"))


@CHECKS.check("a per-sample batch of one row")
def one_row(exam: BackendExam) -> None:
    """(1, ...) is a batch."""
    _compared(exam, 25, 1, ("x", "w"))


@CHECKS.check("a batch as large as one request takes keeps its rows in order")
def order(exam: BackendExam) -> None:
    """All rows different."""
    _compared(exam, 26, exam.rows(33), ("x",))


@CHECKS.check("a batch larger than one request is split and joined again")
def split(exam: BackendExam) -> None:
    """One row more than fits, where there is a limit."""
    limit = exam.capabilities.max_batch
    _compared(exam, 27, min(limit + 1, 70) if limit is not None else 40, ("x",))


@CHECKS.check("a template is run again with other numbers")
def again(exam: BackendExam) -> None:
    """What is cached by template must not hold bindings."""
    rng = exam.rng(28)
    circuit = exam.builder.ansatz(exam.n_qubits(2), rng).freeze()
    outputs = exam.telling(circuit.n_qubits)
    for number in range(3):
        values = exam.rng(280 + number).uniform(-3, 3, 100)
        bindings = {p.name: values[: p.size].reshape(p.shape) + i for i, p in enumerate(circuit.parameters)}
        exam.agrees(circuit, bindings, of=f"run {number + 1} of one template")  # type: ignore[arg-type]
    if outputs is not None:
        per_sample = {p.name: rng.uniform(-3, 3, (2, *p.shape)) for p in circuit.parameters}
        exam.agrees(circuit, per_sample, of="the same template, now per sample")  # type: ignore[arg-type]


@CHECKS.check("the bindings are not written to")
def untouched(exam: BackendExam) -> None:
    """Neither the arrays of the batch nor those the user gave."""
    rng = exam.rng(29)
    circuit = exam.builder.ansatz(exam.n_qubits(2), rng)
    given = exam.builder.bindings(circuit, rng, exam.rows(3))
    kept = {name: array.copy() for name, array in given.items()}
    outputs = exam.telling(circuit.n_qubits)
    batch = exam.batch(circuit, given, outputs, shots=None if outputs is not None else exam.shots(50))
    template = batch.circuit
    fingerprint = template.fingerprint
    exam.direct(batch)
    for name, array in given.items():
        require(np.array_equal(array, kept[name]), f"the binding {name!r} was changed")
        require(np.array_equal(batch.bindings[name], kept[name]), f"the batch's {name!r} was changed")
    require(batch.circuit is template and template.fingerprint == fingerprint, "the circuit was changed")


@CHECKS.check("the builder's circuit is left as it was")
def builder(exam: BackendExam) -> None:
    """Runs take the template."""
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(30))
    twin = circuit.copy()
    exam.agrees(circuit, exam.builder.bindings(circuit, exam.rng(31), 2))
    require(circuit == twin, "running changed the circuit")


@CHECKS.check("parameters of all shapes arrive entry by entry")
def shapes(exam: BackendExam) -> None:
    """A scalar, a vector and a matrix, their entries used out of order."""
    name, _ = exam.builder.turn()
    n = exam.n_qubits(2)
    rng = exam.rng(32)
    a, m, v = Parameter("a"), Parameter("m", (2, 3)), Parameter("v", (2,))
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    for place, angle in enumerate((m[1, 2], v[1], m[0, 1], a, m[1, 0], v[0], -1 * m[0, 2] + 3.0)):
        exam.builder.turned(circuit, name, place % n, angle)
        exam.builder.layer(circuit, rng)
    exam.agrees(circuit, exam.builder.bindings(circuit, rng, 3, ("m",)))


@CHECKS.check("an angle that is an affine expression of several parameters")
def affine(exam: BackendExam) -> None:
    """Coefficients, signs and constants count."""
    name, _ = exam.builder.turn()
    rng, n = exam.rng(33), exam.n_qubits(2)
    a, b = Parameter("a"), Parameter("b", (2,))
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    exam.builder.turned(circuit, name, 0, 2 * a - b[1] / 3 + 0.7)
    exam.builder.layer(circuit, rng)
    exam.builder.turned(circuit, name, n - 1, 1.9 - a)
    exam.agrees(circuit, exam.builder.bindings(circuit, rng, 3, ("a",)))


@CHECKS.check("arrays that are not contiguous, and views, give the same values")
def strided(exam: BackendExam) -> None:
    """Every other row of a larger array, transposed."""
    rng = exam.rng(34)
    circuit = exam.builder.ansatz(exam.n_qubits(2), rng)
    given = exam.builder.bindings(circuit, rng, 4)
    wide = np.asfortranarray(np.repeat(given["x"], 2, axis=0))
    exam.agrees(circuit, {**given, "x": wide[::2]})
