# SPDX-License-Identifier: Apache-2.0
"""From a network to native operations in the frames of their wires.

Each wire has a frame V, what its pulses have done so far. A rotation about n is done about R(V) n, which the plan of
frame vectors (`frames`) has brought onto the equator for MS, onto the pole for ZZ and for virtual Z rotations. What
is left at the end, L V^-1, turns z to +-z: a phase that no measurement sees, and maybe a flip of the outcome.
Not here: numbers for parameters (`program`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from qstore.circuit import Angle
from qstore_ionq.native.frames import Constraint, Wire
from qstore_ionq.native.network import Network, Rotation
from qstore_ionq.native.quaternions import (
    IDENTITY,
    Z_AXIS,
    Quaternion,
    Vector,
    inverse,
    normalised,
    product,
    rotation,
    turned,
    turned_back,
)

ENTANGLERS = ("ms", "zz")


class Pulse(NamedTuple):
    """GPi2 about the equatorial axis at an azimuth (radians) of the wire's frame."""

    wire: int
    azimuth: float


class VirtualZ(NamedTuple):
    """exp(-i sign angle/2 Z) of the wire's frame, for a symbolic angle; it takes no time."""

    wire: int
    sign: float
    angle: Angle


class Entangler(NamedTuple):
    """exp(-i angle/2 n.sigma x m.sigma): equatorial axes at the azimuths for MS; Z Z, and no azimuths, for ZZ."""

    wires: tuple[int, int]
    azimuths: tuple[float, float] | None
    angle: float | Angle


NativeOp = Pulse | VirtualZ | Entangler


class Lowered(NamedTuple):
    """A network as native operations.

    Attributes:
        ops: in order.
        rests: for each wire the fixed gate that is not done at the end: a Z rotation, maybe after an X.
    """

    ops: tuple[NativeOp, ...]
    rests: tuple[Quaternion, ...]


def planned(network: Network, entangler: str) -> list[Wire]:
    """Each wire's constraints, its measurement at the end included."""
    wires = [Wire() for _ in range(network.n_wires)]
    for each in network.rotations:
        is_point = entangler == "zz" or len(each.wires) == 1
        for wire, axis in zip(each.wires, each.axes, strict=True):
            wires[wire].add(Constraint(is_point, axis))
    for state, local in zip(wires, network.locals, strict=True):
        state.add(Constraint(True, turned_back(local, Z_AXIS)))
    return wires


def lowered(network: Network, wires: list[Wire], entangler: str) -> Lowered:
    """The network as native operations, with the plans that `planned` made."""
    plans = [iter(wire.plan()) for wire in wires]
    frames: list[Quaternion] = [IDENTITY] * network.n_wires
    ops: list[NativeOp] = []

    def jump(wire: int) -> None:
        for target in next(plans[wire]):
            pulse, frames[wire] = _carried(wire, frames[wire], target)
            ops.append(pulse)

    for each in network.rotations:
        for wire in each.wires:
            jump(wire)
        axes = [turned(frames[wire], axis) for wire, axis in zip(each.wires, each.axes, strict=True)]
        ops.append(_done(each, axes, entangler))
    for wire in range(network.n_wires):
        jump(wire)
    rests = (
        normalised(product(last, inverse(frame))) for last, frame in zip(network.locals, frames, strict=True)
    )
    return Lowered(tuple(ops), tuple(rests))


def _carried(wire: int, frame: Quaternion, target: Vector) -> tuple[Pulse, Quaternion]:
    """The pulse after which the target, now on the equator of the frame, is along z."""
    x, y, _ = turned(frame, target)
    azimuth = math.atan2(-x, y)  # the axis e x z for e = (x, y, 0): a quarter turn about it carries e to z
    quarter = rotation((math.cos(azimuth), math.sin(azimuth), 0.0), math.pi / 2)
    return Pulse(wire, azimuth), normalised(product(quarter, frame))


def _done(each: Rotation, axes: list[Vector], entangler: str) -> NativeOp:
    if isinstance(each.angle, Angle) and len(each.wires) == 1:
        return VirtualZ(each.wires[0], math.copysign(1.0, axes[0][2]), each.angle)
    wires = (each.wires[0], each.wires[1])
    if entangler == "zz":
        sign = math.copysign(1.0, axes[0][2] * axes[1][2])
        return Entangler(wires, None, each.angle * sign)
    azimuths = (math.atan2(axes[0][1], axes[0][0]), math.atan2(axes[1][1], axes[1][0]))
    if isinstance(each.angle, float) and each.angle < 0:
        return Entangler(wires, (azimuths[0] + math.pi, azimuths[1]), -each.angle)
    return Entangler(wires, azimuths, each.angle)
