# SPDX-License-Identifier: Apache-2.0
"""Two loops on a state (2**bits, samples): multiply by a small matrix on some bits, and overlap of two states on them.

The sample index is innermost, so both vectorise over samples. Matrices and overlaps are (d, d, samples or 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_sim.kernels.sampling import uniform
from qstore_sim.simd import kernel

State = NDArray[np.complex128]


@kernel
def _base(number: int, bits: Any) -> int:
    """The number-th row in which all the (ascending) bits are 0."""
    row = number
    for bit in bits:
        row = ((row >> bit) << (bit + 1)) | (row & ((1 << bit) - 1))
    return row


@kernel
def _multiply(state: Any, bits: Any, offsets: Any, matrices: Any, spare: Any) -> None:
    size = len(offsets)
    samples = state.shape[1]
    shared = matrices.shape[2] == 1
    for number in range(state.shape[0] >> len(bits)):
        row = _base(number, bits)
        for j in range(size):
            for s in range(samples):
                spare[j, s] = state[row + offsets[j], s]
        for i in range(size):
            place = row + offsets[i]
            for s in range(samples):
                state[place, s] = 0.0
            for j in range(size):
                if shared:
                    factor = matrices[i, j, 0]
                    if factor != 0.0:
                        for s in range(samples):
                            state[place, s] += factor * spare[j, s]
                else:
                    for s in range(samples):
                        state[place, s] += matrices[i, j, s] * spare[j, s]


@kernel
def _overlap(left: Any, right: Any, bits: Any, offsets: Any, out: Any) -> None:
    size = len(offsets)
    samples = left.shape[1]
    for number in range(left.shape[0] >> len(bits)):
        row = _base(number, bits)
        for i in range(size):
            for j in range(size):
                for s in range(samples):
                    out[i, j, s] += left[row + offsets[i], s].conjugate() * right[row + offsets[j], s]


@kernel
def _uniforms(keys: Any, counters: Any, out: Any) -> None:
    for s in range(len(keys)):
        out[s] = uniform(keys[s], counters[s])


def _places(bits: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets = [0]
    for bit in bits:
        offsets += [other | 1 << bit for other in offsets]
    return np.array(sorted(bits)), np.array(offsets)


def multiply(state: State, bits: tuple[int, ...], matrices: State) -> None:
    """In place: apply matrices (d, d, samples or 1) on bits, the first of them least significant."""
    ascending, offsets = _places(bits)
    spare = np.empty((len(offsets), state.shape[1]), dtype=complex)
    _multiply(state, ascending, offsets, np.ascontiguousarray(matrices), spare)


def overlap(left: State, right: State, bits: tuple[int, ...]) -> State:
    """Sum of conj(left[i]) right[j] over all other bits, (d, d, samples)."""
    ascending, offsets = _places(bits)
    out = np.zeros((len(offsets), len(offsets), left.shape[1]), dtype=complex)
    _overlap(left, right, ascending, offsets, out)
    return out


def uniforms(keys: NDArray[np.uint64], counters: NDArray[np.uint64]) -> NDArray[np.float64]:
    """One number in [0, 1) for each key and counter."""
    out = np.empty(len(keys))
    _uniforms(keys, counters, out)
    return out
