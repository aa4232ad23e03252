# SPDX-License-Identifier: Apache-2.0
"""Open systems by trajectories: pure states that take one branch of every channel and measurement.

A branch is chosen with its probability <psi| K^dagger K |psi>, by the number Philox(key = the row's stream key,
counter = trajectory * choices + choice): a trajectory depends on its row, its number and the circuit alone.

Gradient: along a path of probability p the unnormalised state phi gives the path's share <phi| O |phi> of the mean, so
its derivative over p, averaged over paths drawn with p, is the derivative of the mean without bias. That includes the
derivative of the branch probabilities; here phi / sqrt(p) is what is propagated, with sqrt(p) held constant.
Shapes: states (2**n, samples), a sample is one trajectory of one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, Output, Probabilities, Variance
from qstore.circuit import Observable
from qstore.errors import CapabilityError
from qstore_sim.memory import check_memory
from qstore_sim.noise.chain import Gradients, Map, sweep_back
from qstore_sim.noise.kernels import State, multiply, overlap, uniforms
from qstore_sim.noise.steps import Matrices, Step, steps
from qstore_sim.preparation import pull_back_start, start_amplitudes, sub_index

Floats = NDArray[np.float64]
_TILE_BYTES = 1 << 26
_MOST_SAMPLES = 4096


class Averages(NamedTuple):
    """Means over trajectories with their standard errors, and the same of gradients."""

    values: Floats
    errors: Floats
    gradients: dict[str, Floats]
    gradient_errors: dict[str, Floats]


class _Tile(NamedTuple):
    """Some trajectories of some rows: for each sample its row, its trajectory, and its row's key."""

    rows: NDArray[np.int64]
    numbers: NDArray[np.uint64]
    keys: NDArray[np.uint64]


def outcomes(batch: CircuitBatch) -> Iterator[NDArray[np.int64]]:
    """The integer outcomes of each row, (shots,): one trajectory per shot."""
    assert batch.shots is not None
    drawn = np.empty(batch.size * batch.shots, dtype=np.int64)
    first = 0
    for tile in _tiles(batch, batch.shots):
        psi, _, choices = _run(batch, tile, frozenset(), None)
        cumulative = np.cumsum(abs(psi) ** 2, axis=0)
        numbers = uniforms(tile.keys, _counter(tile, choices, choices - 1)) * cumulative[-1]
        drawn[first : first + len(numbers)] = np.minimum((cumulative <= numbers).sum(axis=0), len(psi) - 1)
        first += len(numbers)
    yield from drawn.reshape(batch.size, batch.shots)


def averages(
    batch: CircuitBatch, count: int, cotangent: Floats | None = None, wanted: frozenset[str] = frozenset()
) -> Averages:
    """Means over `count` trajectories a row; with a cotangent also gradients of the parameters in `wanted`.

    Args:
        batch: with expectations, variances or probabilities, and with shots or a seed for its stream keys.
        count: trajectories per row, at least 2.
        cotangent: of the values.
        wanted: names of parameters.

    Raises:
        CapabilityError: outputs that are no mean over trajectories.
    """
    outputs = batch.outputs
    if not isinstance(outputs, (Expectations, Variance, Probabilities)):
        raise CapabilityError(
            f"Trajectories give expectations, variances and probabilities, not {type(outputs).__name__}(); up to 12 qubits "
            "the exact density matrix does: leave trajectories= out."
        )
    width = _linear(batch, outputs)
    total, squares = np.zeros((batch.size, width)), np.zeros((batch.size, width))
    for tile in _tiles(batch, count):
        psi, _, _ = _run(batch, tile, frozenset(), None)
        read = _read(psi, outputs)
        np.add.at(total, tile.rows, read)
        np.add.at(squares, tile.rows, read**2)
    means = total / count
    errors = np.sqrt(np.maximum(squares / count - means**2, 0) / max(1, count - 1))
    values, value_errors = _shown(means, errors, outputs)
    if cotangent is None:
        return Averages(values, value_errors, {}, {})
    return Averages(values, value_errors, *_gradients(batch, count, cotangent, means, wanted))


# ---- one tile -------------------------------------------------------------------------------------------------------


def _tiles(batch: CircuitBatch, count: int) -> Iterator[_Tile]:
    n = batch.circuit.n_qubits
    size = max(1, min(_MOST_SAMPLES, _TILE_BYTES // (16 << n)))
    check_memory(4 * (16 << n) * size, f"Trajectories of {n} qubits")
    keys = batch.stream_keys
    total = batch.size * count
    for first in range(0, total, size):
        index = np.arange(first, min(total, first + size))
        rows = index // count
        yield _Tile(rows, (index % count).astype(np.uint64), keys[rows])


def _counter(tile: _Tile, choices: int, choice: int) -> NDArray[np.uint64]:
    return tile.numbers * np.uint64(choices) + np.uint64(choice)


def _run(
    batch: CircuitBatch, tile: _Tile, wanted: frozenset[str], maps: list[Map] | None
) -> tuple[State, State, int]:
    """(final states, start states, numbers drawn per trajectory, one for the readout included); fills `maps`."""
    template, n = batch.circuit, batch.circuit.n_qubits
    starts = [op for op in template.operations if op.gate == "initialize"]
    first = start_amplitudes(starts, n, batch.bindings)
    psi = np.ascontiguousarray(first[tile.rows if len(first) > 1 else np.zeros_like(tile.rows)].T)
    start = psi.copy() if maps is not None else psi
    plan = list(steps(template, batch.bindings, batch.per_sample, wanted))
    choices = sum(not step.unitary for step in plan) + 1
    bits: dict[int, NDArray[np.int64]] = {}
    choice = 0
    for step in plan:
        active = None
        if step.condition is not None:
            written = bits.get(step.condition.bit, np.zeros(len(tile.rows), dtype=np.int64))
            active = written == step.condition.value
        operators = _of_samples(step.operators, tile.rows)
        if step.unitary:
            taken = np.zeros(len(tile.rows), dtype=np.int64)
            scale: Floats | float = 1.0
        else:
            taken, scale = _branch(psi, step, operators, uniforms(tile.keys, _counter(tile, choices, choice)))
            choice += 1
            if step.bit is not None:
                before = bits.get(step.bit, np.zeros_like(taken))
                bits[step.bit] = taken if active is None else np.where(active, taken, before)
        matrix = _selected(operators, taken) / scale
        if active is not None:
            matrix = np.where(active, matrix, np.eye(matrix.shape[0])[:, :, None])
        multiply(psi, step.qubits, matrix)
        if maps is not None:
            maps.append(_recorded(step, matrix, taken, scale, active, tile))
    return psi, start, choices


def _of_samples(operators: Matrices, rows: NDArray[np.int64]) -> Matrices:
    return operators if operators.shape[-1] == 1 else operators[..., rows]


def _selected(operators: Matrices, taken: NDArray[np.int64]) -> Matrices:
    """The operator that each sample takes, (d, d, samples); (d, d, 1) where there is only one for all."""
    if len(operators) == 1:
        single: Matrices = operators[0]
        return single
    spread = np.broadcast_to(operators, (*operators.shape[:3], len(taken)))
    return np.moveaxis(spread[taken, :, :, np.arange(len(taken))], 0, -1)


def _branch(psi: State, step: Step, operators: Matrices, numbers: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Which operator each sample takes, and the square root of its probability."""
    met = overlap(psi, psi, step.qubits)
    weights = np.einsum("kais,kajs->kijs", operators.conj(), operators)
    probabilities = np.einsum(
        "kijs,ijs->ks", np.broadcast_to(weights, (*weights.shape[:3], met.shape[2])), met
    ).real
    cumulative = np.cumsum(np.maximum(probabilities, 0.0), axis=0)
    taken = (cumulative <= numbers * cumulative[-1]).sum(axis=0)
    taken = np.minimum(taken, len(operators) - 1)
    chosen = probabilities[taken, np.arange(len(taken))]
    return taken, np.sqrt(np.maximum(chosen, np.finfo(float).tiny))


def _recorded(
    step: Step, matrix: Matrices, taken: NDArray[np.int64], scale: Floats | float,
    active: NDArray[np.bool_] | None, tile: _Tile,
) -> Map:  # fmt: skip
    changes = []
    for angle, derivative in step.derivatives:
        change = _selected(_of_samples(derivative, tile.rows), taken) / scale
        changes.append((angle, change if active is None else np.where(active, change, 0.0)))
    return Map(step.qubits, matrix, tuple(changes), step.unitary)


# ---- readout --------------------------------------------------------------------------------------------------------


def _linear(batch: CircuitBatch, outputs: Output) -> int:
    """Numbers per trajectory whose means are read."""
    if isinstance(outputs, Probabilities):
        return 1 << (batch.circuit.n_qubits if outputs.qubits is None else len(outputs.qubits))
    assert isinstance(outputs, (Expectations, Variance))
    return len(outputs.observables) * (2 if isinstance(outputs, Variance) else 1)


def _observables(outputs: Expectations | Variance) -> list[Observable]:
    if isinstance(outputs, Expectations):
        return list(outputs.observables)
    return [observable.squared() for observable in outputs.observables] + list(outputs.observables)


def _applied(psi: State, observable: Observable) -> State:
    index = np.arange(len(psi))
    total = np.zeros_like(psi)
    for x, z, coefficient in observable.terms:
        signs = 1.0 - 2.0 * (np.bitwise_count((index ^ x) & z) & 1)
        total += (coefficient * 1j ** ((x & z).bit_count() % 4) * signs)[:, None] * psi[index ^ x]
    return total


def _read(psi: State, outputs: Output) -> Floats:
    """What each trajectory adds to the means, (samples, numbers)."""
    if isinstance(outputs, Probabilities):
        every = (abs(psi) ** 2).T
        if outputs.qubits is None:
            return np.ascontiguousarray(every)
        place = sub_index(outputs.qubits, len(psi).bit_length() - 1)
        result = np.zeros((len(every), 1 << len(outputs.qubits)))
        np.add.at(result.T, place, every.T)
        return result
    assert isinstance(outputs, (Expectations, Variance))
    return np.stack([(psi.conj() * _applied(psi, o)).sum(axis=0).real for o in _observables(outputs)], axis=1)


def _shown(means: Floats, errors: Floats, outputs: Output) -> tuple[Floats, Floats]:
    if not isinstance(outputs, Variance):
        return means, errors
    k = means.shape[1] // 2
    spread = np.sqrt(errors[:, :k] ** 2 + (2 * means[:, k:] * errors[:, k:]) ** 2)
    return np.maximum(means[:, :k] - means[:, k:] ** 2, 0.0), spread


# ---- gradients ------------------------------------------------------------------------------------------------------


def _gradients(
    batch: CircuitBatch, count: int, cotangent: Floats, means: Floats, wanted: frozenset[str]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    outputs, n = batch.outputs, batch.circuit.n_qubits
    sizes = {
        name: batch.bindings[name].size // (batch.size if name in batch.per_sample else 1) for name in wanted
    }
    total = {name: np.zeros((batch.size, size)) for name, size in sizes.items()}
    squares = {name: np.zeros((batch.size, size)) for name, size in sizes.items()}
    starts = [op for op in batch.circuit.operations if op.gate == "initialize"]
    prepared = any(parameter.name in wanted for op in starts for parameter in op.parameters)
    at_start = np.zeros((batch.size, 1 << n), dtype=complex)
    for tile in _tiles(batch, count):
        maps: list[Map] = []
        final, start, _ = _run(batch, tile, wanted, maps)
        lam = 2 * _pulled(final, outputs, cotangent[tile.rows], means[tile.rows])
        sums = Gradients(sizes, len(tile.rows))
        sweep_back(maps, start, final, lam, sums.add)
        for name, found in sums.by_name.items():
            np.add.at(total[name], tile.rows, found)
            np.add.at(squares[name], tile.rows, found**2)
        np.add.at(at_start, tile.rows, lam.T / count)
    gradients, errors = {}, {}
    for name in wanted:
        mean = total[name] / count
        variance = np.maximum(squares[name] / count - mean**2, 0.0) / max(1, count - 1)
        shape = batch.bindings[name].shape
        own = name in batch.per_sample
        gradients[name] = (mean if own else mean.sum(axis=0)).reshape(shape)
        errors[name] = np.sqrt(variance if own else variance.sum(axis=0)).reshape(shape)
    if prepared:
        for name, found in pull_back_start(starts, n, batch.bindings, at_start, wanted).items():
            gradients[name] = gradients[name] + found
    return gradients, errors


def _pulled(psi: State, outputs: Output, cotangent: Floats, means: Floats) -> State:
    """Sum of cotangent times observable, on psi."""
    if isinstance(outputs, Probabilities):
        n = len(psi).bit_length() - 1
        place = np.arange(1 << n) if outputs.qubits is None else sub_index(outputs.qubits, n)
        return np.ascontiguousarray(cotangent[:, place].T * psi)
    assert isinstance(outputs, (Expectations, Variance))
    weights = cotangent
    if isinstance(outputs, Variance):
        k = cotangent.shape[1]
        weights = np.concatenate([cotangent, -2 * means[:, k:] * cotangent], axis=1)
    total = np.zeros_like(psi)
    for number, observable in enumerate(_observables(outputs)):
        total += weights[:, number] * _applied(psi, observable)
    return total
