# SPDX-License-Identifier: Apache-2.0
"""How the kit's own backends simulate: rows one by one, by the gate table's matrices, counts from stream keys.

Apart from the kit's reference on purpose, so that the two can disagree.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch
from qstore.circuit import GateKind, Operation, Template
from qstore.errors import BindingError

__all__ = ["final_densities", "final_states", "row_counts"]

Row = Mapping[str, NDArray[np.float64]]
State = NDArray[np.complex128]
Branches = list[tuple[dict[int, int], State]]


def final_states(batch: CircuitBatch) -> NDArray[np.complex128]:
    """(B, 2**n) amplitudes of a circuit of unitaries."""
    return np.stack([_state(batch.circuit, batch.row_bindings(row)) for row in range(batch.size)])


def final_densities(batch: CircuitBatch) -> NDArray[np.complex128]:
    """(B, 2**n, 2**n) density matrices of any circuit."""
    if not (batch.circuit.is_noisy or batch.circuit.has_feedback):
        states = final_states(batch)
        densities: NDArray[np.complex128] = np.einsum("bi,bj->bij", states, states.conj())
        return densities
    return np.stack([_density(batch.circuit, batch.row_bindings(row)) for row in range(batch.size)])


def row_counts(probabilities: NDArray[np.float64], key: np.uint64, shots: int) -> dict[int, int]:
    """Counts of one row, a function of its stream key and the probabilities."""
    weights = np.clip(probabilities, 0, None)
    drawn = np.random.default_rng(int(key)).multinomial(shots, weights / weights.sum())
    return {int(outcome): int(drawn[outcome]) for outcome in np.flatnonzero(drawn)}


def _state(circuit: Template, row: Row) -> State:
    psi = np.zeros(1 << circuit.n_qubits, dtype=complex)
    psi[0] = 1
    for op in circuit.operations:
        psi = _applied(_matrix(op, row), op.qubits, psi[:, None], circuit.n_qubits)[:, 0]
    return psi


def _density(circuit: Template, row: Row) -> State:
    n = circuit.n_qubits
    rho = np.zeros((1 << n, 1 << n), dtype=complex)
    rho[0, 0] = 1
    branches: Branches = [({}, rho)]
    for op in circuit.operations:
        branches = [after for bits, state in branches for after in _stepped(op, bits, state, row, n)]
    total: State = np.sum([state for _, state in branches], axis=0)
    return total


def _stepped(op: Operation, bits: dict[int, int], rho: State, row: Row, n: int) -> Branches:
    if op.condition is not None and bits.get(op.condition.bit, 0) != op.condition.value:
        return [(bits, rho)]
    if op.bit is not None:
        halves = [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])]
        return [
            ({**bits, op.bit: outcome}, _conjugated([half], op.qubits, rho, n))
            for outcome, half in enumerate(halves)
        ]
    return [(bits, _conjugated(_kraus(op, row), op.qubits, rho, n))]


def _conjugated(steps: list[State], qubits: tuple[int, ...], rho: State, n: int) -> State:
    total = np.zeros_like(rho)
    for step in steps:
        half = _applied(step, qubits, rho, n)
        total += _applied(step, qubits, half.conj().T, n).conj().T
    return total


def _applied(matrix: State, qubits: tuple[int, ...], columns: State, n: int) -> State:
    """A matrix on some qubits of (2**n, m) columns."""
    tensor = columns.reshape((2,) * n + (-1,))
    axes = [n - 1 - q for q in reversed(qubits)]  # axis 0 is qubit n-1, a matrix's first qubit its last axis
    front = np.moveaxis(tensor, axes, range(len(axes)))
    turned = (matrix @ front.reshape(len(matrix), -1)).reshape(front.shape)
    return np.moveaxis(turned, range(len(axes)), axes).reshape(columns.shape)


def _kraus(op: Operation, row: Row) -> list[State]:
    if op.spec.kind is not GateKind.CHANNEL:
        return [_matrix(op, row)]
    if op.unitary or not op.angles:
        return list(op.operators())
    return list(op.spec.kraus(np.array([angle.value(row) for angle in op.angles])))


def _matrix(op: Operation, row: Row) -> State:
    if op.amplitudes is None:
        return op.matrix(row)
    column = np.zeros((1 << len(op.qubits),) * 2, dtype=complex)
    column[:, 0] = _amplitudes(op, row)
    return column


def _amplitudes(op: Operation, row: Row) -> State:
    given = op.amplitudes
    assert given is not None
    if given.constant:
        return np.array(given.constant)
    assert given.real is not None
    x = row[given.real.name] + (1j * row[given.imag.name] if given.imag is not None else 0)
    norm = np.linalg.norm(x)
    if norm == 0:
        raise BindingError(
            f"A row of {given.real.name!r} is zero: it has no direction to prepare a state from."
        )
    return np.asarray(x / norm, dtype=np.complex128)
