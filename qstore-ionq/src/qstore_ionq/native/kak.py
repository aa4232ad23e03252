# SPDX-License-Identifier: Apache-2.0
"""Two-qubit unitaries as locals around three commuting rotations (Cartan's KAK decomposition).

U ~ (A1 x B1) exp(i (a XX + b YY + c ZZ)) (A2 x B2) up to the global phase; the number of coordinates that are no
multiple of pi/2 is the number of entanglers that U needs. In the magic basis locals are real orthogonal matrices and
the middle is diagonal, so one real eigenproblem of a symmetric unitary finds them (Tucci, arXiv:quant-ph/0507171).

Matrices are kron(first, second): the first qubit is the MORE significant bit here, unlike in the gate table.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_ionq.native.quaternions import Quaternion, Vector, from_matrix

Matrix = NDArray[np.complex128]

MAGIC = np.array([[1, 0, 0, 1j], [0, 1j, 1, 0], [0, 1j, -1, 0], [1, 0, 0, -1j]]) / math.sqrt(2)
MAGIC_DAGGER = MAGIC.conj().T
_PAULI = {
    "x": np.array([[0, 1], [1, 0]], dtype=complex),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.diag([1, -1]).astype(complex),
}
_BASIS = np.stack([_PAULI["x"], _PAULI["y"], _PAULI["z"]])
# What XX, YY and ZZ are in the magic basis: diagonal.
_SIGNS = np.stack(
    [np.real(np.diag(MAGIC_DAGGER @ np.kron(p, p) @ MAGIC)) for p in _BASIS] + [np.ones(4)], axis=1
)
_TOLERANCE = 1e-12
_MIXES = (0.7853, 0.3, 1.2, 0.05, 1.5, 0.9)


class Canonical(NamedTuple):
    """A two-qubit unitary: first `before`, then the rotations, then `after`; each local as a quaternion."""

    before: tuple[Quaternion, Quaternion]
    angles: tuple[float, float, float]  # theta of exp(-i theta/2 PP) for P = X, Y, Z
    after: tuple[Quaternion, Quaternion]


def rotation_matrix(first: Vector, second: Vector, angle: float) -> Matrix:
    """exp(-i angle/2 (first.sigma x second.sigma)), 4 x 4."""
    c, s = math.cos(angle / 2), -1j * math.sin(angle / 2)
    x, y, z = first
    up, down, level = s * complex(x, -y), s * complex(x, y), s * z  # -i sin times the entries of first.sigma
    x, y, z = second
    right, left = complex(x, -y), complex(x, y)
    return np.array(
        [
            [c + level * z, level * right, up * z, up * right],
            [level * left, c - level * z, up * left, -up * z],
            [down * z, down * right, c - level * z, -level * right],
            [down * left, -down * z, -level * left, c + level * z],
        ]
    )


def product_of(rotations: list[tuple[Vector, Vector, float]]) -> Matrix:
    """The product of rotations, the first in the list applied first."""
    result: Matrix = reduce(
        lambda done, each: rotation_matrix(*each) @ done, rotations, np.eye(4, dtype=complex)
    )
    return result


def canonical(u: Matrix) -> Canonical:
    """Decompose a 4 x 4 unitary."""
    u = u / np.linalg.det(u) ** 0.25
    m = MAGIC_DAGGER @ u @ MAGIC
    symmetric = m.T @ m
    orthogonal = _eigenvectors(symmetric)
    if np.linalg.det(orthogonal) < 0:
        orthogonal[:, 0] = -orthogonal[:, 0]
    phases = np.angle(np.diag(orthogonal.T @ symmetric @ orthogonal)) / 2
    left = m @ orthogonal * np.exp(-1j * phases)
    if np.linalg.det(left).real < 0:
        phases[0] += math.pi
        left[:, 0] = -left[:, 0]
    coordinates = _SIGNS.T @ phases / 4  # phases = a XX + b YY + c ZZ + d
    after = factors(np.asarray(MAGIC @ left.real @ MAGIC_DAGGER, dtype=complex))
    before = factors(np.asarray(MAGIC @ orthogonal.T @ MAGIC_DAGGER, dtype=complex))
    a, b, c = (-2 * float(x) for x in coordinates[:3])
    return Canonical(before, (a, b, c), after)


def _eigenvectors(symmetric: Matrix) -> NDArray[np.float64]:
    """Real orthogonal P such that P^T S P is diagonal, for a symmetric unitary S.

    Real and imaginary parts commute; one mixture of them may have degenerate eigenvalues that another splits.
    """
    best, error = np.eye(4), math.inf
    for angle in _MIXES:
        _, vectors = np.linalg.eigh(math.cos(angle) * symmetric.real + math.sin(angle) * symmetric.imag)
        rest = vectors.T @ symmetric @ vectors
        rest.flat[::5] = 0
        found = float(np.abs(rest).max())
        if found < error:
            best, error = vectors, found
        if error < _TOLERANCE:
            break
    return np.array(best)


def factors(u: Matrix) -> tuple[Quaternion, Quaternion]:
    """A and B with kron(A, B) = U up to the global phase, for a product of one-qubit gates."""
    blocks = u.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)
    i, j = divmod(int(np.argmax(np.abs(blocks).sum(axis=(2, 3)))), 2)
    second = blocks[i, j] / np.sqrt(np.linalg.det(blocks[i, j]))
    first = np.einsum("abcd,cd->ab", blocks, second.conj()) / 2
    return from_matrix(first), from_matrix(second)
