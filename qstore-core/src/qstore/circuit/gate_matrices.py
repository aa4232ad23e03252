# SPDX-License-Identifier: Apache-2.0
"""The matrices of the gate table, as functions vectorised over their angles.

Shapes: angles (..., n_angles) float64; result (..., 2**k, 2**k) complex128 for k qubits.
Order:  the FIRST qubit a gate is applied to is the LEAST significant bit of the matrix index (as in Qiskit), so
        `cx(control, target)` swaps the indices 1 and 3.
Units:  radians.

Kraus operators of the channels stand here too. Their angle t means the strength sin(t/2)**2, which makes every
strength in [0, 1] reachable by an unbounded, trainable t.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.complex128]
Angles = NDArray[np.float64]

__all__ = ["controlled_matrix", "kraus_operators", "matrices"]

_I = np.eye(2, dtype=complex)
_X = np.array([[0, 1], [1, 0]], dtype=complex)
_Y = np.array([[0, -1j], [1j, 0]], dtype=complex)
_Z = np.diag([1, -1]).astype(complex)
_H = (_X + _Z) / np.sqrt(2)
_SX = np.array([[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]], dtype=complex)
_SWAP = np.eye(4, dtype=complex)[[0, 2, 1, 3]]
_ISWAP = np.array([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]], dtype=complex)


def controlled_matrix(target: Matrix) -> Matrix:
    """The target's matrix with one control more, the control as the first (least significant) qubit."""
    size = target.shape[-1]
    result = np.zeros((*target.shape[:-2], 2 * size, 2 * size), dtype=complex)
    result[..., 0::2, 0::2] = np.eye(size)
    result[..., 1::2, 1::2] = target
    return result


def _constant(matrix: Matrix) -> Callable[[Angles], Matrix]:
    def constant(angles: Angles) -> Matrix:
        return np.broadcast_to(matrix, (*angles.shape[:-1], *matrix.shape))

    return constant


def _diagonal(*phases: Callable[[Angles], Angles | float]) -> Callable[[Angles], Matrix]:
    def diagonal(angles: Angles) -> Matrix:
        result = np.zeros((*angles.shape[:-1], len(phases), len(phases)), dtype=complex)
        for index, phase in enumerate(phases):
            result[..., index, index] = np.exp(1j * np.asarray(phase(angles)))
        return result

    return diagonal


def _pauli_rotation(pauli: Matrix) -> Callable[[Angles], Matrix]:
    """exp(-i t/2 P) = cos(t/2) - i sin(t/2) P for a matrix P with P @ P = 1."""
    identity = np.eye(len(pauli))

    def rotation(angles: Angles) -> Matrix:
        half = angles[..., 0, None, None] / 2
        return np.cos(half) * identity - 1j * np.sin(half) * pauli

    return rotation


def _u(angles: Angles) -> Matrix:
    """[[cos, -exp(i lam) sin], [exp(i phi) sin, exp(i (phi + lam)) cos]] of half the angle theta (OpenQASM's U)."""
    theta, phi, lam = angles[..., 0], angles[..., 1], angles[..., 2]
    cos, sin = np.cos(theta / 2), np.sin(theta / 2)
    result = np.empty((*theta.shape, 2, 2), dtype=complex)
    result[..., 0, 0] = cos
    result[..., 0, 1] = -np.exp(1j * lam) * sin
    result[..., 1, 0] = np.exp(1j * phi) * sin
    result[..., 1, 1] = np.exp(1j * (phi + lam)) * cos
    return result


def _cu(angles: Angles) -> Matrix:
    return controlled_matrix(np.exp(1j * angles[..., 3, None, None]) * _u(angles[..., :3]))


def _gpi(angles: Angles) -> Matrix:
    phi = angles[..., 0]
    result = np.zeros((*phi.shape, 2, 2), dtype=complex)
    result[..., 0, 1] = np.exp(-1j * phi)
    result[..., 1, 0] = np.exp(1j * phi)
    return result


def _gpi2(angles: Angles) -> Matrix:
    matrix: Matrix = (_I - 1j * _gpi(angles)) / np.sqrt(2)
    return matrix


def _ms(angles: Angles) -> Matrix:
    """exp(-i theta/2 A(phi1) x A(phi0)) with A(phi) = cos(phi) X + sin(phi) Y, the matrix of gpi."""
    first, second = _gpi(angles[..., 0:1]), _gpi(angles[..., 1:2])
    product = np.einsum("...ab,...cd->...acbd", second, first).reshape(*angles.shape[:-1], 4, 4)
    half = angles[..., 2, None, None] / 2
    matrix: Matrix = np.cos(half) * np.eye(4) - 1j * np.sin(half) * product
    return matrix


def _controlled(target: Callable[[Angles], Matrix]) -> Callable[[Angles], Matrix]:
    return lambda angles: controlled_matrix(target(angles))


_RX, _RY, _RZ = (_pauli_rotation(pauli) for pauli in (_X, _Y, _Z))
_RZZ = _pauli_rotation(np.kron(_Z, _Z))

_MATRICES: dict[str, Callable[[Angles], Matrix]] = {
    "i": _constant(_I),
    "x": _constant(_X),
    "y": _constant(_Y),
    "z": _constant(_Z),
    "h": _constant(_H),
    "s": _constant(np.diag([1, 1j]).astype(complex)),
    "sdg": _constant(np.diag([1, -1j]).astype(complex)),
    "t": _constant(np.diag([1, np.exp(0.25j * np.pi)])),
    "tdg": _constant(np.diag([1, np.exp(-0.25j * np.pi)])),
    "sx": _constant(_SX),
    "sxdg": _constant(_SX.conj()),
    "rx": _RX,
    "ry": _RY,
    "rz": _RZ,
    "p": _diagonal(lambda a: 0 * a[..., 0], lambda a: a[..., 0]),
    "u": _u,
    "cx": _constant(controlled_matrix(_X)),
    "cy": _constant(controlled_matrix(_Y)),
    "cz": _constant(controlled_matrix(_Z)),
    "ch": _constant(controlled_matrix(_H)),
    "swap": _constant(_SWAP),
    "iswap": _constant(_ISWAP),
    "crx": _controlled(_RX),
    "cry": _controlled(_RY),
    "crz": _controlled(_RZ),
    "cp": _diagonal(*[lambda a: 0 * a[..., 0]] * 3, lambda a: a[..., 0]),
    "cu": _cu,
    "rxx": _pauli_rotation(np.kron(_X, _X)),
    "ryy": _pauli_rotation(np.kron(_Y, _Y)),
    "rzz": _RZZ,
    "ccx": _constant(controlled_matrix(controlled_matrix(_X))),
    "cswap": _constant(controlled_matrix(_SWAP)),
    "gpi": _gpi,
    "gpi2": _gpi2,
    "ms": _ms,
    "zz": _RZZ,
}


def _amplitude_damping(angles: Angles) -> Matrix:
    """K0 = diag(1, cos(t/2)), K1 = sin(t/2) |0><1|; strength sin(t/2)**2 (Nielsen & Chuang, 8.3.5)."""
    half = angles[..., 0] / 2
    kraus = np.zeros((*half.shape, 2, 2, 2), dtype=complex)
    kraus[..., 0, 0, 0] = 1
    kraus[..., 0, 1, 1] = np.cos(half)
    kraus[..., 1, 0, 1] = np.sin(half)
    return kraus


def _phase_damping(angles: Angles) -> Matrix:
    """K0 = diag(1, cos(t/2)), K1 = diag(0, sin(t/2)) (Nielsen & Chuang, 8.3.6)."""
    half = angles[..., 0] / 2
    kraus = np.zeros((*half.shape, 2, 2, 2), dtype=complex)
    kraus[..., 0, 0, 0] = 1
    kraus[..., 0, 1, 1] = np.cos(half)
    kraus[..., 1, 1, 1] = np.sin(half)
    return kraus


def _pauli_channel(*errors: Matrix) -> Callable[[Angles], Matrix]:
    """cos(t/2) times the identity; sin(t/2) shared out evenly over the errors, each with probability p / len."""

    def channel(angles: Angles) -> Matrix:
        half = angles[..., 0, None, None] / 2
        flips = [np.sin(half) / np.sqrt(len(errors)) * error for error in errors]
        return np.stack([np.cos(half) * np.eye(len(errors[0])), *flips], axis=-3)

    return channel


_PAULIS = (_I, _X, _Y, _Z)


def _reset(angles: Angles) -> Matrix:
    kraus = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=complex)
    return np.broadcast_to(kraus, (*angles.shape[:-1], 2, 2, 2))


_KRAUS: dict[str, Callable[[Angles], Matrix]] = {
    "amplitude_damping": _amplitude_damping,
    "phase_damping": _phase_damping,
    "depolarizing": _pauli_channel(_X, _Y, _Z),
    "bit_flip": _pauli_channel(_X),
    "depolarizing2": _pauli_channel(*[np.kron(b, a) for a in _PAULIS for b in _PAULIS][1:]),
    "reset": _reset,
}


def matrices(gate: str, angles: Angles) -> Matrix:
    """The unitaries of a gate for angles (..., n_angles); (..., 2**k, 2**k). KeyError where there is none."""
    return _MATRICES[gate](np.asarray(angles, dtype=float))


def kraus_operators(gate: str, angles: Angles) -> Matrix:
    """The Kraus operators of a channel for angles (..., n_angles); (..., number, 2**k, 2**k). KeyError where there is none."""
    return _KRAUS[gate](np.asarray(angles, dtype=float))
