# SPDX-License-Identifier: Apache-2.0
"""The fewest one-qubit pulses on a wire, for a given order of its rotations.

A wire's frame V is what its pulses have done so far; what matters of it is the frame vector w = R(V)^-1 z. An MS gate
about the axis n needs w orthogonal to n, a ZZ gate or a virtual Z rotation needs w along +-n, a measurement of the
axis m needs w along +-m. A GPi2 pulse carries w to any vector orthogonal to it, and only to those; at the start w = z.
So the question is how few orthogonal jumps lead through all constraints. The sets of w that j pulses can reach are
points, great circles or the whole sphere, so they are propagated exactly; two pulses reach everything, so only the two
lowest numbers of pulses matter at each constraint.
Axes up to sign: w and -w are the same frame, read with phases half a turn apart.
"""

from __future__ import annotations

from typing import NamedTuple

from qstore_ionq.native.network import PARALLEL
from qstore_ionq.native.quaternions import Z_AXIS, Vector, cross, dot, norm, orthogonal_to, unit

POINT, CIRCLE = 0, 1  # +-v, or every unit vector orthogonal to v
MOST_NODES = 24


class Constraint(NamedTuple):
    """w must be along `axis` (is_point) or orthogonal to it."""

    is_point: bool
    axis: Vector


class Node(NamedTuple):
    """A set of frame vectors that satisfies a constraint, and how it was reached."""

    kind: int
    vector: Vector
    pulses: int
    jumps: int
    parent: int


class Wire:
    """What pulses can make of one wire's frame vector, constraint after constraint."""

    def __init__(self, start: Vector = Z_AXIS) -> None:
        self.layers = [[Node(POINT, start, 0, 0, -1)]]

    def copy(self) -> Wire:
        """The same, to try out what may come next."""
        other = Wire()
        other.layers = list(self.layers)
        return other

    @property
    def pulses(self) -> int:
        """The fewest pulses that satisfy the constraints so far."""
        return self.layers[-1][0].pulses

    def member(self) -> Vector:
        """A frame vector that the fewest pulses reach now."""
        return _member(self.layers[-1][0], None)

    def add(self, constraint: Constraint) -> None:
        """Satisfy one constraint more."""
        is_point, axis = constraint
        found: list[Node] = []
        full = POINT if is_point else CIRCLE
        for number, (kind, vector, pulses, _, _) in enumerate(self.layers[-1]):
            across = cross(vector, axis)
            parallel = norm(across) < PARALLEL
            orthogonal = abs(dot(vector, axis)) < PARALLEL
            # Without a pulse: the part of the set that satisfies the constraint.
            if kind == POINT:
                if parallel if is_point else orthogonal:
                    found.append(Node(POINT, vector, pulses, 0, number))
            elif is_point:
                if orthogonal:
                    found.append(Node(POINT, axis, pulses, 0, number))
            elif parallel:
                found.append(Node(CIRCLE, axis, pulses, 0, number))
            else:
                found.append(Node(POINT, unit(across), pulses, 0, number))
            # One pulse leads from a point onto its circle, and from a circle anywhere; two lead anywhere.
            if kind == CIRCLE:
                found.append(Node(full, axis, pulses + 1, 1, number))
                continue
            if is_point:
                if orthogonal:
                    found.append(Node(POINT, axis, pulses + 1, 1, number))
            elif parallel:
                found.append(Node(CIRCLE, axis, pulses + 1, 1, number))
            else:
                found.append(Node(POINT, unit(across), pulses + 1, 1, number))
            found.append(Node(full, axis, pulses + 2, 2, number))
        self.layers.append(_pruned(found))

    def plan(self) -> list[list[Vector]]:
        """The frame vectors to jump to before each constraint: none, one or two, the last one satisfying it."""
        node = self.layers[-1][0]
        at = _member(node, None)
        chosen: list[list[Vector]] = []
        for index in range(len(self.layers) - 1, 0, -1):
            parent = self.layers[index - 1][node.parent]
            if node.jumps == 0:
                chosen.append([])
            else:
                before = _member(parent, at if node.jumps == 1 else None)
                chosen.append([at] if node.jumps == 1 else [_between(before, at), at])
                at = before
            node = parent
        return chosen[::-1]


def _pruned(found: list[Node]) -> list[Node]:
    """The nodes that may still lead to the fewest pulses: the two lowest numbers, no set twice; fewest first."""
    if len(found) == 1:
        return found
    lowest = min(node.pulses for node in found)
    kept: list[Node] = []
    for pulses in (lowest, lowest + 1):
        for kind in (CIRCLE, POINT):  # circles first: they contain points
            for node in found:
                if node.pulses == pulses and node.kind == kind and not _is_known(node, kept):
                    kept.append(node)
    return kept[:MOST_NODES]


def _is_known(node: Node, kept: list[Node]) -> bool:
    """Whether every vector of the node is in one of the others, which take no more pulses."""
    for other in kept:
        if other.kind == CIRCLE and node.kind == POINT:
            if abs(dot(other.vector, node.vector)) < PARALLEL:
                return True
        elif other.kind == node.kind and norm(cross(other.vector, node.vector)) < PARALLEL:
            return True
    return False


def _member(node: Node, target: Vector | None) -> Vector:
    """A vector of the set, orthogonal to the target if there is one."""
    if node.kind == POINT:
        return node.vector
    if target is None or norm(cross(node.vector, target)) < PARALLEL:
        return orthogonal_to(node.vector)
    return unit(cross(node.vector, target))


def _between(a: Vector, b: Vector) -> Vector:
    """A vector orthogonal to both."""
    across = cross(a, b)
    return unit(across) if norm(across) > PARALLEL else orthogonal_to(a)
