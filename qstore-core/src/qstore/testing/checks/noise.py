# SPDX-License-Identifier: Apache-2.0
"""Channels, reset, measurements inside a circuit and what depends on them, for backends that declare them."""

from __future__ import annotations

import numpy as np

from qstore.circuit import GATES, QuantumCircuit
from qstore.testing.check import NotClaimed, Table
from qstore.testing.circuits import Builder
from qstore.testing.exam import BackendExam

CHECKS = Table("noise")


def _need_noise(exam: BackendExam) -> None:
    if not exam.capabilities.noise:
        raise NotClaimed("it does not declare noise")


def _need_feedback(exam: BackendExam) -> None:
    if not exam.capabilities.feedback:
        raise NotClaimed("it does not declare measurements inside circuits")
    exam.need_gates("measure")


@CHECKS.check("{} acts as a channel, weak and strong", each=Builder.channels())
def channel(exam: BackendExam, name: str) -> None:
    """Strengths by a trainable angle."""
    _need_noise(exam)
    exam.need_gates(name)
    width = GATES[name].n_qubits
    n = max(exam.need_qubits(width), exam.n_qubits(2))
    circuit = exam.builder.sandwich(name, tuple(reversed(range(n)))[:width], n, exam.rng(3))
    exam.agrees(circuit, {"angles": np.array([[0.3], [1.7], [-0.9]])})


@CHECKS.check("Kraus operators act as given")
def kraus(exam: BackendExam) -> None:
    """An asymmetric damping: towards a tilted axis."""
    _need_noise(exam)
    exam.need_gates("kraus")
    rng, n = exam.rng(4), exam.n_qubits(2)
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    operators = np.linalg.qr(rng.normal(size=(6, 2)) + 1j * rng.normal(size=(6, 2)))[0].reshape(3, 2, 2)
    circuit.kraus(operators, n - 1)
    exam.builder.layer(circuit, rng)
    exam.agrees(circuit)


@CHECKS.check("reset puts a qubit to 0 and leaves the others as they are")
def reset(exam: BackendExam) -> None:
    """Inside an entangled state."""
    _need_noise(exam)
    exam.need_gates("reset")
    rng, n = exam.rng(6), exam.n_qubits(3)
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    circuit.reset(0)
    exam.agrees(circuit, of="after reset")
    exam.builder.layer(circuit, rng)
    exam.agrees(circuit, of="after reset and a layer")


@CHECKS.check("a measurement inside a circuit destroys coherence and nothing else")
def measurement(exam: BackendExam) -> None:
    """Measured and turned on."""
    _need_feedback(exam)
    rng, n = exam.rng(7), exam.n_qubits(2)
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    circuit.measure(n - 1)
    exam.builder.layer(circuit, rng)
    exam.agrees(circuit)


@CHECKS.check("a gate that waits for a bit to be {} acts then and only then", each=(0, 1))
def condition(exam: BackendExam, value: int) -> None:
    """Two bits, of which one decides."""
    _need_feedback(exam)
    n = exam.need_qubits(2)
    rng = exam.rng(8)
    name, width = exam.builder.turn()
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    circuit.measure(0).measure(1)
    with circuit.when(1, value):
        exam.builder.turned(circuit, name, width - 1, 1.1)
    exam.builder.layer(circuit, rng)
    exam.agrees(circuit)


@CHECKS.check("shots of a circuit with channels come from its density matrix")
def shots(exam: BackendExam) -> None:
    """Counts, not averages."""
    _need_noise(exam)
    exam.need_gates("depolarizing")
    exam.need_served("Counts")
    n = exam.n_qubits(2)
    circuit = exam.builder.sandwich("depolarizing", (0,), n, exam.rng(9))
    batch = exam.batch(circuit, {"angles": np.array([[0.4], [1.5]])}, shots=exam.shots())
    exam.check_counts(exam.run(batch), batch, of="counts")
