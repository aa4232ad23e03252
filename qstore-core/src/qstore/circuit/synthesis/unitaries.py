# SPDX-License-Identifier: Apache-2.0
"""Any unitary as gates of the table, exact to the global phase and to rounding.

One qubit: `u`. Two qubits: one-qubit gates around RXX, RYY and RZZ (Cartan's decomposition), as few of the three as
the unitary needs. More: the cosine-sine decomposition with respect to the last qubit, whose blocks are taken apart
into smaller unitaries and multiplexed rotations (Shende, Bullock, Markov, "Synthesis of quantum logic circuits",
arXiv:quant-ph/0406176).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.angles import Angle
from qstore.circuit.operation import Condition, Operation
from qstore.circuit.synthesis.factors import Matrix, canonical_factors, cosine_sine, demultiplexed
from qstore.circuit.synthesis.multiplexed import multiplexed, multiplexed_angles

__all__ = ["synthesized"]

_NOTHING = 1e-14
"""Angles below this are left out."""


def synthesized(
    matrix: NDArray[np.complex128], qubits: Sequence[int], condition: Condition | None = None
) -> list[Operation]:
    """The gates of a unitary.

    Args:
        matrix: (2**k, 2**k), the first qubit least significant.
        qubits: the k qubits.
        condition: of every gate.
    """
    gates: list[Operation] = []
    if len(qubits) == 1:
        gates = _one_qubit(matrix, qubits[0])
    elif len(qubits) == 2:
        gates = _two_qubits(matrix, qubits)
    else:
        *rest, last = qubits
        left, turns, right = cosine_sine(matrix)
        gates += _either(right, rest, last)
        gates += _multiplexed("ry", last, rest, turns)
        gates += _either(left, rest, last)
    if condition is None:
        return gates
    return [Operation(op.gate, op.qubits, op.angles, condition=condition) for op in gates]


def _one_qubit(matrix: Matrix, qubit: int) -> list[Operation]:
    (a, b), (c, d) = matrix
    theta = 2 * math.atan2(abs(c), abs(a))
    phase = np.angle(a)
    phi = float(np.angle(c) - phase)
    # The larger of the entries in the second column says best what its phase is.
    lam = float(np.angle(d) - phase - phi) if abs(d) > abs(b) else float(np.angle(-b) - phase)
    phi, lam = math.remainder(phi, math.tau), math.remainder(lam, math.tau)
    if abs(theta) < _NOTHING and abs(math.remainder(phi + lam, math.tau)) < _NOTHING:
        return []
    return [Operation("u", (qubit,), tuple(Angle((), value + 0.0) for value in (theta, phi, lam)))]


def _two_qubits(matrix: Matrix, qubits: Sequence[int]) -> list[Operation]:
    before, angles, behind = canonical_factors(matrix)
    gates = [op for factor, qubit in zip(before, qubits, strict=True) for op in _one_qubit(factor, qubit)]
    for gate, angle in zip(("rxx", "ryy", "rzz"), angles, strict=True):
        if abs(angle) > _NOTHING:
            gates.append(Operation(gate, tuple(qubits), (Angle((), angle),)))
    gates += [op for factor, qubit in zip(behind, qubits, strict=True) for op in _one_qubit(factor, qubit)]
    return gates


def _either(blocks: tuple[Matrix, Matrix], qubits: list[int], choice: int) -> list[Operation]:
    """The first matrix where the qubit `choice` is 0, the second where it is 1."""
    left, turns, right = demultiplexed(*blocks)
    return [
        *synthesized(right, qubits),
        *_multiplexed("rz", choice, qubits, turns),
        *synthesized(left, qubits),
    ]


def _multiplexed(gate: str, target: int, controls: list[int], turns: NDArray[np.float64]) -> list[Operation]:
    angles = multiplexed_angles(turns)
    if np.abs(angles).max() < _NOTHING:
        return []
    return multiplexed(gate, target, controls, [Angle((), float(angle) + 0.0) for angle in angles])
