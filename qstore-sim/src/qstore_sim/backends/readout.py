# SPDX-License-Identifier: Apache-2.0
"""Every output, read from states or density matrices that a library computed.

Shapes: states (rows, 2**n) complex, density matrices (rows, 2**n, 2**n) complex, qubit 0 the least significant bit.
Sums run in float64 whatever the precision of the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import DensityMatrix, Expectations, Output, Probabilities, StateVector, Variance
from qstore.circuit import Observable
from qstore.errors import CapabilityError
from qstore_sim import density

__all__ = ["of_densities", "of_states", "outcome_probabilities"]

Floats = NDArray[np.float64]


def of_states(states: NDArray[Any], outputs: Output) -> NDArray[Any]:
    """The values of an output for pure states."""
    if isinstance(outputs, Expectations):
        return _expectations(states, outputs.observables)
    if isinstance(outputs, Variance):
        squares = _expectations(states, [observable.squared() for observable in outputs.observables])
        return np.maximum(squares - _expectations(states, outputs.observables) ** 2, 0.0)
    if isinstance(outputs, Probabilities):
        return density.marginal(outcome_probabilities(states), outputs.qubits)
    if isinstance(outputs, StateVector):
        return states.astype(np.complex128, copy=False)
    if isinstance(outputs, DensityMatrix):
        return density.reduced_pure(states.astype(np.complex128, copy=False), outputs.qubits)
    raise CapabilityError(f"{type(outputs).__name__} is measured; it takes shots.")


def of_densities(rho: NDArray[Any], outputs: Output) -> NDArray[Any]:
    """The values of an output for mixed states."""
    rho = rho.astype(np.complex128, copy=False)
    if isinstance(outputs, Expectations):
        return density.expectations(rho, outputs.observables)
    if isinstance(outputs, Variance):
        return density.variances(rho, outputs.observables)
    if isinstance(outputs, Probabilities):
        return density.marginal(outcome_probabilities(rho), outputs.qubits)
    if isinstance(outputs, DensityMatrix):
        return density.reduced(rho, outputs.qubits)
    raise CapabilityError(f"A mixed state has no {type(outputs).__name__}; ask for DensityMatrix() instead.")


def outcome_probabilities(states: NDArray[Any]) -> Floats:
    """Probabilities of all outcomes, (rows, 2**n), of states or density matrices."""
    if states.ndim == 2:
        squares: Floats = np.square(states.real, dtype=np.float64)
        squares += np.square(states.imag, dtype=np.float64)
        return squares
    diagonal = np.einsum("bii->bi", states).real
    return np.ascontiguousarray(np.maximum(diagonal, 0.0), dtype=np.float64)


def _expectations(states: NDArray[Any], observables: Sequence[Observable]) -> Floats:
    """<psi|O|psi>; a string with masks x, z maps index i to i ^ x with the sign of parity(i & z) and i**|x & z|."""
    index = np.arange(states.shape[1])
    probabilities = outcome_probabilities(states)
    overlaps: dict[int, NDArray[Any]] = {0: probabilities}
    result = np.zeros((len(states), len(observables)))
    for k, observable in enumerate(observables):
        for x, z, coefficient in observable.terms:
            if x not in overlaps:
                overlaps[x] = states[:, index ^ x].astype(np.complex128).conj() * states
            signs = 1.0 - 2.0 * (np.bitwise_count(index & z) & 1)
            phase = 1j ** ((x & z).bit_count() % 4)
            result[:, k] += coefficient * (phase * (overlaps[x] @ signs)).real
        if len(overlaps) > _KEPT:
            overlaps = {0: probabilities}
    return result


_KEPT = 8
"""So many products psi*[i ^ x] psi[i] are kept for the next terms; each is as large as the states."""
