# SPDX-License-Identifier: Apache-2.0
"""Readout errors: each qubit's outcome is flipped with a probability that depends on the outcome alone.

Exact values are what infinitely many shots would give: probabilities go through the confusion matrix, and a Pauli
factor P of an observable is read as (p1 - p0) + (1 - p0 - p1) P, with p0 = P(read 1 | 0) and p1 = P(read 0 | 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qstore.batch import Expectations, NoiseModel
from qstore.circuit import I, Observable, X, Y, Z
from qstore_sim.noise.kernels import uniforms

Floats = NDArray[np.float64]
_PAULIS = {"X": X, "Y": Y, "Z": Z}
_SALT = np.uint64(0xD1B54A32D192ED03)
"""Separates the numbers that flip from those that draw the outcomes."""


def as_read(outputs: Expectations, noise: NoiseModel) -> Expectations:
    """The observables whose exact means are those of the outcomes that are read."""
    return Expectations([_as_read(observable, noise) for observable in outputs.observables])


def _as_read(observable: Observable, noise: NoiseModel) -> Observable:
    offset, factor = noise.readout_1 - noise.readout_0, 1 - noise.readout_0 - noise.readout_1
    total = Observable()
    for term in observable.terms:
        product = term.coefficient * I()
        for qubit, letter in term.letters:
            product = product @ (offset * I() + factor * _PAULIS[letter](qubit))
        total = total + product
    return total


def confused(probabilities: Floats, noise: NoiseModel, *, transposed: bool = False) -> Floats:
    """Probabilities (rows, 2**k) of what is read; transposed, the cotangent pulled back."""
    confusion = np.array([[1 - noise.readout_0, noise.readout_1], [noise.readout_0, 1 - noise.readout_1]])
    if transposed:
        confusion = confusion.T
    bits = probabilities.shape[1].bit_length() - 1
    cube = probabilities.reshape(-1, *(2,) * bits)
    for axis in range(1, bits + 1):
        cube = np.moveaxis(np.tensordot(confusion, cube, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(cube.reshape(len(probabilities), -1))


def misread(
    outcomes: NDArray[np.int64], n_qubits: int, key: np.uint64, noise: NoiseModel
) -> NDArray[np.int64]:
    """The outcomes of one row with readout errors, drawn from the row's key."""
    counters = np.arange(len(outcomes), dtype=np.uint64) * np.uint64(n_qubits)
    keys = np.full(len(outcomes), key ^ _SALT, dtype=np.uint64)
    read = outcomes.copy()
    for qubit in range(n_qubits):
        numbers = uniforms(keys, counters + np.uint64(qubit))
        chance = np.where(outcomes >> qubit & 1, noise.readout_1, noise.readout_0)
        read ^= (numbers < chance).astype(np.int64) << qubit
    return read
