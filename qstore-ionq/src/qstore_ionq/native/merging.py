# SPDX-License-Identifier: Apache-2.0
"""Shorter networks: rotations that meet their own kind add up, and two-qubit groups are resynthesised.

A rotation moves past others that commute with it. Where it meets one about the same axes their angles add, symbols
included. Two that share one axis become one. Where more fixed rotations of one pair of wires meet, their product is
decomposed anew (`kak`), also with a SWAP taken out, which only relabels; the fewest rotations win.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qstore_ionq.native.gates import canonical_parts, canonical_rotations
from qstore_ionq.native.kak import product_of
from qstore_ionq.native.network import (
    NEGLIGIBLE,
    PARALLEL,
    Exchange,
    Item,
    Local,
    Network,
    Rotation,
    are_parallel,
    commute,
    rebuilt,
    same_up_to_angle,
)
from qstore_ionq.native.quaternions import (
    Z_AXIS,
    Vector,
    dot,
    inverse,
    norm,
    product,
    rotation,
)
from qstore_ionq.native.rewrites import Audit

_MOST_ROUNDS = 8


def simplified(network: Network, audit: Audit | None = None) -> Network:
    """The network with rotations merged and groups resynthesised, to a fixpoint."""
    network = rebuilt(network, merged(network.rotations))
    for _ in range(_MOST_ROUNDS):
        before = len(network.rotations)
        network = _resynthesised(network, groups_of(network.rotations), audit)
        # Grouping moves rotations to earlier ones; going through the network backwards moves them to later ones.
        backwards = groups_of(network.rotations[::-1])
        network = _resynthesised(network, [group[::-1] for group in reversed(backwards)], audit)
        if len(network.rotations) == before:
            break
        network = rebuilt(network, merged(network.rotations))
    return network


def merged(rotations: Sequence[Rotation]) -> list[Rotation]:
    """Add up the angles of rotations with the same generator that can meet."""
    done: list[Rotation] = []
    for each in rotations:
        for place in range(len(done) - 1, -1, -1):
            other = done[place]
            sign = same_up_to_angle(other, each)
            if sign:
                total = other.angle + each.angle * float(sign)
                if not isinstance(total, float) and total.is_constant:
                    total = total.constant
                if len(each.wires) == 1 and isinstance(total, float):
                    done.append(each)  # a symbolic rotation and its inverse met: a rare case, kept as it is
                else:
                    done[place] = Rotation(other.wires, other.axes, total)
                break
            if not commute(other, each):
                done.append(each)
                break
        else:
            done.append(each)
    return done


def groups_of(rotations: Sequence[Rotation]) -> list[list[Rotation]]:
    """Fixed rotations of one pair of wires that can be brought together, as lists; the others alone in theirs."""
    done: list[list[Rotation]] = []
    for each in rotations:
        if each.is_symbolic:
            done.append([each])
            continue
        first, second = each.wires
        for group in reversed(done):
            other = group[0].wires
            if first not in other and second not in other:
                continue
            if first in other and second in other and not group[0].is_symbolic:
                group.append(each)
                break
            if not all(commute(member, each) for member in group):
                done.append([each])
                break
        else:
            done.append([each])
    return done


def _resynthesised(network: Network, groups: list[list[Rotation]], audit: Audit | None) -> Network:
    items: list[Item] = []
    changed = False
    for group in groups:
        better = shorter(group) if len(group) > 1 else None
        items += better if better is not None else group
        if better is not None:
            changed = True
            if audit is not None:
                audit.compare((group[0].wires[0], group[0].wires[1]), group, better)
    return rebuilt(network, items) if changed else network


def shorter(group: list[Rotation]) -> list[Item] | None:
    """Items with fewer rotations than a group of fixed rotations on one pair of wires, if there are any."""
    wires = (group[0].wires[0], group[0].wires[1])
    axes = [(r.axes[0], r.axes[1]) if r.wires[0] == wires[0] else (r.axes[1], r.axes[0]) for r in group]
    angles = [r.radians for r in group]
    common = _with_common_axis(axes, angles, wires)
    if common is not None:
        return common
    if len(group) <= 3 and are_canonical(axes):
        # Already canonical, so it is short unless a SWAP beside it has the same quarter turns.
        mirrored = sum(matters(angle - math.pi / 2) for angle in angles) + 3 - len(group)
        if mirrored >= len(group):
            return None
    elif len(group) == 2:
        return None  # two coordinates, whatever the axes
    before, found, after = canonical_parts(product_of(axes, angles), wires)
    swapped = [angle - math.pi / 2 for angle in found]  # SWAP ~ exp(i pi/4 (XX + YY + ZZ))
    plain, mirrored = sum(map(matters, found)), sum(map(matters, swapped))
    if min(plain, mirrored) >= len(group):
        return None
    chosen: Sequence[float] = found if plain <= mirrored else swapped
    middle: list[Item] = [*canonical_rotations(chosen, wires)]
    if chosen is swapped:
        middle.append(Exchange(*wires))
    return [*before, *middle, *after]


def _with_common_axis(
    axes: list[tuple[Vector, Vector]], angles: list[float], wires: tuple[int, int]
) -> list[Item] | None:
    """Rotations that share the axis of one wire: the other wire turns by q or by q', as the first one's bit says.

    With d = q'^-1 q they are one rotation about the axis of d, by half of its angle, and a local.
    """
    for side in (0, 1):
        shared = axes[0][side]
        if not all(are_parallel(shared, pair[side]) for pair in axes[1:]):
            continue
        up = down = (1.0, 0.0, 0.0, 0.0)
        for pair, angle in zip(axes, angles, strict=True):
            signed = angle if dot(pair[side], shared) > 0 else -angle
            up = product(rotation(pair[1 - side], signed), up)
            down = product(rotation(pair[1 - side], -signed), down)
        between = product(inverse(down), up)
        vector = between[1:]
        length = norm(vector)
        angle = math.atan2(length, between[0])  # between turns by twice the angle of the one rotation
        axis = (vector[0] / length, vector[1] / length, vector[2] / length) if length else Z_AXIS
        rest = product(up, inverse(rotation(axis, angle)))
        both = (shared, axis) if side == 0 else (axis, shared)
        return [Rotation(wires, both, angle), Local(wires[1 - side], rest)]
    return None


def are_canonical(axes: Sequence[tuple[Vector, Vector]]) -> bool:
    """Whether the axes are orthogonal to each other on both wires, so that the rotations commute."""
    return all(
        abs(dot(a[side], b[side])) < PARALLEL for i, a in enumerate(axes) for b in axes[:i] for side in (0, 1)
    )


def matters(angle: float) -> bool:
    """Whether a rotation of two wires by an angle takes an entangler: by a multiple of pi it is a Pauli on each."""
    return abs(math.remainder(angle, math.pi)) > 10 * NEGLIGIBLE
