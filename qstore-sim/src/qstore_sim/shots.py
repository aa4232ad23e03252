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

_TALLY_BITS = 22
"""Up to this many qubits outcomes are counted in a table, beyond by sorting."""


def outcomes(runner: Runner, batch: CircuitBatch) -> Iterator[NDArray[np.int64]]:
    """The integer outcomes of each row, (shots,)."""
    assert batch.shots is not None
    n = batch.circuit.n_qubits
    bits = 2 * n if batch.circuit.is_noisy else n
    cumulative, guide = np.empty(1 << n), np.empty(1 << n, dtype=np.int64)
    for rows in chunks(batch.size, 16 << bits):
        check_memory((rows.stop - rows.start) * (16 << bits), f"Sampling {n} qubits")
        for row, probabilities in enumerate(runner.probabilities(batch, rows), start=rows.start):
            drawn = np.empty(batch.shots, dtype=np.int64)
            draw(probabilities, batch.stream_keys[row], drawn, cumulative, guide)
            yield drawn


def counts(runner: Runner, batch: CircuitBatch) -> tuple[dict[int, int], ...]:
    """For each row, how often each outcome was measured."""
    result = []
    for drawn in outcomes(runner, batch):
        if batch.circuit.n_qubits <= _TALLY_BITS:
            tally = np.bincount(drawn)
            found = np.flatnonzero(tally)
            numbers = tally[found]
        else:
            found, numbers = np.unique(drawn, return_counts=True)
        result.append(dict(zip(found.tolist(), numbers.tolist(), strict=True)))
    return tuple(result)


def samples(runner: Runner, batch: CircuitBatch) -> NDArray[np.uint8]:
    """Every shot as bits, (batch, shots, n_qubits)."""
    assert batch.shots is not None
    n = batch.circuit.n_qubits
    check_memory(batch.size * batch.shots * n, f"Samples() of {batch.size} x {batch.shots} shots")
    result = np.empty((batch.size, batch.shots, n), dtype=np.uint8)
    for row, drawn in enumerate(outcomes(runner, batch)):
        for q in range(n):
            result[row, :, q] = drawn >> q & 1
    return result
