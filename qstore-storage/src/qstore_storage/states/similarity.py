# SPDX-License-Identifier: Apache-2.0
"""How alike two quantum states are: one number between 0 and 1, blind to the global phase.

Formula: Tr(rho sigma) / sqrt(Tr(rho^2) Tr(sigma^2)), the cosine between two density matrices in the Hilbert-Schmidt inner
product. For two pure states it is the fidelity |<a|b>|^2; for a pure and a mixed one <a|rho|a> / sqrt(Tr rho^2). It is 1
exactly for equal states and 0 for states of orthogonal support. Between two mixed states it is not Uhlmann's fidelity,
which has no inner product and therefore no index.

Norms are divided out, so that a state that is normalised up to rounding has a similarity of 1 with itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.errors import OptionError

__all__ = ["hilbert_schmidt_vector", "similarities", "similarity"]


def similarity(first: ArrayLike, second: ArrayLike) -> float:
    """The similarity of two states of as many qubits, pure or mixed.

    Shapes:  each (2^n,) or (2^n, 2^n).
    Error:   rounding of complex128, below 1e-12.

    Example:
        >>> similarity([1, 0], [0.6, 0.8j])
        0.36
        >>> similarity([1, 0], [[0.5, 0], [0, 0.5]])  # the maximally mixed state, of purity 1/2
        0.707106781187
    """
    a, b = np.asarray(first, np.complex128), np.asarray(second, np.complex128)
    if a.shape[:1] != b.shape[:1] or not {a.ndim, b.ndim} <= {1, 2}:
        raise OptionError(
            f"Only states of as many qubits are compared, got the shapes {a.shape} and {b.shape}."
        )
    return round(float(similarities(a, b[None])[0]), 12)


def similarities(query: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float64]:
    """The similarity of one state with each of many.

    A row's value does not depend on the rows beside it, to the last bit, so that equal states tie exactly.

    Shapes:  query (d,) or (d, d); rows (N, d) or (N, d, d); the result (N,), within [0, 1].
    """
    query, rows = query.astype(np.complex128), rows.astype(np.complex128)
    mixed_query, mixed_rows = query.ndim == 2, rows.ndim == 3
    axes = tuple(range(1, rows.ndim))
    if mixed_rows == mixed_query:
        overlaps = (rows.conj() * query).sum(axis=axes)
        values = overlaps.real if mixed_query else np.abs(overlaps) ** 2
    elif mixed_rows:
        values = (np.matmul(rows, query) * query.conj()).sum(axis=1).real
    else:
        # Row by row: one product for all would round each row by where it stands.
        values = np.array([np.vdot(row, query @ row).real for row in rows], dtype=np.float64)
    scale = _size(query[None], mixed_query)[0] * _size(rows, mixed_rows)
    return np.clip(np.asarray(values / scale, np.float64), 0.0, 1.0)


def hilbert_schmidt_vector(state: NDArray[Any]) -> NDArray[np.float64]:
    """A state as a real unit vector whose dot products are similarities.

    The diagonal, then sqrt(2) times the real and the imaginary parts above it; a pure state stands for |a><a|.

    Shapes:  (d,) or (d, d) to (d*d,).

    Example:
        >>> a, b = np.array([1, 0]), np.array([0.6, 0.8j])
        >>> round(float(hilbert_schmidt_vector(a) @ hilbert_schmidt_vector(b)), 12)
        0.36
    """
    matrix = state.astype(np.complex128)
    if matrix.ndim == 1:
        matrix = np.outer(matrix, matrix.conj())
    upper = matrix[np.triu_indices(len(matrix), 1)] * np.sqrt(2.0)
    vector = np.concatenate((np.diagonal(matrix).real, upper.real, upper.imag))
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def _size(rows: NDArray[Any], mixed: bool) -> NDArray[np.float64]:
    """The Hilbert-Schmidt norm of each row's density matrix, (N,): sqrt(Tr rho^2), and <a|a> for a pure state."""
    flat = rows.reshape(len(rows), -1)
    squares = np.asarray((flat.real**2 + flat.imag**2).sum(axis=1), np.float64)
    return np.sqrt(squares) if mixed else squares
