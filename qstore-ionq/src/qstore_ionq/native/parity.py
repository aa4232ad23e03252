# SPDX-License-Identifier: Apache-2.0
"""Two-qubit rotations about equatorial axes on both wires: what pairs of them reach, and what they split off.

exp(-i t/2 n(phi).sigma x n(chi).sigma) with n(a) = (cos a, sin a, 0) keeps the parity of the two bits. On the even
subspace (00, 11) it is the SU(2) rotation by t about n(phi + chi), on the odd one (01, 10) by t about n(phi - chi); a Z
rotation of a wire is a Z rotation of both. So a pair of such rotations is a pair of SU(2) problems with common angles.

Two facts, both used to save pulses (`blocks`):
* any such product needs just two rotations, and the azimuths of the first may be chosen at will;
* a unitary that needs three entanglers is, up to locals after it, one rotation after such a pair (found by Newton's
  method in the four numbers that a pair has up to Z rotations; three entanglers have six numbers to spare, so solutions
  abound).
Not here: which axes are worth having (`blocks`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.synthesis import MAGIC
from qstore_ionq.native.kak import Matrix
from qstore_ionq.native.quaternions import Z_AXIS, Quaternion, inverse, product, rotation, turned, turned_back

_YY = np.array([[0, 0, 0, -1], [0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0]], dtype=complex)
_UPPER = np.triu_indices(4, 1)
_STEP = 1e-6
_SHIFTS = np.vstack([np.zeros(4), _STEP * np.eye(4)])
_SOLVED = 1e-27
_TRIES, _ITERATIONS = 6, 20


class Pair(NamedTuple):
    """Two equatorial rotations, then Z rotations by `rests` of the two wires."""

    angles: tuple[float, float]
    azimuths: tuple[tuple[float, float], tuple[float, float]]  # of each rotation, on each wire
    rests: tuple[float, float]


def pair_of(even: Quaternion, odd: Quaternion, phi: float, chi: float) -> Pair:
    """The parity-preserving unitary with these rotations, as two rotations, the first at azimuths phi and chi.

    Where z comes from under each block, v, must be turned by the first rotation to the height cos(second angle) in both.
    """
    outer = (phi + chi, phi - chi)
    (x, y, z), (x_, y_, z_) = turned_back(even, Z_AXIS), turned_back(odd, Z_AXIS)
    c, s, c_, s_ = math.cos(outer[0]), math.sin(outer[0]), math.cos(outer[1]), math.sin(outer[1])
    first = math.atan2(z_ - z, (c * y - s * x) - (c_ * y_ - s_ * x_))
    if abs(first) > math.pi / 2:
        first -= math.copysign(math.pi, first)
    starts = [rotation((math.cos(a), math.sin(a), 0.0), first) for a in outer]
    turned_ = [turned(starts[0], (x, y, z)), turned(starts[1], (x_, y_, z_))]
    second = math.atan2(
        (math.hypot(*turned_[0][:2]) + math.hypot(*turned_[1][:2])) / 2, (turned_[0][2] + turned_[1][2]) / 2
    )
    azimuths, rests = [], []
    for whole, start, v in zip((even, odd), starts, turned_, strict=True):
        azimuth = math.atan2(-v[0], v[1])
        done = product(rotation((math.cos(azimuth), math.sin(azimuth), 0.0), second), start)
        rest = product(whole, inverse(done))  # a Z rotation
        azimuths.append(azimuth)
        rests.append(2 * math.atan2(rest[3], rest[0]))
    last = (azimuths[0] + azimuths[1]) / 2, (azimuths[0] - azimuths[1]) / 2
    return Pair((first, second), ((phi, chi), last), ((rests[0] + rests[1]) / 2, (rests[0] - rests[1]) / 2))


def split_off(u: Matrix) -> tuple[Quaternion, Quaternion, Matrix] | None:
    """A parity-preserving unitary s with U s^-1 local but for one entangler: its even and odd rotation, and U s^-1.

    With m the matrix in the magic basis, one entangler means that the real part of m^T m is a multiple of the identity.
    """
    u = u / np.linalg.det(u) ** 0.25
    middle = u.T @ _YY @ u
    random = np.random.default_rng(7)
    for turn in (1.0, 1j):  # the fourth root of the determinant has branches that differ in what is real
        for _ in range(_TRIES):
            found = _newton(turn * middle, random.normal(scale=1.2, size=4))
            if found is not None:
                s = _matrices(found[None])[0]
                return _quaternion(found[:2]), _quaternion(found[2:]), u @ s.conj().T
    return None


def _newton(middle: Matrix, start: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """A damped Gauss-Newton iteration (Levenberg-Marquardt)."""
    at, damping = start, 1e-2
    residuals = _residuals(middle, at + _SHIFTS)
    size = float(residuals[0] @ residuals[0])
    for _ in range(_ITERATIONS):
        slope = (residuals[1:] - residuals[0]) / _STEP
        normal = slope @ slope.T
        normal.flat[::5] += damping
        trial = at - np.linalg.solve(normal, slope @ residuals[0])
        there = _residuals(middle, trial + _SHIFTS)
        new_size = float(there[0] @ there[0])
        if new_size < size:
            at, residuals, size, damping = trial, there, new_size, max(damping * 0.1, 1e-15)
            if size < _SOLVED:
                return at
        else:
            damping *= 10
            if damping > 1e3:
                break
    return None


def _residuals(middle: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = _matrices(points).conj().transpose(0, 2, 1) @ MAGIC
    gram = (inner.transpose(0, 2, 1) @ middle @ inner).real
    diagonal = gram[:, range(4), range(4)]
    return np.concatenate(
        [diagonal - diagonal.mean(axis=1, keepdims=True), gram[:, _UPPER[0], _UPPER[1]]], axis=1
    )


def _matrices(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    """exp(-i/2 (p0 X + p1 Y)) on the even and exp(-i/2 (p2 X + p3 Y)) on the odd subspace, for each row."""
    result = np.zeros((len(points), 4, 4), dtype=complex)
    for column, (i, j) in ((0, (0, 3)), (2, (1, 2))):
        a = points[:, column] + 1j * points[:, column + 1]
        half = np.abs(a) / 2
        cos, sin = np.cos(half), -0.5j * np.sinc(half / np.pi)
        result[:, i, i] = result[:, j, j] = cos
        result[:, i, j] = sin * a.conj()
        result[:, j, i] = sin * a
    return result


def _quaternion(p: NDArray[np.float64]) -> Quaternion:
    length = math.hypot(p[0], p[1])
    return (
        rotation((float(p[0]) / length, float(p[1]) / length, 0.0), length)
        if length
        else (1.0, 0.0, 0.0, 0.0)
    )
