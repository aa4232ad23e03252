# SPDX-License-Identifier: Apache-2.0
"""Counts and samples: outcomes of all qubits, drawn row by row from each row's own stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch
from qstore_sim.exact import Runner, chunks
from qstore_sim.kernels.sampling import draw
from qstore_sim.memory import check_memory
from qstore_sim.noise.density import density_matrices
from qstore_sim.noise.readout import misread
from qstore_sim.open_system import Noise

_TALLY_BITS = 22
"""Up to this many qubits outcomes are counted in a table, beyond by sorting."""


def outcomes(runner: Runner, batch: CircuitBatch, noise: Noise) -> Iterator[NDArray[np.int64]]:
    """The integer outcomes of each row, (shots,)."""
    n = batch.circuit.n_qubits
    for row, drawn in enumerate(_drawn(runner, batch, noise)):
        if noise.misreads:
            assert noise.model is not None
            yield misread(drawn, n, batch.stream_keys[row], noise.model)
        else:
            yield drawn


def _drawn(runner: Runner, batch: CircuitBatch, noise: Noise) -> Iterator[NDArray[np.int64]]:
    assert batch.shots is not None
    n = batch.circuit.n_qubits
    is_open = batch.circuit.is_noisy or batch.circuit.has_feedback
    if is_open:
        each = noise.outcomes(batch)
        if each is not None:
            yield from each
            return
    cumulative, guide = np.empty(1 << n), np.empty(1 << n, dtype=np.int64)
    for rows in chunks(batch.size, 16 << n):
        check_memory((rows.stop - rows.start) * (16 << n), f"Sampling {n} qubits")
        if is_open:
            rho = density_matrices(batch.rows(rows.start, rows.stop))
            every = np.ascontiguousarray(np.maximum(np.einsum("bii->bi", rho).real, 0.0))
        else:
            every = runner.probabilities(batch, rows)
        for row, probabilities in enumerate(every, start=rows.start):
            drawn = np.empty(batch.shots, dtype=np.int64)
            draw(probabilities, batch.stream_keys[row], drawn, cumulative, guide)
            yield drawn


def counts(runner: Runner, batch: CircuitBatch, noise: Noise) -> tuple[dict[int, int], ...]:
    """For each row, how often each outcome was measured."""
    result = []
    for drawn in outcomes(runner, batch, noise):
        if batch.circuit.n_qubits <= _TALLY_BITS:
            tally = np.bincount(drawn)
            found = np.flatnonzero(tally)
            numbers = tally[found]
        else:
            found, numbers = np.unique(drawn, return_counts=True)
        result.append(dict(zip(found.tolist(), numbers.tolist(), strict=True)))
    return tuple(result)


def samples(runner: Runner, batch: CircuitBatch, noise: Noise) -> NDArray[np.uint8]:
    """Every shot as bits, (batch, shots, n_qubits)."""
    assert batch.shots is not None
    n = batch.circuit.n_qubits
    check_memory(batch.size * batch.shots * n, f"Samples() of {batch.size} x {batch.shots} shots")
    result = np.empty((batch.size, batch.shots, n), dtype=np.uint8)
    for row, drawn in enumerate(outcomes(runner, batch, noise)):
        for q in range(n):
            result[row, :, q] = drawn >> q & 1
    return result
