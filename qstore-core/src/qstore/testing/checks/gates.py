# SPDX-License-Identifier: Apache-2.0
"""Every gate of the gate table does what it should, on every order of its qubits, for small and large angles."""

from __future__ import annotations

import itertools
import math

import numpy as np

from qstore.circuit import GATES, Parameter, QuantumCircuit
from qstore.testing.check import NotClaimed, Table
from qstore.testing.circuits import Builder, random_state, random_unitary
from qstore.testing.exam import BackendExam

CHECKS = Table("gates")
SPECIAL_ANGLES = (0.0, 1e-3, -math.pi / 2, 9.7)
"""Nothing, an angle that a coarse grid rounds away, a quarter turn back, more than a full turn."""


@CHECKS.check("{} does what the gate table says", each=Builder.unitary_gates())
def unitary(exam: BackendExam, name: str) -> None:
    """One gate between two layers."""
    exam.need_gates(name)
    row = GATES[name]
    n = exam.need_qubits(row.n_qubits)
    n = max(n, exam.n_qubits(3))
    orders = list(itertools.permutations(range(n), row.n_qubits))
    rng = exam.rng(len(name))
    for qubits in (orders[0], orders[-1]) if len(orders) > 1 else orders:
        circuit = exam.builder.sandwich(name, qubits, n, rng)
        if not row.n_angles:
            exam.agrees(circuit, of=f"{name} on {qubits}")
            continue
        angles = np.stack([np.full(row.n_angles, angle) for angle in SPECIAL_ANGLES])
        angles = np.concatenate([angles, rng.uniform(-4, 4, (2, row.n_angles))])
        exam.agrees(circuit, {"angles": angles}, of=f"{name} on {qubits}")


@CHECKS.check("any unitary matrix on {} qubit(s) acts as given", each=(1, 2, 3))
def any_unitary(exam: BackendExam, width: int) -> None:
    """A matrix of no symmetry, qubits in reverse."""
    exam.need_gates("unitary")
    n = max(exam.need_qubits(width), exam.n_qubits(3))
    rng = exam.rng(width)
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    circuit.unitary(random_unitary(rng, width), tuple(reversed(range(n)))[:width])
    exam.builder.layer(circuit, rng)
    exam.agrees(circuit)


@CHECKS.check(
    "initialize prepares {}", each=("constants", "real data", "complex data", "some qubits in reverse")
)
def initialize(exam: BackendExam, what: str) -> None:
    """Amplitudes in their order, data of any length normalised."""
    exam.need_gates("initialize")
    n = exam.n_qubits(2)
    rng = exam.rng(5)
    bindings = {}
    if what == "some qubits in reverse":
        circuit = QuantumCircuit(exam.need_qubits(3)).initialize(random_state(rng, 2), (2, 0))
    elif what == "constants":
        circuit = QuantumCircuit(n).initialize(random_state(rng, n))
    else:
        real, imag = Parameter("real", (1 << n,)), Parameter("imag", (1 << n,))
        circuit = QuantumCircuit(n).initialize(real, imag=imag if what == "complex data" else None)
        bindings = {p.name: rng.normal(size=(3, 1 << n)) * 2 for p in circuit.parameters}
    exam.builder.layer(circuit, rng)
    exam.agrees(circuit, bindings)


@CHECKS.check("a random deep circuit over the whole gate set is right (circuit {})", each=range(4))
def random_circuit(exam: BackendExam, number: int) -> None:
    """Thirty gates of all kinds."""
    rng = exam.rng(100 + number)
    n = exam.n_qubits(4)
    names = [
        name
        for name in Builder.unitary_gates()
        if name in exam.capabilities.gates and GATES[name].n_qubits <= n
    ]
    if not names:
        raise NotClaimed("it declares no gate of the gate table")
    circuit = QuantumCircuit(n)
    for _ in range(30):
        name = names[rng.integers(len(names))]
        qubits = tuple(int(q) for q in rng.permutation(n)[: GATES[name].n_qubits])
        circuit.append(name, qubits, rng.uniform(-7, 7, GATES[name].n_angles).tolist())
    exam.agrees(circuit)
