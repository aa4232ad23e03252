# SPDX-License-Identifier: Apache-2.0
"""Qubit 0 is the least significant bit of every outcome, index and column; bit strings print qubit n-1 first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qstore.batch import Counts, DensityMatrix, Expectations, Output, Probabilities, Samples, StateVector
from qstore.circuit import QuantumCircuit, Z
from qstore.testing.check import NotClaimed, Table, require
from qstore.testing.exam import BackendExam

CHECKS = Table("bit order")


def _flipped(exam: BackendExam, n: int, q: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    exam.builder.flip(circuit, q)
    return circuit


@CHECKS.check("flipping qubit {0} gives outcome 2**{0}", each=(0, 1, 2))
def counts(exam: BackendExam, q: int) -> None:
    """One qubit up, the rest down."""
    exam.need_shots()
    n = exam.need_qubits(max(3, q + 1))
    batch = exam.batch(_flipped(exam, n, q), shots=exam.shots(500))
    exam.check_counts(exam.run(batch), batch, of=f"qubit {q} flipped")


@CHECKS.check("bit strings print the last qubit first")
def strings(exam: BackendExam) -> None:
    """'001' is qubit 0 up."""
    exam.need_shots()
    n = exam.need_qubits(3)
    result = exam.run(exam.batch(_flipped(exam, n, 0), shots=exam.shots(200)))
    (row,) = result.bitstring_counts()
    best = max(row, key=lambda text: row[text])
    require(best == "001", f"qubit 0 of three is 1, the most frequent bit string is {best!r}")


@CHECKS.check("column q of samples is qubit q")
def samples(exam: BackendExam) -> None:
    """Only qubit 1 is up."""
    exam.need_served("Samples")
    n = exam.need_qubits(3)
    batch = exam.batch(_flipped(exam, n, 1), outputs=Samples(), shots=exam.shots(200))
    values = exam.run(batch).values
    require(values is not None, "samples have no values")
    means = np.asarray(values)[0].mean(axis=0)
    require(
        int(np.argmax(means)) == 1, f"qubit 1 of three is 1, the columns' means are {means.round(2).tolist()}"
    )


@CHECKS.check("{} is indexed by the integer outcome", each=("Probabilities", "StateVector", "DensityMatrix"))
def index(exam: BackendExam, kind: str) -> None:
    """Only qubit 2 is up, so entry 4."""
    exam.need_exact(kind)
    n = exam.need_qubits(3)
    outputs: dict[str, Output] = {
        "Probabilities": Probabilities(),
        "StateVector": StateVector(),
        "DensityMatrix": DensityMatrix(),
    }
    batch = exam.batch(_flipped(exam, n, 2), outputs=outputs[kind])
    values = np.abs(np.asarray(exam.run(batch).values)[0])
    weights = np.diag(values) if kind == "DensityMatrix" else values
    require(
        int(np.argmax(weights)) == 4, f"qubit 2 of three is 1, the largest entry is {int(np.argmax(weights))}"
    )


@CHECKS.check("Z(q) reads qubit q")
def observable(exam: BackendExam) -> None:
    """One -1 among +1."""
    n = exam.need_qubits(3)
    outputs = Expectations([Z(q) for q in range(n)])
    exact = "Expectations" in exam.capabilities.exact_outputs
    if not exact:
        exam.need_shots("Expectations")
    batch = exam.batch(_flipped(exam, n, 1), outputs=outputs, shots=None if exact else exam.shots(300))
    values = np.asarray(exam.run(batch).values)[0]
    require(
        int(np.argmin(values)) == 1,
        f"qubit 1 is 1, the expectation values of Z are {values.round(3).tolist()}",
    )


@CHECKS.check("{} of some qubits take them in the order given", each=("Probabilities", "DensityMatrix"))
def subset(exam: BackendExam, kind: str) -> None:
    """Qubits 2 and 0, the first least significant."""
    exam.need_exact(kind)
    rng, n = exam.rng(1), exam.need_qubits(3)
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    for qubits in ((2, 0), (1,)):
        outputs = Probabilities(qubits) if kind == "Probabilities" else DensityMatrix(qubits)
        batch = exam.batch(circuit, outputs=outputs)
        exam.check_values(exam.run(batch).values, batch, of=f"{kind}({qubits})")


@CHECKS.check("probabilities from shots of some qubits take them in the order given")
def subset_from_shots(exam: BackendExam) -> None:
    """As exact ones."""
    exam.need_shots("Probabilities")
    n = exam.need_qubits(3)
    batch = exam.batch(_flipped(exam, n, 2), outputs=Probabilities((2, 0)), shots=exam.shots(500))
    values = np.asarray(exam.run(batch).values)
    require(values.shape == (1, 4), f"Probabilities((2, 0)) has shape {values.shape}, expected is (1, 4)")
    require(
        int(np.argmax(values[0])) == 1,
        f"qubit 2 is 1, so entry 1 is the largest; found {values[0].round(3).tolist()}",
    )


@CHECKS.check("counts and samples of one seed show the same qubits")
def counts_and_samples(exam: BackendExam) -> None:
    """Marginal frequencies agree within shot noise."""
    exam.need_served("Counts")
    exam.need_served("Samples")
    if exam.capabilities.max_qubits < 2:
        raise NotClaimed("it has one qubit")
    rng, n = exam.rng(2), exam.n_qubits(3)
    circuit = QuantumCircuit(n)
    exam.builder.layer(circuit, rng)
    shots = exam.shots()
    bits = np.asarray(exam.run(exam.batch(circuit, outputs=Samples(), shots=shots)).values)[0]
    found: dict[int, int] = {}
    for outcome in bits.astype(np.int64) @ (1 << np.arange(n)):
        found[int(outcome)] = found.get(int(outcome), 0) + 1
    batch = exam.batch(circuit, outputs=Counts(), shots=shots)
    result = exam.run(batch)
    exam.check_counts(result, batch, of="counts")
    exam.check_counts(replace(result, counts=(found,)), batch, of="samples")
