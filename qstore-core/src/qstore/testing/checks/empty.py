# SPDX-License-Identifier: Apache-2.0
"""The smallest things: no gates, no parameters, one qubit, one shot, nothing turned."""

from __future__ import annotations

import numpy as np

from qstore.circuit import QuantumCircuit
from qstore.testing.check import Moot, NotClaimed, Table, require
from qstore.testing.exam import BackendExam

CHECKS = Table("small things")


@CHECKS.check("a circuit without gates leaves all qubits at 0")
def no_gates(exam: BackendExam) -> None:
    """Two qubits."""
    exam.agrees(QuantumCircuit(exam.n_qubits(2)))


@CHECKS.check("one qubit is enough")
def one_qubit(exam: BackendExam) -> None:
    """With a layer of whatever acts on one."""
    circuit = QuantumCircuit(1)
    exam.builder.layer(circuit, exam.rng(41))
    exam.agrees(circuit)


@CHECKS.check("qubits that no gate touches are still there")
def idle(exam: BackendExam) -> None:
    """The first and the last of three."""
    circuit = QuantumCircuit(exam.need_qubits(3))
    exam.builder.layer(circuit, exam.rng(42), (1,))
    exam.agrees(circuit)


@CHECKS.check("turning by nothing does nothing")
def nothing_turned(exam: BackendExam) -> None:
    """All angles zero, symbolic."""
    name, _ = exam.builder.turn()
    if name in {"gpi2", "u"}:
        raise NotClaimed(f"{name!r} has no angle at which it is the identity")
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(43))
    exam.agrees(circuit, {p.name: np.zeros(p.shape) for p in circuit.parameters})


@CHECKS.check("one shot is one count")
def one_shot(exam: BackendExam) -> None:
    """In each of several rows."""
    exam.need_shots()
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(44))
    batch = exam.batch(circuit, exam.builder.bindings(circuit, exam.rng(45), 3), shots=1)
    counts = exam.run(batch).counts
    require(
        counts is not None and [sum(row.values()) for row in counts] == [1, 1, 1], f"one shot gave {counts}"
    )


@CHECKS.check("a circuit that can only end in one outcome always does")
def certain(exam: BackendExam) -> None:
    """All qubits up."""
    exam.need_shots()
    n = exam.n_qubits(3)
    circuit = QuantumCircuit(n)
    for q in range(n):
        exam.builder.flip(circuit, q)
    batch = exam.batch(circuit, shots=exam.shots(100))
    exam.check_counts(exam.run(batch), batch, of="all qubits up")


@CHECKS.check("no batches in, no results out, of run_many")
def no_batches(exam: BackendExam) -> None:
    """Where there is a run_many."""
    if not hasattr(exam.backend, "run_many"):
        raise Moot("it has no run_many")
    found = exam.wait(exam.backend.run_many(()))
    require(list(found) == [], f"run_many of nothing returned {found!r}")
