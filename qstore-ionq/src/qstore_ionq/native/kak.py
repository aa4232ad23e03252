# SPDX-License-Identifier: Apache-2.0
"""Two-qubit unitaries as 4 x 4 matrices: products of rotations, and back to locals around three commuting rotations.

By Cartan's decomposition U ~ (A1 x B1) exp(-i/2 (a XX + b YY + c ZZ)) (A2 x B2) up to the global phase; the number of
angles that are no multiple of pi is the number of entanglers that U needs.

Matrices are kron(first, second): the first qubit is the MORE significant bit here, unlike in the gate table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.synthesis import canonical_factors, tensor_factors
from qstore_ionq.native.quaternions import Quaternion, Vector, from_matrix

Matrix = NDArray[np.complex128]


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


def product_of(axes: Sequence[tuple[Vector, Vector]], angles: Sequence[float]) -> Matrix:
    """The product of rotations, the first in the list applied first."""
    result: Matrix = np.eye(4, dtype=complex)
    for (first, second), angle in zip(axes, angles, strict=True):
        result = rotation_matrix(first, second, angle) @ result
    return result


def canonical(u: Matrix) -> Canonical:
    """Decompose a 4 x 4 unitary."""
    before, (a, b, c), after = canonical_factors(u)  # its first qubit is the less significant one
    return Canonical(
        (from_matrix(before[1]), from_matrix(before[0])),
        (a, b, c),
        (from_matrix(after[1]), from_matrix(after[0])),
    )


def factors(u: Matrix) -> tuple[Quaternion, Quaternion]:
    """A and B with kron(A, B) next to U, up to the global phase."""
    second, first = tensor_factors(u)
    return from_matrix(first), from_matrix(second)
