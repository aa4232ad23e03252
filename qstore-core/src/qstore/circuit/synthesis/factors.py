# SPDX-License-Identifier: Apache-2.0
"""Unitary matrices as products of simpler ones, to rounding also where eigenvalues coincide.

numpy's eigenvectors of a matrix that is not Hermitian are not orthogonal where eigenvalues coincide, so everything
here is done with Hermitian matrices, singular values and QR.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAGIC", "Matrix", "canonical_factors", "cosine_sine", "demultiplexed", "tensor_factors"]

Matrix = NDArray[np.complex128]
Array = NDArray[np.float64]

MAGIC = np.array([[1, 0, 0, 1j], [0, 1j, 1, 0], [0, 1j, -1, 0], [1, 0, 0, -1j]]) / math.sqrt(2)
"""In this basis products of one-qubit gates are real, and XX, YY and ZZ are diagonal."""
_PAULIS = tuple(
    np.array(rows, dtype=complex) for rows in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])
)
_SIGNS = np.array([np.diag(MAGIC.conj().T @ np.kron(pauli, pauli) @ MAGIC).real for pauli in _PAULIS])
_DIRECTIONS = (0.7, 2.1, 1.3, 0.2, 2.9)
"""Mixtures of two commuting matrices in which their different eigenvalues stay different, one or the other."""
_HALF = 0.5
_ROUNDING = 1e-13
"""What is left beside the diagonal where nothing but rounding is left."""


def canonical_factors(matrix: Matrix) -> tuple[tuple[Matrix, Matrix], list[float], tuple[Matrix, Matrix]]:
    """(one-qubit gates before, angles of RXX, RYY and RZZ in [-pi/2, pi/2], one-qubit gates behind).

    The gates are pairs, for the first (least significant) qubit and the second; their global phases are arbitrary.
    """
    # Within the magic basis U = K D P^T with K and P real, so U^T U = P D^2 P^T: two commuting real matrices.
    unitary = MAGIC.conj().T @ matrix @ MAGIC
    unitary = unitary * np.exp(-0.25j * np.angle(np.linalg.det(unitary)))
    squared = unitary.T @ unitary
    basis = _common_basis(squared.real, squared.imag)
    if np.linalg.det(basis) < 0:
        basis[:, 0] = -basis[:, 0]
    phases = np.angle(np.einsum("ji,jk,ki->i", basis, squared, basis)) / 2
    rotated = unitary @ basis @ np.diag(np.exp(-1j * phases))
    if np.linalg.det(rotated).real < 0:
        phases[0] += math.pi
        rotated[:, 0] = -rotated[:, 0]
    behind = tensor_factors(MAGIC @ rotated.real @ MAGIC.conj().T)
    before = tensor_factors(MAGIC @ basis.T @ MAGIC.conj().T)
    angles = []
    for coordinate, pauli in zip(_SIGNS @ phases / 4, _PAULIS, strict=True):
        quarters = round(coordinate / (math.pi / 2))
        angles.append(-2 * (float(coordinate) - quarters * math.pi / 2))
        if quarters % 2:  # exp(i pi/2 PP) is PP
            behind = (behind[0] @ pauli, behind[1] @ pauli)
    return before, angles, behind


def cosine_sine(matrix: Matrix) -> tuple[tuple[Matrix, Matrix], Array, tuple[Matrix, Matrix]]:
    """(L0, L1), t, (R0, R1) with matrix = diag(L0, L1) @ [[cos t/2, -sin t/2], [sin t/2, cos t/2]] @ diag(R0, R1).

    The singular values of one corner alone give the sines where they are large, those of the other the rest
    (Van Loan, "Computing the CS and the generalized singular value decompositions", Numer. Math. 46, 479 (1985)).
    """
    size = len(matrix) // 2
    top, bottom = matrix[:size, :size], matrix[size:, :size]
    left0: Matrix
    right0: Matrix
    left0, cosines, right0 = np.linalg.svd(top)
    turned = bottom @ right0.conj().T  # its columns are orthogonal; their lengths are the sines, rising
    sines = np.linalg.norm(turned, axis=0)
    number = int(np.count_nonzero(sines > _HALF))
    small, large = slice(0, size - number), slice(size - number, size)
    left1 = np.eye(size, dtype=complex)
    if number:
        full, triangle = np.linalg.qr(turned[:, large], mode="complete")
        left1 = full
        left1[:, :number] *= _unit(np.diagonal(triangle))
    if number < size:
        inner, values, mix = np.linalg.svd(left1[:, number:].conj().T @ turned[:, small])
        right0[small] = mix @ right0[small]
        q, triangle = np.linalg.qr(top @ right0[small].conj().T)
        left0[:, small] = q * _unit(np.diagonal(triangle))
        cosines[small] = np.abs(np.diagonal(triangle))
        sines[small] = values
        left1 = np.concatenate((left1[:, number:] @ inner, left1[:, :number]), axis=1)
    right1 = cosines[:, None] * (left1.conj().T @ matrix[size:, size:])
    right1 -= sines[:, None] * (left0.conj().T @ matrix[:size, size:])
    return (left0, left1), 2 * np.arctan2(sines, cosines), (right0, right1)


def demultiplexed(zero: Matrix, one: Matrix) -> tuple[Matrix, Array, Matrix]:
    """V, t, W with zero = V exp(-i t/2) W and one = V exp(i t/2) W."""
    product = zero @ one.conj().T
    basis = _common_basis((product + product.conj().T) / 2, (product - product.conj().T) / 2j)
    phases = np.angle(np.einsum("ji,jk,ki->i", basis.conj(), product, basis)) / 2
    return basis, -2 * phases, np.exp(1j * phases)[:, None] * (basis.conj().T @ one)


def _common_basis(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Orthonormal eigenvectors, as columns, of two Hermitian matrices that commute."""
    best, error = first, math.inf
    for direction in _DIRECTIONS:
        _, basis = np.linalg.eigh(math.cos(direction) * first + math.sin(direction) * second)
        rest = 0.0
        for matrix in (first, second):
            inside = basis.conj().T @ matrix @ basis
            rest = max(rest, float(np.abs(inside - np.diag(np.diagonal(inside))).max()))
        if rest < error:
            best, error = basis, rest
        if error < _ROUNDING:
            break
    return best


def tensor_factors(product: Matrix) -> tuple[Matrix, Matrix]:
    """The factor on the first qubit and the one on the second of a matrix that has them."""
    pairs = product.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    left, values, right = np.linalg.svd(pairs)
    scale = math.sqrt(values[0])
    on_first = np.asarray(scale * right[0].reshape(2, 2), dtype=complex)
    on_second = np.asarray(scale * left[:, 0].reshape(2, 2), dtype=complex)
    return on_first, on_second


def _unit(values: Matrix) -> Matrix:
    return values / np.abs(values)
