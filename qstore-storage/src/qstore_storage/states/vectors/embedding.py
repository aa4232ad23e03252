# SPDX-License-Identifier: Apache-2.0
"""States as real unit vectors in single precision, for indexes that know nothing but dot products.

Pure states only (`mixed=False`): the vector is [Re a, Im a], of 2^(n+1) numbers. A dot product with it is Re<q|a>, which
depends on the global phase. Therefore m rotated queries e^{2 pi i k/m} q are asked: the phase of <q|a> is within pi/m of one
of them, whose dot product is then at least cos(pi/m) |<q|a>|. With m = 8 that is 0.924 of the amplitude.

Pure and mixed states (`mixed=True`): the vector is `hilbert_schmidt_vector`, of 4^n numbers. Its dot products are the
similarities themselves, so one query is enough.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qstore.errors import CapabilityError
from qstore_storage.states.arrays import State
from qstore_storage.states.similarity import hilbert_schmidt_vector

__all__ = ["PHASES", "Embedding"]

PHASES = 8
_ROUNDOFF = 2.0**-24


class Embedding:
    """One of the two embeddings.

    Args:
        mixed: whether density matrices can be embedded as well.
    """

    def __init__(self, mixed: bool) -> None:
        self.mixed = bool(mixed)

    def dimension(self, n_qubits: int) -> int:
        """How many numbers a vector has.

        Example:
            >>> Embedding(mixed=False).dimension(8), Embedding(mixed=True).dimension(4)
            (512, 256)
        """
        return 4**n_qubits if self.mixed else 2 << n_qubits

    def n_qubits(self, dimension: int) -> int | None:
        """Of how many qubits the states are whose vectors have so many numbers; None if there are none."""
        return next((n for n in range(1, 32) if self.dimension(n) == dimension), None)

    def vector(self, state: State) -> NDArray[np.float32]:
        """A state's vector, (dimension,), of norm 1.

        Raises:
            CapabilityError: a density matrix, where only pure states are embedded.
        """
        if self.mixed:
            return hilbert_schmidt_vector(state.array).astype(np.float32)
        return self._pure(state).astype(np.float32)

    def queries(self, state: State) -> NDArray[np.float32]:
        """The vectors to ask with, (m, dimension).

        Raises:
            CapabilityError: as in `vector`.
        """
        if self.mixed:
            return self.vector(state)[None]
        vector = self._pure(state)
        half = len(vector) // 2
        amplitudes = vector[:half] + 1j * vector[half:]
        turned = np.exp(2j * np.pi * np.arange(PHASES) / PHASES)[:, None] * amplitudes
        return np.concatenate((turned.real, turned.imag), axis=1).astype(np.float32)

    def bound(self, score: float, n_qubits: int) -> float:
        """The highest similarity of a state whose best dot product, over all queries, is at most `score`.

        The dot products are computed by somebody else in single precision: four times the worst rounding is allowed for.
        """
        reached = score + 4 * (self.dimension(n_qubits) + 16) * _ROUNDOFF
        if self.mixed:
            return reached
        return (max(0.0, reached) / math.cos(math.pi / PHASES)) ** 2

    def _pure(self, state: State) -> NDArray[np.float64]:
        if state.mixed:
            raise CapabilityError(
                "This index was opened for pure states; open one with mixed=True, which embeds density matrices too."
            )
        amplitudes = state.array.astype(np.complex128)
        amplitudes /= np.linalg.norm(amplitudes)
        return np.concatenate((amplitudes.real, amplitudes.imag))
