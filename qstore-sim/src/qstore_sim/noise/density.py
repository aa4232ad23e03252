# SPDX-License-Identifier: Apache-2.0
"""Exact results of open systems: the density matrix as a vector of twice the bits, and its gradient.

Index = ket + 2**t * bra for t qubits. A unitary is U on the ket bits and conj(U) on the bra bits, a channel the matrix
sum K x conj(K) on both. A classical bit that a condition reads is kept as one more qubit, always diagonal: measuring
resets it and copies the outcome into it, a condition is a control. Bits that nobody reads only dephase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, Output, Probabilities, Variance
from qstore.circuit import Observable
from qstore.errors import CapabilityError
from qstore_sim.density import Density, expectations, marginal, reduced, variances
from qstore_sim.memory import check_memory
from qstore_sim.noise.chain import Gradients, Map, run, sweep_back
from qstore_sim.noise.kernels import State
from qstore_sim.noise.steps import Matrices, Step, read_bits, steps
from qstore_sim.preparation import pull_back_start, start_amplitudes, sub_index

Floats = NDArray[np.float64]
MAX_QUBITS = 12
"""Exact density matrices up to here, classical bits that are read included: 2**24 numbers, 256 MiB a row."""
_CHUNK_BYTES = 1 << 27


def n_registers(batch: CircuitBatch) -> int:
    """Qubits of the circuit and classical bits that it reads."""
    return batch.circuit.n_qubits + len(read_bits(batch.circuit))


def check_size(batch: CircuitBatch) -> None:
    """Raise CapabilityError if the density matrix is too large."""
    size = n_registers(batch)
    if size > MAX_QUBITS:
        raise CapabilityError(
            f"Exact density matrices go up to {MAX_QUBITS} qubits and classical bits that are read; this circuit takes {size}. "
            "Use trajectories: qs.get_backend('statevector', trajectories=1000), or shots."
        )


def density_matrices(batch: CircuitBatch) -> Density:
    """The states of all rows, (batch, 2**n, 2**n).

    Raises:
        CapabilityError: too many qubits.
        ResourceError: they do not fit into memory.
    """
    check_size(batch)
    check_memory(3 * _row_bytes(batch) * min(batch.size, _rows_at_once(batch)), _what(batch))
    parts = []
    for part in _parts(batch):
        maps, psi = _chain(part, frozenset())
        run(maps, psi)
        parts.append(_traced(psi, batch.circuit.n_qubits))
    return np.concatenate(parts)


def values(batch: CircuitBatch) -> NDArray[Any]:
    """What is asked of the states, as `qstore.batch.outputs` says."""
    return read(density_matrices(batch), batch.outputs)


def vjp(
    batch: CircuitBatch, cotangent: Floats, wanted: frozenset[str]
) -> tuple[NDArray[Any], dict[str, Floats]]:
    """Values and gradients of the parameters in `wanted`.

    Raises:
        CapabilityError: too many qubits.
        ResourceError: state, adjoint state and what is remembered do not fit into memory.
    """
    check_size(batch)
    check_memory(6 * _row_bytes(batch) * min(batch.size, _rows_at_once(batch)), _what(batch))
    gradients = {name: np.zeros(batch.bindings[name].shape) for name in wanted}
    found = []
    first = 0
    for part in _parts(batch):
        upstream = cotangent[first : first + part.size]
        maps, psi = _chain(part, wanted)
        final = psi.copy()
        run(maps, final)
        rho = _traced(final, batch.circuit.n_qubits)
        found.append(read(rho, batch.outputs))
        lam = _spread(_adjoint(rho, batch.outputs, upstream), n_registers(batch))
        sizes = {
            name: part.bindings[name].size // (part.size if name in part.per_sample else 1) for name in wanted
        }
        sums = Gradients(sizes, part.size)
        sweep_back(maps, psi, final, lam, sums.add)
        for name, gradient in _own_gradients(part, sums.by_name, lam, wanted).items():
            if name in part.per_sample:
                gradients[name][first : first + part.size] = gradient
            else:
                gradients[name] += gradient
        first += part.size
    return np.concatenate(found), gradients


def read(rho: Density, outputs: Output) -> NDArray[Any]:
    """The values of outputs, from density matrices."""
    if isinstance(outputs, Expectations):
        return expectations(rho, outputs.observables)
    if isinstance(outputs, Variance):
        return variances(rho, outputs.observables)
    if isinstance(outputs, Probabilities):
        return marginal(np.ascontiguousarray(np.maximum(np.einsum("bii->bi", rho).real, 0.0)), outputs.qubits)
    return reduced(rho, getattr(outputs, "qubits", None))


# ---- the chain ------------------------------------------------------------------------------------------------------


def _chain(batch: CircuitBatch, wanted: frozenset[str]) -> tuple[list[Map], State]:
    template, n = batch.circuit, batch.circuit.n_qubits
    total = n_registers(batch)
    register = {bit: n + place for place, bit in enumerate(sorted(read_bits(template)))}
    maps: list[Map] = []
    for step in steps(template, batch.bindings, batch.per_sample, wanted):
        maps += _maps(_with_registers(step, register), total)
    state = start_amplitudes([op for op in template.operations if op.gate == "initialize"], n, batch.bindings)
    state = np.broadcast_to(state, (batch.size, 1 << n))
    psi = np.zeros((1 << total, 1 << total, batch.size), dtype=complex)
    psi[: 1 << n, : 1 << n] = np.einsum("bi,bj->jib", state, state.conj())
    return maps, psi.reshape(1 << 2 * total, batch.size)


def _with_registers(step: Step, register: Mapping[int, int]) -> Step:
    """The step with its classical bits as qubits: Kraus operators that set what it writes, controls for what it reads."""
    operators, derivatives, qubits = step.operators, list(step.derivatives), step.qubits
    if step.bit is not None and step.bit in register:
        qubits = (*qubits, register[step.bit])
        # Whatever the bit was (b), the outcome is written into it: operators |outcome><b|.
        operators = np.concatenate([
            np.stack([np.kron(_unit(outcome, b), operators[outcome, :, :, 0])[..., None] for b in range(2)])
            for outcome in range(2)
        ])  # fmt: skip
    if step.condition is None:
        return Step(qubits, operators, tuple(derivatives), step.unitary)
    active = _unit(step.condition.value, step.condition.value)
    control = register[step.condition.bit]
    rest = np.kron(np.eye(2) - active, np.eye(operators.shape[1]))[None, :, :, None]
    if step.unitary:
        operators = _controlled(active, operators) + rest
    else:
        parts = np.broadcast_arrays(rest, _controlled(active, operators[:1]))
        operators = np.concatenate([parts[0], _controlled(active, operators)])
    changes = []
    for angle, change in derivatives:
        moved = _controlled(active, change)
        changes.append((angle, moved if step.unitary else np.concatenate([0 * moved[:1], moved])))
    return Step((*qubits, control), operators, tuple(changes), step.unitary)


def _unit(row: int, column: int) -> Matrices:
    matrix = np.zeros((2, 2), dtype=complex)
    matrix[row, column] = 1
    return matrix


def _controlled(active: Matrices, operators: Matrices) -> Matrices:
    """Each operator on the lower bits and the projector on the highest."""
    d = operators.shape[1]
    product = np.einsum("ab,kijs->kaibjs", active, operators)
    controlled: Matrices = product.reshape(len(operators), 2 * d, 2 * d, -1)
    return controlled


def _maps(step: Step, total: int) -> list[Map]:
    bra = tuple(q + total for q in step.qubits)
    if step.unitary:
        matrix = step.operators[0]
        return [
            Map(step.qubits, matrix, tuple((a, d[0]) for a, d in step.derivatives)),
            Map(bra, matrix.conj(), tuple((a, d[0].conj()) for a, d in step.derivatives)),
        ]
    both = _superoperator(step.operators, step.operators)
    changes = tuple(
        (a, _superoperator(d, step.operators) + _superoperator(step.operators, d))
        for a, d in step.derivatives
    )
    return [Map((*step.qubits, *bra), both, changes, unitary=False)]


def _superoperator(left: Matrices, right: Matrices) -> Matrices:
    """Sum of left x conj(right), ket bits least significant."""
    d = left.shape[1]
    both: Matrices = np.einsum("kijs,klms->limjs", left, right.conj()).reshape(d * d, d * d, -1)
    return both


# ---- back and forth between the vector and matrices -----------------------------------------------------------------


def _traced(psi: State, n: int) -> Density:
    """(batch, 2**n, 2**n) without the classical registers."""
    total = (psi.shape[0].bit_length() - 1) // 2
    cube = psi.reshape(1 << (total - n), 1 << n, 1 << (total - n), 1 << n, -1)
    return np.ascontiguousarray(np.einsum("cjcib->bij", cube))


def _spread(matrix: Density, total: int) -> State:
    """The reverse for an observable: the same for every value of the registers."""
    size = matrix.shape[1]
    cube = np.zeros((1 << total, 1 << total, len(matrix)), dtype=complex)
    flipped = matrix.transpose(2, 1, 0)  # bra index first, as in the vector
    for value in range((1 << total) // size):
        part = slice(value * size, (value + 1) * size)
        cube[part, part] = flipped
    return cube.reshape(1 << 2 * total, len(matrix))


def _adjoint(rho: Density, outputs: Output, cotangent: Floats) -> Density:
    """Lambda with dL = Re sum conj(lambda) d rho, for each row."""
    lam = np.zeros_like(rho)
    index = np.arange(rho.shape[1])
    if isinstance(outputs, Probabilities):
        n = rho.shape[1].bit_length() - 1
        qubits = range(n) if outputs.qubits is None else outputs.qubits
        lam[:, index, index] = cotangent[:, sub_index(tuple(qubits), n)]
        return lam
    assert isinstance(outputs, (Expectations, Variance))
    means = expectations(rho, outputs.observables)
    for k, observable in enumerate(outputs.observables):
        if isinstance(outputs, Expectations):
            _add(lam, observable, cotangent[:, k])
        else:
            _add(lam, observable.squared(), cotangent[:, k])
            _add(lam, observable, -2 * means[:, k] * cotangent[:, k])
    return lam


def _add(lam: Density, observable: Observable, weights: Floats) -> None:
    """Lam += weights * observable."""
    index = np.arange(lam.shape[1])
    for x, z, coefficient in observable.terms:
        signs = 1.0 - 2.0 * (np.bitwise_count(index & z) & 1)
        phase = 1j ** ((x & z).bit_count() % 4)
        # P[j ^ x, j] = i**|x & z| (-1)**|j & z|.
        lam[:, index ^ x, index] += coefficient * weights[:, None] * (phase * signs)


def _own_gradients(
    batch: CircuitBatch, sums: Mapping[str, Floats], lam: State, wanted: frozenset[str]
) -> dict[str, Floats]:
    gradients: dict[str, Floats] = {}
    for name in wanted:
        array = sums[name] if name in batch.per_sample else sums[name].sum(axis=0)
        gradients[name] = array.reshape(batch.bindings[name].shape)
    starts = [op for op in batch.circuit.operations if op.gate == "initialize"]
    if any(parameter.name in wanted for op in starts for parameter in op.parameters):
        n, total = batch.circuit.n_qubits, n_registers(batch)
        state = np.broadcast_to(start_amplitudes(starts, n, batch.bindings), (batch.size, 1 << n))
        cube = lam.reshape(1 << total, 1 << total, -1)[: 1 << n, : 1 << n]
        # L = Re <lambda, a a+>, so the cotangent of a is (lambda + lambda+) a.
        matrix = cube.transpose(2, 1, 0)
        cotangent = np.einsum("bij,bj->bi", matrix + matrix.conj().transpose(0, 2, 1), state)
        for name, gradient in pull_back_start(starts, n, batch.bindings, cotangent, wanted).items():
            gradients[name] = gradients[name] + gradient
    return gradients


def _row_bytes(batch: CircuitBatch) -> int:
    return 16 << 2 * n_registers(batch)


def _rows_at_once(batch: CircuitBatch) -> int:
    return max(1, _CHUNK_BYTES // _row_bytes(batch))


def _what(batch: CircuitBatch) -> str:
    return f"A density matrix of {n_registers(batch)} qubits"


def _parts(batch: CircuitBatch) -> list[CircuitBatch]:
    step = _rows_at_once(batch)
    if step >= batch.size:
        return [batch]
    return [batch.rows(start, min(batch.size, start + step)) for start in range(0, batch.size, step)]
