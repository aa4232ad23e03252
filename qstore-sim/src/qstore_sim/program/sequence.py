# SPDX-License-Identifier: Apache-2.0
"""The rotations of a circuit in an order that leaves few passes: merged, and diagonal ones gathered.

A rotation may move forward past everything it commutes with. If it meets one about the same Pauli string, the
two become one with the sum of the angles; a diagonal one joins the earliest `Diagonal` it can reach, so a whole
layer of RZ, CZ, CP and RZZ becomes one multiplication by phases. The rules look at the circuit alone, never at
the batch, so that every sample sees the same arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle
from qstore_sim.program.frame import Frame, Pauli
from qstore_sim.program.lowering import Move

LOOK_BACK_PER_QUBIT = 8
"""How many items back, per qubit, a rotation looks for company; bounds the compile time of deep circuits."""


@dataclass(slots=True)
class Rotation:
    """exp(-i angle/2 pauli) with pauli.x != 0."""

    pauli: Pauli
    angle: Angle


@dataclass(slots=True)
class Diagonal:
    """Product of exp(-i angle/2 Z^mask) over the masks; mask 0 is a global phase."""

    angles: dict[int, Angle] = field(default_factory=dict)

    def add(self, mask: int, angle: Angle) -> None:
        """Multiply by one more rotation."""
        known = self.angles.get(mask)
        self.angles[mask] = angle if known is None else known + angle


@dataclass(slots=True)
class Dense:
    """A matrix on 2 or 3 logical qubits, given by their flips and parities.

    Attributes:
        flips, rows, signs: of the qubits, from the frame, first qubit least significant.
        matrix: (size, size).
    """

    flips: tuple[int, ...]
    rows: tuple[int, ...]
    signs: tuple[int, ...]
    matrix: NDArray[np.complex128]


Item = Rotation | Diagonal | Dense


class Sequence:
    """Collects a circuit's moves; `items` is the result, `frame` its end, `phase` its global phase.

    Args:
        n_qubits: number of bits of a row index.
        collect: whether diagonal rotations join each other, or only those with the same mask.
    """

    def __init__(self, n_qubits: int, *, collect: bool = True) -> None:
        self.frame = Frame(n_qubits)
        self.items: list[Item] = []
        self.phase = Angle()
        self._collect = collect
        self._reach = LOOK_BACK_PER_QUBIT * n_qubits + 16

    def apply(self, move: Move) -> None:
        """Append one lowered step."""
        if move.kind == "turn":
            self.turn(self.frame.pauli(move.letters, move.qubits), move.angle)
        elif move.kind == "phase":
            self.phase = self.phase + move.angle
        elif move.kind == "flip":
            self.frame.flip(*move.qubits)
        elif move.kind == "cx":
            self.frame.cx(*move.qubits)
        else:
            self.frame.swap(*move.qubits)

    def turn(self, pauli: Pauli, angle: Angle) -> None:
        """Append exp(-i angle/2 pauli), or merge it into what is there."""
        if angle.is_constant and angle.constant == 0.0:
            return
        if pauli.x == 0:
            self.turn_diagonal(pauli.z, angle if pauli.phase == 0 else angle.scaled(-1.0))
            return
        place = len(self.items)
        for index in range(len(self.items) - 1, max(-1, len(self.items) - 1 - self._reach), -1):
            item = self.items[index]
            if isinstance(item, Rotation) and item.pauli.x == pauli.x and item.pauli.z == pauli.z:
                item.angle = item.angle + (angle if item.pauli.phase == pauli.phase else angle.scaled(-1.0))
                return
            if not commute(item, pauli):
                break
            if isinstance(item, Diagonal):
                place = index
        self.items.insert(place, Rotation(pauli, angle))

    def turn_diagonal(self, mask: int, angle: Angle) -> None:
        """Append exp(-i angle/2 Z^mask)."""
        chosen: Diagonal | None = None
        for index in range(len(self.items) - 1, max(-1, len(self.items) - 1 - self._reach), -1):
            item = self.items[index]
            if isinstance(item, Diagonal):
                if self._collect or mask in item.angles:
                    chosen = item
            elif not commute(item, Pauli(0, mask, 0)):
                break
        if chosen is None:
            chosen = Diagonal()
            self.items.append(chosen)
        chosen.add(mask, angle)

    def dense(self, qubits: tuple[int, ...], matrix: NDArray[np.complex128]) -> None:
        """Append a matrix on some qubits."""
        frame = self.frame
        self.items.append(Dense(
            tuple(frame.columns[q] for q in qubits), tuple(frame.rows[q] for q in qubits),
            tuple(frame.signs[q] for q in qubits), matrix,
        ))  # fmt: skip


def odd(bits: int) -> bool:
    """Whether the number of set bits is odd."""
    return bool(bits.bit_count() & 1)


def commute(item: Item, pauli: Pauli) -> bool:
    """Whether an item commutes with a Pauli string."""
    if isinstance(item, Rotation):
        return not odd(item.pauli.x & pauli.z) ^ odd(item.pauli.z & pauli.x)
    if isinstance(item, Diagonal):
        return not any(odd(mask & pauli.x) for mask in item.angles)
    return not any(odd(row & pauli.x) for row in item.rows) and not any(
        odd(flip & pauli.z) for flip in item.flips
    )


def items_commute(a: Item, b: Item) -> bool:
    """Whether two items commute (a sufficient test)."""
    if isinstance(a, Rotation):
        return commute(b, a.pauli)
    if isinstance(b, Rotation):
        return commute(a, b.pauli)
    if isinstance(a, Diagonal) and isinstance(b, Diagonal):
        return True
    if isinstance(a, Diagonal):
        return all(commute(b, Pauli(0, mask, 0)) for mask in a.angles)
    if isinstance(b, Diagonal):
        return all(commute(a, Pauli(0, mask, 0)) for mask in b.angles)
    return all(commute(b, Pauli(flip, 0, 0)) for flip in a.flips) and all(
        commute(b, Pauli(0, row, 0)) for row in a.rows
    )
