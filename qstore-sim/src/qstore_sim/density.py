# SPDX-License-Identifier: Apache-2.0
"""What is read from density matrices, and how outcomes of some qubits come out of those of all.

Shapes: rho (batch, 2**n, 2**n) complex128, row index first; qubit 0 is the least significant bit of an index.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Observable

Density = NDArray[np.complex128]


def marginal(probabilities: NDArray[np.float64], qubits: Sequence[int] | None) -> NDArray[np.float64]:
    """Probabilities of some qubits' outcomes, (batch, 2**k), from those of all."""
    if qubits is None:
        return probabilities
    n = probabilities.shape[1].bit_length() - 1
    cube = probabilities.reshape(-1, *(2,) * n)
    others = tuple(n - q for q in range(n) if q not in qubits)
    kept = sorted(qubits, reverse=True)  # the order of the axes that are left
    summed = cube.sum(axis=others) if others else cube
    order = [1 + kept.index(q) for q in reversed(qubits)]
    return summed.transpose(0, *order).reshape(len(probabilities), -1)


def reduced_pure(state: NDArray[np.complex128], qubits: Sequence[int] | None) -> Density:
    """The density matrix of some qubits of a pure state (batch, 2**n)."""
    n = state.shape[1].bit_length() - 1
    on = tuple(range(n)) if qubits is None else tuple(qubits)
    rest = [q for q in range(n) if q not in on]
    order = [n - q for q in reversed(on)] + [n - q for q in reversed(rest)]
    matrix = state.reshape(-1, *(2,) * n).transpose(0, *order).reshape(len(state), 1 << len(on), -1)
    return matrix @ matrix.conj().transpose(0, 2, 1)


def reduced(rho: Density, qubits: Sequence[int] | None) -> Density:
    """The density matrix of some qubits of a mixed state."""
    if qubits is None:
        return rho
    n = rho.shape[1].bit_length() - 1
    rest = [q for q in range(n) if q not in qubits]
    half = [n - 1 - q for q in reversed(tuple(qubits))] + [n - 1 - q for q in reversed(rest)]
    order = [1 + a for a in half] + [1 + n + a for a in half]
    k = 1 << len(qubits)
    cube = rho.reshape(-1, *(2,) * (2 * n)).transpose(0, *order).reshape(len(rho), k, 1 << len(rest), k, -1)
    traced: Density = np.einsum("biaja->bij", cube)
    return traced


def expectations(rho: Density, observables: Sequence[Observable]) -> NDArray[np.float64]:
    """Tr(rho O), (batch, len(observables))."""
    index = np.arange(rho.shape[1])
    result = np.zeros((len(rho), len(observables)))
    for k, observable in enumerate(observables):
        for x, z, coefficient in observable.terms:
            signs = 1.0 - 2.0 * (np.bitwise_count(index & z) & 1)
            phase = 1j ** ((x & z).bit_count() % 4)
            result[:, k] += coefficient * (rho[:, index, index ^ x] * (phase * signs)).sum(axis=1).real
    return result


def variances(rho: Density, observables: Sequence[Observable]) -> NDArray[np.float64]:
    """Tr(rho O**2) - Tr(rho O)**2."""
    squares = expectations(rho, [observable.squared() for observable in observables])
    return np.maximum(squares - expectations(rho, observables) ** 2, 0.0)
