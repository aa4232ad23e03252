# SPDX-License-Identifier: Apache-2.0
"""What is asked of a circuit: one small class per kind of output, and which of them can be differentiated.

The shapes in `BatchResult.values` (B rows, n qubits, k of them asked for):

    Expectations(observables)   (B, len(observables)) float64
    Variance(observables)       (B, len(observables)) float64, the variance of one ideal measurement
    Probabilities(qubits)       (B, 2**k) float64, the first qubit named is the least significant bit of the index
    Counts()                    no values; `BatchResult.counts`, a dict from integer outcome to count per row
    Samples()                   (B, shots, n) uint8, column q is qubit q
    StateVector()               (B, 2**n) complex128, index = integer outcome
    DensityMatrix(qubits)       (B, 2**k, 2**k) complex128, indexed as Probabilities
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qstore.circuit import Observable
from qstore.errors import OptionError

__all__ = [
    "Counts",
    "DensityMatrix",
    "Expectations",
    "Output",
    "Probabilities",
    "Samples",
    "StateVector",
    "Variance",
]


def _observables(given: Iterable[Observable] | Observable, what: str) -> tuple[Observable, ...]:
    found = (given,) if isinstance(given, Observable) or not isinstance(given, Iterable) else tuple(given)
    if not found or not all(isinstance(item, Observable) for item in found):
        raise OptionError(f"{what} needs observables such as [qs.Z(0), qs.X(0) @ qs.Z(1)], got {given!r}.")
    return found


def _qubits(given: Iterable[int] | int | None, what: str) -> tuple[int, ...] | None:
    if given is None:
        return None
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    if not found or len(set(found)) != len(found) or not all(map(_is_qubit, found)):
        raise OptionError(f"{what} needs different qubit numbers from 0 up, got {given!r}.")
    return tuple(int(q) for q in found)


def _is_qubit(given: object) -> bool:
    return isinstance(given, (int, np.integer)) and not isinstance(given, bool) and int(given) >= 0


@dataclass(frozen=True)
class _OfObservables:
    """Some numbers of Pauli sums. What a training loop asks for in every step is worked out once."""

    observables: tuple[Observable, ...]

    def __init__(self, observables: Iterable[Observable] | Observable) -> None:
        object.__setattr__(self, "observables", _observables(observables, type(self).__name__))

    @cached_property
    def n_qubits(self) -> int:
        """One more than the highest qubit that an observable acts on."""
        return max(observable.n_qubits for observable in self.observables)

    @cached_property
    def _hash(self) -> int:
        return hash((type(self).__name__, self.observables))

    def __hash__(self) -> int:
        return self._hash


class Expectations(_OfObservables):
    """Expectation values of Pauli sums; exact without shots, estimates with standard errors with them."""


class Variance(_OfObservables):
    """Variances <O**2> - <O>**2 of Pauli sums."""


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of the outcomes of some qubits, by default of all in their order."""

    qubits: tuple[int, ...] | None = None

    def __init__(self, qubits: Iterable[int] | int | None = None) -> None:
        object.__setattr__(self, "qubits", _qubits(qubits, "Probabilities"))


@dataclass(frozen=True)
class Counts:
    """How often each integer outcome of all qubits was measured; needs shots."""


@dataclass(frozen=True)
class Samples:
    """Every shot as a row of bits; needs shots."""


@dataclass(frozen=True)
class StateVector:
    """The amplitudes; exact, of circuits without noise, reset and measurement."""


@dataclass(frozen=True)
class DensityMatrix:
    """The reduced density matrix of some qubits, by default of all; exact."""

    qubits: tuple[int, ...] | None = None

    def __init__(self, qubits: Iterable[int] | int | None = None) -> None:
        object.__setattr__(self, "qubits", _qubits(qubits, "DensityMatrix"))


Output = Expectations | Variance | Probabilities | Counts | Samples | StateVector | DensityMatrix
OUTPUT_TYPES: tuple[type, ...] = (
    Expectations,
    Variance,
    Probabilities,
    Counts,
    Samples,
    StateVector,
    DensityMatrix,
)
NEEDS_SHOTS: tuple[type, ...] = (Counts, Samples)
EXACT_ONLY: tuple[type, ...] = (StateVector, DensityMatrix)
DIFFERENTIABLE: tuple[type, ...] = (Expectations, Variance, Probabilities, StateVector)
