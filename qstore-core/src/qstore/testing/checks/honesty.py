# SPDX-License-Identifier: Apache-2.0
"""Capabilities are a promise: what is declared works, what is not is refused with the right error, and silence costs.

What a backend does rightly without declaring it is a remark on the report card. A wrong answer without a word fails,
declared or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from qstore.batch import (
    Capabilities,
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
from qstore.batch.outputs import OUTPUT_TYPES
from qstore.circuit import GATES, GateKind, QuantumCircuit, Z
from qstore.errors import CapabilityError
from qstore.plugins import is_differentiable, loaded_plugins
from qstore.testing.check import Moot, NotClaimed, Table, Violation, require
from qstore.testing.circuits import random_unitary
from qstore.testing.exam import BackendExam

CHECKS = Table("honesty")
OUTPUTS: dict[str, Callable[[], Output]] = {
    "Expectations": lambda: Expectations([Z(0)]), "Variance": lambda: Variance([Z(0)]), "Probabilities": Probabilities,
    "Counts": Counts, "Samples": Samples, "StateVector": StateVector, "DensityMatrix": DensityMatrix,
}  # fmt: skip
EXACT = ("Expectations", "Variance", "Probabilities", "StateVector", "DensityMatrix")
MEASURED = ("Counts", "Samples", "Expectations", "Variance", "Probabilities")
KINDS = {kind.__name__ for kind in OUTPUT_TYPES}


@CHECKS.check("its name is the one it is registered as")
def name(exam: BackendExam) -> None:
    """Or the name behind the alias."""
    found = exam.backend.name
    require(isinstance(found, str) and found, f"its name is {found!r}")
    entry = loaded_plugins().backends.entries.get(exam.name)
    expected = {exam.name} if entry is None else {exam.name, entry.spec.name, *entry.spec.aliases}
    require(
        not exam.name or found in expected or entry is None,
        f"it calls itself {found!r}, registered is {exam.name!r}",
    )


@CHECKS.check("its capabilities are a Capabilities, the same every time")
def form(exam: BackendExam) -> None:
    """Data, not code."""
    found = exam.backend.capabilities
    require(isinstance(found, Capabilities), f"its capabilities are a {type(found).__name__}")
    require(found == exam.backend.capabilities, "its capabilities change from one look to the next")


@CHECKS.check("what is listed before it is made is what it can do")
def listed(exam: BackendExam) -> None:
    """The spec's capabilities, where it has any."""
    entry = loaded_plugins().backends.entries.get(exam.name)
    if entry is None or entry.spec.capabilities is None:
        raise Moot("its registration lists no capabilities")
    if not exam.by_default:
        raise Moot("it was made with options")
    spec, own = entry.spec.capabilities, exam.make().capabilities
    different = [
        field.name for field in fields(Capabilities) if getattr(spec, field.name) != getattr(own, field.name)
    ]
    if spec != exam.capabilities and different and set(different) <= {"max_qubits", "max_shots", "max_batch"}:
        exam.remarks.append(f"registration and backend differ in {', '.join(different)}")
        return
    require(not different, f"registration and backend differ in {', '.join(different)}")


@CHECKS.check("its numbers are in range")
def ranges(exam: BackendExam) -> None:
    """Qubits, shots, rows, fidelities."""
    c = exam.capabilities
    require(isinstance(c.max_qubits, int) and c.max_qubits >= 1, f"max_qubits is {c.max_qubits!r}")
    for what in ("max_shots", "max_batch"):
        value = getattr(c, what)
        require(value is None or (isinstance(value, int) and value >= 1), f"{what} is {value!r}")
    for what in ("fidelity_1q", "fidelity_2q", "fidelity_readout"):
        value = getattr(c, what)
        require(value is None or 0 <= value <= 1, f"{what} is {value!r}")


@CHECKS.check("it names gates and outputs that exist")
def known(exam: BackendExam) -> None:
    """By the words of the gate table and of `qstore.batch.outputs`."""
    c = exam.capabilities
    strange = sorted(c.gates - set(GATES))
    require(not strange, f"it declares gates that the table does not have: {strange}")
    strange = sorted((c.exact_outputs | c.shot_outputs | c.differentiable_outputs) - KINDS)
    require(not strange, f"it declares outputs that do not exist: {strange}")
    require(c.exact_outputs <= set(EXACT), f"{sorted(c.exact_outputs - set(EXACT))} cannot be exact")
    require(
        c.shot_outputs <= set(MEASURED), f"{sorted(c.shot_outputs - set(MEASURED))} do not come from shots"
    )
    require(bool(c.exact_outputs or c.shot_outputs), "it declares no output at all")


@CHECKS.check("declared noise and feedback come with their gates")
def consistent(exam: BackendExam) -> None:
    """And declared gradients with a vjp, of outputs that are declared."""
    c = exam.capabilities
    channels = {name for name, row in GATES.items() if row.kind is GateKind.CHANNEL}
    require(not c.noise or bool(c.gates & channels), "it declares noise and no channel")
    require(not c.feedback or "measure" in c.gates, "it declares feedback and not 'measure'")
    extra = c.differentiable_outputs - c.exact_outputs
    require(not extra, f"it differentiates {sorted(extra)}, which it does not give")
    require(
        not c.differentiable_outputs or is_differentiable(exam.backend),
        "it declares gradients and has no vjp",
    )
    require(
        not c.differentiates_noise or bool(c.differentiable_outputs and c.noise),
        "differentiates_noise without noise",
    )
    if is_differentiable(exam.backend) and not c.differentiable_outputs:
        exam.remarks.append("it has a vjp and declares no differentiable output: nobody will use it")


def _refused(exam: BackendExam, batch: CircuitBatch, what: str) -> None:
    """Through the core a `CapabilityError`; asked directly anything but a wrong answer."""
    try:
        exam.run(batch)
    except CapabilityError:
        pass
    except Exception as exc:
        raise Violation(
            f"{what} is not declared; asking gave {type(exc).__name__}: {exc}, not CapabilityError"
        ) from exc
    else:
        raise Violation(f"{what} is not declared, and ran")
    verdict, why = exam.attempt(batch)
    require(
        verdict != "wrong",
        f"asked directly for {what}, which it does not declare, it gave a wrong answer: {why}",
    )
    if verdict == "right":
        exam.remarks.append(f"{what} works and is not declared")
    if verdict == "error":
        exam.remarks.append(
            f"asked directly for {what}, it raises {why:.80}; CapabilityError would tell users more"
        )


def _circuit(exam: BackendExam, key: int) -> QuantumCircuit:
    circuit = QuantumCircuit(exam.n_qubits(2))
    exam.builder.layer(circuit, exam.rng(key))
    return circuit


@CHECKS.check("exact {}: declared, or refused", each=EXACT)
def exact_output(exam: BackendExam, kind: str) -> None:
    """With CapabilityError."""
    batch = exam.batch(_circuit(exam, 101), outputs=OUTPUTS[kind]())
    if kind in exam.capabilities.exact_outputs:
        exam.check_values(exam.direct(batch).values, batch, of=f"declared {kind}")
    else:
        _refused(exam, batch, f"exact {kind}")


@CHECKS.check("{} from shots: declared, derived, or refused", each=MEASURED)
def measured_output(exam: BackendExam, kind: str) -> None:
    """What the core can derive is never refused."""
    batch = exam.batch(_circuit(exam, 102), outputs=OUTPUTS[kind](), shots=exam.shots(100))
    try:
        exam.need_shots(kind)
    except NotClaimed:
        _refused(exam, batch, f"{kind} from shots")
        return
    result = exam.run(batch)
    require(
        (result.counts if kind == "Counts" else result.values) is not None, f"{kind} from shots gave nothing"
    )


@CHECKS.check("gates that are not declared are refused")
def gates(exam: BackendExam) -> None:
    """Every one of the table."""
    rng = exam.rng(103)
    n = exam.n_qubits(3)
    missing = [name for name, row in GATES.items() if name not in exam.capabilities.gates
               and row.kind is GateKind.UNITARY and row.n_qubits <= n]  # fmt: skip
    if not missing:
        raise Moot("it declares every gate")
    outputs = exam.telling(n)
    unsaid = len(exam.remarks)
    for gate in missing:
        circuit = QuantumCircuit(n)
        if gate == "unitary":
            circuit.unitary(random_unitary(rng, 1), 0)
        else:
            circuit.append(gate, tuple(range(GATES[gate].n_qubits)), [0.4] * GATES[gate].n_angles)
        shots = None if outputs is not None else exam.shots(100)
        _refused(exam, exam.batch(circuit, outputs=outputs, shots=shots), f"gate {gate!r}")
    if len(exam.remarks) - unsaid > 3:
        told = [remark for remark in exam.remarks[unsaid:] if remark.endswith("works and is not declared")]
        del exam.remarks[unsaid:]
        if told:
            exam.remarks.append(f"{len(told)} of {len(missing)} undeclared gates work: {', '.join(missing)}")


@CHECKS.check("{}: declared, or refused", each=("noise", "reset", "feedback"))
def open_system(exam: BackendExam, what: str) -> None:
    """Ignoring it would be a wrong answer."""
    c = exam.capabilities
    if c.feedback if what == "feedback" else c.noise:
        raise Moot("it is declared; the group 'noise' tests it")
    circuit = _circuit(exam, 104)
    if what == "feedback":
        circuit.measure(0)
        exam.builder.layer(circuit, exam.rng(105))
    elif what == "reset":
        circuit.reset(0)
    else:
        circuit.amplitude_damping(0, gamma=0.7)
    outputs = exam.telling(circuit.n_qubits, pure=False)
    _refused(
        exam,
        exam.batch(circuit, outputs=outputs, shots=None if outputs is not None else exam.shots(2000)),
        what,
    )


@CHECKS.check("one qubit more than declared is refused")
def qubits(exam: BackendExam) -> None:
    """Through the core, where it costs nothing."""
    circuit = QuantumCircuit(exam.capabilities.max_qubits + 1) if exam.capabilities.max_qubits < 63 else None
    if circuit is None:
        raise Moot("it has 63 qubits or more")
    outputs: Output | None = (
        Expectations([Z(0)]) if "Expectations" in exam.capabilities.exact_outputs else None
    )
    batch = exam.batch(circuit, outputs=outputs or Counts(), shots=None if outputs else exam.shots(10))
    try:
        exam.run(batch)
    except CapabilityError:
        return
    raise Violation(f"it declares {exam.capabilities.max_qubits} qubits and ran {circuit.n_qubits}")


@CHECKS.check("as many qubits as declared run, up to {}", each=(5, 8))
def all_qubits(exam: BackendExam, most: int) -> None:
    """A product state; every qubit is looked at."""
    n = exam.n_qubits(most)
    circuit = QuantumCircuit(n)
    for q in range(0, n, 2):
        exam.builder.flip(circuit, q)
    up = sum(1 << q for q in range(0, n, 2))
    if "Expectations" in exam.capabilities.exact_outputs:
        found = np.asarray(
            exam.run(exam.batch(circuit, outputs=Expectations([Z(q) for q in range(n)]))).values
        )
        expected = np.array([[-1.0 if up >> q & 1 else 1.0 for q in range(n)]])
        exam.close(found, expected, of=f"Z of {n} qubits")
        return
    exam.need_shots()
    (row,) = exam.run(exam.batch(circuit, shots=exam.shots(50))).counts or ({},)
    require(
        max(row, key=lambda outcome: row[outcome]) == up, f"of {n} qubits, every other one up, it found {row}"
    )


@CHECKS.check("more shots than declared are refused")
def shots(exam: BackendExam) -> None:
    """Where there is a limit."""
    limit = exam.capabilities.max_shots
    if limit is None:
        raise Moot("it declares no limit")
    try:
        exam.run(exam.batch(_circuit(exam, 106), shots=limit + 1))
    except CapabilityError:
        return
    raise Violation(f"it declares at most {limit} shots and ran {limit + 1}")


@CHECKS.check("as many shots as declared are run, up to a million")
def all_shots(exam: BackendExam) -> None:
    """All of them counted."""
    exam.need_served("Counts")
    if exam.capabilities.paid:
        raise Moot("it is paid, and this would be expensive")
    number = min(exam.capabilities.max_shots or 100_000, 1_000_000)
    batch = exam.batch(_circuit(exam, 107), shots=number)
    exam.check_counts(exam.direct(batch), batch, of=f"{number} shots")


@CHECKS.check("as many rows as declared fit into one request, up to 1000")
def all_rows(exam: BackendExam) -> None:
    """Straight to the backend, nothing split; the rows are right."""
    limit = min(exam.capabilities.max_batch or 100, 1000)
    circuit = exam.builder.ansatz(1 if exam.builder.turn()[1] == 1 else 2, exam.rng(108))
    outputs = exam.telling(circuit.n_qubits)
    if outputs is None:
        exam.need_served("Counts")
    bindings = exam.builder.bindings(circuit, exam.rng(109), limit)
    batch = exam.batch(circuit, bindings, outputs, shots=None if outputs is not None else exam.shots(100))
    result = exam.direct(batch)
    if outputs is None:
        exam.check_counts(result, batch, of=f"{limit} rows")
    else:
        exam.check_values(result.values, batch, of=f"{limit} rows")


@CHECKS.check("a statevector of a circuit with noise is refused")
def noisy_statevector(exam: BackendExam) -> None:
    """There is none."""
    exam.need_exact("StateVector")
    if not exam.capabilities.noise:
        raise NotClaimed("it does not declare noise")
    circuit = _circuit(exam, 110).depolarizing(0, p=0.1)
    try:
        exam.run(exam.batch(circuit, outputs=StateVector()))
    except CapabilityError:
        return
    raise Violation("a circuit with noise got a statevector")


@CHECKS.check("a vjp is refused where it is not declared: {}", each=("DensityMatrix", "shots"))
def undeclared_vjp(exam: BackendExam, what: str) -> None:
    """With an error of ours, not with a wrong gradient."""
    if not exam.capabilities.differentiable_outputs:
        raise NotClaimed("it declares no gradient of its own")
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(111))
    bindings = exam.builder.bindings(circuit, exam.rng(112), 2)
    n = circuit.n_qubits
    outputs: Output = DensityMatrix() if what == "DensityMatrix" else Expectations([Z(0)])
    batch = exam.batch(circuit, bindings, outputs, shots=None if what == "DensityMatrix" else exam.shots(100))
    cotangent = np.ones((2, 1 << n, 1 << n)) if what == "DensityMatrix" else np.ones((2, 1))
    try:
        exam.vjp(batch, cotangent)
    except CapabilityError:
        return
    except Exception as exc:
        raise Violation(f"the vjp of {what} raised {type(exc).__name__}: {exc}, not CapabilityError") from exc
    raise Violation(f"the vjp of {what} was computed, and is not declared")
