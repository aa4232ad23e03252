# SPDX-License-Identifier: Apache-2.0
"""`initialize`: start states from amplitudes, and the gradient with respect to them.

A binding x prepares a = x / |x|. With c the loss's cotangent for a, dL = Re(conj(c) da), the gradient for x is
(c - Re<a, c> a) / |x|: nothing along x itself.
Shapes: amplitudes (batch or 1, 2**k) complex128, the first qubit of the operation least significant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Operation
from qstore.errors import BindingError

Amplitudes = NDArray[np.complex128]
Bindings = Mapping[str, NDArray[np.float64]]


def sub_index(qubits: Sequence[int], n_qubits: int) -> NDArray[np.int64]:
    """For each outcome of n qubits, the outcome of some of them, the first named least significant."""
    index = np.arange(1 << n_qubits)
    result = np.zeros(1 << n_qubits, dtype=np.int64)
    for position, q in enumerate(qubits):
        result |= (index >> q & 1) << position
    return result


def start_amplitudes(starts: Sequence[Operation], n_qubits: int, bindings: Bindings) -> Amplitudes:
    """The state that all preparations together give, (batch or 1, 2**n).

    Raises:
        BindingError: a row of amplitudes has no direction.
    """
    state = np.zeros((1, 1 << n_qubits), dtype=complex)
    state[:, _support(starts, n_qubits)] = 1
    for op in starts:
        unit, _ = _normalized(op, bindings)
        state = state * unit[:, sub_index(op.qubits, n_qubits)]
    return state


def pull_back_start(
    starts: Sequence[Operation],
    n_qubits: int,
    bindings: Bindings,
    cotangent: Amplitudes,
    wanted: Collection[str],
) -> dict[str, NDArray[np.float64]]:
    """Gradients of the amplitude parameters in `wanted`, shaped like their bindings."""
    gradients: dict[str, NDArray[np.float64]] = {}
    units = [_normalized(op, bindings) for op in starts]
    support = _support(starts, n_qubits)
    for number, op in enumerate(starts):
        if op.amplitudes is None or not any(
            parameter.name in wanted for parameter in op.amplitudes.parameters
        ):
            continue
        own = cotangent[:, support]
        for other, (unit, _) in zip(starts, units, strict=True):
            if other is not op:
                own = own * unit[:, sub_index(other.qubits, n_qubits)[support]].conj()
        places = sub_index(op.qubits, n_qubits)[support]
        size = 1 << len(op.qubits)
        own = own[:, np.argsort(places, kind="stable")].reshape(len(own), size, -1).sum(axis=2)
        unit, length = units[number]
        along = (unit.conj() * own).real.sum(axis=1, keepdims=True)
        gradient = (own - along * unit) / length
        parts = ((op.amplitudes.real, gradient.real), (op.amplitudes.imag, gradient.imag))
        for parameter, part in parts:
            if parameter is not None and parameter.name in wanted:
                shared = bindings[parameter.name].ndim == 1
                piece = part.sum(axis=0) if shared else np.ascontiguousarray(part)
                known = gradients.get(parameter.name)
                gradients[parameter.name] = piece if known is None else known + piece
    return gradients


def _support(starts: Sequence[Operation], n_qubits: int) -> NDArray[np.bool_]:
    prepared = sum(1 << q for op in starts for q in op.qubits)
    free: NDArray[np.bool_] = (np.arange(1 << n_qubits) & ~prepared) == 0
    return free


def _normalized(op: Operation, bindings: Bindings) -> tuple[Amplitudes, NDArray[np.float64]]:
    """(amplitudes of norm 1, their lengths before), one row per sample or one for all."""
    amplitudes = op.amplitudes
    assert amplitudes is not None
    if amplitudes.real is None:
        return np.array([amplitudes.constant], dtype=complex), np.ones((1, 1))
    given = np.atleast_2d(bindings[amplitudes.real.name]).astype(complex)
    if amplitudes.imag is not None:
        given = given + 1j * np.atleast_2d(bindings[amplitudes.imag.name])
    # Scaled first, so that neither tiny nor huge entries are lost in their squares.
    largest = np.abs(given).max(axis=1, keepdims=True)
    bad = np.flatnonzero(~((largest[:, 0] > 0) & np.isfinite(largest[:, 0])))
    if len(bad):
        raise BindingError(
            f"{amplitudes.real.name!r} has amplitudes {given[bad[0]].tolist()[:4]}... in row {bad[0]}: a state needs finite "
            "amplitudes that are not all zero. Drop such samples or give them a constant entry."
        )
    scaled = given / largest
    length = np.sqrt((np.abs(scaled) ** 2).sum(axis=1, keepdims=True))
    return scaled / length, length * largest
