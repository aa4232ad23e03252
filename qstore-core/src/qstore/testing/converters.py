# SPDX-License-Identifier: Apache-2.0
"""Checks of converters: there and back a circuit does what it did, and with a judge, what went there does too.

A round trip alone cannot see a mistake that undoes itself, such as qubits reversed both ways. `--qstore-judge` names a
function that reads the other library's circuit independently and returns its unitary, qubit 0 least significant; the
report card says when there was none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qstore.circuit import GATES, Parameter, QuantumCircuit
from qstore.circuit.angles import Angle
from qstore.circuit.operation import Operation
from qstore.errors import BackendUnavailable, QStoreError
from qstore.plugins import ConverterSpec, load_factory, loaded_plugins
from qstore.testing.check import Moot, NotClaimed, Table, Violation, require
from qstore.testing.circuits import Builder, random_unitary
from qstore.testing.compilers import circuit_unitary, phase_distance, random_circuit
from qstore.testing.reference import density

__all__ = ["CHECKS", "ConverterExam"]

CHECKS = Table("converter")
_GATES = Builder.unitary_gates()
SMALL_ANGLES = (1e-7, -1e-5, 0.013, 0.1308996938995747, 3.1, -9.42477, 100.0)
"""What a coarse grid, a few printed digits or a range of one turn would change."""


class ConverterExam:
    """One converter under examination; made of its three functions."""

    def __init__(
        self,
        to: Callable[..., Any] | None,
        back: Callable[[Any], QuantumCircuit] | None,
        matches: Callable[[Any], bool] | None = None,
        *,
        tolerance: float = 1e-9,
        judge: Callable[[Any], Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._to, self._back, self.matches, self.judge = to, back, matches, judge
        self.tolerance, self._options = tolerance, dict(options or {})
        self.remarks: list[str] = []

    @classmethod
    def of(
        cls,
        name: str,
        *,
        options: Mapping[str, Any] | None = None,
        tolerance: float = 1e-9,
        judge: str | None = None,
    ) -> ConverterExam:
        """By registered name."""
        entry = loaded_plugins().converters.get(name)
        if entry is None:
            raise BackendUnavailable(f"No converter named {name!r} is installed.")
        spec: ConverterSpec = entry.spec
        found = [
            load_factory(path) if path else None for path in (spec.from_qstore, spec.to_qstore, spec.matches)
        ]
        return cls(*found, tolerance=tolerance, judge=load_factory(judge) if judge else None, options=options)

    def to(self, circuit: QuantumCircuit) -> Any:
        """The other library's circuit."""
        if self._to is None:
            raise NotClaimed("it only reads")
        return self._to(circuit, **self._options)

    def back(self, made: Any) -> QuantumCircuit:
        """Ours again."""
        if self._back is None:
            raise NotClaimed("it only writes")
        return self._back(made)

    def survives(self, circuit: QuantumCircuit, *, of: str) -> QuantumCircuit | None:
        """Compare the unitary of a circuit with that of what became of it; None where there is no way back."""
        made = self.to(circuit)
        expected = circuit_unitary(circuit, {})
        if self.judge is not None:
            off = phase_distance(np.asarray(self.judge(made)), expected)
            require(
                off <= self.tolerance,
                f"{of}: the judge finds a unitary that is off by {off:.2g}; {circuit.to_json():.300}",
            )
        if self._back is None:
            return None
        again = self.back(made)
        require(
            again.n_qubits == circuit.n_qubits,
            f"{of}: {again.n_qubits} qubits came back of {circuit.n_qubits}",
        )
        off = phase_distance(circuit_unitary(again, {}), expected)
        require(
            off <= self.tolerance,
            f"{of}: there and back the unitary is off by {off:.2g}; {circuit.to_json():.300}",
        )
        return again


def _bound(circuit: QuantumCircuit, row: Mapping[str, Any]) -> QuantumCircuit:
    bound = QuantumCircuit(circuit.n_qubits)
    for op in circuit.operations:
        numbers = tuple(Angle((), angle.value(row)) for angle in op.angles)
        bound.append_operation(Operation(op.gate, op.qubits, numbers, op.unitary, condition=op.condition))
    return bound


def _supported(exam: ConverterExam, circuit: QuantumCircuit, of: str) -> None:
    try:
        exam.survives(circuit, of=of)
    except QStoreError as exc:
        raise NotClaimed(f"it refuses {of}: {exc}"[:160]) from exc


@CHECKS.check("{} survives on every order of its qubits", each=_GATES)
def gate(exam: ConverterExam, name: str) -> None:
    """Small and large angles, idle qubits around."""
    width, rng = GATES[name].n_qubits, np.random.default_rng(3)
    for qubits in ((*range(width),), (*range(width, 0, -1),)):
        circuit = QuantumCircuit(width + 1)
        circuit.append(name, qubits, rng.choice(SMALL_ANGLES, GATES[name].n_angles).tolist())
        _supported(exam, circuit, name)


@CHECKS.check("the angle {} is kept to the last digit", each=SMALL_ANGLES)
def angle(exam: ConverterExam, value: float) -> None:
    """Not rounded to a grid, nor to printed digits."""
    circuit = QuantumCircuit(1).rx(0, value).rz(0, 2 * value).ry(0, -value)
    again = exam.survives(circuit, of=f"angle {value}")
    if again is None:
        return
    unit = QuantumCircuit(1).rx(0, value)
    off = phase_distance(circuit_unitary(exam.back(exam.to(unit)), {}), circuit_unitary(unit, {}))
    require(off <= min(exam.tolerance, abs(value) * 1e-6), f"rx({value}) came back off by {off:.2g}")


@CHECKS.check("random circuits survive (seed {})", each=range(10))
def random_circuits(exam: ConverterExam, seed: int) -> None:
    """Fifty each, of one to four qubits: five hundred in all; gates that the format lacks are left out."""
    rng = np.random.default_rng((23, seed))
    lacking = _lacking(exam)
    for number in range(50):
        made = random_circuit(rng, int(rng.integers(1, 5)), 10, symbols=False)
        circuit = QuantumCircuit(made.n_qubits)
        for op in made.operations:
            if op.gate not in lacking:
                circuit.append_operation(op)
        exam.survives(circuit, of=f"circuit {number}")


def _lacking(exam: ConverterExam) -> set[str]:
    found = set()
    for name in _GATES:
        row = GATES[name]
        try:
            exam.to(
                QuantumCircuit(row.n_qubits).append(name, tuple(range(row.n_qubits)), [0.3] * row.n_angles)
            )
        except QStoreError:
            found.add(name)
    return found


@CHECKS.check("qubit {} of four keeps its number", each=range(4))
def qubit(exam: ConverterExam, q: int) -> None:
    """A turn of its own on each qubit, entangled in one direction."""
    circuit = QuantumCircuit(4)
    for other in range(4):
        circuit.ry(other, 0.3 + 0.4 * other)
    circuit.cx(q, (q + 1) % 4).rx(q, 0.77)
    again = exam.survives(circuit, of=f"qubit {q}")
    if again is not None:
        lone = exam.back(exam.to(QuantumCircuit(4).x(q)))
        touched = {on for op in lone.operations for on in op.qubits}
        require(q in touched, f"x on qubit {q} came back on {sorted(touched)}")


@CHECKS.check("idle qubits at {} are still there", each=("the front", "the back", "both ends"))
def idle(exam: ConverterExam, where: str) -> None:
    """As many as before."""
    first, n = {"the front": (2, 4), "the back": (0, 4), "both ends": (1, 4)}[where]
    exam.survives(
        QuantumCircuit(n).h(first).cx(first, first + 1).ry(first + 1, 0.3), of=f"idle qubits at {where}"
    )


@CHECKS.check("a circuit without gates keeps its qubits")
def empty(exam: ConverterExam) -> None:
    """Three."""
    exam.survives(QuantumCircuit(3), of="no gates")


@CHECKS.check("parameters stay symbols, or are refused")
def parameters(exam: ConverterExam) -> None:
    """Vectors, affine expressions, one used twice; bound afterwards they give the same unitary."""
    w, s = Parameter("w", (3,)), Parameter("s")
    circuit = QuantumCircuit(2).ry(0, w[0]).rx(1, 2 * w[2] + 0.25).cx(0, 1).rz(1, s).ry(0, -0.5 * w[0] + w[1])
    try:
        again = exam.back(exam.to(circuit))
    except QStoreError as exc:
        raise NotClaimed(f"it refuses symbols: {exc}"[:160]) from exc
    row = {"w": np.array([0.3, -1.1, 2.2]), "s": np.array(0.7)}
    require({p.name: p.shape for p in again.parameters} == {p.name: p.shape for p in circuit.parameters},
            f"the parameters came back as {again.parameters}")  # fmt: skip
    off = phase_distance(circuit_unitary(_bound(again, row), {}), circuit_unitary(_bound(circuit, row), {}))
    require(off <= exam.tolerance, f"bound afterwards, the unitary is off by {off:.2g}")


@CHECKS.check("any unitary matrix survives, or is refused")
def matrices(exam: ConverterExam) -> None:
    """Two qubits in reverse."""
    _supported(
        exam, QuantumCircuit(3).unitary(random_unitary(np.random.default_rng(2), 2), (2, 0)), "matrices"
    )


@CHECKS.check(
    "{} survive, or are refused: never dropped in silence",
    each=("measurements", "reset", "channels", "conditions"),
)
def other_operations(exam: ConverterExam, what: str) -> None:
    """As many afterwards as before."""
    circuit = QuantumCircuit(2).h(0).cx(0, 1)
    if what == "reset":
        circuit.reset(1)
    elif what == "channels":
        circuit.amplitude_damping(0, gamma=0.3)
    else:
        circuit.measure(0)
        if what == "conditions":
            with circuit.when(0):
                circuit.x(1)
    circuit.h(0).cx(0, 1)  # or the measurement would be one at the end, which may go without saying
    try:
        again = exam.back(exam.to(circuit))
    except QStoreError as exc:
        raise NotClaimed(f"it refuses {what}") from exc
    off = float(np.abs(density(again.freeze(), {}) - density(circuit.freeze(), {})).max())
    require(off <= exam.tolerance, f"with {what}, the density matrices differ by {off:.2g}")


@CHECKS.check("the circuit that goes in is left as it was, and frozen ones go in too")
def pure(exam: ConverterExam) -> None:
    """Twice gives the same."""
    circuit = random_circuit(np.random.default_rng(4), 3, 8, symbols=False)
    circuit = QuantumCircuit(3).h(0).cx(0, 2).ry(1, 0.3) if set(circuit.gates) & _lacking(exam) else circuit
    twin = circuit.copy()
    first = exam.survives(circuit, of="first time")
    require(circuit == twin, "conversion changed the circuit")
    second = exam.survives(circuit.freeze(), of="second time")  # type: ignore[arg-type]  # a template is asked on purpose
    require(first is None or first == second, "two conversions gave two circuits")


@CHECKS.check("it recognises what it made")
def recognised(exam: ConverterExam) -> None:
    """And nothing of somebody else's."""
    if exam.matches is None:
        raise NotClaimed("it recognises nothing")
    made = exam.to(QuantumCircuit(2).h(0).cx(0, 1))
    require(exam.matches(made) is True, f"it does not recognise its own {type(made).__name__}")
    for other in (None, 3, "no circuit", b"", [], {}, object(), QuantumCircuit):
        require(not exam.matches(other), f"it takes {other!r} for a circuit of its format")


@CHECKS.check("what is no circuit is refused with a typed error")
def rubbish(exam: ConverterExam) -> None:
    """Not with whatever a parser happens to raise."""
    made = exam.to(QuantumCircuit(2).h(0).cx(0, 1))
    if not isinstance(made, str):
        raise Moot("its format is no text")
    for text in (
        "",
        "rubbish",
        made[: len(made) // 2],
        made + "}",
        made.replace("cx", "no_such_gate"),
        "\x00" * 9,
    ):
        try:
            exam.back(text)
        except QStoreError:
            continue
        except Exception as exc:
            raise Violation(f"{text[:40]!r} raised {type(exc).__name__}: {exc}, not a QStoreError") from exc


@CHECKS.check("an independent judge reads it the same way")
def judged(exam: ConverterExam) -> None:
    """Which sees what a round trip undoes."""
    if exam.judge is None:
        raise NotClaimed("no --qstore-judge was given: only round trips were compared")
    circuit = QuantumCircuit(3).ry(0, 0.3).ry(1, 0.9).cx(0, 2).rz(2, 1.1).h(1).cx(2, 1)
    off = phase_distance(np.asarray(exam.judge(exam.to(circuit))), circuit_unitary(circuit, {}))
    require(off <= exam.tolerance, f"the judge finds a unitary that is off by {off:.2g}")
