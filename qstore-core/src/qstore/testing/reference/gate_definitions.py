# SPDX-License-Identifier: Apache-2.0
"""Every gate and channel once more, from Pauli matrices: what the gate table says, told by somebody else.

`on(B, A)` is the operator A on a gate's first qubit and B on its second: the first qubit is the least significant bit,
hence the right factor of the Kronecker product.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["channel", "gate_matrix"]

Matrix = NDArray[np.complex128]

I2: Matrix = np.eye(2, dtype=complex)
PX: Matrix = np.array([[0, 1], [1, 0]], dtype=complex)
PY: Matrix = np.array([[0, -1j], [1j, 0]], dtype=complex)
PZ: Matrix = np.array([[1, 0], [0, -1]], dtype=complex)
ZERO: Matrix = (I2 + PZ) / 2
"""|0><0|."""
ONE: Matrix = (I2 - PZ) / 2
"""|1><1|."""


def on(*factors: Matrix) -> Matrix:
    """The Kronecker product, the last factor on the first qubit."""
    product: Matrix = np.eye(1, dtype=complex)
    for factor in factors:
        product = np.kron(product, factor).astype(complex)
    return product


def turn(angle: float, generator: Matrix) -> Matrix:
    """exp(-i angle generator / 2) for a generator whose square is the identity."""
    matrix: Matrix = math.cos(angle / 2) * np.eye(len(generator)) - 1j * math.sin(angle / 2) * generator
    return matrix


def phase(angle: float) -> Matrix:
    """|0><0| + exp(i angle) |1><1|."""
    return ZERO + cmath.exp(1j * angle) * ONE


def controlled(target: Matrix) -> Matrix:
    """The target's gate on the qubits after the first, where the first one is 1."""
    return on(np.eye(len(target), dtype=complex), ZERO) + on(target, ONE)


def euler(theta: float, phi: float, lam: float) -> Matrix:
    """OpenQASM's U: a phase, a turn about Y, a phase."""
    return phase(phi) @ turn(theta, PY) @ phase(lam)


def equator(phi: float) -> Matrix:
    """cos(phi) X + sin(phi) Y."""
    return math.cos(phi) * PX + math.sin(phi) * PY


SWAP: Matrix = (on(I2, I2) + on(PX, PX) + on(PY, PY) + on(PZ, PZ)) / 2
HADAMARD: Matrix = (PX + PZ) / math.sqrt(2)
ROOT_X: Matrix = cmath.exp(0.25j * math.pi) * turn(math.pi / 2, PX)

GATES: dict[str, Callable[..., Matrix]] = {
    "i": lambda: I2,
    "x": lambda: PX,
    "y": lambda: PY,
    "z": lambda: PZ,
    "h": lambda: HADAMARD,
    "s": lambda: phase(math.pi / 2),
    "sdg": lambda: phase(-math.pi / 2),
    "t": lambda: phase(math.pi / 4),
    "tdg": lambda: phase(-math.pi / 4),
    "sx": lambda: ROOT_X,
    "sxdg": lambda: ROOT_X.conj().T,
    "rx": lambda t: turn(t, PX),
    "ry": lambda t: turn(t, PY),
    "rz": lambda t: turn(t, PZ),
    "p": phase,
    "u": euler,
    "cx": lambda: controlled(PX),
    "cy": lambda: controlled(PY),
    "cz": lambda: controlled(PZ),
    "ch": lambda: controlled(HADAMARD),
    "swap": lambda: SWAP,
    "iswap": lambda: SWAP @ on(ZERO, ZERO) + SWAP @ on(ONE, ONE) + 1j * (SWAP @ (on(ZERO, ONE) + on(ONE, ZERO))),
    "crx": lambda t: controlled(turn(t, PX)),
    "cry": lambda t: controlled(turn(t, PY)),
    "crz": lambda t: controlled(turn(t, PZ)),
    "cp": lambda t: controlled(phase(t)),
    "cu": lambda theta, phi, lam, gamma: controlled(cmath.exp(1j * gamma) * euler(theta, phi, lam)),
    "rxx": lambda t: turn(t, on(PX, PX)),
    "ryy": lambda t: turn(t, on(PY, PY)),
    "rzz": lambda t: turn(t, on(PZ, PZ)),
    "ccx": lambda: controlled(controlled(PX)),
    "cswap": lambda: controlled(SWAP),
    "gpi": equator,
    "gpi2": lambda phi: turn(math.pi / 2, equator(phi)),
    "ms": lambda phi0, phi1, theta: turn(theta, on(equator(phi1), equator(phi0))),
    "zz": lambda t: turn(t, on(PZ, PZ)),
}  # fmt: skip

_PAULIS = (I2, PX, PY, PZ)


def _with_probability(p: float, errors: Sequence[Matrix]) -> list[Matrix]:
    """Kraus operators: nothing with probability 1 - p, else one of the errors, each as likely."""
    share = math.sqrt(p / len(errors))
    return [(math.sqrt(1 - p) * np.eye(len(errors[0]))).astype(complex), *(share * error for error in errors)]


CHANNELS: dict[str, Callable[[float], list[Matrix]]] = {
    "amplitude_damping": lambda g: [ZERO + math.sqrt(1 - g) * ONE, math.sqrt(g) * (PX + 1j * PY) / 2],
    "phase_damping": lambda g: [ZERO + math.sqrt(1 - g) * ONE, math.sqrt(g) * ONE],
    "depolarizing": lambda p: _with_probability(p, _PAULIS[1:]),
    "bit_flip": lambda p: _with_probability(p, [PX]),
    "depolarizing2": lambda p: _with_probability(p, [on(b, a) for a in _PAULIS for b in _PAULIS][1:]),
    "reset": lambda _: [ZERO, (PX + 1j * PY) / 2],
}
"""Kraus operators by strength."""


def gate_matrix(name: str, angles: Sequence[float] = ()) -> Matrix:
    """The unitary of a gate of the table, first qubit least significant.

    Example:
        >>> gate_matrix("cx").real.astype(int).tolist()
        [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]]
    """
    return GATES[name](*angles)


def channel(name: str, angle: float = 0.0) -> list[Matrix]:
    """The Kraus operators of a channel of the table, whose strength is sin(angle/2)**2."""
    return CHANNELS[name](math.sin(angle / 2) ** 2)
