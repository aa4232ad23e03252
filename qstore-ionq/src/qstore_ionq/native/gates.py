# SPDX-License-Identifier: Apache-2.0
"""The gate table as rotations: what every gate of the core is in the compiler's picture, angles symbolic or not.

A controlled rotation is one rotation on two wires and one local: exp(-i a/4 (1-Z) N) = exp(i a/4 Z N) exp(-i a/4 N). A
phase on the control is a Z rotation of it. So CX, CZ, CP, CRX, RZZ and iSWAP all take one entangler.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from qstore.circuit import Angle, Operation, decompose
from qstore.circuit.synthesis import synthesized
from qstore.errors import CapabilityError
from qstore_ionq.native.kak import canonical
from qstore_ionq.native.network import Exchange, Item, Local, Rotation
from qstore_ionq.native.quaternions import X_AXIS, Y_AXIS, Z_AXIS, Vector, from_matrix, rotation

PI = math.pi
_H_AXIS = (math.sqrt(0.5), 0.0, math.sqrt(0.5))
Expression = float | Angle


class Turn(NamedTuple):
    """exp(-i angle/2 axis.sigma) on the gate's qubit at a position."""

    position: int
    axis: Vector
    angle: Expression


class Pair(NamedTuple):
    """exp(-i angle/2 first.sigma second.sigma) on the gate's two qubits."""

    first: Vector
    second: Vector
    angle: Expression


class Swap(NamedTuple):
    """The two qubits change places."""


Step = Turn | Pair | Swap


def _turn(axis: Vector, angle: float | None = None) -> Callable[..., tuple[Step, ...]]:
    if angle is not None:
        return lambda: (Turn(0, axis, angle),)
    return lambda a: (Turn(0, axis, a),)


def _controlled(axis: Vector, a: Expression) -> tuple[Step, ...]:
    return (Pair(Z_AXIS, axis, a * -0.5), Turn(1, axis, a * 0.5))


def _controlled_pauli(axis: Vector) -> Callable[[], tuple[Step, ...]]:
    return lambda: (*_controlled(axis, PI), Turn(0, Z_AXIS, PI / 2))


def _equatorial(position: int, phi: Expression, *inner: Step) -> tuple[Step, ...]:
    return (Turn(position, Z_AXIS, phi * -1.0), *inner, Turn(position, Z_AXIS, phi))


_STEPS: dict[str, Callable[..., tuple[Step, ...]]] = {
    "i": lambda: (),
    "x": _turn(X_AXIS, PI),
    "y": _turn(Y_AXIS, PI),
    "z": _turn(Z_AXIS, PI),
    "h": _turn(_H_AXIS, PI),
    "s": _turn(Z_AXIS, PI / 2),
    "sdg": _turn(Z_AXIS, -PI / 2),
    "t": _turn(Z_AXIS, PI / 4),
    "tdg": _turn(Z_AXIS, -PI / 4),
    "sx": _turn(X_AXIS, PI / 2),
    "sxdg": _turn(X_AXIS, -PI / 2),
    "rx": _turn(X_AXIS),
    "ry": _turn(Y_AXIS),
    "rz": _turn(Z_AXIS),
    "p": _turn(Z_AXIS),
    "u": lambda t, p, q: (Turn(0, Z_AXIS, q), Turn(0, Y_AXIS, t), Turn(0, Z_AXIS, p)),
    "cx": _controlled_pauli(X_AXIS),
    "cy": _controlled_pauli(Y_AXIS),
    "cz": _controlled_pauli(Z_AXIS),
    "ch": _controlled_pauli(_H_AXIS),
    "swap": lambda: (Swap(),),
    "iswap": lambda: (Pair(Z_AXIS, Z_AXIS, PI / 2), Swap()),
    "crx": lambda a: _controlled(X_AXIS, a),
    "cry": lambda a: _controlled(Y_AXIS, a),
    "crz": lambda a: _controlled(Z_AXIS, a),
    "cp": lambda a: (*_controlled(Z_AXIS, a), Turn(0, Z_AXIS, a * 0.5)),
    "rxx": lambda a: (Pair(X_AXIS, X_AXIS, a),),
    "ryy": lambda a: (Pair(Y_AXIS, Y_AXIS, a),),
    "rzz": lambda a: (Pair(Z_AXIS, Z_AXIS, a),),
    "zz": lambda a: (Pair(Z_AXIS, Z_AXIS, a),),
    "gpi": lambda p: _equatorial(0, p, Turn(0, X_AXIS, PI)),
    "gpi2": lambda p: _equatorial(0, p, Turn(0, X_AXIS, PI / 2)),
    "ms": lambda p, q, t: (*_equatorial(0, p, *_equatorial(1, q, Pair(X_AXIS, X_AXIS, t))),),
}


def steps_of(op: Operation) -> tuple[Step, ...] | None:
    """A gate of the table as rotations, or None where it is not there or its angles do not decide it alone."""
    if op.gate not in _STEPS or op.condition is not None:
        return None
    return _STEPS[op.gate](*(a.constant if a.is_constant else a for a in op.angles))


def items_of(op: Operation) -> list[Item]:
    """An operation as items on the wires that are its qubits' numbers.

    Raises:
        CapabilityError: it is no unitary.
    """
    if not op.is_unitary:
        what = f"{op.gate!r} under a condition" if op.condition is not None else f"{op.gate!r}"
        raise CapabilityError(
            f"{what} cannot be compiled to native gates: only unitaries can. Lower preparations with "
            "qstore.compiler.lower_initialize and channels with qstore.compiler.dilate; final measurements are implied."
        )
    if op.gate == "unitary":
        return _from_matrix(op.matrix(), op.qubits)
    steps = steps_of(op)
    if steps is not None:
        return _placed(steps, op.qubits)
    if op.gate == "cu" and all(angle.is_constant for angle in op.angles):
        return _from_matrix(op.matrix(), op.qubits)
    return [item for part in decompose(op) for item in items_of(part)]


def _placed(steps: Sequence[Step], qubits: tuple[int, ...]) -> list[Item]:
    items: list[Item] = []
    for step in steps:
        if isinstance(step, Swap):
            items.append(Exchange(*qubits))
        elif isinstance(step, Pair):
            items.append(Rotation(qubits, (step.first, step.second), step.angle))
        elif isinstance(step.angle, Angle):
            items.append(Rotation((qubits[step.position],), (step.axis,), step.angle))
        else:
            items.append(Local(qubits[step.position], rotation(step.axis, step.angle)))
    return items


def _from_matrix(matrix: np.ndarray, qubits: tuple[int, ...]) -> list[Item]:
    if len(qubits) == 1:
        return [Local(qubits[0], from_matrix(matrix))]
    if len(qubits) > 2:
        return [item for op in synthesized(matrix, qubits) for item in items_of(op)]
    # The table's first qubit is the less significant one, the decomposition's the more significant one.
    return canonical_items(matrix, (qubits[1], qubits[0]))


def canonical_items(matrix: np.ndarray, wires: tuple[int, int]) -> list[Item]:
    """A two-qubit unitary, kron(first, second), as locals around three rotations."""
    before, angles, after = canonical_parts(matrix, wires)
    return [*before, *canonical_rotations(angles, wires), *after]


def canonical_parts(
    matrix: np.ndarray, wires: tuple[int, int]
) -> tuple[list[Item], tuple[float, float, float], list[Item]]:
    """A two-qubit unitary, kron(first, second), as locals, angles about XX, YY and ZZ, and locals."""
    found = canonical(matrix)
    before, after = (
        [Local(wire, q) for wire, q in zip(wires, pair, strict=True)] for pair in (found.before, found.after)
    )
    return [*before], found.angles, [*after]


def canonical_rotations(angles: Sequence[float], wires: tuple[int, int]) -> list[Rotation]:
    """Rotations about XX, YY and ZZ."""
    return [
        Rotation(wires, (axis, axis), angle)
        for axis, angle in zip((X_AXIS, Y_AXIS, Z_AXIS), angles, strict=True)
    ]
