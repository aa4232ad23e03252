# SPDX-License-Identifier: Apache-2.0
"""Any circuit of the core's gate table as IonQ's QIS gates, exact up to the global phase; symbols stay symbols.

The result is a template over the rows of `WORDS`, which translate one by one into the service's JSON. Two-qubit rotations
go out as `xx`, `yy`, `zz` instead of pairs of `cnot`: they are billed as one gate. Angles are radians.

Not here: the JSON (`rendering`), native gates (`native`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from qstore.circuit import Angle, Operation, Parameter, Template
from qstore.circuit.gates import GATES, Linear, Step
from qstore.errors import CapabilityError

if TYPE_CHECKING:
    from qstore.compiler import Certificate

__all__ = ["LOWERED", "QIS_GATES", "WORDS", "certified_qis", "lower_to_qis"]

PI = math.pi

WORDS: Mapping[str, str] = MappingProxyType(
    {"x": "x", "y": "y", "z": "z", "h": "h", "s": "s", "sdg": "si", "t": "t", "tdg": "ti", "sx": "v", "sxdg": "vi",
     "rx": "rx", "ry": "ry", "rz": "rz", "cx": "cnot", "swap": "swap", "rxx": "xx", "ryy": "yy", "rzz": "zz"}
)  # fmt: skip
"""The core's gate for each of IonQ's; those with an angle have the same one there, called `rotation`."""


def _angle(*coefficients: float, plus: float = 0.0) -> Linear:
    return Linear(coefficients, plus)


_SAME, _BACK, _HALF, _BACK_HALF = _angle(1.0), _angle(-1.0), _angle(0.5), _angle(-0.5)
_QUARTER, _BACK_QUARTER = _angle(plus=PI / 2), _angle(plus=-PI / 2)


def _step(gate: str, *positions: int, angle: Linear | None = None) -> Step:
    return Step(gate, positions, () if angle is None else (angle,))


def _zz(angle: Linear) -> Step:
    return _step("rzz", 0, 1, angle=angle)


_CZ = (_step("s", 0), _step("s", 1), _zz(_BACK_QUARTER))
# cu: the ABC decomposition of Barenco et al., "Elementary gates for quantum computation", PRA 52, 3457 (1995), lemma 5.1.
_CU = (
    _step("rz", 0, angle=_angle(0.0, 0.5, 0.5, 1.0)),
    _step("rz", 1, angle=_angle(0.0, -0.5, 0.5)),
    _step("cx", 0, 1),
    _step("rz", 1, angle=_angle(0.0, -0.5, -0.5)),
    _step("ry", 1, angle=_BACK_HALF),
    _step("cx", 0, 1),
    _step("ry", 1, angle=_HALF),
    _step("rz", 1, angle=_angle(0.0, 1.0)),
)

LOWERED: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {
        "i": (),
        "p": (_step("rz", 0, angle=_SAME),),
        "u": (
            _step("rz", 0, angle=_angle(0.0, 0.0, 1.0)),
            _step("ry", 0, angle=_SAME),
            _step("rz", 0, angle=_angle(0.0, 1.0)),
        ),
        "cy": (_step("sdg", 1), _step("cx", 0, 1), _step("s", 1)),
        "cz": _CZ,
        "ch": (
            _step("ry", 1, angle=_angle(plus=-PI / 4)),
            *_CZ,
            _step("ry", 1, angle=_angle(plus=PI / 4)),
        ),
        "iswap": (_step("rxx", 0, 1, angle=_BACK_QUARTER), _step("ryy", 0, 1, angle=_BACK_QUARTER)),
        "crx": (_step("rx", 1, angle=_HALF), _step("h", 1), _zz(_BACK_HALF), _step("h", 1)),
        "cry": (_step("ry", 1, angle=_HALF), _step("sx", 1), _zz(_BACK_HALF), _step("sxdg", 1)),
        "crz": (_step("rz", 1, angle=_HALF), _zz(_BACK_HALF)),
        "cp": (_step("rz", 0, angle=_HALF), _step("rz", 1, angle=_HALF), _zz(_BACK_HALF)),
        "cu": _CU,
        "zz": (_zz(_SAME),),
        "ccx": GATES["ccx"].decomposition,
        "cswap": (_step("cx", 2, 1), *GATES["ccx"].decomposition, _step("cx", 2, 1)),
        "gpi": (_step("x", 0), _step("rz", 0, angle=_angle(2.0))),
        "gpi2": (_step("rz", 0, angle=_BACK), _step("sx", 0), _step("rz", 0, angle=_SAME)),
        "ms": (
            _step("rz", 0, angle=_BACK),
            _step("rz", 1, angle=_angle(0.0, -1.0)),
            _step("rxx", 0, 1, angle=_angle(0.0, 0.0, 1.0)),
            _step("rz", 0, angle=_SAME),
            _step("rz", 1, angle=_angle(0.0, 1.0)),
        ),
    }
)
"""Every other gate with a fixed form, as rows of `WORDS`."""

QIS_GATES = frozenset({*WORDS, *LOWERED, "unitary"})
"""What `lower_to_qis` takes."""


@lru_cache(maxsize=256)
def lower_to_qis(template: Template) -> Template:
    """The template in gates of `WORDS`, with the same parameters.

    Raises:
        CapabilityError: it measures, prepares, has noise or conditions; `qstore.compiler` lowers preparations.
    """
    return Template(template.n_qubits, (made for op in template.operations for made in _lowered(op)))


@lru_cache(maxsize=256)
def certified_qis(template: Template) -> Certificate:
    """The evidence that the lowered template equals the circuit: every rule that was used, compared by itself.

    Raises:
        CompilationError: one of them does not hold.
    """
    from qstore.compiler import Certificate  # the compiler is only imported where something is compiled

    used = [_rule(op.gate) for op in template.operations if op.gate in LOWERED]
    used += [_alone(op) for op in template.operations if op.unitary]
    found = [_checked(rule) for rule in dict.fromkeys(used)]
    error = max((each.error for each in found), default=0.0)
    return Certificate("local rewrites", sum(each.checks for each in found), error)


def _rule(gate: str) -> Template:
    """A gate with a parameter for each of its angles."""
    spec = GATES[gate]
    angles = tuple(Parameter("a", (spec.n_angles,))) if spec.n_angles else ()
    return Template(spec.n_qubits, [Operation(gate, tuple(range(spec.n_qubits)), angles)])


def _alone(op: Operation) -> Template:
    return Template(len(op.qubits), [op.moved(tuple(range(len(op.qubits))))])


@lru_cache(maxsize=256)
def _checked(rule: Template) -> Certificate:
    from qstore.compiler import require_equivalent

    return require_equivalent(rule, lower_to_qis(rule))


def _lowered(op: Operation) -> Iterator[Operation]:
    if not op.is_unitary or op.gate not in QIS_GATES:
        what = f"{op.gate} under a condition" if op.condition else op.gate
        raise CapabilityError(f"IonQ's QIS gates have no {what!r}, which this circuit has on {op.qubits}.")
    if op.gate == "unitary":
        from qstore.circuit.synthesis import synthesized  # only for circuits with such gates

        for made in synthesized(op.matrix(), op.qubits):
            yield from _lowered(made)
    elif op.gate in WORDS:
        if not op.angles or op.angles[0].terms or op.angles[0].constant:  # a rotation by zero is none
            yield op
    else:
        for step in LOWERED[op.gate]:
            qubits = tuple(op.qubits[i] for i in step.positions)
            angles = tuple(_applied(linear, op.angles) for linear in step.angles)
            yield from _lowered(Operation(step.gate, qubits, angles))


def _applied(linear: Linear, angles: tuple[Angle, ...]) -> Angle:
    total = Angle(constant=linear.constant)
    for coefficient, angle in zip(linear.coefficients, angles, strict=False):
        if coefficient:
            total = total + angle.scaled(coefficient)
    return total
