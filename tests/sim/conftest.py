# SPDX-License-Identifier: Apache-2.0
"""An independent dense simulator and random circuits, as fixtures. Plain numpy, one gate after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from qstore.circuit import (
    GATES,
    GateKind,
    Observable,
    Operation,
    Parameter,
    PauliTerm,
    QuantumCircuit,
    Template,
)


def random_unitary(size: int, rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size)))
    return q * (np.diag(r) / np.abs(np.diag(r)))


def on_axes(matrix: np.ndarray, state: np.ndarray, qubits: tuple[int, ...], n: int) -> np.ndarray:
    """matrix on some qubits of state (2**n, ...), the first qubit least significant."""
    k = len(qubits)
    cube = state.reshape((2,) * n + state.shape[1:])
    axes = [n - 1 - q for q in reversed(qubits)]
    front = np.moveaxis(cube, axes, range(k))
    shape = front.shape
    moved = (matrix @ front.reshape(2**k, -1)).reshape(shape)
    return np.moveaxis(moved, range(k), axes).reshape(state.shape)


def amplitudes_of(op: Operation, bindings: dict[str, np.ndarray]) -> np.ndarray:
    assert op.amplitudes is not None
    if op.amplitudes.real is None:
        return np.array(op.amplitudes.constant)
    x = bindings[op.amplitudes.real.name].astype(complex)
    if op.amplitudes.imag is not None:
        x = x + 1j * bindings[op.amplitudes.imag.name]
    return x / np.linalg.norm(x)


def matrix_of(op: Operation, bindings: dict[str, np.ndarray]) -> np.ndarray:
    if op.unitary:
        return op.matrix()
    return op.spec.matrix(np.array([angle.value(bindings) for angle in op.angles]))


def dense_state(template: Template, bindings: dict[str, np.ndarray]) -> np.ndarray:
    """The statevector for the bindings of one sample."""
    n = template.n_qubits
    state = np.zeros(2**n, dtype=complex)
    state[0] = 1
    for op in template.operations:
        if op.gate == "initialize":
            first = np.zeros((2 ** len(op.qubits),) * 2, dtype=complex)
            first[:, 0] = amplitudes_of(op, bindings)
            state = on_axes(first, state, op.qubits, n)
        else:
            state = on_axes(matrix_of(op, bindings), state, op.qubits, n)
    return state


def dense_density(template: Template, bindings: dict[str, np.ndarray]) -> np.ndarray:
    """The density matrix for the bindings of one sample."""
    n = template.n_qubits
    rho = np.zeros((2**n, 2**n), dtype=complex)
    rho[0, 0] = 1
    for op in template.operations:
        if op.spec.kind is GateKind.CHANNEL:
            kraus = op.spec.kraus(np.array([angle.value(bindings) for angle in op.angles]))
        else:
            kraus = [matrix_of(op, bindings)]
        total = np.zeros_like(rho)
        for k in kraus:
            half = on_axes(k, rho, op.qubits, n)
            total += on_axes(k, half.conj().T.copy(), op.qubits, n).conj().T
        rho = total
    return rho


def pauli_matrix(observable: Observable, n: int) -> np.ndarray:
    letters = {"I": np.eye(2), "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}
    total = np.zeros((2**n, 2**n), dtype=complex)
    for term in observable.terms:
        factors = dict(term.letters)
        matrix = np.eye(1)
        for q in range(n):
            matrix = np.kron(np.array(letters[factors.get(q, "I")]), matrix)
        total += term.coefficient * matrix
    return total


def random_observable(n: int, terms: int, rng: np.random.Generator) -> Observable:
    drawn = {(int(rng.integers(2**n)), int(rng.integers(2**n))): float(rng.normal()) for _ in range(terms)}
    return Observable(tuple(PauliTerm(x, z, c) for (x, z), c in sorted(drawn.items())))


def unitary_names(n: int) -> list[str]:
    return [name for name, spec in GATES.items() if spec.kind is GateKind.UNITARY and spec.n_qubits <= n]


def random_circuit(
    n: int,
    gates: int,
    rng: np.random.Generator,
    names: list[str] | None = None,
    sizes: tuple[int, int] = (5, 4),
) -> QuantumCircuit:
    """Gates of the table with angles from the shared `w` and the per-sample `x`, constants and sums among them."""
    w, x = Parameter("w", (sizes[0],)), Parameter("x", (sizes[1],))
    circuit = QuantumCircuit(n)
    names = unitary_names(n) if names is None else names
    for q in range(n):
        circuit.ry(q, x[q % sizes[1]]).rz(q, w[q % sizes[0]])
    for _ in range(gates):
        name = names[rng.integers(len(names))]
        width = GATES[name].n_qubits or int(rng.integers(1, min(3, n) + 1))
        qubits = tuple(int(q) for q in rng.permutation(n)[:width])
        if name == "unitary":
            circuit.unitary(random_unitary(2**width, rng), qubits)
            continue
        choices = (w[int(rng.integers(sizes[0]))], 0.5 * x[int(rng.integers(sizes[1]))] + 0.3, float(rng.normal()),
                   w[0] - 2 * x[0])  # fmt: skip
        circuit.append(name, qubits, [choices[rng.integers(4)] for _ in range(GATES[name].n_angles)])
    return circuit


class Dense:
    """What the tests of the simulator compare with."""

    state = staticmethod(dense_state)
    density = staticmethod(dense_density)
    pauli = staticmethod(pauli_matrix)
    observable = staticmethod(random_observable)
    circuit = staticmethod(random_circuit)
    unitary = staticmethod(random_unitary)
    names = staticmethod(unitary_names)

    @staticmethod
    def bindings(
        rng: np.random.Generator, batch: int, sizes: tuple[int, int] = (5, 4)
    ) -> dict[str, np.ndarray]:
        return {"w": rng.normal(size=sizes[0]), "x": rng.normal(size=(batch, sizes[1]))}

    @staticmethod
    def rows(
        bindings: dict[str, np.ndarray], batch: int, shared: tuple[str, ...] = ("w",)
    ) -> list[dict[str, np.ndarray]]:
        return [{k: v if k in shared else v[b] for k, v in bindings.items()} for b in range(batch)]

    @staticmethod
    def derivative(
        function: Callable[[dict[str, np.ndarray]], float],
        bindings: dict[str, np.ndarray],
        step: float = 1e-5,
    ) -> dict[str, np.ndarray]:
        """Central differences of a function of all bindings."""
        result = {}
        for name, array in bindings.items():
            gradient = np.zeros(array.shape)
            for index in np.ndindex(array.shape):
                ends = []
                for sign in (step, -step):
                    moved = array.copy()
                    moved[index] += sign
                    ends.append(function({**bindings, name: moved}))
                gradient[index] = (ends[0] - ends[1]) / (2 * step)
            result[name] = gradient
        return result


@pytest.fixture
def dense() -> type[Dense]:
    return Dense
