# SPDX-License-Identifier: Apache-2.0
"""The gates of the service's JSON, one row each, and how a row becomes operations of the core.

Angles are written as the service writes them: radians in `rotation`, turns in `phase`, `phases` and `angle`. Any number
of controls is exact: a gate is W D W^dagger with D diagonal on one qubit, so controls go onto D, and a controlled phase
on k qubits is a sum of parities (Welch et al., "Efficient quantum circuits for diagonal unitaries", New J. Phys. 16,
033040 (2014)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from qstore import QuantumCircuit
from qstore.circuit import Angle

__all__ = [
    "MAX_CONTROLS",
    "NATIVE_GATES",
    "PAULI_EXPONENTIAL",
    "PHASE_GATE",
    "QIS_GATES",
    "TURN",
    "Gate",
    "NativeGate",
    "QisGate",
    "append_pauli_rotation",
]

PI = math.pi
TURN = 2 * PI
MAX_CONTROLS = 7
"""More fail a job with TooManyControls: a controlled phase takes 2**k operations here."""

Value = Angle | float
"""A number, or the entry of a parameter that stands for it."""
Phases = Callable[[Value], tuple[Value, Value]]
Step = tuple[str, tuple[int, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class QisGate:
    """A gate of the QIS set.

    Attributes:
        name: in the JSON.
        targets: how many.
        rotates: whether it has a `rotation`.
        plain: the core's names of it without control, with one, with two; None or nothing where the core has none.
        frame: the core's gates of W^dagger, in the order of the circuit, with positions among the targets.
        pivot: the target on which D acts.
        control: a target that controls D, besides the real controls.
        phases: the angles (a, b) of D = diag(e^ia, e^ib), from the rotation.
        aliases: other names in the JSON.
    """

    name: str
    targets: int = 1
    rotates: bool = False
    plain: tuple[str | None, ...] = ()
    frame: tuple[Step, ...] = ()
    pivot: int = 0
    control: int | None = None
    phases: Phases
    aliases: tuple[str, ...] = ()

    def append(
        self,
        circuit: QuantumCircuit,
        controls: tuple[int, ...],
        targets: tuple[int, ...],
        rotation: Value | None,
    ) -> None:
        """Put it behind what is there."""
        plain = self.plain[len(controls)] if len(controls) < len(self.plain) else None
        angles = () if rotation is None else (rotation,)
        if plain is not None:
            circuit.append(plain, (*controls, *targets), angles)
            return
        for name, positions, constants in self.frame:
            circuit.append(name, tuple(targets[i] for i in positions), constants)
        conditions = (*controls, *(() if self.control is None else (targets[self.control],)))
        low, high = self.phases(0.0 if rotation is None else rotation)
        if conditions and not (isinstance(low, float) and low == 0):
            append_phase(circuit, conditions, low)
        append_phase(circuit, (*conditions, targets[self.pivot]), high - low)
        for name, positions, constants in reversed(self.frame):
            back, signs = _INVERSES[name]
            circuit.append(back, tuple(targets[i] for i in positions), tuple(signs * c for c in constants))


_INVERSES = {"h": ("h", 1.0), "sdg": ("s", 1.0), "cx": ("cx", 1.0), "ry": ("ry", -1.0)}


def append_phase(circuit: QuantumCircuit, qubits: tuple[int, ...], angle: Value) -> None:
    """The phase `angle` on the state in which all `qubits` are 1.

    angle * x1 ... xn = angle / 2**(n-1) * sum over non-empty S of (-1)**(|S|+1) * parity of S; the sets whose highest
    qubit is the same are visited in Gray order, one CX from one to the next.
    """
    n = len(qubits)
    if n <= 2:
        circuit.append("p" if n == 1 else "cp", qubits, (angle,))
        return
    part = angle / 2 ** (n - 1)
    for top in range(n):
        for index in range(1 << top):
            gray = index ^ (index >> 1)
            if index:
                changed = (gray ^ ((index - 1) ^ ((index - 1) >> 1))).bit_length() - 1
                circuit.cx(qubits[changed], qubits[top])
            circuit.p(
                qubits[top], part if gray.bit_count() % 2 == 0 else -part
            )  # with the top one it has one more
        if top:
            circuit.cx(qubits[top - 1], qubits[top])


def append_pauli_rotation(circuit: QuantumCircuit, letters: Mapping[int, str], angle: Value) -> None:
    """exp(-i angle/2 P) for the product P of the Pauli `letters`, by qubit."""
    on = sorted(letters)
    if not on:
        return  # a global phase
    if len(on) == 1:
        circuit.append(f"r{letters[on[0]].lower()}", on[0], (angle,))
        return
    for q in on:
        if letters[q] == "Y":
            circuit.sdg(q)
        if letters[q] != "Z":
            circuit.h(q)
    ladder = list(pairwise(on))
    for a, b in ladder:
        circuit.cx(a, b)
    circuit.rz(on[-1], angle)
    for a, b in reversed(ladder):
        circuit.cx(a, b)
    for q in on:
        if letters[q] != "Z":
            circuit.h(q)
        if letters[q] == "Y":
            circuit.s(q)


def _fixed(phase: float) -> Phases:
    return lambda _: (0.0, phase)


def _half(rotation: Value) -> tuple[Value, Value]:
    return rotation * -0.5, rotation * 0.5


def _whole(rotation: Value) -> tuple[Value, Value]:
    return 0.0, rotation


_X_FRAME: tuple[Step, ...] = (("h", (0,), ()),)
_Y_FRAME: tuple[Step, ...] = (("sdg", (0,), ()), ("h", (0,), ()))
_H_FRAME: tuple[Step, ...] = (("ry", (0,), (-PI / 4,)),)
_ZZ_FRAME: tuple[Step, ...] = (("cx", (0, 1), ()),)
_XX_FRAME: tuple[Step, ...] = (("h", (0,), ()), ("h", (1,), ()), *_ZZ_FRAME)
_YY_FRAME: tuple[Step, ...] = (("sdg", (0,), ()), ("sdg", (1,), ()), *_XX_FRAME)

# fmt: off
_QIS_ROWS = (
    QisGate(name="x", plain=("x", "cx", "ccx"), frame=_X_FRAME, phases=_fixed(PI), aliases=("not", "cnot")),
    QisGate(name="y", plain=("y", "cy"), frame=_Y_FRAME, phases=_fixed(PI)),
    QisGate(name="z", plain=("z", "cz"), phases=_fixed(PI)),
    QisGate(name="h", plain=("h", "ch"), frame=_H_FRAME, phases=_fixed(PI)),
    QisGate(name="s", plain=("s",), phases=_fixed(PI / 2)),
    QisGate(name="si", plain=("sdg",), phases=_fixed(-PI / 2)),
    QisGate(name="t", plain=("t",), phases=_fixed(PI / 4)),
    QisGate(name="ti", plain=("tdg",), phases=_fixed(-PI / 4)),
    QisGate(name="v", plain=("sx",), frame=_X_FRAME, phases=_fixed(PI / 2)),
    QisGate(name="vi", plain=("sxdg",), frame=_X_FRAME, phases=_fixed(-PI / 2)),
    QisGate(name="rx", rotates=True, plain=("rx", "crx"), frame=_X_FRAME, phases=_half),
    QisGate(name="ry", rotates=True, plain=("ry", "cry"), frame=_Y_FRAME, phases=_half),
    QisGate(name="rz", rotates=True, plain=("rz", "crz"), phases=_half),
    QisGate(name="swap", targets=2, plain=("swap", "cswap"), frame=(*_ZZ_FRAME, ("h", (0,), ())), pivot=0, control=1,
            phases=_fixed(PI)),
    QisGate(name="xx", targets=2, rotates=True, plain=("rxx",), frame=_XX_FRAME, pivot=1, phases=_half),
    QisGate(name="yy", targets=2, rotates=True, plain=("ryy",), frame=_YY_FRAME, pivot=1, phases=_half),
    QisGate(name="zz", targets=2, rotates=True, plain=("rzz",), frame=_ZZ_FRAME, pivot=1, phases=_half),
)
# fmt: on

PHASE_GATE = QisGate(name="z", rotates=True, plain=("p", "cp"), phases=_whole)
"""`z` with a `rotation`: what Qiskit's client sends for p, cp and mcp."""

QIS_GATES: Mapping[str, QisGate] = MappingProxyType(
    {name: row for row in _QIS_ROWS for name in (row.name, *row.aliases)}
)
"""By their names in the JSON; `pauliexp` is a sum and has no row."""


class Turns(NamedTuple):
    """A parameter of a native gate: its name in the JSON ("phases.1" is an entry of a list), its range, its default."""

    name: str
    least: float = -1.0
    most: float = 1.0
    default: float | None = None


@dataclass(frozen=True, slots=True)
class NativeGate:
    """A gate of the native set.

    Attributes:
        name: in the JSON.
        plain: the core's name of it; "" for one that does nothing.
        targets: how many.
        parameters: in the core's order.
    """

    name: str
    plain: str
    targets: int
    parameters: tuple[Turns, ...] = ()


NATIVE_GATES: Mapping[str, NativeGate] = MappingProxyType(
    {
        row.name: row
        for row in (
            NativeGate("gpi", "gpi", 1, (Turns("phase"),)),
            NativeGate("gpi2", "gpi2", 1, (Turns("phase"),)),
            NativeGate(
                "ms", "ms", 2, (Turns("phases.0"), Turns("phases.1"), Turns("angle", 0.0, 0.25, 0.25))
            ),
            # For the angle of `zz` no range is published.
            NativeGate("zz", "zz", 2, (Turns("angle", -math.inf, math.inf, 0.25),)),
            NativeGate("nop", "", 1),
        )
    }
)
"""By their names in the JSON. Source of the ranges: docs.ionq.com, v0.3 native gates page."""

PAULI_EXPONENTIAL = "pauliexp"
"""exp(-i time sum c P): the one gate that is no row of a table."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of a submitted circuit, read and checked.

    Attributes:
        row: what it is; None for a `pauliexp`.
        controls, targets: its qubits.
        angles: radians; of a `pauliexp` the rotation angle of each term.
        terms: of a `pauliexp`, the letter of each target for each term, "I" included.
        commuting: whether its terms commute, so that it is the product of their rotations.
        free: whether it is no gate of the machine: neither billed nor wrong.
    """

    row: QisGate | NativeGate | None
    controls: tuple[int, ...]
    targets: tuple[int, ...]
    angles: tuple[float, ...] = ()
    terms: tuple[str, ...] = ()
    commuting: bool = True
    free: bool = False

    @property
    def qubits(self) -> tuple[int, ...]:
        """All of its qubits, controls first."""
        return (*self.controls, *self.targets)

    @property
    def shape(self) -> tuple[object, ...]:
        """All but its angles: circuits whose gates have equal shapes are compiled once."""
        kind = PAULI_EXPONENTIAL if self.row is None else (type(self.row).__name__, self.row.name)
        fixed = len(self.angles) if self.commuting else self.angles
        return (kind, self.controls, self.targets, fixed, self.terms, self.free)

    def costs(self) -> tuple[int, int]:
        """How many gates on one and on two qubits it is billed as.

        A gate with controls on N qubits counts as 6(N-2) two-qubit gates (Azure Quantum's pricing page); a Pauli
        string on w qubits as its ladder of 2(w-1) and one rotation.
        """
        if self.free or (isinstance(self.row, NativeGate) and not self.row.plain):
            return 0, 0
        if self.row is None:
            weights = [sum(letter != "I" for letter in term) for term in self.terms]
            return sum(w > 0 for w in weights), sum(2 * (w - 1) for w in weights if w > 1)
        n = len(self.qubits)
        return (1, 0) if n == 1 else (0, 1) if n == 2 else (0, 6 * (n - 2))
