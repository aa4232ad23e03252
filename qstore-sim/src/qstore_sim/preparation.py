# SPDX-License-Identifier: Apache-2.0
"""`initialize`: start states from amplitudes, and the gradient with respect to them.

A binding x prepares a = x / |x|. With c the loss's cotangent for a, dL = Re(conj(c) da), the gradient for x is
(c - Re<a, c> a) / |x|: nothing along x itself.
Shapes: amplitudes (batch or 1, 2**k) complex128, the first qubit of the operation least significant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Operation
from qstore.errors import BindingError

Amplitudes = NDArray[np.complex128]
Bindings = Mapping[str, NDArray[np.float64]]
_SMALL = 1e-200
"""Squares between this and its inverse have lost nothing."""


@lru_cache(maxsize=64)
def sub_index(qubits: tuple[int, ...], n_qubits: int) -> NDArray[np.int64]:
    """For each outcome of n qubits, the outcome of some of them, the first named least significant."""
    index = np.arange(1 << n_qubits)
    result = np.zeros(1 << n_qubits, dtype=np.int64)
    for position, q in enumerate(qubits):
        result |= (index >> q & 1) << position
    result.flags.writeable = False
    return result


def is_whole(starts: Sequence[Operation], n_qubits: int) -> bool:
    """Whether one operation prepares all qubits in their order, so that its amplitudes are the state's."""
    return len(starts) == 1 and starts[0].qubits == tuple(range(n_qubits))


def is_real(starts: Sequence[Operation], n_qubits: int) -> bool:
    """Whether the amplitudes are one real parameter: then neither they nor their cotangent need imaginary parts."""
    amplitudes = starts[0].amplitudes if is_whole(starts, n_qubits) else None
    return amplitudes is not None and amplitudes.real is not None and amplitudes.imag is None


def start_numbers(starts: Sequence[Operation], n_qubits: int, bindings: Bindings) -> NDArray[np.float64]:
    """`start_amplitudes` as the kernels take them: (batch or 1, 2**n) if it `is_real`, else pairs, (..., 2 * 2**n)."""
    if is_real(starts, n_qubits):
        return np.ascontiguousarray(_normalized(starts[0], bindings)[0])
    return np.ascontiguousarray(start_amplitudes(starts, n_qubits, bindings)).view(np.float64)


def start_amplitudes(starts: Sequence[Operation], n_qubits: int, bindings: Bindings) -> Amplitudes:
    """The state that all preparations together give, (batch or 1, 2**n).

    Raises:
        BindingError: a row of amplitudes has no direction.
    """
    if is_whole(starts, n_qubits):
        return _normalized(starts[0], bindings)[0].astype(complex)
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
    cotangent: NDArray[Any],
    wanted: Collection[str],
) -> dict[str, NDArray[np.float64]]:
    """Gradients of the amplitude parameters in `wanted`, shaped like their bindings.

    The cotangent has real parts alone if the start `is_real`.
    """
    gradients: dict[str, NDArray[np.float64]] = {}
    if is_whole(starts, n_qubits):
        _add_gradients(gradients, starts[0], cotangent, bindings, wanted)
        return gradients
    units = [_normalized(op, bindings) for op in starts]
    support = _support(starts, n_qubits)
    for op in starts:
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
        _add_gradients(gradients, op, own, bindings, wanted)
    return gradients


def _add_gradients(
    gradients: dict[str, NDArray[np.float64]],
    op: Operation,
    own: NDArray[Any],
    bindings: Bindings,
    wanted: Collection[str],
) -> None:
    """Add the gradients of one operation's parameters; `own`: the cotangent of its unit vector."""
    amplitudes = op.amplitudes
    assert amplitudes is not None
    unit, length = _normalized(op, bindings)
    real = np.ascontiguousarray(own.real)  # parts of complex numbers are slow to go through more than once
    along = np.einsum("bi,bi->b", unit.real, real)
    if amplitudes.imag is not None:
        along = along + np.einsum("bi,bi->b", unit.imag, own.imag)
    for parameter, mine, part in (
        (amplitudes.real, unit.real, own.real),
        (amplitudes.imag, unit.imag, own.imag),
    ):
        if parameter is not None and parameter.name in wanted:
            gradient = mine * -along[:, None]
            gradient += part
            gradient /= length
            piece = (
                gradient.sum(axis=0) if bindings[parameter.name].ndim == 1 else np.ascontiguousarray(gradient)
            )
            known = gradients.get(parameter.name)
            gradients[parameter.name] = piece if known is None else known + piece


def _support(starts: Sequence[Operation], n_qubits: int) -> NDArray[np.bool_]:
    prepared = sum(1 << q for op in starts for q in op.qubits)
    free: NDArray[np.bool_] = (np.arange(1 << n_qubits) & ~prepared) == 0
    return free


def _normalized(op: Operation, bindings: Bindings) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """(amplitudes of norm 1, their lengths before), one row per sample or one for all; real without imaginary parts."""
    amplitudes = op.amplitudes
    assert amplitudes is not None
    if amplitudes.real is None:
        return np.array([amplitudes.constant], dtype=complex), np.ones((1, 1))
    given: NDArray[Any] = np.atleast_2d(bindings[amplitudes.real.name])
    squares = np.einsum("bi,bi->b", given, given)
    if amplitudes.imag is None and squares.min() > _SMALL and squares.max() < 1 / _SMALL:
        sizes = np.sqrt(squares)[:, None]
        return given / sizes, sizes
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
