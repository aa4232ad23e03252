# SPDX-License-Identifier: Apache-2.0
"""Checks of what the circuit builder is given: qubits, classical bits, matrices, amplitudes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from qstore.errors import CircuitError

__all__ = [
    "MAX_BITS",
    "TOLERANCE",
    "as_tuple",
    "checked_bit",
    "checked_kraus",
    "checked_qubits",
    "checked_state",
    "checked_unitary",
]

MAX_BITS = 4096
TOLERANCE = 1e-8
"""How far constants may be from unitary or normalised: what eight printed digits lose."""


def checked_qubits(what: str, qubits: int | Sequence[int], number: int, n_qubits: int) -> tuple[int, ...]:
    """`number` different qubits of a circuit of `n_qubits`.

    Raises:
        CircuitError: another number of them, one that the circuit does not have, or one twice.
    """
    given = as_tuple(qubits)
    if len(given) != number:
        raise CircuitError(f"{what!r} takes {number} qubit(s), got {len(given)}: {given!r}.")
    for qubit in given:
        whole = isinstance(qubit, (int, np.integer)) and not isinstance(qubit, bool)
        if not whole or not 0 <= qubit < n_qubits:
            raise CircuitError(
                f"{what!r} on qubit {qubit!r}: this circuit has the qubits 0 to {n_qubits - 1}."
            )
    if len(set(given)) != number:
        raise CircuitError(f"{what!r} needs different qubits, got {given!r}.")
    return tuple(int(qubit) for qubit in given)


def as_tuple(qubits: int | Sequence[int]) -> tuple[int, ...]:
    """One qubit or several as a tuple, unchecked."""
    if isinstance(qubits, (int, np.integer)):
        return (int(qubits),) if not isinstance(qubits, bool) else (qubits,)
    try:
        return tuple(qubits)
    except TypeError:
        raise CircuitError(f"Qubits are an integer or a sequence of integers, got {qubits!r}.") from None


def checked_bit(bit: int) -> int:
    """The number of a classical bit, at most 4095."""
    if isinstance(bit, bool) or not isinstance(bit, (int, np.integer)) or not 0 <= bit < MAX_BITS:
        raise CircuitError(f"A classical bit is an integer from 0 to {MAX_BITS - 1}, got {bit!r}.")
    return int(bit)


def checked_state(amplitudes: ArrayLike, n: int) -> tuple[complex, ...]:
    """Constant amplitudes of n qubits, normalised to 1e-8."""
    try:
        state = np.asarray(amplitudes, dtype=complex)
    except (TypeError, ValueError) as exc:
        raise CircuitError(f"initialize needs numbers or a Parameter, got {amplitudes!r}.") from exc
    if state.shape != (1 << n,):
        raise CircuitError(f"initialize on {n} qubits needs {1 << n} amplitudes, got shape {state.shape}.")
    norm = float(np.linalg.norm(state)) if np.isfinite(state).all() else math.nan
    if not abs(norm - 1) <= TOLERANCE:
        raise CircuitError(
            f"The amplitudes have norm {norm:.10g}, not 1 to 1e-8; divide them by their norm first."
        )
    return tuple(complex(amplitude) for amplitude in state)


def checked_unitary(matrix: ArrayLike, n: int) -> tuple[complex, ...]:
    """The entries of a matrix on n qubits, row by row; unitary to 1e-8."""
    try:
        array = np.asarray(matrix, dtype=complex)
    except (TypeError, ValueError) as exc:
        raise CircuitError(f"A unitary needs a matrix of complex numbers: {exc}") from exc
    size = 1 << n
    if array.shape != (size, size):
        raise CircuitError(
            f"A unitary on {n} qubit(s) needs a {size} x {size} matrix, got shape {array.shape}."
        )
    error = np.abs(array @ array.conj().T - np.eye(size)).max() if np.isfinite(array).all() else np.nan
    if not error <= TOLERANCE:
        raise CircuitError(
            f"The matrix is not unitary: U @ U^dagger differs from the identity by {error:.2g}."
        )
    return tuple(complex(entry) for entry in array.ravel())


def checked_kraus(operators: ArrayLike, n: int) -> tuple[complex, ...]:
    """The entries of a channel's Kraus operators on n qubits, one after another; complete to 1e-8."""
    try:
        array = np.asarray(operators, dtype=complex)
    except (TypeError, ValueError) as exc:
        raise CircuitError(f"A channel needs matrices of complex numbers: {exc}") from exc
    size = 1 << n
    if array.shape[1:] != (size, size) or array.size == 0:
        raise CircuitError(
            f"A channel on {n} qubit(s) needs operators of shape (number, {size}, {size}), got {array.shape}."
        )
    total = np.einsum("kji,kjl->il", array.conj(), array)
    error = np.abs(total - np.eye(size)).max() if np.isfinite(array).all() else np.nan
    if not error <= TOLERANCE:
        raise CircuitError(
            f"These are no Kraus operators of a channel: the sum of K^dagger @ K differs from the identity by {error:.2g}."
        )
    return tuple(complex(entry) for entry in array.ravel())
