# SPDX-License-Identifier: Apache-2.0
"""Passes: which operations are done on one visit of a block of rows.

The flips of the operations of a pass span a k-dimensional space of row indices. Its cosets, 2**k rows each, do not
mix, so a pass visits one coset after the other: copy it into a block that stays in the L1 cache, do everything,
copy it back. A state of at most `WHOLE_QUBITS` qubits is one block itself and nothing is copied.

A state that starts as |0...0> is zero outside the space spanned by all flips so far, the *support*; a pass visits the
cosets inside it only. Passes are therefore chosen to go deep before they go wide: whatever does not enlarge the
support comes first. A shallow circuit with local entanglers then costs about one visit of the whole state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from qstore_sim.program.sequence import Dense, Diagonal, Item, Rotation, Sequence, items_commute

WHOLE_QUBITS = 8
"""States up to this size are not cut into blocks. Measured with tests/bench/train.py on 2 MiB L2 caches."""
BLOCK_QUBITS = 7
"""Dimension of a block: 2**7 rows of 128 bytes, twice (state and adjoint state), are 32 KiB of L1."""
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
    support: Span | None = None
    gathered: bool = False


def passes(items: list[Item], n_bits: int, lane_bits: int, *, from_zero: bool) -> list[Pass]:
    """Cut a sequence into passes; an item may overtake the ones left for later if it commutes with them.

    Args:
        items: the operations in order.
        n_bits: number of bits of a row index.
        lane_bits: low bits of the items' masks that are lanes, not rows.
        from_zero: whether the state starts as |0...0>.
    """
    if n_bits <= WHOLE_QUBITS:
        unit = tuple(range(n_bits))
        whole = _gathered(items)
        return [Pass(whole, tuple(1 << bit for bit in unit), unit)] if items else []
    everything = tuple(1 << bit for bit in range(n_bits))
    support = Span(() if from_zero else everything)
    result = []
    rest = list(items)
    while rest:
        span, taken, before = Span(), [], support.copy()
        while True:
            more, rest = _within(rest, span, support, n_bits, lane_bits)
            taken += more
            grown = _grow(rest, span, support, n_bits, lane_bits)
            if grown is None:
                break
            taken.append(grown)
        result.append(_finished(span, before, _gathered(taken)))
    return result


def _within(
    rest: list[Item], span: Span, support: Span, n_bits: int, lane_bits: int
) -> tuple[list[Item], list[Item]]:
    """Take what leaves the support as it is; extends the span. Returns (taken, left)."""
    taken: list[Item] = []
    left: list[Item] = []
    for place, item in enumerate(rest):
        if len(left) > LOOK_AHEAD_PER_QUBIT * n_bits:
            return taken, left + rest[place:]
        flips = _flips(item, lane_bits)
        inside = not any(support.reduce(flip) for flip in flips) and _fits(span, flips)
        if inside and all(items_commute(item, earlier) for earlier in left):
            for flip in flips:
                span.add(flip)
            taken.append(item)
        else:
            left.append(item)
    return taken, left


def _grow(rest: list[Item], span: Span, support: Span, n_bits: int, lane_bits: int) -> Item | None:
    """Take the first item that fits, although it enlarges the support; removes it from `rest`."""
    for place, item in enumerate(rest[: LOOK_AHEAD_PER_QUBIT * n_bits]):
        flips = _flips(item, lane_bits)
        if _fits(span, flips) and all(items_commute(item, earlier) for earlier in rest[:place]):
            for flip in flips:
                span.add(flip)
                support.add(flip)
            return rest.pop(place)
    return None


def _flips(item: Item, lane_bits: int) -> tuple[int, ...]:
    if isinstance(item, Rotation):
        return (item.pauli.x >> lane_bits,)
    return tuple(flip >> lane_bits for flip in item.flips) if isinstance(item, Dense) else ()


def _fits(span: Span, flips: tuple[int, ...]) -> bool:
    outside = [flip for flip in flips if span.reduce(flip)]
    if len(span) + len(outside) <= BLOCK_QUBITS:
        return True
    larger = span.copy()
    for flip in outside:
        larger.add(flip)
    return len(larger) <= BLOCK_QUBITS


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


def _finished(span: Span, before: Span, items: list[Item]) -> Pass:
    # Dimensions that are left are filled from the support: more rows travel together, none that is zero.
    for vector in before.vectors():
        if len(span) == BLOCK_QUBITS:
            break
        span.add(vector)
    cosets = []
    covered = span.copy()
    for vector in before.vectors():
        if covered.reduce(vector):
            covered.add(vector)
            cosets.append(vector)
    return Pass(items, span.vectors(), tuple(sorted(span.basis)), tuple(cosets), before, gathered=True)
