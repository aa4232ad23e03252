# SPDX-License-Identifier: Apache-2.0
"""Cirq's gates to a power (`EigenGate`): what `exp(i pi s t) G**t` is in rows of our table, with its global phase.

What makes a block takes Cirq's gate, for its `global_shift` s, and the exponent as the angle pi t.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qstore.circuit import Angle
from qstore.circuit.block import Block
from qstore_sim.converters.reading import Making, gate, phase, translated

__all__ = ["POWERS"]

PI = math.pi
_SAME = (1.0, 0, 0.0)


def _power(rotation: str, shift: float, rows: Mapping[float, str]) -> Callable[[Any, Angle], Making]:
    """An EigenGate `exp(i pi s t) G**t`: a row where t is one of a few numbers, else a rotation by pi t and a phase.

    Args:
        rotation: the row with exp(-i pi t G / 2) or, for phases, diag(1, exp(i pi t)).
        shift: the phase of `G**t` over `rotation`, in units of pi t.
        rows: by the exponent.
    """

    def choose(theirs: Any, t: Angle) -> Making:
        row = rows.get(t.constant / PI) if t.is_constant and not theirs.global_shift else None
        if row is not None:
            return gate(row)
        if rotation == "p" and theirs.global_shift == -0.5:
            return lambda qubits, _=(): gate("rz")(qubits, (t,))
        turn = t.scaled(shift + theirs.global_shift)

        def make(qubits: Sequence[int], _: Sequence[Angle] = ()) -> Block:
            return gate(rotation)(qubits, (t,)).then(phase(turn))

        return make

    return choose


def _conjugated(before: tuple[Any, ...], core: tuple[Any, ...], row: str) -> Callable[[Any, Angle], Making]:
    """`exp(i pi s t) G**t` with G = V P V^dagger, P a phase: the row where t is 1, else the phase between V and V^dagger."""

    def choose(theirs: Any, t: Angle) -> Making:
        if t.is_constant and t.constant == PI and not theirs.global_shift:
            return gate(row)
        inner = translated(
            *before,
            core,
            *((name, where, *(-a for a in angles)) for name, where, *angles in reversed(before)),
        )

        def make(qubits: Sequence[int], _: Sequence[Angle] = ()) -> Block:
            return inner(qubits, (t,)).then(phase(t.scaled(theirs.global_shift)))

        return make

    return choose


def _iswap_power(theirs: Any, t: Angle) -> Making:
    if t.is_constant and t.constant == PI and not theirs.global_shift:
        return gate("iswap")
    inner = translated(("rxx", (0, 1), (-0.5, 0, 0.0)), ("ryy", (0, 1), (-0.5, 0, 0.0)))
    return lambda qubits, _=(): inner(qubits, (t,)).then(phase(t.scaled(theirs.global_shift)))


def _three_phase(row: str, before: tuple[Any, ...]) -> Callable[[Any, Angle], Making]:
    """CCX and CCZ: a phase on |111>, between Hadamards for CCX."""

    def choose(theirs: Any, t: Angle) -> Making:
        if row and t.is_constant and t.constant == PI and not theirs.global_shift:
            return gate(row)

        def make(qubits: Sequence[int], _: Sequence[Angle] = ()) -> Block:
            around = translated(*before)(qubits)
            core = gate("p")(qubits[2:], (t,)).controlled(qubits[:2])
            return around.then(core).then(around).then(phase(t.scaled(theirs.global_shift)))

        return make

    return choose


POWERS: Mapping[str, Callable[[Any, Angle], Making]] = {
    "XPowGate": _power("rx", 0.5, {1: "x", 0.5: "sx", -0.5: "sxdg"}),
    "YPowGate": _power("ry", 0.5, {1: "y"}),
    "ZPowGate": _power("p", 0.0, {1: "z", 0.5: "s", -0.5: "sdg", 0.25: "t", -0.25: "tdg"}),
    "HPowGate": _conjugated((("ry", (0,), -PI / 4),), ("p", (0,), _SAME), "h"),
    "CXPowGate": _conjugated((("h", (1,)),), ("cp", (0, 1), _SAME), "cx"),
    "CZPowGate": _power("cp", 0.0, {1: "cz"}),
    "SwapPowGate": _conjugated((("cx", (1, 0)), ("h", (1,))), ("cp", (0, 1), _SAME), "swap"),
    "XXPowGate": _power("rxx", 0.5, {}),
    "YYPowGate": _power("ryy", 0.5, {}),
    "ZZPowGate": _power("rzz", 0.5, {}),
    "ISwapPowGate": _iswap_power,
    "CCXPowGate": _three_phase("ccx", (("h", (2,)),)),
    "CCZPowGate": _three_phase("", ()),
}
"""By the name of the class; Rx, Ry, Rz are subclasses with a global shift of -1/2."""
