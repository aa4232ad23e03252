# SPDX-License-Identifier: Apache-2.0
"""Checks of what the circuit builder is given: qubits, classical bits, matrices, amplitudes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from qstore.errors import CircuitError

__all__ = ["MAX_BITS", "TOLERANCE", "as_tuple", "checked_bit", "checked_qubits", "checked_state"]

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
