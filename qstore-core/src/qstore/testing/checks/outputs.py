# SPDX-License-Identifier: Apache-2.0
"""What each output means, its shape and dtype, exact and from shots."""

from __future__ import annotations

import numpy as np

from qstore.batch import (
    BatchResult,
    CircuitBatch,
    Counts,
    DensityMatrix,
    Expectations,
    Output,
    Probabilities,
    Samples,
    StateVector,
    Variance,
)
from qstore.circuit import I, QuantumCircuit, X, Y, Z
from qstore.testing.check import NotClaimed, Table, require
from qstore.testing.exam import BackendExam
from qstore.testing.reference import expected_values
from qstore.testing.statistics import check_estimates

CHECKS = Table("outputs")
EXACT = ("Expectations", "Variance", "Probabilities", "StateVector", "DensityMatrix")
_COMPLEX = {"StateVector", "DensityMatrix"}


def _output(kind: str, n: int) -> Output:
    sums = [Z(0), 0.5 * X(n - 1) - 1.5 * Y(0) + 0.25, Y(0)] + (
        [X(0) @ Y(1), Z(0) @ X(1) + 2 * Z(1)] if n > 1 else []
    )
    made: dict[str, Output] = {
        "Expectations": Expectations(sums), "Variance": Variance(sums), "Probabilities": Probabilities(),
        "StateVector": StateVector(), "DensityMatrix": DensityMatrix(), "Counts": Counts(), "Samples": Samples(),
    }  # fmt: skip
    return made[kind]


def _answered(exam: BackendExam, kind: str, *, rows: int = 3) -> tuple[CircuitBatch, BatchResult]:
    rng, n = exam.rng(11), exam.n_qubits(2)
    circuit = exam.builder.ansatz(n, rng)
    batch = exam.batch(
        circuit, exam.builder.bindings(circuit, rng, exam.rows(rows)), _output(kind, circuit.n_qubits)
    )
    return batch, exam.direct(batch)


@CHECKS.check("exact {} are those of quantum mechanics", each=EXACT)
def exact(exam: BackendExam, kind: str) -> None:
    """A circuit of no symmetry, per-sample data."""
    exam.need_exact(kind)
    batch, result = _answered(exam, kind)
    exam.check_values(result.values, batch, of=kind)


@CHECKS.check("exact {} have the documented shape and dtype and no standard errors", each=EXACT)
def form(exam: BackendExam, kind: str) -> None:
    """(B, ...) float64 or complex128."""
    exam.need_exact(kind)
    batch, result = _answered(exam, kind)
    wanted = np.dtype(np.complex128 if kind in _COMPLEX else np.float64)
    require(
        isinstance(result.values, np.ndarray),
        f"values are a {type(result.values).__name__}, expected is an array",
    )
    assert result.values is not None
    require(result.values.dtype == wanted, f"dtype is {result.values.dtype}, expected is {wanted}")
    shape = expected_values(batch).shape
    require(result.values.shape == shape, f"shape is {result.values.shape}, expected is {shape}")
    require(result.standard_errors is None, "an exact result has standard errors")
    require(result.counts is None, "an exact result has counts")


@CHECKS.check("exact {} are normalised", each=("Probabilities", "StateVector", "DensityMatrix"))
def normalised(exam: BackendExam, kind: str) -> None:
    """Sums, norms and traces are one."""
    exam.need_exact(kind)
    _, result = _answered(exam, kind)
    values = np.asarray(result.values)
    total = {"Probabilities": lambda v: v.sum(axis=1), "StateVector": lambda v: (np.abs(v) ** 2).sum(axis=1),
             "DensityMatrix": lambda v: np.trace(v, axis1=1, axis2=2)}[kind](values)  # fmt: skip
    exam.close(total, np.ones(len(values)), of="total")


@CHECKS.check("variances are not negative, and zero in an eigenstate")
def eigenstate(exam: BackendExam) -> None:
    """Of Z in |0>."""
    exam.need_exact("Variance")
    n = exam.n_qubits(2)
    batch = exam.batch(QuantumCircuit(n), outputs=Variance([Z(0), X(0)]))
    exam.close(np.asarray(exam.run(batch).values), np.array([[0.0, 1.0]]), of="variances of Z and X in |0>")


@CHECKS.check("a multiple of the identity has its own expectation value")
def identity(exam: BackendExam) -> None:
    """And none of it depends on the state."""
    exact = "Expectations" in exam.capabilities.exact_outputs
    if not exact:
        exam.need_shots("Expectations")
    circuit = QuantumCircuit(exam.n_qubits(2))
    exam.builder.layer(circuit, exam.rng(12))
    batch = exam.batch(circuit, outputs=Expectations([2.5 * I()]), shots=None if exact else exam.shots(100))
    exam.close(np.asarray(exam.run(batch).values), np.array([[2.5]]), of="expectation of 2.5 I")


@CHECKS.check("an observable may be repeated, and each stands where it was asked for")
def repeated_observables(exam: BackendExam) -> None:
    """Order and number are kept."""
    exam.need_exact("Expectations")
    circuit = QuantumCircuit(exam.n_qubits(2))
    exam.builder.layer(circuit, exam.rng(13))
    batch = exam.batch(circuit, outputs=Expectations([Z(0), X(0), Z(0), -1 * X(0)]))
    exam.check_values(exam.run(batch).values, batch, of="repeated observables")


@CHECKS.check("without shots the default output is the probabilities")
def default(exam: BackendExam) -> None:
    """Of all qubits."""
    exam.need_exact("Probabilities")
    circuit = QuantumCircuit(exam.n_qubits(2))
    exam.builder.layer(circuit, exam.rng(14))
    batch = exam.batch(circuit)
    exam.check_values(exam.run(batch).values, batch, of="default output")


@CHECKS.check("the global phase of a statevector is that of the gates")
def global_phase(exam: BackendExam) -> None:
    """Told, not demanded: physics does not see it."""
    exam.need_exact("StateVector")
    circuit = QuantumCircuit(exam.n_qubits(2))
    exam.builder.layer(circuit, exam.rng(15))
    batch = exam.batch(circuit, outputs=StateVector())
    values = np.asarray(exam.run(batch).values)
    exam.check_values(values, batch, of="statevector")
    if np.abs(values - expected_values(batch)).max() > exam.tolerance:
        exam.remarks.append("statevectors differ from the gates' product by a global phase")


@CHECKS.check(
    "{} from shots have the documented form",
    each=("Counts", "Samples", "Expectations", "Variance", "Probabilities"),
)
def form_from_shots(exam: BackendExam, kind: str) -> None:
    """Types, shapes, standard errors."""
    exam.need_shots(kind)
    rng, n = exam.rng(16), exam.n_qubits(2)
    circuit = exam.builder.ansatz(n, rng)
    n, shots = circuit.n_qubits, exam.shots(400)
    outputs = _output(kind, n)
    batch = exam.batch(circuit, exam.builder.bindings(circuit, rng, 2), outputs, shots=shots)
    result = exam.run(batch)
    if kind == "Counts":
        require(
            isinstance(result.counts, tuple) and len(result.counts) == 2, "counts are not one dict per row"
        )
        assert result.counts is not None
        entries = [entry for row in result.counts for entry in row.items()]
        require(
            all(type(k) is int and type(v) is int for k, v in entries), "counts are not dicts from int to int"
        )
        require(all(v > 0 for _, v in entries), "a count is not positive")
        require(all(0 <= k < 1 << n for k, _ in entries), "an outcome is out of range")
        return
    values = np.asarray(result.values)
    if kind == "Samples":
        require(values.shape == (2, shots, n), f"shape is {values.shape}, expected is {(2, shots, n)}")
        require(values.dtype == np.uint8, f"dtype is {values.dtype}, expected is uint8")
        require(set(np.unique(values).tolist()) <= {0, 1}, "samples are not bits")
        return
    wanted = expected_values(batch).shape
    require(values.shape == wanted, f"shape is {values.shape}, expected is {wanted}")
    require(values.dtype == np.float64, f"dtype is {values.dtype}, expected is float64")
    errors = result.standard_errors
    require(errors is not None, "estimates from shots have no standard errors")
    assert errors is not None
    require(errors.shape == wanted, f"standard errors have shape {errors.shape}, expected is {wanted}")
    require(
        bool(np.all(np.isfinite(errors)) and np.all(errors >= 0)),
        "a standard error is negative or not a number",
    )


@CHECKS.check("{} from shots estimate the exact values", each=("Expectations", "Variance", "Probabilities"))
def estimates(exam: BackendExam, kind: str) -> None:
    """Within Hoeffding's bound."""
    exam.need_shots(kind)
    if exam.capabilities.fidelity_1q is not None or exam.capabilities.fidelity_2q is not None:
        raise NotClaimed("it declares gate errors, so its estimates are not those of the ideal circuit")
    rng, n = exam.rng(17), exam.n_qubits(2)
    circuit = exam.builder.ansatz(n, rng)
    outputs: Output = Probabilities() if kind == "Probabilities" else Expectations([Z(0), X(0), 0.5 * Y(0)])
    outputs = Variance([Z(0), X(0), 0.5 * Y(0)]) if kind == "Variance" else outputs
    shots = exam.shots(4000)
    batch = exam.batch(circuit, exam.builder.bindings(circuit, rng, 3), outputs, shots=shots)
    scales = {
        "Expectations": np.array([1, 1, 0.5]),
        "Probabilities": np.array(0.5),
        "Variance": np.array([2, 2, 0.5]),
    }[kind]
    found = np.asarray(exam.run(batch).values)
    # Shots are shared out over three bases; a variance's error is at most twice its mean's, to first order.
    fewest = shots if kind == "Probabilities" else shots // 4
    check_estimates(found, expected_values(batch), scales * np.ones(found.shape), max(1, fewest), of=kind)


@CHECKS.check("samples come from the circuit's distribution")
def sampled(exam: BackendExam) -> None:
    """Counted up, they are counts."""
    exam.need_served("Samples")
    rng, n = exam.rng(18), exam.n_qubits(2)
    circuit = exam.builder.ansatz(n, rng)
    n = circuit.n_qubits
    batch = exam.batch(circuit, exam.builder.bindings(circuit, rng, 2), Samples(), shots=exam.shots())
    result = exam.run(batch)
    outcomes = np.asarray(result.values).astype(np.int64) @ (1 << np.arange(n))
    counted = tuple(
        {int(k): int(v) for k, v in zip(*np.unique(row, return_counts=True), strict=True)} for row in outcomes
    )
    exam.check_counts(BatchResult(counts=counted, n_qubits=n, backend=""), batch, of="samples")
