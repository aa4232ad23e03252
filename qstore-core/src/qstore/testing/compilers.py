# SPDX-License-Identifier: Apache-2.0
"""Checks of compiler passes: what a circuit does stays what it is, for every value of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import GATES, GateKind, Parameter, QuantumCircuit, Template
from qstore.errors import QStoreError
from qstore.plugins import get_compiler, load_factory
from qstore.testing.check import NotClaimed, Table, Violation, require
from qstore.testing.circuits import Builder, random_unitary
from qstore.testing.reference import density
from qstore.testing.reference.evolution import embedded
from qstore.testing.reference.gate_definitions import gate_matrix

__all__ = ["CHECKS", "CompilerExam", "circuit_unitary", "phase_distance"]

CHECKS = Table("compiler")
_GATES = Builder.unitary_gates()
Pass = Callable[[Template], Template]


class CompilerExam:
    """One compiler pass under examination."""

    def __init__(self, compile_: Pass, *, tolerance: float = 1e-9) -> None:
        self.compile_, self.tolerance = compile_, tolerance
        self.remarks: list[str] = []

    @classmethod
    def of(
        cls, name: str, *, options: Mapping[str, Any] | None = None, tolerance: float = 1e-9
    ) -> CompilerExam:
        """By registered name, or as "package.module:callable"."""
        given = dict(options or {})
        return cls(
            load_factory(name)(**given) if ":" in name else get_compiler(name, **given), tolerance=tolerance
        )

    def compiled(self, circuit: QuantumCircuit | Template) -> Template:
        """What the pass makes of a circuit."""
        made = self.compile_(circuit.freeze())
        require(
            isinstance(made, Template), f"the pass returned a {type(made).__name__}, expected is a Template"
        )
        return made

    def preserves(self, circuit: QuantumCircuit, *, of: str) -> Template:
        """Compare the unitaries before and after, global phase aside, at three random values of the parameters."""
        made = self.compiled(circuit)
        require(
            made.n_qubits == circuit.n_qubits, f"{of}: {made.n_qubits} qubits, there were {circuit.n_qubits}"
        )
        names = {p.name for p in circuit.parameters}
        extra = {p.name for p in made.parameters} - names
        require(not extra, f"{of}: parameters {sorted(extra)} came out of nowhere")
        for key in range(3 if names else 1):
            rng = np.random.default_rng(key)
            row = {p.name: rng.uniform(-7, 7, p.shape) for p in circuit.parameters}
            off = phase_distance(circuit_unitary(made, row), circuit_unitary(circuit, row))
            require(
                off <= self.tolerance,
                f"{of}: the unitaries differ by {off:.2g}; before: {circuit.to_json():.400}",
            )
        return made


def circuit_unitary(
    circuit: QuantumCircuit | Template, row: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.complex128]:
    """The unitary of a circuit by the kit's own gates, (2**n, 2**n)."""
    n = circuit.n_qubits
    total: NDArray[np.complex128] = np.eye(1 << n, dtype=complex)
    for op in circuit.operations:
        if op.spec.kind is not GateKind.UNITARY or op.condition is not None:
            raise Violation(f"the circuit has a {op.gate!r}, so it is no unitary")
        matrix = (
            op.matrix() if op.unitary else gate_matrix(op.gate, [angle.value(row) for angle in op.angles])
        )
        total = embedded(matrix, op.qubits, n) @ total
    return total


def phase_distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference of entries, best global phase."""
    if found.shape != expected.shape:
        return float("inf")
    overlap = np.vdot(expected, found)
    return float(np.abs(found - expected * overlap / max(abs(overlap), 1e-300)).max())


def random_circuit(rng: np.random.Generator, n: int, length: int, *, symbols: bool = True) -> QuantumCircuit:
    """Gates of all kinds, with pairs that meet, cancel or merge, and small angles."""
    circuit = QuantumCircuit(n)
    w = Parameter("w", (4,))
    names = [name for name in _GATES if GATES[name].n_qubits <= n]
    for _ in range(length):
        name = names[rng.integers(len(names))]
        qubits = tuple(int(q) for q in rng.permutation(n)[: GATES[name].n_qubits])
        for _ in range(int(rng.integers(1, 3))):
            angles: list[Any] = []
            for _ in range(GATES[name].n_angles):
                number = float(rng.choice([rng.uniform(-7, 7), 1e-5, 0.0, np.pi / 2]))
                angles.append(
                    2 * w[int(rng.integers(4))] + number if symbols and rng.random() < 0.4 else number
                )
            circuit.append(name, qubits, angles)
    return circuit


@CHECKS.check("random circuits keep their unitary (seed {})", each=range(12))
def random_circuits(exam: CompilerExam, seed: int) -> None:
    """Ten each, of one to four qubits."""
    rng = np.random.default_rng((17, seed))
    for number in range(10):
        exam.preserves(random_circuit(rng, int(rng.integers(1, 5)), 12), of=f"circuit {number}")


@CHECKS.check("{} between other gates keeps its meaning", each=_GATES)
def gate(exam: CompilerExam, name: str) -> None:
    """On every order of its qubits, twice in a row as well."""
    width, rng = GATES[name].n_qubits, np.random.default_rng(5)
    for qubits in (tuple(range(width)), tuple(reversed(range(width)))):
        circuit = QuantumCircuit(width)
        Builder({"ry", "rz", "cx"}, width).layer(circuit, rng)
        for _ in range(2):
            circuit.append(
                name, qubits, list(Parameter("a", (GATES[name].n_angles,))) if GATES[name].n_angles else []
            )
        Builder({"ry", "rz", "cx"}, width).layer(circuit, rng)
        exam.preserves(circuit, of=f"{name} on {qubits}")


@CHECKS.check("any unitary matrix is kept or rewritten exactly")
def unitaries(exam: CompilerExam) -> None:
    """Two of them, overlapping."""
    rng = np.random.default_rng(6)
    circuit = (
        QuantumCircuit(3).unitary(random_unitary(rng, 2), (2, 0)).unitary(random_unitary(rng, 1), 1).cx(0, 1)
    )
    try:
        exam.preserves(circuit, of="any unitary")
    except QStoreError as exc:
        raise NotClaimed("it refuses matrices") from exc


@CHECKS.check("a circuit without gates stays one")
def empty(exam: CompilerExam) -> None:
    """Three qubits."""
    require(len(exam.preserves(QuantumCircuit(3), of="no gates")) == 0, "gates came out of nowhere")


@CHECKS.check("the circuit that goes in is left as it was, and the same comes out twice")
def pure(exam: CompilerExam) -> None:
    """A function of the circuit."""
    circuit = random_circuit(np.random.default_rng(8), 3, 12).freeze()
    twin = Template(circuit.n_qubits, circuit.operations)
    first, second = exam.compiled(circuit), exam.compiled(circuit)
    require(circuit == twin, "the pass changed its argument")
    require(first == second, "two runs of the pass gave two circuits")


@CHECKS.check("compiled again, nothing gets longer")
def again(exam: CompilerExam) -> None:
    """And the meaning stays."""
    circuit = random_circuit(np.random.default_rng(9), 3, 20)
    once = exam.compiled(circuit)
    twice = exam.compiled(once)
    require(len(twice) <= len(once), f"{len(once)} operations, {len(twice)} when it is compiled again")


@CHECKS.check(
    "{} stay where they are", each=("measurements and conditions", "channels", "reset", "initialize")
)
def other_operations(exam: CompilerExam, what: str) -> None:
    """Density matrices agree."""
    circuit = QuantumCircuit(2)
    if what == "initialize":
        circuit.initialize(np.array([0.1, 0.5, 0.7j, np.sqrt(1 - 0.75)]))
    circuit.rx(0, 0.4).rx(0, 0.5).cx(0, 1)
    if what == "channels":
        circuit.amplitude_damping(0, gamma=0.4).depolarizing(1, p=0.2).x(0).x(0)
    elif what == "reset":
        circuit.x(1).reset(1).x(1)
    elif what == "measurements and conditions":
        circuit.h(0).measure(0)
        with circuit.when(0):
            circuit.ry(1, 0.7).ry(1, 0.2)
        circuit.ry(1, 0.3).h(0)
    try:
        made = exam.compiled(circuit)
    except QStoreError as exc:
        raise NotClaimed(f"it refuses {what}") from exc
    off = float(np.abs(density(made, {}) - density(circuit.freeze(), {})).max())
    require(off <= exam.tolerance, f"the density matrices differ by {off:.2g}")
