# SPDX-License-Identifier: Apache-2.0
"""The compiler's picture of a circuit: rotations about axes, with every fixed one-qubit gate pushed to the end.

circuit = permutation . (L_0 x L_1 x ...) . R_K ... R_1, where R_k = exp(-i angle/2 (n.sigma)_a (m.sigma)_b) acts on two
wires, or exp(-i angle/2 (n.sigma)_a) on one wire where its angle is symbolic. A fixed local only turns the axes of the
rotations after it, exactly: exp(P) V = V exp(V^-1 P V). A SWAP only relabels the wires.
Not here: finding shorter networks (`merging`), pulses (`frames`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qstore.circuit import Angle
from qstore_ionq.native.quaternions import (
    IDENTITY,
    Quaternion,
    Vector,
    cross,
    dot,
    norm,
    normalised,
    product,
    turned,
    turned_back,
)

PARALLEL = 3e-12
"""Sine of the largest angle between axes that count as parallel; what it lets through stays far below 1e-10."""
NEGLIGIBLE = 1e-12
"""Rotations by less than this (radians) are the identity."""


class Rotation(NamedTuple):
    """One rotation of a network; `angle` is radians, or an affine expression of parameters."""

    wires: tuple[int, ...]
    axes: tuple[Vector, ...]
    angle: float | Angle

    @property
    def is_symbolic(self) -> bool:
        """Whether a parameter enters."""
        return isinstance(self.angle, Angle)

    @property
    def radians(self) -> float:
        """The angle of a fixed rotation."""
        assert isinstance(self.angle, float)
        return self.angle


class Local(NamedTuple):
    """A fixed one-qubit gate."""

    wire: int
    quaternion: Quaternion


class Exchange(NamedTuple):
    """A SWAP of two wires."""

    first: int
    second: int


Item = Rotation | Local | Exchange


@dataclass(frozen=True, slots=True)
class Network:
    """A circuit as rotations.

    Attributes:
        n_wires: number of wires.
        rotations: in the order in which they act.
        locals: the fixed gate at the end of each wire.
        wire_of: for each qubit of the circuit, the wire that holds it at the end.
    """

    n_wires: int
    rotations: tuple[Rotation, ...]
    locals: tuple[Quaternion, ...]
    wire_of: tuple[int, ...]

    @property
    def n_entanglers(self) -> int:
        """Number of rotations on two wires."""
        return sum(len(rotation.wires) == 2 for rotation in self.rotations)


class NetworkBuilder:
    """Takes items in time order and pushes what is local and fixed to the end."""

    def __init__(self, n_wires: int) -> None:
        self._frames: list[Quaternion] = [IDENTITY] * n_wires
        self._home = list(range(n_wires))  # of each item's wire, the wire that it is on now
        self._rotations: list[Rotation] = []

    def copy(self) -> NetworkBuilder:
        """A builder with the same frames and no rotations, to try out what may come next."""
        other = NetworkBuilder(len(self._frames))
        other._frames, other._home = list(self._frames), list(self._home)
        return other

    def add(self, item: Item) -> None:
        """Append one item."""
        if isinstance(item, Local):
            wire = self._home[item.wire]
            self._frames[wire] = normalised(product(item.quaternion, self._frames[wire]))
        elif isinstance(item, Exchange):
            home = self._home
            home[item.first], home[item.second] = home[item.second], home[item.first]
        else:
            self._rotate(item)

    def placed(self, item: Rotation) -> Rotation:
        """An item as it will stand in the network, but for its angle."""
        wires = tuple(self._home[wire] for wire in item.wires)
        axes = tuple(turned_back(self._frames[w], n) for w, n in zip(wires, item.axes, strict=True))
        return Rotation(wires, axes, item.angle)

    def unplaced(self, wire: int, axis: Vector) -> Vector:
        """The axis that an item needs for its rotation to stand in the network about the given one."""
        return turned(self._frames[self._home[wire]], axis)

    def _rotate(self, item: Rotation) -> None:
        wires, axes, angle = self.placed(item)
        if isinstance(angle, float):
            half_turns = round(angle / math.pi)
            angle -= half_turns * math.pi
            if half_turns % 2:  # exp(-i pi/2 P) ~ P, a Pauli on each wire
                for wire, (x, y, z) in zip(wires, axes, strict=True):
                    self._frames[wire] = product(self._frames[wire], (0.0, x, y, z))
            if abs(angle) < NEGLIGIBLE:
                return
            if len(wires) == 1:
                raise AssertionError("A fixed rotation of one wire is a Local.")
        self._rotations.append(Rotation(wires, axes, angle))

    def network(
        self, wire_of: Sequence[int] | None = None, after: Sequence[Quaternion] | None = None
    ) -> Network:
        """What was built.

        Args:
            wire_of: which of the items' wires holds each qubit, by default its own number.
            after: locals that follow on the items' wires.
        """
        frames = list(self._frames)
        for wire, quaternion in enumerate(after or ()):
            home = self._home[wire]
            frames[home] = normalised(product(quaternion, frames[home]))
        final = tuple(self._home[wire] for wire in (wire_of if wire_of is not None else range(len(frames))))
        return Network(len(frames), tuple(self._rotations), tuple(frames), final)


def rebuilt(network: Network, items: Iterable[Item]) -> Network:
    """The network whose rotations are replaced by items that do the same."""
    builder = NetworkBuilder(network.n_wires)
    for item in items:
        builder.add(item)
    return builder.network(network.wire_of, network.locals)


def are_parallel(a: Vector, b: Vector) -> bool:
    """Whether two unit vectors are parallel or antiparallel."""
    return norm(cross(a, b)) < PARALLEL


def commute(first: Rotation, second: Rotation) -> bool:
    """Whether two rotations commute for all angles."""
    shared = orthogonal = 0
    for wire, axis in zip(first.wires, first.axes, strict=True):
        for other_wire, other_axis in zip(second.wires, second.axes, strict=True):
            if wire == other_wire:
                shared += 1
                if are_parallel(axis, other_axis):
                    continue
                if abs(dot(axis, other_axis)) > PARALLEL:
                    return False
                orthogonal += 1
    return shared == 0 or orthogonal % 2 == 0


def same_up_to_angle(first: Rotation, second: Rotation) -> int:
    """1 or -1 when the rotations have the same generator up to that sign, else 0."""
    if first.wires == second.wires:
        pairs = zip(first.axes, second.axes, strict=True)
    elif first.wires == second.wires[::-1]:
        pairs = zip(first.axes, second.axes[::-1], strict=True)
    else:
        return 0
    sign = 1
    for a, b in pairs:
        if not are_parallel(a, b):
            return 0
        sign = sign if dot(a, b) > 0 else -sign
    return sign
