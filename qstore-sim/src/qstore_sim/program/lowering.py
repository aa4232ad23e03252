# SPDX-License-Identifier: Apache-2.0
"""Every gate as Pauli rotations, frame moves and a global phase.

    turn   exp(-i angle/2 P) for a Pauli string P: the only thing that costs time and has a derivative
    cx, flip, swap   moves of the frame (see `frame`), free at run time
    phase  a global phase, which only a statevector shows

The table is exact, global phase included, and is checked against the core's matrices over all rows. A gate with an
arbitrary matrix on two or three qubits is no rotation and stays dense.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle

PI = math.pi


class Step(NamedTuple):
    """One step of a lowering.

    Attributes:
        kind: "turn", "phase", "cx", "flip", "swap", or the name of another gate of the table.
        at: positions in the gate's qubits.
        letters: the Pauli string of a turn.
        angles: per angle of the step, (index of the gate's angle, factor), or None for none.
        constants: added to the angles.
    """

    kind: str
    at: tuple[int, ...] = ()
    letters: str = ""
    angles: tuple[tuple[int, float] | None, ...] = (None,)
    constants: tuple[float, ...] = (0.0,)


def _turn(
    letters: str, *at: int, angle: int | None = None, factor: float = 1.0, constant: float = 0.0
) -> Step:
    return Step("turn", at, letters, (None if angle is None else (angle, factor),), (constant,))


def _phase(constant: float = 0.0, angle: int | None = None, factor: float = 1.0) -> Step:
    return Step("phase", (), "", (None if angle is None else (angle, factor),), (constant,))


def _gate(name: str, *at: int, angles: tuple[tuple[int, float], ...] = ()) -> Step:
    return Step(name, at, "", angles, (0.0,) * len(angles))


def _z_power(exponent: float) -> tuple[Step, ...]:
    return (_turn("Z", 0, constant=PI * exponent), _phase(PI / 2 * exponent))


def _controlled_rotation(letter: str) -> tuple[Step, ...]:
    return (_turn(letter, 1, angle=0, factor=0.5), _turn("Z" + letter, 0, 1, angle=0, factor=-0.5))


_CX, _FLIP = Step("cx", (0, 1)), Step("flip", (0,))
_H = (_turn("Y", 0, constant=PI / 2), _FLIP)
_ZZ = (_turn("ZZ", 0, 1, angle=0),)
_CZ = (_turn("Z", 0, constant=PI / 2), _turn("Z", 1, constant=PI / 2), _turn("ZZ", 0, 1, constant=-PI / 2),
       _phase(PI / 4))  # fmt: skip
_CCZ = (
    *(_turn("Z", q, constant=PI / 4) for q in range(3)),
    *(_turn("ZZ", a, b, constant=-PI / 4) for a, b in ((0, 1), (0, 2), (1, 2))),
    _turn("ZZZ", 0, 1, 2, constant=PI / 4),
    _phase(PI / 8),
)

LOWERINGS: dict[str, tuple[Step, ...]] = {
    "i": (),
    "x": (_FLIP,),
    "y": (_turn("Z", 0, constant=PI), _FLIP, _phase(PI)),
    "z": _z_power(1.0),
    "h": _H,
    "s": _z_power(0.5),
    "sdg": _z_power(-0.5),
    "t": _z_power(0.25),
    "tdg": _z_power(-0.25),
    "sx": (_turn("X", 0, constant=PI / 2), _phase(PI / 4)),
    "sxdg": (_turn("X", 0, constant=-PI / 2), _phase(-PI / 4)),
    "rx": (_turn("X", 0, angle=0),),
    "ry": (_turn("Y", 0, angle=0),),
    "rz": (_turn("Z", 0, angle=0),),
    "p": (_turn("Z", 0, angle=0), _phase(angle=0, factor=0.5)),
    "u": (_turn("Z", 0, angle=2), _turn("Y", 0, angle=0), _turn("Z", 0, angle=1), _phase(angle=1, factor=0.5),
          _phase(angle=2, factor=0.5)),
    "cx": (_CX,),
    "cy": (_gate("sdg", 1), _CX, _gate("s", 1)),
    "cz": _CZ,
    "ch": (_turn("Y", 1, constant=-PI / 4), *_CZ, _turn("Y", 1, constant=PI / 4)),
    "swap": (Step("swap", (0, 1)),),
    "iswap": (_gate("s", 0), _gate("s", 1), *_CZ, Step("swap", (0, 1))),
    "crx": _controlled_rotation("X"),
    "cry": _controlled_rotation("Y"),
    "crz": _controlled_rotation("Z"),
    "cp": (_turn("Z", 0, angle=0, factor=0.5), _turn("Z", 1, angle=0, factor=0.5),
           _turn("ZZ", 0, 1, angle=0, factor=-0.5), _phase(angle=0, factor=0.25)),
    "cu": (_gate("p", 0, angles=((3, 1.0),)), _gate("cp", 0, 1, angles=((2, 1.0),)),
           _gate("cry", 0, 1, angles=((0, 1.0),)), _gate("cp", 0, 1, angles=((1, 1.0),))),
    "rxx": (_turn("XX", 0, 1, angle=0),),
    "ryy": (_turn("YY", 0, 1, angle=0),),
    "rzz": _ZZ,
    "ccx": (_gate("h", 2), *_CCZ, _gate("h", 2)),
    "cswap": (_gate("cx", 2, 1), _gate("ccx", 0, 1, 2), _gate("cx", 2, 1)),
    "gpi": (_turn("Z", 0, angle=0, factor=-2.0), _FLIP),
    "gpi2": (_turn("Z", 0, angle=0, factor=-1.0), _turn("X", 0, constant=PI / 2), _turn("Z", 0, angle=0)),
    "ms": (_turn("Z", 0, angle=0, factor=-1.0), _turn("Z", 1, angle=1, factor=-1.0), _turn("XX", 0, 1, angle=2),
           _turn("Z", 0, angle=0), _turn("Z", 1, angle=1)),
    "zz": _ZZ,
}  # fmt: skip


class Move(NamedTuple):
    """A lowered step on the circuit's own qubits: kind is "turn", "phase", "cx", "flip" or "swap"."""

    kind: str
    qubits: tuple[int, ...]
    letters: str
    angle: Angle


_NO_ANGLE = Angle()


def lowered(gate: str, qubits: tuple[int, ...], angles: tuple[Angle, ...]) -> list[Move]:
    """The moves of a gate of the table, in order."""
    moves: list[Move] = []
    for step in LOWERINGS[gate]:
        on = tuple(qubits[position] for position in step.at)
        if step.kind in {"cx", "flip", "swap"}:
            moves.append(Move(step.kind, on, "", _NO_ANGLE))
            continue
        values = tuple(
            Angle(constant=constant) if source is None else _scaled(angles[source[0]], source[1])
            for source, constant in zip(step.angles, step.constants, strict=True)
        )
        if step.kind in {"turn", "phase"}:
            moves.append(Move(step.kind, on, step.letters, values[0]))
        else:
            moves.extend(lowered(step.kind, on, values))
    return moves


def _scaled(angle: Angle, factor: float) -> Angle:
    return angle if factor == 1.0 else angle.scaled(factor)


def lowered_unitary(matrix: NDArray[np.complex128], qubit: int) -> list[Move]:
    """A constant one-qubit unitary as exp(i phase) RZ(phi) RY(theta) RZ(lam)."""
    determinant = np.linalg.det(matrix)
    phase = float(np.angle(determinant)) / 2
    a, b = matrix[0, 0] * np.exp(-1j * phase), matrix[1, 0] * np.exp(-1j * phase)
    theta = 2 * math.atan2(abs(b), abs(a))
    plus = -2 * float(np.angle(a)) if abs(a) > 0 else 0.0
    minus = 2 * float(np.angle(b)) if abs(b) > 0 else 0.0
    phi, lam = (plus + minus) / 2, (plus - minus) / 2
    turns = (("Z", lam), ("Y", theta), ("Z", phi))
    return [Move("turn", (qubit,), letter, Angle(constant=value)) for letter, value in turns] + [
        Move("phase", (), "", Angle(constant=phase))
    ]
