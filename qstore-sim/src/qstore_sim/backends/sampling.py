# SPDX-License-Identifier: Apache-2.0
"""Counts and samples from exact probabilities, drawn row by row from each row's own stream key.

The generator is the embedded simulator's. Libraries seed a whole run at once, which would make a row's outcomes depend on
its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, NoiseModel
from qstore_sim.memory import check_memory

__all__ = ["bits", "drawn", "tally"]

Floats = NDArray[np.float64]
Outcomes = NDArray[np.int64]
_TALLY_BITS = 22
"""Up to this many qubits outcomes are counted in a table, beyond by sorting."""


def drawn(
    batch: CircuitBatch, probabilities: Callable[[], Iterable[Floats]], readout: NoiseModel | None
) -> Iterator[Outcomes]:
    """The integer outcomes of each row, (shots,).

    Args:
        batch: with shots.
        probabilities: the rows' probabilities in pieces of some rows, (k, 2**n) each, in order.
        readout: whose readout errors act on the outcomes.
    """
    from qstore_sim.kernels.sampling import draw  # imports numba
    from qstore_sim.noise.readout import misread

    assert batch.shots is not None
    n = batch.circuit.n_qubits
    cumulative, guide = np.empty(1 << n), np.empty(1 << n, dtype=np.int64)
    keys = iter(batch.stream_keys)
    for piece in probabilities():
        for row in piece:
            key = next(keys)
            outcomes = np.empty(batch.shots, dtype=np.int64)
            draw(np.ascontiguousarray(row), key, outcomes, cumulative, guide)
            if readout is not None and readout.has_readout_error:
                outcomes = misread(outcomes, n, key, readout)
            yield outcomes


def tally(outcomes: Outcomes, n_qubits: int) -> dict[int, int]:
    """How often each outcome was measured."""
    if n_qubits <= _TALLY_BITS:
        table = np.bincount(outcomes)
        found = np.flatnonzero(table)
        numbers = table[found]
    else:
        found, numbers = np.unique(outcomes, return_counts=True)
    return dict(zip(found.tolist(), numbers.tolist(), strict=True))


def bits(batch: CircuitBatch, outcomes: Iterable[Outcomes]) -> NDArray[np.uint8]:
    """Every shot as a row of bits, (rows, shots, n)."""
    assert batch.shots is not None
    n = batch.circuit.n_qubits
    check_memory(batch.size * batch.shots * n, f"Samples() of {batch.size} x {batch.shots} shots")
    result = np.empty((batch.size, batch.shots, n), dtype=np.uint8)
    for row, each in enumerate(outcomes):
        for q in range(n):
            result[row, :, q] = each >> q & 1
    return result
