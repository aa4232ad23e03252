# SPDX-License-Identifier: Apache-2.0
"""From a circuit and one row of bindings to its final state, as a density matrix or amplitudes.

Shapes: (2**n, 2**n) and (2**n,) complex128. What a measurement inside the circuit found splits the state into branches,
one per content of the classical bits, which are added up at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Operation, Template
from qstore.testing.reference.gate_definitions import CHANNELS, GATES, ONE, ZERO, Matrix, channel, gate_matrix

__all__ = ["density", "embedded", "statevector"]

Row = Mapping[str, NDArray[np.float64]]
Frozen = tuple[tuple[str, tuple[int, ...], bytes], ...]
Branches = dict[tuple[int, ...], Matrix]


def density(circuit: Template, row: Row) -> Matrix:
    """The final density matrix, measured bits forgotten."""
    return _density(circuit, _frozen(row))


def statevector(circuit: Template, row: Row) -> NDArray[np.complex128]:
    """The final amplitudes of a circuit of unitaries, exact phase included."""
    n, row = circuit.n_qubits, dict(row)
    psi = np.zeros(1 << n, dtype=complex)
    psi[0] = 1
    for op in circuit.operations:
        (step,) = _operators(op, row)
        psi = embedded(step, op.qubits, n) @ psi
    return psi


def embedded(matrix: Matrix, qubits: Sequence[int], n: int) -> Matrix:
    """A matrix on some qubits as one on all n: the identity on the others."""
    total = np.zeros((1 << n, 1 << n), dtype=complex)
    others = [q for q in range(n) if q not in qubits]
    inside = np.array([_spread(local, qubits) for local in range(1 << len(qubits))])
    for rest in range(1 << len(others)):
        index = inside + _spread(rest, others)
        total[np.ix_(index, index)] = matrix
    return total


def _spread(bits: int, qubits: Sequence[int]) -> int:
    """The index in which bit i of `bits` stands at qubit i of `qubits`."""
    return sum((bits >> i & 1) << q for i, q in enumerate(qubits))


def _frozen(row: Row) -> Frozen:
    return tuple(
        (name, array.shape, np.ascontiguousarray(array).tobytes()) for name, array in sorted(row.items())
    )


@lru_cache(maxsize=20_000)  # a self-test asks for the same rows forty times over
def _density(circuit: Template, row: Frozen) -> Matrix:
    n = circuit.n_qubits
    bindings = {name: np.frombuffer(data).reshape(shape) for name, shape, data in row}
    start = np.zeros((1 << n, 1 << n), dtype=complex)
    start[0, 0] = 1
    branches: Branches = {(0,) * circuit.n_bits: start}
    for op in circuit.operations:
        branches = _after(op, branches, bindings, n)
    total: Matrix = sum(branches.values())  # type: ignore[assignment]  # there is always one
    total.flags.writeable = False
    return total


def _after(op: Operation, branches: Branches, row: Row, n: int) -> Branches:
    found: Branches = {}
    for bits, rho in branches.items():
        if op.condition is not None and bits[op.condition.bit] != op.condition.value:
            _add(found, bits, rho)
        elif op.bit is not None:
            for outcome, projector in enumerate((ZERO, ONE)):
                written = (*bits[: op.bit], outcome, *bits[op.bit + 1 :])
                _add(found, written, _conjugated([projector], op, rho, n))
        else:
            _add(found, bits, _conjugated(_operators(op, row), op, rho, n))
    return found


def _add(branches: Branches, bits: tuple[int, ...], rho: Matrix) -> None:
    branches[bits] = branches[bits] + rho if bits in branches else rho


def _conjugated(operators: Sequence[Matrix], op: Operation, rho: Matrix, n: int) -> Matrix:
    full = [embedded(operator, op.qubits, n) for operator in operators]
    total: Matrix = sum(each @ rho @ each.conj().T for each in full)  # type: ignore[assignment]  # never empty
    return total


def _operators(op: Operation, row: Row) -> list[Matrix]:
    """What an operation does: one matrix, or Kraus operators."""
    angles = [angle.value(row) for angle in op.angles]
    size = 1 << len(op.qubits)
    if op.unitary:
        return list(np.array(op.unitary, dtype=complex).reshape(-1, size, size))
    if op.amplitudes is not None:
        # The qubits are fresh, so the state moves there from |0>; what the other columns do never matters.
        column = np.zeros((size, size), dtype=complex)
        column[:, 0] = _amplitudes(op, row)
        return [column]
    if op.gate in CHANNELS:
        return channel(op.gate, *angles)
    assert op.gate in GATES, f"the kit's simulator knows no {op.gate!r}"
    return [gate_matrix(op.gate, angles)]


def _amplitudes(op: Operation, row: Row) -> NDArray[np.complex128]:
    given = op.amplitudes
    assert given is not None
    if given.constant:
        return np.array(given.constant)
    assert given.real is not None
    x = row[given.real.name] + (1j * row[given.imag.name] if given.imag is not None else 0)
    return np.asarray(x / np.linalg.norm(x), dtype=np.complex128)
