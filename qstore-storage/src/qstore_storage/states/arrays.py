# SPDX-License-Identifier: Apache-2.0
"""Arrays that are quantum states: what is taken, what is refused, and before how much memory is touched.

Pure: amplitudes (2^n,), of norm 1. Mixed: a density matrix (2^n, 2^n), Hermitian, positive, of trace 1. The index is the
integer outcome; qubit 0 is its least significant bit. An array in single precision is kept in single precision
(complex64), any other in double (complex128); within the tolerance it is kept exactly as it was given.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError

__all__ = ["MAX_QUBITS", "State", "checked_state"]

MAX_QUBITS = 16
"""2^16 amplitudes of complex128 are a megabyte; a database of more is no longer searched in memory."""

_TOLERANCES = {np.dtype(np.complex64): 1e-4, np.dtype(np.complex128): 1e-6}
"""How far norm, trace, Hermitian part and eigenvalues may be off: rounding of a deep circuit, not a mistake."""
_SINGLE = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.complex64))


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A checked state.

    Attributes:
        array: (2^n,) or (2^n, 2^n), complex64 or complex128, read-only, C order.
        n_qubits: n.
        mixed: whether it is a density matrix.
    """

    array: NDArray[Any]
    n_qubits: int
    mixed: bool


def checked_state(
    given: Any, *, max_qubits: int = MAX_QUBITS, normalize: bool = False, what: str = "The state"
) -> State:
    """Check an array and copy it.

    Args:
        given: an array, or anything that NumPy makes one of (a torch tensor on the CPU that needs no gradient).
        max_qubits: most qubits of a pure state; a density matrix may have half as many.
        normalize: divide by the norm or the trace instead of refusing another one than 1.
        what: what it is, for messages.

    Raises:
        OptionError: no numbers, another length than 2^n, too large, NaN or infinity, not normalised, not Hermitian,
            or a negative probability in some basis.

    Example:
        >>> checked_state([1, 1j], normalize=True).array
        array([0.70710678+0.j        , 0.        +0.70710678j])
    """
    limit = 1 << max_qubits
    shape = getattr(given, "shape", None)
    # Before NumPy copies a list or fetches a lazy array: its own account of how long it is.
    if not isinstance(shape, tuple):
        shape = (len(given),) if isinstance(given, Sized) else ()
    length = shape[0] if shape else 0
    if length > limit:
        raise OptionError(
            f"{what} has {length} entries along its first axis, this database takes at most {limit} ({max_qubits} qubits): "
            "open it with a larger max_qubits."
        )
    array = _numbers(given, what)
    n_qubits = _qubits(array, max_qubits, what)
    if not np.isfinite(array).all():
        raise OptionError(f"{what} has entries that are NaN or infinite.")
    array = (_density_matrix if array.ndim == 2 else _amplitudes)(array, normalize, what)
    array.setflags(write=False)
    return State(array, n_qubits, array.ndim == 2)


def _numbers(given: Any, what: str) -> NDArray[Any]:
    if type(given) is not np.ndarray and isinstance(given, np.ma.MaskedArray):
        raise OptionError(f"{what} is a masked array; what is behind its mask is no amplitude.")
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError, RecursionError) as exc:
        raise OptionError(f"{what} cannot be read as an array: {exc}") from exc
    if array.dtype.kind not in "iufc" or array.dtype.itemsize > np.dtype(np.complex128).itemsize:
        raise OptionError(f"{what} is an array of numbers up to complex128, got {array.dtype}.")
    if array.dtype == np.longdouble and array.dtype != np.float64:
        raise OptionError(f"{what} is an array of numbers up to complex128, got {array.dtype}.")
    return np.array(array, dtype=np.complex64 if array.dtype in _SINGLE else np.complex128, order="C")


def _qubits(array: NDArray[Any], max_qubits: int, what: str) -> int:
    n_qubits = max(0, array.shape[0].bit_length() - 1) if array.ndim else 0
    size = 1 << n_qubits
    if n_qubits < 1 or array.shape not in ((size,), (size, size)):
        raise OptionError(
            f"{what} has shape {array.shape}; amplitudes have (2**n,) and a density matrix has (2**n, 2**n), with n >= 1."
        )
    if array.ndim == 2 and n_qubits > max_qubits // 2:
        raise OptionError(
            f"{what} is a density matrix of {n_qubits} qubits, this database takes at most {max_qubits // 2}, half of its "
            f"max_qubits={max_qubits}."
        )
    return n_qubits


def _amplitudes(array: NDArray[Any], normalize: bool, what: str) -> NDArray[Any]:
    norm = float(np.linalg.norm(array.astype(np.complex128)))
    return _scaled(array, norm, normalize, what, "norm")


def _density_matrix(array: NDArray[Any], normalize: bool, what: str) -> NDArray[Any]:
    tolerance = _TOLERANCES[array.dtype]
    wide = array.astype(np.complex128)
    scale = max(float(np.abs(wide).max()), np.finfo(float).tiny)
    if float(np.abs(wide - wide.conj().T).max()) > tolerance * scale:
        raise OptionError(f"{what} is a matrix that is not Hermitian, so no density matrix.")
    trace = float(np.trace(wide).real)
    scaled = _scaled(array, trace, normalize, what, "trace")
    # Positive up to rounding: then, and only then, this factors. An eigenvalue decomposition takes ten times as long.
    shifted = wide / trace + tolerance * np.eye(len(wide))
    try:
        np.linalg.cholesky((shifted + shifted.conj().T) / 2)
    except np.linalg.LinAlgError as exc:
        raise OptionError(f"{what} is a matrix with a negative eigenvalue, so no density matrix.") from exc
    return scaled


def _scaled(array: NDArray[Any], size: float, normalize: bool, what: str, measure: str) -> NDArray[Any]:
    if normalize:
        if not np.finfo(float).tiny < size < np.finfo(float).max:
            raise OptionError(f"{what} has the {measure} {size:g} and cannot be normalised.")
        return (array.astype(np.complex128) / size).astype(array.dtype)
    if abs(size - 1) > _TOLERANCES[array.dtype]:
        raise OptionError(
            f"{what} has the {measure} {size:.9g}, not 1: divide by it, or pass normalize=True to have that done."
        )
    return array
