# SPDX-License-Identifier: Apache-2.0
"""Passes: which operations are done on one visit of a block of rows.

The flips of the operations of a pass span a k-dimensional space of row indices. Its cosets, 2**k rows each, do not
mix, so a pass visits one coset after the other: copy it into a block that stays in the L1 cache, do everything,
copy it back. A state of at most `WHOLE_QUBITS` qubits may be one block itself; then nothing is copied.

A state that starts as |0...0> is zero outside the space spanned by all flips so far, the *support*; a pass visits the
cosets inside it only, an operation the rows inside it. Passes are therefore chosen to go deep before they go wide:
whatever does not enlarge the support comes first. A shallow circuit with local entanglers then costs about one visit of
the whole state, and a first layer of rotations about as much as one of them. How large blocks should be follows from
this and differs from circuit to circuit, see `price`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qstore_sim.program.sequence import Dense, Diagonal, Item, Rotation, Sequence, items_commute
from qstore_sim.width import VECTOR_BYTES

WHOLE_QUBITS = 8
"""States up to this size may be worked on as a whole. Measured with tests/bench/train.py."""
BLOCK_QUBITS = (16384 // (2 * VECTOR_BYTES)).bit_length() - 1
"""Largest dimension of a block: 16 KiB of rows, twice for state and adjoint state, are 32 KiB of L1."""
LOOK_AHEAD_PER_QUBIT = 4
"""How many items, per qubit, may wait while later ones overtake them; bounds the compile time of deep circuits."""


class Span:
    """A space of bit vectors over GF(2), as a basis in reduced echelon form: each pivot bit is in one vector only."""

    def __init__(self, vectors: tuple[int, ...] = ()) -> None:
        self.basis: dict[int, int] = {}
        for vector in vectors:
            self.add(vector)

    def reduce(self, vector: int) -> int:
        """What is left of a vector outside the space; 0 if it lies inside."""
        for pivot, member in self.basis.items():
            if vector >> pivot & 1:
                vector ^= member
        return vector

    def rest(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        """`reduce` for many vectors at once."""
        rest = vectors.copy()
        for pivot, member in self.basis.items():
            rest ^= (rest >> pivot & 1) * member
        return rest

    def add(self, vector: int) -> None:
        """Extend the space by a vector."""
        rest = self.reduce(vector)
        if rest:
            pivot = (rest & -rest).bit_length() - 1
            self.basis = {
                p: member ^ rest if member >> pivot & 1 else member for p, member in self.basis.items()
            }
            self.basis[pivot] = rest

    def vectors(self) -> tuple[int, ...]:
        """The basis, by pivot."""
        return tuple(self.basis[pivot] for pivot in sorted(self.basis))

    def copy(self) -> Span:
        """An independent copy."""
        other = Span()
        other.basis = dict(self.basis)
        return other

    def __len__(self) -> int:
        return len(self.basis)


@dataclass(slots=True)
class Pass:
    """Operations on one visit of each coset.

    Attributes:
        items: in order.
        vectors: basis of the block, by local bit; pivots: the physical bit that stands for each.
        cosets: vectors that span the representatives of the cosets to visit; they lie in the support before the pass.
        support: of the state before the pass.
        gathered: whether blocks are copied, or the whole state is the block.
    """

    items: list[Item] = field(default_factory=list)
    vectors: tuple[int, ...] = ()
    pivots: tuple[int, ...] = ()
    cosets: tuple[int, ...] = ()
    support: Span = field(default_factory=Span)
    gathered: bool = False


def passes(
    items: list[Item], n_bits: int, lane_bits: int, *, from_zero: bool, block: int = BLOCK_QUBITS
) -> list[Pass]:
    """Cut a sequence into passes; an item may overtake the ones left for later if it commutes with them.

    Args:
        items: the operations in order.
        n_bits: number of bits of a row index.
        lane_bits: low bits of the items' masks that are lanes, not rows.
        from_zero: whether the state starts as |0...0>.
        block: dimension of a block; from `n_bits` on the state is one block and nothing is copied.
    """
    everything = tuple(1 << bit for bit in range(n_bits))
    support = Span(() if from_zero else everything)
    result = []
    rest = list(items)
    reach = LOOK_AHEAD_PER_QUBIT * n_bits
    whole = block >= n_bits
    while rest:
        span, taken, before = Span(), [], support.copy()
        while True:
            more, rest = _within(rest, span, support, reach, lane_bits, block)
            taken += more
            grown = _grow(rest, span, support, reach, lane_bits, block)
            if grown is None:
                break
            taken.append(grown)
        found = _gathered(taken)
        result.append(
            Pass(found, everything, tuple(range(n_bits)), support=before) if whole else
            _finished(span, before, found, block)
        )  # fmt: skip
    return result


def _within(
    rest: list[Item], span: Span, support: Span, reach: int, lane_bits: int, block: int
) -> tuple[list[Item], list[Item]]:
    """Take what leaves the support as it is; extends the span. Returns (taken, left)."""
    taken: list[Item] = []
    left: list[Item] = []
    for place, item in enumerate(rest):
        if len(left) > reach:
            return taken, left + rest[place:]
        flips = _flips(item, lane_bits)
        inside = not any(support.reduce(flip) for flip in flips) and _fits(span, flips, block)
        if inside and all(items_commute(item, earlier) for earlier in left):
            for flip in flips:
                span.add(flip)
            taken.append(item)
        else:
            left.append(item)
    return taken, left


def _grow(rest: list[Item], span: Span, support: Span, reach: int, lane_bits: int, block: int) -> Item | None:
    """Take the first item that fits, although it enlarges the support; removes it from `rest`."""
    for place, item in enumerate(rest[:reach]):
        flips = _flips(item, lane_bits)
        if _fits(span, flips, block) and all(items_commute(item, earlier) for earlier in rest[:place]):
            for flip in flips:
                span.add(flip)
                support.add(flip)
            return rest.pop(place)
    return None


def _flips(item: Item, lane_bits: int) -> tuple[int, ...]:
    if isinstance(item, Rotation):
        return (item.pauli.x >> lane_bits,)
    return tuple(flip >> lane_bits for flip in item.flips) if isinstance(item, Dense) else ()


def _fits(span: Span, flips: tuple[int, ...], block: int) -> bool:
    outside = [flip for flip in flips if span.reduce(flip)]
    if len(span) + len(outside) <= block:
        return True
    larger = span.copy()
    for flip in outside:
        larger.add(flip)
    return len(larger) <= block


def _gathered(items: list[Item]) -> list[Item]:
    """The same operations with their diagonal ones collected (see `Sequence`)."""
    sequence = Sequence(len(items))
    for item in items:
        if isinstance(item, Rotation):
            sequence.turn(item.pauli, item.angle)
        elif isinstance(item, Diagonal):
            for mask, angle in item.angles.items():
                sequence.turn_diagonal(mask, angle)
        else:
            sequence.items.append(item)
    return sequence.items


def _finished(span: Span, before: Span, items: list[Item], block: int) -> Pass:
    # Dimensions that are left are filled from the support: more rows travel together, none that is zero.
    for vector in before.vectors():
        if len(span) == block:
            break
        span.add(vector)
    cosets = []
    covered = span.copy()
    for vector in before.vectors():
        if covered.reduce(vector):
            covered.add(vector)
            cosets.append(vector)
    return Pass(items, span.vectors(), tuple(sorted(span.basis)), tuple(cosets), before, gathered=True)
