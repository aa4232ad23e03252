# SPDX-License-Identifier: Apache-2.0
"""Checks of gradient methods, on the strict backend: right to their own stated error, in the documented form.

A method without standard errors claims to be exact, or nearly: it is compared to the tolerance (1e-6 unless given). One
with standard errors is compared to six of them per entry, which is passed by chance less than once in 1e7 for normal ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Counts, Expectations, Output, Probabilities, Variance
from qstore.circuit import Parameter, QuantumCircuit, X, Y, Z
from qstore.errors import QStoreError
from qstore.gradients import differentiate
from qstore.plugins import Backend, GradientResult, expands, get_gradient_method, load_factory
from qstore.testing.check import Moot, NotClaimed, Table, Violation, require
from qstore.testing.reference import expected_gradients, expected_values
from qstore.testing.statistics import check_standard_errors
from qstore.testing.strict import StrictBackend

__all__ = ["CHECKS", "GradientExam"]

CHECKS = Table("gradient method")
SIGMAS = 6.0
OUTPUTS: dict[str, Callable[[], Output]] = {
    "Expectations": lambda: Expectations([Z(0), 0.5 * X(0) @ Y(1) - 2 * Z(1) + 1.0]),
    "Variance": lambda: Variance([Z(0) + X(1)]),
    "Probabilities": Probabilities,
}


class GradientExam:
    """One gradient method under examination."""

    def __init__(
        self, make: Callable[[], Any], *, tolerance: float = 1e-6, backend: Backend | None = None
    ) -> None:
        self.method, self.tolerance, self.backend = make(), tolerance, backend or StrictBackend()
        self.remarks: list[str] = []

    @classmethod
    def of(
        cls, name: str, *, options: Mapping[str, Any] | None = None, tolerance: float = 1e-6
    ) -> GradientExam:
        """By registered name, or as "package.module:callable"."""
        given = dict(options or {})
        return cls(lambda: load_factory(name)(**given) if ":" in name else get_gradient_method(name, **given),
                   tolerance=tolerance)  # fmt: skip

    def found(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: tuple[str, ...] | None = None
    ) -> GradientResult:
        """What the method gives."""
        result = differentiate(batch, self.backend, cotangent, self.method, wrt)
        require(
            isinstance(result, GradientResult),
            f"a {type(result).__name__} came back, expected is a GradientResult",
        )
        return result

    def agrees(self, batch: CircuitBatch, *, wrt: tuple[str, ...] | None = None) -> GradientResult:
        """Compare with the reference, to the stated error."""
        cotangent = np.random.default_rng(1).normal(size=expected_values(batch).shape)
        result = self.found(batch, cotangent, wrt)
        expected = expected_gradients(batch, cotangent, wrt)
        require(
            set(result.gradients) == set(expected),
            f"gradients of {sorted(result.gradients)}, expected {sorted(expected)}",
        )
        for name, gradient in expected.items():
            given = np.asarray(result.gradients[name])
            require(
                given.shape == gradient.shape,
                f"{name!r}: shape {given.shape}, its binding has {gradient.shape}",
            )
            require(given.dtype == np.float64, f"{name!r}: dtype {given.dtype}, expected is float64")
            allowed = self.allowed(result, name, gradient.shape)
            off = np.abs(given - gradient)
            require(
                bool(np.all(off <= allowed)),
                f"{name!r}: {given.ravel()[:4]} for {gradient.ravel()[:4]}, off by {off.max():.2g}",
            )
        return result

    def allowed(self, result: GradientResult, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The tolerance, or so many of the method's own errors."""
        if result.standard_errors is None:
            return np.full(shape, self.tolerance)
        errors = np.asarray(result.standard_errors[name])
        require(
            errors.shape == shape,
            f"standard errors of {name!r} have shape {errors.shape}, expected is {shape}",
        )
        if np.isnan(errors).any():
            require(result.notes, "a standard error is NaN, and no note says why")
            raise NotClaimed("its standard errors are NaN, with the reason in a note")
        require(bool(np.all(errors >= 0)), f"a standard error of {name!r} is negative")
        return np.asarray(SIGMAS * errors + self.tolerance)


def circuit() -> QuantumCircuit:
    """Data, weights, a scalar; some used twice, in affine expressions, and in gates of four shifts."""
    x, w, s = Parameter("x", (2,)), Parameter("w", (2, 2)), Parameter("s")
    made = QuantumCircuit(2).ry(0, x[0]).rx(1, 2 * x[1] + 0.3).h(0).cx(0, 1)
    made.crx(0, 1, w[0, 0]).rzz(0, 1, w[0, 1] - s).u(0, w[1, 0], x[0], 0.4).ry(1, s).cx(1, 0)
    return made.rx(0, -0.5 * w[1, 1] + w[0, 0])


def batch(outputs: Output | None = None, *, per_sample: tuple[str, ...] = ("x",), rows: int = 3,
          shots: int | None = None) -> CircuitBatch:  # fmt: skip
    """The circuit with random bindings."""
    rng = np.random.default_rng(4)
    made = circuit()
    bindings = {
        p.name: rng.uniform(-2, 2, (*((rows,) if p.name in per_sample else ()), *p.shape))
        for p in made.parameters
    }
    return CircuitBatch.of(made, bindings, outputs or OUTPUTS["Expectations"](), shots=shots, seed=5)


@CHECKS.check("gradients of {} are right", each=tuple(OUTPUTS))
def outputs(exam: GradientExam, kind: str) -> None:
    """Shared weights, per-sample data."""
    exam.agrees(batch(OUTPUTS[kind]()))


@CHECKS.check("{}", each=("everything shared", "everything per sample", "a batch of one row"))
def shapes(exam: GradientExam, how: str) -> None:
    """Each gradient has its binding's shape."""
    exam.agrees({"everything shared": batch(per_sample=()), "everything per sample": batch(per_sample=("x", "w", "s")),
                 "a batch of one row": batch(rows=1)}[how])  # fmt: skip


@CHECKS.check("only what wrt names is differentiated")
def subset(exam: GradientExam) -> None:
    """Others have no entry."""
    exam.agrees(batch(), wrt=("w",))


@CHECKS.check("the batch's own values come along")
def values(exam: GradientExam) -> None:
    """As a run gives them."""
    given = batch()
    found = exam.found(given, np.ones((3, 2))).result.values
    off = np.abs(np.asarray(found) - expected_values(given)).max()
    require(off < exam.tolerance, f"the values are off by {off:.2g}")


@CHECKS.check("a cotangent of zero gives zero")
def zero(exam: GradientExam) -> None:
    """In every entry."""
    for name, gradient in exam.found(batch(), np.zeros((3, 2))).gradients.items():
        require(float(np.abs(gradient).max()) <= exam.tolerance, f"the gradient of {name!r} is {gradient}")


@CHECKS.check("a row of the cotangent reaches its own row alone")
def rows(exam: GradientExam) -> None:
    """Data of other rows get nothing."""
    cotangent = np.zeros((3, 2))
    cotangent[1] = 1.0
    gradient = np.asarray(exam.found(batch(), cotangent).gradients["x"])
    require(
        float(np.abs(gradient[[0, 2]]).max()) <= exam.tolerance,
        f"rows without cotangent have the gradient {gradient}",
    )


@CHECKS.check("gradients from shots agree within their standard errors")
def shots(exam: GradientExam) -> None:
    """Which are there."""
    if not expands(exam.method):
        raise NotClaimed("the backend carries it out, exactly")
    result = exam.agrees(batch(Expectations([Z(0), Z(1)]), shots=20_000))
    require(result.standard_errors is not None, "a gradient from shots has no standard errors")


@CHECKS.check("standard errors from shots are as large as the deviations")
def standard_errors(exam: GradientExam) -> None:
    """A hundred rows with the same data, for methods that are exact without shots."""
    if not expands(exam.method):
        raise NotClaimed("the backend carries it out, exactly")
    name, made = "t", QuantumCircuit(1).h(0).ry(0, "t").rz(0, 0.3)
    exact = CircuitBatch.of(made, {name: np.array([0.9])}, Expectations([Z(0)]))
    bias = np.abs(
        np.asarray(exam.found(exact, np.ones((1, 1))).gradients[name])
        - expected_gradients(exact, np.ones((1, 1)))[name]
    )
    if bias.max() > 1e-6:
        raise NotClaimed("it is not exact without shots, so deviations are not of shots alone")
    given = CircuitBatch.of(made, {name: np.full(100, 0.9)}, Expectations([Z(0)]), shots=1000, seed=8)
    result = exam.found(given, np.ones((100, 1)))
    require(result.standard_errors is not None, "a gradient from shots has no standard errors")
    assert result.standard_errors is not None
    check_standard_errors(np.asarray(result.gradients[name]), expected_gradients(given, np.ones((100, 1)))[name],
                          np.asarray(result.standard_errors[name]), of="the gradient")  # fmt: skip


@CHECKS.check("expand is pure: the first batch is the batch, and twice gives the same")
def pure(exam: GradientExam) -> None:
    """Stream keys included."""
    if not expands(exam.method):
        raise Moot("the backend carries it out")
    given = batch(shots=100)
    kept = {name: array.copy() for name, array in given.bindings.items()}
    once, twice = (exam.method.expand(given, wrt=("x", "w", "s"), step=3) for _ in range(2))
    require(len(once) >= 1 and once[0].circuit == given.circuit, "the first batch is not the batch itself")
    require(
        all(np.array_equal(kept[name], array) for name, array in given.bindings.items()),
        "the bindings were changed",
    )
    require(len(once) == len(twice), "two expansions have different numbers of batches")
    for one, other in zip(once, twice, strict=True):
        same = all(np.array_equal(one.bindings[name], other.bindings[name]) for name in one.bindings)
        require(
            same and np.array_equal(one.stream_keys, other.stream_keys), "two expansions of one batch differ"
        )


@CHECKS.check("no two circuits of an expansion share a stream key")
def keys(exam: GradientExam) -> None:
    """Or their shots would be the same."""
    if not expands(exam.method):
        raise Moot("the backend carries it out")
    found = [
        int(key)
        for each in exam.method.expand(batch(shots=100), wrt=("x", "w"), step=0)
        for key in each.stream_keys
    ]
    require(
        len(set(found)) == len(found),
        f"{len(found) - len(set(found))} of {len(found)} rows have a key that another has",
    )


@CHECKS.check("data of initialize have their gradient, or are refused")
def amplitudes(exam: GradientExam) -> None:
    """With an error of ours."""
    made = QuantumCircuit(2).initialize(Parameter("x", (4,))).ry(0, "t").cx(0, 1)
    given = CircuitBatch.of(
        made, {"x": np.array([[1.0, 2.0, -1.0, 0.5]]), "t": 0.3}, OUTPUTS["Expectations"]()
    )
    try:
        exam.agrees(given)
    except QStoreError as exc:
        raise NotClaimed(f"it refuses them: {exc}") from exc


@CHECKS.check("outputs without a gradient are refused")
def refused(exam: GradientExam) -> None:
    """Counts."""
    given = batch(Counts(), shots=100)
    try:
        differentiate(given, exam.backend, None, exam.method)
    except QStoreError:
        return
    raise Violation("Counts got a gradient")
