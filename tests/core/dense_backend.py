# SPDX-License-Identifier: Apache-2.0
"""A dense reference backend: slow, short, and with its own idea of everything, so that it can judge.

Density matrices throughout, one gate at a time.
"""

import asyncio
from functools import cache

import numpy as np

from qstore.batch import (
    BatchResult,
    Capabilities,
    Counts,
    Estimate,
    Expectations,
    Probabilities,
    Samples,
    Variance,
)
from qstore.circuit import GateKind

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


@cache
def places(qubits, n):
    """The index of every outcome of n qubits, (outcomes of the others, outcomes of these), the first least significant."""
    rest = [q for q in range(n) if q not in qubits]

    def spread(count, onto):
        return np.array([sum((number >> i & 1) << q for i, q in enumerate(onto)) for number in range(count)])

    return spread(1 << len(rest), rest)[:, None] + spread(1 << len(qubits), qubits)


def applied(matrix, qubits, n, columns):
    """A matrix on some of n qubits times columns (2**n, m)."""
    at = places(tuple(qubits), n)
    result = np.empty(columns.shape, dtype=complex)
    result[at] = matrix @ columns[at]
    return result


def embedded(matrix, qubits, n):
    """The matrix on some qubits of n, its first qubit the least significant bit of its index."""
    return applied(matrix, qubits, n, np.eye(1 << n))


def pauli_matrix(observable, n):
    """The 2**n matrix of an observable, by Kronecker products, qubit n-1 first."""
    total = np.zeros((1 << n, 1 << n), dtype=complex)
    for term in observable.terms:
        letters = dict(term.letters)
        matrix = np.eye(1)
        for q in range(n):
            matrix = np.kron(PAULIS[letters.get(q, "I")], matrix)
        total += term.coefficient * matrix
    return total


def unitary(circuit, bindings=None):
    """The 2**n unitary of a circuit."""
    total = np.eye(1 << circuit.n_qubits, dtype=complex)
    for op in circuit.operations:
        total = applied(_matrix(op, bindings or {}), op.qubits, circuit.n_qubits, total)
    return total


def density(circuit, bindings=None):
    """The final density matrix of a circuit without measurements."""
    n, bindings = circuit.n_qubits, bindings or {}
    rho = np.zeros((1 << n, 1 << n), dtype=complex)
    rho[0, 0] = 1
    for op in circuit.operations:
        if op.gate == "initialize":
            # From |0>, any operator whose first column is the state will do.
            column = np.zeros((1 << len(op.qubits),) * 2, dtype=complex)
            column[:, 0] = _amplitudes(op.amplitudes, bindings)
            steps = [column]
        elif op.spec.kind is GateKind.CHANNEL:
            angles = np.array([angle.value(bindings) for angle in op.angles])
            steps = list(op.operators() if op.unitary else op.spec.kraus(angles))
        else:
            steps = [_matrix(op, bindings)]
        half = [applied(step, op.qubits, n, rho).conj().T for step in steps]
        rho = sum(applied(step, op.qubits, n, each) for step, each in zip(steps, half, strict=True)).conj().T
    return rho


def _matrix(op, bindings):
    return (
        op.matrix()
        if op.unitary
        else op.spec.matrix(np.array([angle.value(bindings) for angle in op.angles]))
    )


def _amplitudes(amplitudes, bindings):
    if amplitudes.constant:
        return np.array(amplitudes.constant)
    x = bindings[amplitudes.real.name] + (1j * bindings[amplitudes.imag.name] if amplitudes.imag else 0)
    return x / np.linalg.norm(x)


class DenseBackend:
    """Everything exact, and counts; with `exact=False` only counts, as a stranger's machine."""

    def __init__(self, *, exact=True, **changes):
        self.name = "dense"
        outputs = frozenset({"Expectations", "Variance", "Probabilities"}) if exact else frozenset()
        defaults = {"max_qubits": 8, "exact_outputs": outputs, "noise": True}
        self.capabilities = Capabilities(**(defaults | changes))
        self.batches = []

    def estimate(self, batch):
        return Estimate(usd=0, seconds=0, error=0, model="dense")

    async def run(self, batch):
        await asyncio.sleep(0)
        return self.answer(batch)

    def answer(self, batch):
        self.batches.append(batch)
        n, facts = batch.circuit.n_qubits, {"backend": self.name, "shots": batch.shots, "seed": batch.seed}
        states = [density(batch.circuit, batch.row_bindings(row)) for row in range(batch.size)]
        outputs = batch.outputs
        if isinstance(outputs, Expectations | Variance):
            matrices = [pauli_matrix(observable, n) for observable in outputs.observables]
            mean = np.array([[np.trace(m @ rho).real for m in matrices] for rho in states])
            square = np.array([[np.trace(m @ m @ rho).real for m in matrices] for rho in states])
            return BatchResult(
                values=mean if isinstance(outputs, Expectations) else square - mean**2, n_qubits=n, **facts
            )
        weights = np.array([np.diag(rho).real.clip(0) for rho in states])
        if isinstance(outputs, Probabilities):
            return BatchResult(values=_marginal(weights, outputs.qubits, n), n_qubits=n, **facts)
        drawn = [
            np.random.default_rng(int(key)).multinomial(batch.shots, row / row.sum())
            for key, row in zip(batch.stream_keys, weights, strict=True)
        ]
        if isinstance(outputs, Counts):
            counts = tuple({int(i): int(row[i]) for i in np.flatnonzero(row)} for row in drawn)
            return BatchResult(counts=counts, n_qubits=n, **facts)
        assert isinstance(outputs, Samples)
        outcomes = np.array([np.repeat(np.arange(1 << n), row) for row in drawn])
        return BatchResult(
            values=(outcomes[..., None] >> np.arange(n) & 1).astype(np.uint8), n_qubits=n, **facts
        )


class SyncDenseBackend(DenseBackend):
    """The same with the synchronous twin, so that no event loop is needed."""

    def run_sync(self, batch):
        return self.answer(batch)


def _marginal(weights, qubits, n):
    if qubits is None:
        return weights
    result = np.zeros((len(weights), 1 << len(qubits)))
    for outcome in range(1 << n):
        result[:, sum((outcome >> q & 1) << i for i, q in enumerate(qubits))] += weights[:, outcome]
    return result
