# SPDX-License-Identifier: Apache-2.0
"""The GF(2) frame: why CX, X and SWAP cost nothing.

These gates only permute basis states, by an affine map over GF(2). The amplitudes stay where they are; the frame
remembers what the *physical* row index i of an amplitude means: bit q of the logical outcome is
`parity(i & rows[q]) ^ signs[q]`, and flipping logical qubit q moves an amplitude from row i to row `i ^ columns[q]`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pauli(NamedTuple):
    """i**phase X**x Z**z (Z acts first), a Hermitian Pauli string on physical row indices."""

    x: int
    z: int
    phase: int


class Frame:
    """The map between physical row indices and logical outcomes, at one place of a circuit."""

    def __init__(self, n_qubits: int) -> None:
        self.columns = [1 << q for q in range(n_qubits)]
        self.rows = [1 << q for q in range(n_qubits)]
        self.signs = [0] * n_qubits

    def flip(self, qubit: int) -> None:
        """Apply X."""
        self.signs[qubit] ^= 1

    def cx(self, control: int, target: int) -> None:
        """Apply CX."""
        self.rows[target] ^= self.rows[control]
        self.signs[target] ^= self.signs[control]
        self.columns[control] ^= self.columns[target]

    def swap(self, a: int, b: int) -> None:
        """Apply SWAP."""
        for table in (self.columns, self.rows, self.signs):
            table[a], table[b] = table[b], table[a]

    def pauli(self, letters: str, qubits: tuple[int, ...]) -> Pauli:
        """The physical form of a logical Pauli string, one letter per qubit."""
        x = z = phase = 0
        for letter, q in zip(letters, qubits, strict=True):
            if letter != "Z":
                x ^= self.columns[q]
            if letter != "X":
                z ^= self.rows[q]
                phase += 2 * self.signs[q]
            phase += letter == "Y"
        return Pauli(x, z, phase % 4)

    def logical_index_tables(self) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """(h, low, high) with logical(i) = low[i & (2**h - 1)] ^ high[i >> h] for every physical row i."""
        n = len(self.rows)
        images = [sum((self.rows[q] >> bit & 1) << q for q in range(n)) for bit in range(n)]
        half = (n + 1) // 2
        offset = sum(sign << q for q, sign in enumerate(self.signs))
        return half, _span(images[:half], offset), _span(images[half:], 0)


def _span(vectors: list[int], offset: int) -> NDArray[np.int64]:
    table = np.array([offset], dtype=np.int64)
    for vector in vectors:
        table = np.concatenate([table, table ^ vector])
    return table
