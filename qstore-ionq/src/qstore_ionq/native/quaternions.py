# SPDX-License-Identifier: Apache-2.0
"""One-qubit unitaries as unit quaternions, axes as vectors, both plain tuples of floats.

The quaternion (w, x, y, z) stands for w - i (x X + y Y + z Z), so a product of quaternions is the product of the
unitaries, up to the global phase that SU(2) leaves out. Tuples beat small arrays here: a product takes one
microsecond. Not here: what the rotations mean for a circuit (`network`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

IDENTITY: Quaternion = (1.0, 0.0, 0.0, 0.0)
X_AXIS: Vector = (1.0, 0.0, 0.0)
Y_AXIS: Vector = (0.0, 1.0, 0.0)
Z_AXIS: Vector = (0.0, 0.0, 1.0)


def product(p: Quaternion, q: Quaternion) -> Quaternion:
    """The quaternion of U_p @ U_q: first q, then p."""
    a, b, c, d = p
    e, f, g, h = q
    return (
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    )


def rotation(axis: Vector, angle: float) -> Quaternion:
    """exp(-i angle/2 axis.sigma)."""
    s = math.sin(angle / 2)
    return (math.cos(angle / 2), s * axis[0], s * axis[1], s * axis[2])


def inverse(q: Quaternion) -> Quaternion:
    """The inverse unitary."""
    return (q[0], -q[1], -q[2], -q[3])


def normalised(q: Quaternion) -> Quaternion:
    """The unit quaternion next to q; keeps products of thousands exact."""
    r = 1 / math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    return (q[0] * r, q[1] * r, q[2] * r, q[3] * r)


def turned(q: Quaternion, v: Vector) -> Vector:
    """The vector R(U) v with U (v.sigma) U^-1 = (R(U) v).sigma."""
    w, x, y, z = q
    a, b, c = v
    # v + 2 u x (u x v + w v), u = (x, y, z)
    p, r, s = y * c - z * b + w * a, z * a - x * c + w * b, x * b - y * a + w * c
    return (a + 2 * (y * s - z * r), b + 2 * (z * p - x * s), c + 2 * (x * r - y * p))


def turned_back(q: Quaternion, v: Vector) -> Vector:
    """The vector R(U)^-1 v."""
    return turned((q[0], -q[1], -q[2], -q[3]), v)


def dot(a: Vector, b: Vector) -> float:
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """Vector product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def unit(v: Vector) -> Vector:
    """The unit vector along v, which is not zero."""
    r = 1 / math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    return (v[0] * r, v[1] * r, v[2] * r)


def norm(v: Vector) -> float:
    """Length."""
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


def orthogonal_to(v: Vector) -> Vector:
    """Some unit vector orthogonal to a unit vector."""
    smallest = min(range(3), key=lambda i: abs(v[i]))
    return unit(cross(v, (X_AXIS, Y_AXIS, Z_AXIS)[smallest]))


def matrix(q: Quaternion) -> NDArray[np.complex128]:
    """The 2 x 2 unitary."""
    w, x, y, z = q
    return np.array([[w - 1j * z, -y - 1j * x], [y - 1j * x, w + 1j * z]])


def from_matrix(u: NDArray[np.complex128]) -> Quaternion:
    """The quaternion of a 2 x 2 unitary, its global phase dropped."""
    root = np.sqrt(u[0, 0] * u[1, 1] - u[0, 1] * u[1, 0])
    a, b, c, d = (complex(entry / root) for entry in (u[0, 0], u[0, 1], u[1, 0], u[1, 1]))
    return normalised(((a + d).real / 2, -(b + c).imag / 2, (c - b).real / 2, (d - a).imag / 2))
