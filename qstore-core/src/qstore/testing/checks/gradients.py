# SPDX-License-Identifier: Apache-2.0
"""`vjp`: the gradient of sum(cotangent * values), shaped like the bindings; and gradients through the core on any backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, Output, Probabilities, StateVector, Variance
from qstore.circuit import GATES, Parameter, QuantumCircuit, Y, Z
from qstore.errors import QStoreError
from qstore.gradients import value_and_vjp
from qstore.testing.check import NotClaimed, Table, Violation, require
from qstore.testing.circuits import Builder
from qstore.testing.exam import BackendExam
from qstore.testing.reference import expected_gradients, expected_values

CHECKS = Table("gradients")
DIFFERENTIABLE = ("Expectations", "Variance", "Probabilities", "StateVector")
TOLERANCE = 1e-7
"""The reference differentiates numerically, to about 1e-11; a float64 sweep has no excuse above this."""


def _output(kind: str) -> Output:
    sums = [Z(0), 0.5 * Y(0) - 2 * Z(0) + 1.0]
    made: dict[str, Output] = {"Expectations": Expectations(sums), "Variance": Variance(sums),
                               "Probabilities": Probabilities(), "StateVector": StateVector()}  # fmt: skip
    return made[kind]


def _kind(exam: BackendExam) -> str:
    for kind in DIFFERENTIABLE:
        if kind in exam.capabilities.differentiable_outputs:
            return kind
    raise NotClaimed("it declares no gradient of its own")


def _prepared(
    exam: BackendExam, kind: str, per_sample: tuple[str, ...] = ("x",), rows: int = 3
) -> tuple[CircuitBatch, NDArray[Any]]:
    if kind not in exam.capabilities.differentiable_outputs:
        raise NotClaimed(f"it does not declare gradients of {kind}")
    rng = exam.rng(71)
    circuit = exam.builder.ansatz(exam.n_qubits(2), rng)
    batch = exam.batch(
        circuit, exam.builder.bindings(circuit, rng, exam.rows(rows), per_sample), _output(kind)
    )
    shape = expected_values(batch).shape
    cotangent: NDArray[Any] = rng.normal(size=shape)
    return batch, cotangent + 1j * rng.normal(size=shape) if kind == "StateVector" else cotangent


def _compare(
    exam: BackendExam, batch: CircuitBatch, cotangent: NDArray[Any], found: Mapping[str, NDArray[np.float64]]
) -> None:
    expected = expected_gradients(batch, cotangent)
    require(set(found) == set(expected), f"gradients of {sorted(found)}, expected of {sorted(expected)}")
    for name, gradient in expected.items():
        require(
            isinstance(found[name], np.ndarray), f"the gradient of {name!r} is a {type(found[name]).__name__}"
        )
        require(
            found[name].dtype == np.float64,
            f"the gradient of {name!r} is {found[name].dtype}, expected is float64",
        )
        exam.close(
            found[name], gradient, of=f"gradient of {name!r}", tolerance=max(TOLERANCE, 10 * exam.tolerance)
        )


@CHECKS.check("the vjp of {} is right, shared weights and per-sample data", each=DIFFERENTIABLE)
def vjp(exam: BackendExam, kind: str) -> None:
    """Against numerical derivatives of the reference."""
    batch, cotangent = _prepared(exam, kind)
    _compare(exam, batch, cotangent, exam.vjp(batch, cotangent)[1])


@CHECKS.check("a vjp's values are those of a run")
def values(exam: BackendExam) -> None:
    """They come for free."""
    batch, cotangent = _prepared(exam, _kind(exam))
    result, _ = exam.vjp(batch, cotangent)
    exam.check_values(result.values, batch, of="values of the vjp")


@CHECKS.check("gradients of {} bindings have their shape", each=("shared", "per-sample"))
def shapes(exam: BackendExam, how: str) -> None:
    """Summed over the batch, or one per row."""
    batch, cotangent = _prepared(exam, _kind(exam), () if how == "shared" else ("x", "w", "s"))
    _compare(exam, batch, cotangent, exam.vjp(batch, cotangent)[1])


@CHECKS.check("only the parameters in wrt are differentiated")
def subset(exam: BackendExam) -> None:
    """Others have no entry."""
    batch, cotangent = _prepared(exam, _kind(exam))
    _, found = exam.vjp(batch, cotangent, ("w",))
    require(set(found) == {"w"}, f"wrt=('w',) gave gradients of {sorted(found)}")
    exam.close(found["w"], expected_gradients(batch, cotangent, ("w",))["w"], of="gradient of 'w' alone",
               tolerance=max(TOLERANCE, 10 * exam.tolerance))  # fmt: skip


@CHECKS.check("wrt=() gives values and no gradients")
def nothing(exam: BackendExam) -> None:
    """An empty dict."""
    batch, cotangent = _prepared(exam, _kind(exam))
    _, found = exam.vjp(batch, cotangent, ())
    require(dict(found) == {}, f"wrt=() gave gradients of {sorted(found)}")


@CHECKS.check("a gradient is linear in the cotangent, row by row")
def linear(exam: BackendExam) -> None:
    """A cotangent of zero in all rows but one leaves the other rows' data without gradient."""
    batch, cotangent = _prepared(exam, _kind(exam))
    lone = np.zeros_like(cotangent)
    lone[-1] = 2 * cotangent[-1]
    _compare(exam, batch, lone, exam.vjp(batch, lone)[1])


@CHECKS.check("a cotangent of zero gives a gradient of zero")
def zero(exam: BackendExam) -> None:
    """Exactly, or nearly."""
    batch, cotangent = _prepared(exam, _kind(exam))
    _, found = exam.vjp(batch, np.zeros_like(cotangent))
    for name, gradient in found.items():
        require(float(np.abs(gradient).max()) < exam.tolerance, f"the gradient of {name!r} is not zero")


@CHECKS.check("the cotangent is not written to")
def untouched(exam: BackendExam) -> None:
    """Nor are the bindings."""
    batch, cotangent = _prepared(exam, _kind(exam))
    kept = cotangent.copy()
    exam.vjp(batch, cotangent)
    require(np.array_equal(cotangent, kept), "the cotangent was changed")


@CHECKS.check("every gate with angles is differentiated right")
def every_gate(exam: BackendExam) -> None:
    """All angles of all declared gates of the table."""
    kind = _kind(exam)
    rng = exam.rng(72)
    wrong = []
    for name in Builder.unitary_gates():
        row = GATES[name]
        if (
            name not in exam.capabilities.gates
            or not row.n_angles
            or row.n_qubits > exam.capabilities.max_qubits
        ):
            continue
        n = max(row.n_qubits, exam.n_qubits(2))
        circuit = exam.builder.sandwich(name, tuple(reversed(range(n)))[: row.n_qubits], n, rng)
        batch = exam.batch(
            circuit, {"angles": rng.uniform(-3, 3, (exam.rows(2), row.n_angles))}, _output(kind)
        )
        cotangent: NDArray[Any] = rng.normal(size=expected_values(batch).shape)
        cotangent = cotangent.astype(complex) if kind == "StateVector" else cotangent
        try:
            _compare(exam, batch, cotangent, exam.vjp(batch, cotangent)[1])
        except Violation as exc:
            wrong.append(f"{name} ({exc})")
    require(not wrong, f"wrong gradients of: {'; '.join(wrong)}")


@CHECKS.check("data that initialize normalises have their gradient")
def amplitudes(exam: BackendExam) -> None:
    """Projected: along the data itself nothing changes."""
    kind = _kind(exam)
    exam.need_gates("initialize")
    rng, n = exam.rng(73), exam.n_qubits(2)
    circuit = QuantumCircuit(n).initialize(Parameter("re", (1 << n,)), imag=Parameter("im", (1 << n,)))
    exam.builder.layer(circuit, rng)
    batch = exam.batch(
        circuit, {"re": rng.normal(size=(2, 1 << n)), "im": rng.normal(size=1 << n)}, _output(kind)
    )
    cotangent: NDArray[Any] = rng.normal(size=expected_values(batch).shape)
    cotangent = cotangent.astype(complex) if kind == "StateVector" else cotangent
    _compare(exam, batch, cotangent, exam.vjp(batch, cotangent)[1])


@CHECKS.check("strengths of noise have their gradient")
def noise(exam: BackendExam) -> None:
    """For backends that declare `differentiates_noise`."""
    kind = _kind(exam)
    if not exam.capabilities.differentiates_noise or kind == "StateVector":
        raise NotClaimed("it does not declare gradients of circuits with noise")
    rng = exam.rng(74)
    for name in sorted(set(Builder.channels()) & exam.capabilities.gates):
        n = max(GATES[name].n_qubits, exam.n_qubits(2))
        if n > exam.capabilities.max_qubits:
            continue
        circuit = exam.builder.sandwich(name, tuple(range(n))[: GATES[name].n_qubits], n, rng)
        batch = exam.batch(circuit, {"angles": np.array([[0.7], [-1.3]])[: exam.rows(2)]}, _output(kind))
        cotangent = rng.normal(size=expected_values(batch).shape)
        _compare(exam, batch, cotangent, exam.vjp(batch, cotangent)[1])


@CHECKS.check("the synchronous vjp is the same as the asynchronous one")
def synchronous(exam: BackendExam) -> None:
    """Where there are both."""
    twin = getattr(exam.backend, "vjp_sync", None)
    if twin is None:
        raise NotClaimed("it has no vjp_sync")
    batch, cotangent = _prepared(exam, _kind(exam))
    result, found = twin(batch, cotangent, None)
    exam.check_values(result.values, batch, of="values of vjp_sync")
    _compare(exam, batch, cotangent, found)


@CHECKS.check("gradients through the core are right ({})", each=("by default", "parameter_shift"))
def through_the_core(exam: BackendExam, how: str) -> None:
    """`value_and_vjp` on exact expectation values."""
    exam.need_exact("Expectations")
    rng = exam.rng(75)
    circuit = exam.builder.ansatz(exam.n_qubits(2), rng)
    batch = exam.batch(circuit, exam.builder.bindings(circuit, rng, 2), Expectations([Z(0)]))
    cotangent = np.array([[1.0], [-0.5]])
    method = None if how == "by default" else how
    exam.spend(batch)
    try:
        _, found = value_and_vjp(circuit, batch.bindings, batch.outputs, cotangent, backend=exam.backend,
                                 gradient_method=method)  # fmt: skip
    except QStoreError as exc:
        raise Violation(f"no gradient {how}: {exc}") from exc
    _compare(exam, batch, cotangent, found)


@CHECKS.check("gradients from shots point the right way")
def from_shots(exam: BackendExam) -> None:
    """Parameter shift on counts: each entry within 0.5 of the exact one; false alarms below 1e-6 by Hoeffding."""
    exam.need_shots("Expectations")
    if exam.capabilities.fidelity_1q is not None or exam.capabilities.fidelity_2q is not None:
        raise NotClaimed("it declares gate errors, so its gradients are not those of the ideal circuit")
    name, width = exam.builder.turn()
    if GATES[name].n_angles != 1:
        raise NotClaimed(f"the gate that turns, {name!r}, has several angles")
    shots = exam.shots(4000)
    if shots < 1000:
        raise NotClaimed("it takes too few shots")
    rng = exam.rng(76)
    circuit = QuantumCircuit(width)
    exam.builder.layer(circuit, rng)
    exam.builder.turned(circuit, name, 0, Parameter("t"))
    exam.builder.layer(circuit, rng)
    batch = exam.batch(circuit, {"t": np.array([0.4, 1.9])}, Expectations([Z(0)]))
    exam.spend(batch)
    _, found = value_and_vjp(circuit, batch.bindings, batch.outputs, np.ones((2, 1)), backend=exam.backend,
                             gradient_method="parameter_shift", shots=shots, seed=3)  # fmt: skip
    exam.close(
        found["t"], expected_gradients(batch, np.ones((2, 1)))["t"], of="gradient from shots", tolerance=0.5
    )
