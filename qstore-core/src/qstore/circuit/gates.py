# SPDX-License-Identifier: Apache-2.0
"""The standard gate set: one row per gate, and everything anybody needs to know about it in that row.

Convention: the first qubit in a row is the least significant bit of its matrix. Angles are radians.

A row's columns:
    inverse        which gate undoes it, with each angle a linear form of the old ones; None: reverse the decomposition
    controlled     the row that is this gate with one control more (the control comes first)
    decomposition  the gate as other rows, exact to the global phase; a fixed point (empty) for the basis
                   h, p, rx, ry, rz, cx
    shift_rules    per angle, which frequencies an expectation has in it (see `ShiftRule`)
    bases          per qubit, the Pauli ("Z" or "X") with which the gate commutes on that qubit, "" for neither

Laws that tie the columns to each other and to `gate_matrices` are tested over all rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.gate_matrices import kraus_operators, matrices
from qstore.errors import CircuitError, nearest_names

__all__ = ["GATES", "GateKind", "GateSpec", "Linear", "ShiftRule", "Step", "gate_spec"]

PI = math.pi


class GateKind(Enum):
    """What an operation does to the state."""

    UNITARY = "unitary"
    CHANNEL = "channel"
    MEASUREMENT = "measurement"
    PREPARATION = "preparation"


class ShiftRule(NamedTuple):
    """Expectations are trigonometric polynomials of the angle with the frequencies `frequency * (1 .. order)`.

    Their exact derivative takes 2 * order shifted evaluations (Wierichs, Izaac, Wang, Lin, "General parameter-shift
    rules for quantum gradients", Quantum 6, 677 (2022), eq. 16).
    """

    frequency: float
    order: int


class Linear(NamedTuple):
    """`constant + sum(coefficients[i] * angle[i])` of the gate's own angles."""

    coefficients: tuple[float, ...] = ()
    constant: float = 0.0


class Step(NamedTuple):
    """One gate of a decomposition: positions index the decomposed gate's qubits."""

    gate: str
    positions: tuple[int, ...]
    angles: tuple[Linear, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """One row of the gate table; see the module's docstring for the columns."""

    name: str
    n_qubits: int
    n_angles: int = 0
    kind: GateKind = GateKind.UNITARY
    inverse: tuple[str, tuple[Linear, ...]] | None = None
    controlled: str | None = None
    decomposition: tuple[Step, ...] = ()
    shift_rules: tuple[ShiftRule, ...] = ()
    bases: tuple[str, ...] = ()
    strength: str = ""

    @property
    def diagonal(self) -> bool:
        """Whether the matrix is diagonal."""
        return bool(self.bases) and all(basis == "Z" for basis in self.bases)

    def matrix(self, angles: NDArray[np.float64] | tuple[float, ...] = ()) -> NDArray[np.complex128]:
        """The unitary for angles (..., n_angles): (..., 2**k, 2**k), first qubit least significant.

        Raises:
            CircuitError: the row is not a standard unitary.
        """
        if self.kind is not GateKind.UNITARY or self.name == "unitary":
            raise CircuitError(f"{self.name!r} has no matrix of its own.")
        return matrices(self.name, np.asarray(angles, dtype=float))

    def kraus(self, angles: NDArray[np.float64] | tuple[float, ...] = ()) -> NDArray[np.complex128]:
        """The Kraus operators for angles (..., n_angles): (..., number, 2**k, 2**k).

        Raises:
            CircuitError: the row is not a channel, or the operation carries its operators itself.
        """
        if self.kind is not GateKind.CHANNEL or self.name == "kraus":
            raise CircuitError(f"{self.name!r} has no Kraus operators of its own.")
        return kraus_operators(self.name, np.asarray(angles, dtype=float))


def _a(index: int, coefficient: float = 1.0, constant: float = 0.0) -> Linear:
    return Linear((0.0,) * index + (coefficient,), constant)


def _const(value: float) -> Linear:
    return Linear((), value)


_ANGLE, _NEGATED = _a(0), _a(0, -1.0)
_HALF, _MINUS_HALF = _a(0, 0.5), _a(0, -0.5)
_ONE = ShiftRule(1.0, 1)
_HALF_AND_ONE = ShiftRule(0.5, 2)
_ONE_AND_TWO = ShiftRule(1.0, 2)


def _fixed(name: str, n_qubits: int, inverse: str | None, bases: str, decomposition: tuple[Step, ...] = (),
           controlled: str | None = None) -> GateSpec:  # fmt: skip
    back = (inverse, ()) if inverse else None
    return GateSpec(name=name, n_qubits=n_qubits, inverse=back, bases=_bases(bases), decomposition=decomposition,
                    controlled=controlled)  # fmt: skip


def _turning(name: str, n_qubits: int, rule: ShiftRule, bases: str, decomposition: tuple[Step, ...] = (),
             controlled: str | None = None) -> GateSpec:  # fmt: skip
    return GateSpec(name=name, n_qubits=n_qubits, n_angles=1, inverse=(name, (_NEGATED,)), bases=_bases(bases),
                    decomposition=decomposition, controlled=controlled, shift_rules=(rule,))  # fmt: skip


def _channel(name: str, strength: str, rule: ShiftRule, n_qubits: int = 1) -> GateSpec:
    return GateSpec(name=name, n_qubits=n_qubits, n_angles=1, kind=GateKind.CHANNEL, shift_rules=(rule,),
                    strength=strength, bases=("",) * n_qubits)  # fmt: skip


def _bases(letters: str) -> tuple[str, ...]:
    return tuple("" if letter == "-" else letter for letter in letters)


def _phase(angle: float) -> tuple[Step, ...]:
    return (Step("p", (0,), (_const(angle),)),)


_CX01, _CX10 = Step("cx", (0, 1)), Step("cx", (1, 0))
_H0, _H1 = Step("h", (0,)), Step("h", (1,))


def _s(*positions: int) -> tuple[Step, ...]:
    return tuple(Step("s", (q,)) for q in positions)


def _sdg(*positions: int) -> tuple[Step, ...]:
    return tuple(Step("sdg", (q,)) for q in positions)


_RZZ_STEPS = (_CX01, Step("rz", (1,), (_ANGLE,)), _CX01)
_RXX_STEPS = (_H0, _H1, Step("rzz", (0, 1), (_ANGLE,)), _H0, _H1)
_CCX_STEPS = (
    Step("h", (2,)), Step("cx", (1, 2)), Step("tdg", (2,)), Step("cx", (0, 2)), Step("t", (2,)), Step("cx", (1, 2)),
    Step("tdg", (2,)), Step("cx", (0, 2)), Step("t", (1,)), Step("t", (2,)), Step("h", (2,)), Step("cx", (0, 1)),
    Step("t", (0,)), Step("tdg", (1,)), Step("cx", (0, 1)),
)  # fmt: skip

# fmt: off
_ROWS = (
    _fixed("i", 1, "i", "Z", _phase(0.0)),
    _fixed("x", 1, "x", "X", (_H0, *_phase(PI), _H0), "cx"),
    _fixed("y", 1, "y", "-", (*_sdg(0), Step("x", (0,)), *_s(0)), "cy"),
    _fixed("z", 1, "z", "Z", _phase(PI), "cz"),
    _fixed("h", 1, "h", "-", (), "ch"),
    _fixed("s", 1, "sdg", "Z", _phase(PI / 2)),
    _fixed("sdg", 1, "s", "Z", _phase(-PI / 2)),
    _fixed("t", 1, "tdg", "Z", _phase(PI / 4)),
    _fixed("tdg", 1, "t", "Z", _phase(-PI / 4)),
    _fixed("sx", 1, "sxdg", "X", (_H0, *_phase(PI / 2), _H0)),
    _fixed("sxdg", 1, "sx", "X", (_H0, *_phase(-PI / 2), _H0)),
    _turning("rx", 1, _ONE, "X", (), "crx"),
    _turning("ry", 1, _ONE, "-", (), "cry"),
    _turning("rz", 1, _ONE, "Z", (), "crz"),
    _turning("p", 1, _ONE, "Z", (), "cp"),
    GateSpec(
        name="u", n_qubits=1, n_angles=3, inverse=("u", (_NEGATED, _a(2, -1.0), _a(1, -1.0))), bases=("",),
        decomposition=(Step("p", (0,), (_a(2),)), Step("ry", (0,), (_ANGLE,)), Step("p", (0,), (_a(1),))),
        shift_rules=(_ONE, _ONE, _ONE),
    ),
    _fixed("cx", 2, "cx", "ZX", (), "ccx"),
    _fixed("cy", 2, "cy", "Z-", (*_sdg(1), _CX01, *_s(1))),
    _fixed("cz", 2, "cz", "ZZ", (_H1, _CX01, _H1)),
    _fixed("ch", 2, "ch", "Z-", (Step("ry", (1,), (_const(-PI / 4),)), Step("cz", (0, 1)),
                                 Step("ry", (1,), (_const(PI / 4),)))),
    _fixed("swap", 2, "swap", "--", (_CX01, _CX10, _CX01), "cswap"),
    _fixed("iswap", 2, None, "--", (*_s(0, 1), _H0, _CX01, _CX10, _H1)),
    _turning("crx", 2, _HALF_AND_ONE, "ZX", (_H1, Step("crz", (0, 1), (_ANGLE,)), _H1)),
    _turning("cry", 2, _HALF_AND_ONE, "Z-", (Step("ry", (1,), (_HALF,)), _CX01, Step("ry", (1,), (_MINUS_HALF,)), _CX01)),
    _turning("crz", 2, _HALF_AND_ONE, "ZZ", (Step("rz", (1,), (_HALF,)), _CX01, Step("rz", (1,), (_MINUS_HALF,)), _CX01)),
    _turning("cp", 2, _ONE, "ZZ", (Step("p", (0,), (_HALF,)), Step("p", (1,), (_HALF,)), _CX01,
                                   Step("p", (1,), (_MINUS_HALF,)), _CX01)),
    GateSpec(
        name="cu", n_qubits=2, n_angles=4, bases=("Z", ""),
        inverse=("cu", (_NEGATED, _a(2, -1.0), _a(1, -1.0), _a(3, -1.0))),
        decomposition=(Step("p", (0,), (_a(3),)), Step("cp", (0, 1), (_a(2),)), Step("cry", (0, 1), (_ANGLE,)),
                       Step("cp", (0, 1), (_a(1),))),
        shift_rules=(_HALF_AND_ONE, _ONE, _ONE, _ONE),
    ),
    _turning("rxx", 2, _ONE, "XX", _RXX_STEPS),
    _turning("ryy", 2, _ONE, "--", (*_sdg(0, 1), Step("rxx", (0, 1), (_ANGLE,)), *_s(0, 1))),
    _turning("rzz", 2, _ONE, "ZZ", _RZZ_STEPS),
    _fixed("ccx", 3, "ccx", "ZZX", _CCX_STEPS),
    _fixed("cswap", 3, "cswap", "Z--", (Step("cx", (2, 1)), Step("ccx", (0, 1, 2)), Step("cx", (2, 1)))),
    GateSpec(
        name="gpi", n_qubits=1, n_angles=1, inverse=("gpi", (_ANGLE,)), bases=("",),
        decomposition=(Step("rz", (0,), (_NEGATED,)), Step("x", (0,)), Step("rz", (0,), (_ANGLE,))),
        shift_rules=(ShiftRule(2.0, 1),),
    ),
    GateSpec(
        name="gpi2", n_qubits=1, n_angles=1, inverse=("gpi2", (_a(0, 1.0, PI),)), bases=("",),
        decomposition=(Step("rz", (0,), (_NEGATED,)), Step("rx", (0,), (_const(PI / 2),)), Step("rz", (0,), (_ANGLE,))),
        shift_rules=(_ONE_AND_TWO,),
    ),
    GateSpec(
        name="ms", n_qubits=2, n_angles=3, inverse=("ms", (_ANGLE, _a(1), _a(2, -1.0))), bases=("", ""),
        decomposition=(Step("rz", (0,), (_NEGATED,)), Step("rz", (1,), (_a(1, -1.0),)), Step("rxx", (0, 1), (_a(2),)),
                       Step("rz", (0,), (_ANGLE,)), Step("rz", (1,), (_a(1),))),
        shift_rules=(_ONE_AND_TWO, _ONE_AND_TWO, _ONE),
    ),
    _turning("zz", 2, _ONE, "ZZ", _RZZ_STEPS),
    # What has no row of its own matrix: the operation carries the matrices, the amplitudes or the bit.
    GateSpec(name="unitary", n_qubits=0),
    GateSpec(name="initialize", n_qubits=0, kind=GateKind.PREPARATION),
    GateSpec(name="measure", n_qubits=1, kind=GateKind.MEASUREMENT, bases=("Z",)),
    GateSpec(name="reset", n_qubits=1, kind=GateKind.CHANNEL, bases=("",)),
    _channel("amplitude_damping", "gamma", _HALF_AND_ONE),
    _channel("phase_damping", "gamma", ShiftRule(0.5, 1)),
    _channel("depolarizing", "p", _ONE),
    _channel("bit_flip", "p", _ONE),
    _channel("depolarizing2", "p", _ONE, n_qubits=2),
    GateSpec(name="kraus", n_qubits=0, kind=GateKind.CHANNEL),
)
# fmt: on

GATES: Mapping[str, GateSpec] = MappingProxyType({row.name: row for row in _ROWS})
"""Every operation a circuit may hold, by name."""


def gate_spec(name: str) -> GateSpec:
    """Look a gate up.

    Raises:
        CircuitError: there is no such gate; the message names the nearest ones.
    """
    try:
        return GATES[name]
    except (KeyError, TypeError):
        hint = nearest_names(str(name).lower(), list(GATES))
        raise CircuitError(f"No gate named {name!r}.{hint} Gates: {', '.join(GATES)}.") from None
