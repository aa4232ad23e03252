# SPDX-License-Identifier: Apache-2.0
"""Which two rotations of a pass are done at once.

Two rotations whose flips connect four rows are done on one visit of these rows. A rotation takes the next one that may
move up to it: past everything in between that it commutes with.
"""

from __future__ import annotations

from collections.abc import Sequence

from qstore_sim.program.sequence import Item, Rotation, commute

LOOK_AHEAD = 24
"""How far ahead a rotation looks for company; bounds the compile time of deep circuits."""

Group = tuple[Rotation, Rotation] | Item


def paired(items: Sequence[Item], lane_bits: int) -> list[Group]:
    """The items of a pass with rotations in pairs where possible."""
    rest: list[Item | None] = list(items)
    groups: list[Group] = []
    for place, item in enumerate(rest):
        if item is None:
            continue
        partner = _partner(rest, place, item, lane_bits) if isinstance(item, Rotation) else None
        if partner is None:
            groups.append(item)
            continue
        second = rest[partner]
        assert isinstance(item, Rotation)
        assert isinstance(second, Rotation)
        groups.append((item, second))
        rest[partner] = None
    return groups


def _partner(rest: Sequence[Item | None], place: int, item: Rotation, lane_bits: int) -> int | None:
    rows = item.pauli.x >> lane_bits
    if rows == 0:
        return None
    between: list[Item] = []
    for index in range(place + 1, min(len(rest), place + 1 + LOOK_AHEAD)):
        other = rest[index]
        if other is None:
            continue
        if (
            isinstance(other, Rotation)
            and other.pauli.x >> lane_bits not in {0, rows}
            and all(commute(earlier, other.pauli) for earlier in between)
        ):
            return index
        between.append(other)
    return None
