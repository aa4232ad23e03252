# SPDX-License-Identifier: Apache-2.0
"""What cannot be right is refused with a typed error, and a refusal leaves the backend as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qstore.batch import CircuitBatch, Expectations, Output, Probabilities, StateVector, Variance
from qstore.circuit import Parameter, QuantumCircuit, Z
from qstore.errors import BindingError, CapabilityError, OptionError, QStoreError
from qstore.plugins import get_backend, loaded_plugins
from qstore.testing.check import Moot, NotClaimed, Table, Violation
from qstore.testing.exam import BackendExam

CHECKS = Table("bad input")


def _raises(
    kinds: type[Exception] | tuple[type[Exception], ...], what: str, call: Callable[[], object]
) -> None:
    expected = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
    try:
        call()
    except kinds:
        return
    except Exception as exc:
        raise Violation(f"{what} raised {type(exc).__name__}: {exc}; expected is {expected}") from exc
    raise Violation(f"{what} was accepted; expected is {expected}")


def _differentiable(exam: BackendExam) -> CircuitBatch:
    outputs: dict[str, Output] = {"Expectations": Expectations([Z(0)]), "Variance": Variance([Z(0)]),
                                  "Probabilities": Probabilities(), "StateVector": StateVector()}  # fmt: skip
    for kind, output in outputs.items():
        if kind in exam.capabilities.differentiable_outputs:
            circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(121))
            return exam.batch(circuit, exam.builder.bindings(circuit, exam.rng(122), exam.rows(2)), output)
    raise NotClaimed("it declares no gradient of its own")


@CHECKS.check("an option that it does not have is an OptionError")
def option(exam: BackendExam) -> None:
    """By way of `get_backend`."""
    if exam.name not in loaded_plugins().backends.entries:
        raise Moot("it is not registered")
    _raises(
        OptionError,
        "an option that does not exist",
        lambda: get_backend(exam.name, no_such_option_anywhere=1),
    )


@CHECKS.check("data of length zero cannot be normalised, and say so")
def zero_amplitudes(exam: BackendExam) -> None:
    """No state is made up in their place."""
    exam.need_gates("initialize")
    n = exam.n_qubits(2)
    circuit = QuantumCircuit(n).initialize(Parameter("x", (1 << n,)))
    outputs = exam.telling(n)
    data = np.array([[1.0] + [0.0] * ((1 << n) - 1), [0.0] * (1 << n)])
    batch = exam.batch(circuit, {"x": data}, outputs, shots=None if outputs is not None else exam.shots(10))
    _raises(BindingError, "a row of zeros for initialize", lambda: exam.run(batch))
    exam.agrees(circuit, {"x": data[:1]}, of="a good row after the refusal")


@CHECKS.check("a parameter that does not exist cannot be differentiated")
def unknown_wrt(exam: BackendExam) -> None:
    """It is named."""
    batch = _differentiable(exam)
    width = 1 if hasattr(batch.outputs, "observables") else 1 << batch.circuit.n_qubits
    _raises(
        QStoreError,
        "wrt of an unknown parameter",
        lambda: exam.vjp(batch, np.ones((batch.size, width)), ("nobody",)),
    )


@CHECKS.check("a cotangent of the wrong shape is refused")
def cotangent(exam: BackendExam) -> None:
    """Not broadcast."""
    batch = _differentiable(exam)
    _raises(
        (QStoreError, ValueError),
        "a cotangent of the wrong shape",
        lambda: exam.vjp(batch, np.ones((batch.size + 1, 3))),
    )


@CHECKS.check("a refusal leaves it working")
def afterwards(exam: BackendExam) -> None:
    """The next run is right."""
    circuit = QuantumCircuit(min(exam.capabilities.max_qubits + 1, 64))
    _raises(CapabilityError, "a circuit with too many qubits", lambda: exam.run(_too_large(exam, circuit)))
    good = exam.builder.ansatz(exam.n_qubits(2), exam.rng(123))
    exam.agrees(good, exam.builder.bindings(good, exam.rng(124), 2), of="the run after a refusal")


def _too_large(exam: BackendExam, circuit: QuantumCircuit) -> CircuitBatch:
    if exam.capabilities.exact_outputs:
        return exam.batch(circuit, outputs=Expectations([Z(0)]))
    return exam.batch(circuit, shots=exam.shots(10))
