# SPDX-License-Identifier: Apache-2.0
"""The comparison of what a rewriting step took away with what it put there, on the two wires concerned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qstore_ionq.native.kak import Matrix, rotation_matrix
from qstore_ionq.native.network import Exchange, Item, Local
from qstore_ionq.native.quaternions import matrix

_SWAP = np.eye(4, dtype=complex)[[0, 2, 1, 3]]
_ONE = np.eye(2)


class Audit:
    """The rewriting steps so far: how many were compared, and the largest deviation.

    Attributes:
        checks: number of steps.
        error: largest deviation of a matrix element, global phase aside.
    """

    def __init__(self) -> None:
        self.checks = 0
        self.error = 0.0

    def compare(self, wires: tuple[int, int], before: Sequence[Item], after: Sequence[Item]) -> None:
        """Compare two lists of items on one pair of wires."""
        first, second = unitary(wires, before), unitary(wires, after)
        overlap = np.vdot(second, first)
        deviation = np.abs(first - overlap / max(float(abs(overlap)), 1e-300) * second).max()
        self.checks += 1
        self.error = max(self.error, float(deviation))


def unitary(wires: tuple[int, int], items: Sequence[Item]) -> Matrix:
    """The product of items on two wires, the first one the more significant."""
    result: Matrix = np.eye(4, dtype=complex)
    step: Matrix
    for item in items:
        if isinstance(item, Exchange):
            step = np.asarray(_SWAP, dtype=complex)
        elif isinstance(item, Local):
            one = matrix(item.quaternion)
            step = np.asarray(np.kron(one, _ONE) if item.wire == wires[0] else np.kron(_ONE, one))
        else:
            assert isinstance(item.angle, float)
            axes = item.axes if item.wires[0] == wires[0] else item.axes[::-1]
            step = rotation_matrix(axes[0], axes[1], item.angle)
        result = np.asarray(step @ result)
    return result
