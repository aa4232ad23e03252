# SPDX-License-Identifier: Apache-2.0
"""Two-rotation blocks have a choice of axes that saves pulses on MS machines.

exp(-i/2 (s X X + t Y Y)) needs two entanglers, but not those about XX and YY: the axes of the first may be any in the XY
planes of the two wires (`parity`). Chosen orthogonal to the frame vectors that the wires have already, they cost one
pulse per wire, between the rotations, where fixed axes take two before them. In a block of three rotations the first
two can have axes orthogonal to frame vectors given in advance, so it takes one pulse per wire, too, instead of two.
For ZZ machines only the order is free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

from qstore_ionq.native.frames import Constraint, Wire
from qstore_ionq.native.gates import canonical_items, canonical_parts, canonical_rotations
from qstore_ionq.native.kak import product_of
from qstore_ionq.native.merging import are_canonical, groups_of, matters
from qstore_ionq.native.network import (
    NEGLIGIBLE,
    PARALLEL,
    Item,
    Local,
    Network,
    NetworkBuilder,
    Rotation,
)
from qstore_ionq.native.parity import Pair, pair_of, split_off
from qstore_ionq.native.quaternions import (
    X_AXIS,
    Vector,
    cross,
    dot,
    norm,
    orthogonal_to,
    rotation,
    unit,
)
from qstore_ionq.native.rewrites import Audit


class Block(NamedTuple):
    """Rotations about orthogonal axes on both wires, which commute: axes[k] of the first and of the second wire."""

    wires: tuple[int, int]
    axes: tuple[tuple[Vector, Vector], ...]
    angles: tuple[float, ...]


class Option(NamedTuple):
    """One way to lower a block: its items, and what its two wires are then."""

    pulses: int
    items: list[Item]
    wires: tuple[Wire, Wire]


def arranged(network: Network, is_point: bool, audit: Audit | None = None) -> Network:
    """The network with the axes and the order of its blocks chosen for the fewest pulses.

    Args:
        network: with its groups merged.
        is_point: whether an entangler wants the frame vector along its axis (ZZ) or orthogonal to it (MS).
        audit: where the steps are compared with what they replace.
    """
    groups = groups_of(network.rotations)
    if len(groups) == len(network.rotations):
        return network
    builder = NetworkBuilder(network.n_wires)
    wires = [Wire() for _ in range(network.n_wires)]
    for group in groups:
        if len(group) == 1:
            _follow(group[0], builder, wires, is_point)
            builder.add(group[0])
            continue
        block, before, after = _block_of(group)
        for local in before:
            builder.add(local)
        orders = _ORDERS_OF_POINTS if is_point else _ORDERS
        options = [_option(block, order, builder, wires, is_point) for order in orders[len(block.angles)]]
        best = min(options, key=lambda option: option.pulses)
        now = sum(wires[wire].pulses for wire in block.wires)
        if len(block.angles) == 3 and not is_point and best.pulses > now + 2:
            triple = _triple(block, builder, wires)
            best = triple if triple is not None and triple.pulses < best.pulses else best
        for item in best.items:
            builder.add(item)
        wires[block.wires[0]], wires[block.wires[1]] = best.wires
        for local in after:
            builder.add(local)
        if audit is not None:
            audit.compare(block.wires, group, [*before, *best.items, *after])
    return builder.network(network.wire_of, network.locals)


def _follow(rotation: Rotation, builder: NetworkBuilder, wires: list[Wire], is_point: bool) -> None:
    placed = builder.placed(rotation)
    for wire, axis in zip(placed.wires, placed.axes, strict=True):
        wires[wire].add(Constraint(is_point or len(placed.wires) == 1, axis))


def _block_of(group: list[Rotation]) -> tuple[Block, list[Item], list[Item]]:
    """A group as a block between locals."""
    wires = (group[0].wires[0], group[0].wires[1])
    axes = [(r.axes[0], r.axes[1]) if r.wires[0] == wires[0] else (r.axes[1], r.axes[0]) for r in group]
    angles = [r.radians for r in group]
    if are_canonical(axes):
        return Block(wires, tuple(axes), tuple(angles)), [], []
    before, found, after = canonical_parts(product_of(axes, angles), wires)
    rotations = canonical_rotations(found, wires)
    kept = [each for each in rotations if matters(each.radians)]
    # A rotation by a multiple of pi is a Pauli on each wire, which the builder sees to: it goes before the others.
    paulis = [each for each in rotations if not matters(each.radians)]
    block = Block(wires, tuple((r.axes[0], r.axes[1]) for r in kept), tuple(r.radians for r in kept))
    return block, [*before, *paulis], after


Order = tuple[tuple[int, ...], ...]
_ORDERS: dict[int, tuple[Order, ...]] = {
    1: (((0,),),),
    2: (((0, 1),), ((0,), (1,)), ((1,), (0,))),
    3: tuple(
        order
        for single, pair in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1)))
        for order in (((single,), pair), (pair, (single,)))
    ),
}
"""The rotations of a block as steps, of one or of a pair, in every order that makes a difference."""
_ORDERS_OF_POINTS: dict[int, tuple[Order, ...]] = {
    size: tuple(tuple((k,) for k in order) for order in permutations(range(size))) for size in (1, 2, 3)
}


def _option(block: Block, order: Order, builder: NetworkBuilder, wires: list[Wire], is_point: bool) -> Option:
    """The block in one order, its pairs about the axes that suit the wires."""
    trial = _Trial(block, builder, wires, is_point)
    for step in order:
        rotations = [Rotation(block.wires, block.axes[k], block.angles[k]) for k in step]
        trial.play(_paired(rotations, trial.builder, trial.states) if len(step) == 2 else rotations)
    return trial.option()


class _Trial:
    """What a block's items would make of its wires."""

    def __init__(self, block: Block, builder: NetworkBuilder, wires: list[Wire], is_point: bool) -> None:
        self.builder = builder.copy()
        self.states = {wire: wires[wire].copy() for wire in block.wires}
        self._is_point = is_point
        self._items: list[Item] = []

    def play(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Rotation):
                placed = self.builder.placed(item)
                for wire, axis in zip(placed.wires, placed.axes, strict=True):
                    self.states[wire].add(Constraint(self._is_point, axis))
            self.builder.add(item)
        self._items += items

    def option(self) -> Option:
        first, second = self.states.values()
        return Option(first.pulses + second.pulses, self._items, (first, second))


def _paired(pair: list[Rotation], builder: NetworkBuilder, states: dict[int, Wire]) -> list[Item]:
    """Two rotations of a block, about axes that suit the frame vectors of the wires."""
    azimuths: list[float | None] = []
    for side, wire in enumerate(pair[0].wires):
        x, y = pair[0].axes[side], pair[1].axes[side]
        state = states[wire]
        fixed = state.copy()
        for rotation_ in pair:
            fixed.add(Constraint(False, builder.placed(rotation_).axes[side]))
        if fixed.pulses <= state.pulses + 1:
            azimuths.append(None)
            continue
        at = builder.unplaced(wire, state.member())
        chosen = cross(cross(x, y), at)
        azimuths.append(math.atan2(dot(chosen, y), dot(chosen, x)) if norm(chosen) > PARALLEL else None)
    if azimuths == [None, None]:
        return [*pair]
    return _with_azimuths(pair, azimuths[0] or 0.0, azimuths[1] or 0.0)


def _with_azimuths(pair: list[Rotation], phi: float, chi: float) -> list[Item]:
    """The same block with its first axes at azimuths phi and chi of the two wires' planes.

    On the even and the odd subspace exp(-i/2 (s X X + t Y Y)) is a rotation about x by s - t and by s + t.
    """
    s, t = pair[0].radians, pair[1].radians
    found = pair_of(rotation(X_AXIS, s - t), rotation(X_AXIS, s + t), phi, chi)
    return _items(found, pair[0].wires, pair[0].axes, pair[1].axes)


def _items(pair: Pair, wires: tuple[int, ...], x: tuple[Vector, ...], y: tuple[Vector, ...]) -> list[Item]:
    """A pair in the planes that x and y span on each wire."""
    rotations = [
        Rotation(wires, tuple(_at(x[side], y[side], azimuth) for side, azimuth in enumerate(azimuths)), angle)
        for azimuths, angle in zip(pair.azimuths, pair.angles, strict=True)
    ]
    locals_ = [
        Local(wire, rotation(unit(cross(x[side], y[side])), pair.rests[side]))
        for side, wire in enumerate(wires)
    ]
    return [*rotations, *locals_]


def _triple(block: Block, builder: NetworkBuilder, wires: list[Wire]) -> Option | None:
    """A block of three rotations: a pair about axes orthogonal to the frame vectors as they are, then one rotation."""
    at = [builder.unplaced(wire, wires[wire].member()) for wire in block.wires]
    x = tuple(orthogonal_to(w) for w in at)
    y = tuple(cross(w, v) for w, v in zip(at, x, strict=True))
    bases = list(zip(x, y, at, strict=True))
    seen = [(_coordinates(first, bases[0]), _coordinates(second, bases[1])) for first, second in block.axes]
    found = split_off(product_of(seen, block.angles))
    if found is None:
        return None
    even, odd, rest = found
    last = [item for item in canonical_items(rest, (0, 1)) if not _is_negligible(item)]
    if sum(isinstance(item, Rotation) for item in last) > 1:
        return None
    trial = _Trial(block, builder, wires, is_point=False)
    trial.play(_items(pair_of(even, odd, 0.0, 0.0), block.wires, x, y))
    trial.play([_back(item, bases, block.wires) for item in last])
    return trial.option()


def _coordinates(v: Vector, basis: tuple[Vector, Vector, Vector]) -> Vector:
    return (dot(v, basis[0]), dot(v, basis[1]), dot(v, basis[2]))


def _is_negligible(item: Item) -> bool:
    return isinstance(item, Rotation) and abs(math.remainder(item.radians, 2 * math.pi)) < NEGLIGIBLE


def _back(item: Item, bases: list[tuple[Vector, Vector, Vector]], wires: tuple[int, int]) -> Item:
    """An item on wires 0 and 1, whose axes are coordinates in a basis for each, on these wires of the network."""

    def mixed(v: Sequence[float], side: int) -> Vector:
        x, y, z = (sum(v[k] * bases[side][k][i] for k in range(3)) for i in range(3))
        return (x, y, z)

    if isinstance(item, Rotation):
        return Rotation(wires, (mixed(item.axes[0], 0), mixed(item.axes[1], 1)), item.angle)
    assert isinstance(item, Local)
    w, *vector = item.quaternion
    return Local(wires[item.wire], (w, *mixed(vector, item.wire)))


def _at(x: Vector, y: Vector, azimuth: float) -> Vector:
    c, s = math.cos(azimuth), math.sin(azimuth)
    return unit((c * x[0] + s * y[0], c * x[1] + s * y[1], c * x[2] + s * y[2]))
