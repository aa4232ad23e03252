# SPDX-License-Identifier: Apache-2.0
"""Lanes: the 16 (float32) or 8 (float64) numbers of a vector, and what stands in them.

A large batch fills them with samples: then no operation ever moves anything between lanes. A small batch would leave
most of them empty, so they take `lane_bits` bits of the amplitude's index as well: the tile holds lanes >> lane_bits
samples, lane s << lane_bits | m is amplitude row << lane_bits | m of sample s. A mask on physical indices then splits
into a part on rows and a part on lanes. A parity on lanes is a sign per lane, a flip of lanes an exchange of lanes in
a register, which costs a little; so the bits that are flipped least become lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from qstore_sim.program.frame import Frame, Pauli
from qstore_sim.program.sequence import Dense, Diagonal, Item, Rotation

EXCHANGE_COST = 1.15
"""Time of a tile with amplitudes in its lanes over one of the same size without."""
SAMPLE_BITS = 12
"""Sampled runs put samples in all lanes up to this size and one sample beyond, whatever the batch."""


@lru_cache(maxsize=1024)
def lane_bits_for(batch: int, n_bits: int, lanes: int) -> int:
    """How many bits of the index go into the lanes for the least time.

    Args:
        batch: number of samples.
        n_bits: number of bits of an index.
        lanes: numbers in a vector.
    """

    def time(bits: int) -> float:
        return -(-batch // (lanes >> bits)) / (1 << bits) * (EXCHANGE_COST if bits else 1.0)

    return min(range(min(lanes.bit_length() - 1, n_bits) + 1), key=time)


def lane_bits_for_shots(n_bits: int, lanes: int) -> int:
    """The same for sampled runs, where it must not depend on the batch: a row's numbers may not either."""
    return 0 if n_bits <= SAMPLE_BITS else lanes.bit_length() - 1


def least_flipped(items: Sequence[Item], n_bits: int, count: int) -> list[int]:
    """The bits to put into the lanes: those in the fewest flips."""
    flips = [0] * n_bits
    for item in items:
        masks = (
            item.flips if isinstance(item, Dense) else (item.pauli.x,) if isinstance(item, Rotation) else ()
        )
        for mask in masks:
            for bit in range(n_bits):
                flips[bit] += mask >> bit & 1
    return sorted(range(n_bits), key=lambda bit: (flips[bit], bit))[:count]


class Order:
    """A permutation of index bits that puts some first."""

    def __init__(self, first: Sequence[int], n_bits: int) -> None:
        self._bits = [*first, *(bit for bit in range(n_bits) if bit not in first)]

    def mask(self, mask: int) -> int:
        """The mask on permuted indices."""
        return sum((mask >> bit & 1) << place for place, bit in enumerate(self._bits))

    def item(self, item: Item) -> Item:
        """The operation on permuted indices."""
        if isinstance(item, Rotation):
            pauli = Pauli(self.mask(item.pauli.x), self.mask(item.pauli.z), item.pauli.phase)
            return Rotation(pauli, item.angle)
        if isinstance(item, Diagonal):
            return Diagonal({self.mask(mask): angle for mask, angle in item.angles.items()})
        flips, rows = (tuple(map(self.mask, masks)) for masks in (item.flips, item.rows))
        return Dense(flips, rows, item.signs, item.matrix)

    def frame(self, frame: Frame) -> Frame:
        """The frame on permuted indices."""
        other = Frame(len(frame.rows))
        other.columns, other.rows = [self.mask(m) for m in frame.columns], [self.mask(m) for m in frame.rows]
        other.signs = list(frame.signs)
        return other
