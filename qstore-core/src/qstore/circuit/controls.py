# SPDX-License-Identifier: Apache-2.0
"""One operation under any number of controls, as exact gates of the table; symbols stay symbols.

What no row says becomes phases: a phase on n qubits is 2**n - 1 phases on parities of them, one CX apart each (Barenco
et al., "Elementary gates for quantum computation", PRA 52, 3457 (1995), section 7.1), and every gate is such a phase
between gates that need no control.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from qstore.circuit.angles import Angle
from qstore.circuit.gate_matrices import controlled_matrix
from qstore.circuit.gates import GATES, Linear, Step
from qstore.circuit.operation import Operation
from qstore.circuit.synthesis import synthesized
from qstore.circuit.transform import applied, decompose
from qstore.errors import CircuitError

__all__ = ["THROUGH", "phase_on", "step_operation", "under_controls"]

PI = math.pi
_UNITARY_QUBITS = 3
_SMALLER: Mapping[str, str] = MappingProxyType(
    {row.controlled: name for name, row in GATES.items() if row.controlled}
    | {"cy": "y", "cz": "z", "ch": "h", "crx": "rx", "cry": "ry", "crz": "rz", "cp": "p"}
)
"""Rows whose first qubit is a control, and the row that is left without it."""


def _step(gate: str, *positions: int, angle: Linear | None = None) -> Step:
    return Step(gate, positions or (0,), () if angle is None else (angle,))


def _phase(angle: float) -> Step:
    return _step("p", angle=Linear((), angle))


_SAME = Linear((1.0,))
_H = (_step("h"),)
THROUGH: Mapping[str, tuple[tuple[Step, ...], Step, tuple[Step, ...]]] = MappingProxyType(
    {
        "z": ((), _phase(PI), ()),
        "s": ((), _phase(PI / 2), ()),
        "sdg": ((), _phase(-PI / 2), ()),
        "t": ((), _phase(PI / 4), ()),
        "tdg": ((), _phase(-PI / 4), ()),
        "x": (_H, _phase(PI), _H),
        "sx": (_H, _phase(PI / 2), _H),
        "sxdg": (_H, _phase(-PI / 2), _H),
        "y": ((_step("sdg"), *_H), _phase(PI), (*_H, _step("s"))),
        "h": (
            (_step("ry", angle=Linear((), -PI / 4)),),
            _phase(PI),
            (_step("ry", angle=Linear((), PI / 4)),),
        ),
        "rx": (_H, _step("rz", angle=_SAME), _H),
        "ry": ((_step("sdg"), *_H), _step("rz", angle=_SAME), (*_H, _step("s"))),
        "swap": ((_step("cx", 1, 0),), _step("cx", 0, 1), (_step("cx", 1, 0),)),
        "rzz": ((_step("cx", 0, 1),), _step("rz", 1, angle=_SAME), (_step("cx", 0, 1),)),
    }
)
"""V, D and W with gate = W D V: under controls only D needs them, because W V is the identity."""


def under_controls(op: Operation, controls: tuple[int, ...]) -> Iterator[Operation]:
    """The operation where all controls are 1.

    Args:
        op: a unitary without condition.
        controls: other qubits than its own.

    Raises:
        CircuitError: it is no unitary.
    """
    if not op.is_unitary:
        what = f"{op.gate} under a condition" if op.condition else op.gate
        raise CircuitError(f"{what!r} on {op.qubits} cannot be controlled: it is not a unitary.")
    if op.unitary:
        yield from _unitary(op, controls)
        return
    gate, qubits = op.gate, op.qubits
    while gate in _SMALLER:  # its own controls are controls like the others
        gate, controls, qubits = _SMALLER[gate], (*controls, qubits[0]), qubits[1:]
    larger, own = gate, 0
    while own < len(controls) and (row := GATES[larger].controlled):
        larger, own = row, own + 1
    if own == len(controls):
        yield Operation(larger, (*controls, *qubits), op.angles)
    elif gate == "p":
        yield from phase_on(op.angles[0], (*controls, *qubits))
    elif gate == "rz":
        yield from phase_on(op.angles[0].scaled(-0.5), controls)
        yield from phase_on(op.angles[0], (*controls, *qubits))
    elif gate in THROUGH:
        before, core, behind = THROUGH[gate]
        for step in before:
            yield step_operation(step, qubits, op.angles)
        yield from under_controls(step_operation(core, qubits, op.angles), controls)
        for step in behind:
            yield step_operation(step, qubits, op.angles)
    elif gate != "i":
        for each in decompose(Operation(gate, qubits, op.angles)):
            yield from under_controls(each, controls)


def phase_on(angle: Angle, qubits: tuple[int, ...]) -> Iterator[Operation]:
    """`exp(i * angle)` where all of one or more qubits are 1.

    The product of n bits is the sum of the parities of all subsets, with alternating signs, over 2**(n - 1).
    """
    if len(qubits) <= 2:
        yield Operation("p" if len(qubits) == 1 else "cp", qubits, (angle,))
        return
    share = angle.scaled(0.5 ** (len(qubits) - 1))
    shares = (share.scaled(-1.0), share)
    for number, last in enumerate(qubits):
        yield Operation("p", (last,), (share,))
        for code in range(1, 1 << number):
            yield Operation("cx", (qubits[(code & -code).bit_length() - 1], last))
            gray = code ^ code >> 1
            yield Operation("p", (last,), (shares[(1 + gray.bit_count()) % 2],))
        if number:
            yield Operation("cx", (qubits[number - 1], last))


def step_operation(step: Step, qubits: tuple[int, ...], angles: tuple[Angle, ...]) -> Operation:
    """A step of a decomposition on the decomposed gate's qubits, with its angles."""
    on = tuple(qubits[i] for i in step.positions)
    return Operation(step.gate, on, tuple(applied(linear, angles) for linear in step.angles))


def _unitary(op: Operation, controls: tuple[int, ...]) -> Iterator[Operation]:
    matrix = op.matrix()
    if len(controls) + len(op.qubits) <= _UNITARY_QUBITS:
        for _ in controls:
            matrix = controlled_matrix(matrix)
        entries = tuple(complex(entry) for entry in np.ravel(matrix))
        yield Operation("unitary", (*reversed(controls), *op.qubits), unitary=entries)
        return
    from qstore.circuit.block import Block  # it asks this module about the gates

    gates = tuple(synthesized(matrix, op.qubits))
    made = Block(gates).matrix(op.qubits)
    phase = cmath.phase(complex(np.vdot(made, matrix)))  # the gates are exact to the global phase only
    for each in gates:
        yield from under_controls(each, controls)
    yield from phase_on(Angle(constant=phase), controls)
