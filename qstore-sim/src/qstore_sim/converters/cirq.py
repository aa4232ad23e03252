# SPDX-License-Identifier: Apache-2.0
"""Cirq: qubit k is `LineQubit(k)`, parameters are sympy symbols `w[0,1]`, angles become exponents in units of pi.

Cirq's matrices and integer outcomes have the first qubit as the most significant bit, ours the least significant: a
qubit keeps its number, so integers read backwards. Measured bit k is the key `c{k}`. Both directions are exact with
the global phase, which our side then drops.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cirq
import sympy
from numpy.typing import ArrayLike

from qstore.circuit import Angle, CircuitView, Operation, QuantumCircuit
from qstore.circuit.block import Block
from qstore.circuit.entries import EntryNames, angles_by_name
from qstore_sim.converters.affine import from_sympy, symbolic
from qstore_sim.converters.cirq_powers import POWERS
from qstore_sim.converters.reading import (
    MATRIX_QUBITS,
    Reading,
    channel,
    gate,
    kraus,
    phase,
    positions,
    translated,
    unitary,
    unsupported,
    verified,
)  # fmt: skip
from qstore_sim.converters.writing import amplitudes_of, big_endian, operations_of, refused, strength_of

__all__ = ["from_qstore", "to_qstore"]

PI = math.pi
IDLE = "qstore:idle"
"""Tag of the identities that keep a circuit's width where its last qubits have no operation."""
_KEY = re.compile(r"c(0|[1-9][0-9]{0,3})")

# --- ours to theirs: for each row, from its angles, the gates and the positions of their qubits ---------------------


def _exponent(angle: Any) -> Any:
    return angle / (sympy.pi if isinstance(angle, sympy.Basic) else PI)


def _phase_gate(angle: Any) -> Any:
    return cirq.ZPowGate(exponent=_exponent(angle))


def _turn(power: Any) -> Callable[..., Any]:
    return lambda angle: [(power(exponent=_exponent(angle), global_shift=-0.5), (0, 1))]


def _u(theta: Any, phi: Any, lam: Any) -> list[Any]:
    return [_phase_gate(lam), cirq.ry(theta), _phase_gate(phi)]


_FIXED: Mapping[str, Any] = {
    "i": cirq.I, "x": cirq.X, "y": cirq.Y, "z": cirq.Z, "h": cirq.H, "s": cirq.S, "sdg": cirq.S**-1, "t": cirq.T,
    "tdg": cirq.T**-1, "sx": cirq.X**0.5, "sxdg": cirq.X**-0.5, "cx": cirq.CX, "cy": cirq.ControlledGate(cirq.Y),
    "cz": cirq.CZ, "ch": cirq.ControlledGate(cirq.H), "swap": cirq.SWAP, "iswap": cirq.ISWAP, "ccx": cirq.CCX,
    "cswap": cirq.CSWAP,
}  # fmt: skip
_TURNED: Mapping[str, Callable[..., list[tuple[Any, tuple[int, ...]]]]] = {
    "rx": lambda t: [(cirq.rx(t), (0,))],
    "ry": lambda t: [(cirq.ry(t), (0,))],
    "rz": lambda t: [(cirq.rz(t), (0,))],
    "p": lambda t: [(_phase_gate(t), (0,))],
    "u": lambda *angles: [(each, (0,)) for each in _u(*angles)],
    "crx": lambda t: [(cirq.ControlledGate(cirq.rx(t)), (0, 1))],
    "cry": lambda t: [(cirq.ControlledGate(cirq.ry(t)), (0, 1))],
    "crz": lambda t: [(cirq.ControlledGate(cirq.rz(t)), (0, 1))],
    "cp": lambda t: [(cirq.CZPowGate(exponent=_exponent(t)), (0, 1))],
    "cu": lambda theta, phi, lam, gamma: [
        (_phase_gate(gamma), (0,)), *((cirq.ControlledGate(each), (0, 1)) for each in _u(theta, phi, lam)),
    ],
    "rxx": _turn(cirq.XXPowGate),
    "ryy": _turn(cirq.YYPowGate),
    "rzz": _turn(cirq.ZZPowGate),
    "zz": _turn(cirq.ZZPowGate),
    "gpi": lambda t: [(cirq.PhasedXPowGate(phase_exponent=_exponent(t)), (0,))],
    "gpi2": lambda t: [(cirq.PhasedXPowGate(phase_exponent=_exponent(t), exponent=0.5, global_shift=-0.5), (0,))],
    "ms": lambda a, b, t: [
        (cirq.rz(-a), (0,)), (cirq.rz(-b), (1,)), *_turn(cirq.XXPowGate)(t), (cirq.rz(a), (0,)), (cirq.rz(b), (1,)),
    ],
}  # fmt: skip
_NOISE: Mapping[str, Callable[[float], Any]] = {
    "amplitude_damping": cirq.amplitude_damp,
    "phase_damping": cirq.phase_damp,
    "depolarizing": cirq.depolarize,
    "bit_flip": cirq.bit_flip,
    "depolarizing2": lambda p: cirq.depolarize(p, n_qubits=2),
}


def from_qstore(circuit: CircuitView, *, bindings: Mapping[str, ArrayLike] | None = None) -> cirq.Circuit:
    """A circuit as `cirq.Circuit`.

    Args:
        circuit: a builder or a template.
        bindings: the parameters' values for one sample; without them they become sympy symbols.

    Raises:
        CircuitError: Cirq has no counterpart of an operation.
        BindingError: the bindings do not fit the circuit.

    Example:
        >>> print(from_qstore(QuantumCircuit(2).h(0).rx(1, "theta").cx(0, 1)))
        0: ───H───────────@───
                          │
        1: ───Rx(theta)───X───
    """
    names = EntryNames()
    qubits = cirq.LineQubit.range(circuit.n_qubits)
    made: list[Any] = []
    for op in operations_of(circuit, bindings, "Cirq"):
        angles = [symbolic(angle, lambda p, i: sympy.Symbol(names(p, i))) for angle in op.angles]
        on = [qubits[q] for q in op.qubits]
        for theirs in _written(op, angles, on):
            condition = op.condition
            if condition is None:
                made.append(theirs)
            else:
                key = f"c{condition.bit}"
                test = key if condition.value else sympy.Eq(sympy.Symbol(key), 0)
                made.append(theirs.with_classical_controls(test))
    used = {q for op in circuit.operations for q in op.qubits}
    made += [cirq.I(qubits[q]).with_tags(IDLE) for q in range(circuit.n_qubits) if q not in used]
    return cirq.Circuit(made)


def _written(op: Operation, angles: Sequence[Any], on: Sequence[Any]) -> list[Any]:
    if op.gate in _FIXED:
        return [_FIXED[op.gate].on(*on)]
    if op.gate in _TURNED:
        return [theirs.on(*(on[i] for i in where)) for theirs, where in _TURNED[op.gate](*angles)]
    if op.gate in _NOISE:
        return [_NOISE[op.gate](strength_of(op, "Cirq")).on(*on)]
    backwards = big_endian(range(len(on)))
    turned = [on[i] for i in backwards]
    if op.gate == "unitary":
        return [cirq.MatrixGate(op.matrix()).on(*turned)]
    if op.gate == "kraus":
        return [cirq.KrausChannel(list(op.operators())).on(*turned)]
    if op.gate == "initialize":
        return [cirq.StatePreparationChannel(amplitudes_of(op)).on(*turned)]
    if op.gate == "measure":
        return [cirq.measure(*on, key=f"c{op.bit}")]
    if op.gate == "reset":
        return [cirq.ResetChannel().on(*on)]
    raise refused(op, "Cirq", "Decompose it first.")


# --- theirs to ours -----------------------------------------------------------------------------------------------


_CHANNELS: Mapping[str, tuple[str, str]] = {
    "AmplitudeDampingChannel": ("amplitude_damping", "gamma"),
    "PhaseDampingChannel": ("phase_damping", "gamma"),
    "BitFlipChannel": ("bit_flip", "p"),
}


def to_qstore(source: cirq.AbstractCircuit) -> QuantumCircuit:
    """A Cirq circuit as ours.

    `LineQubit(k)` becomes qubit k where all qubits are of that kind, else qubits are numbered in their order.

    Raises:
        CircuitError: an operation has no counterpart; says which.

    Example:
        >>> a, b = cirq.LineQubit.range(2)
        >>> print(to_qstore(cirq.Circuit(cirq.H(a), cirq.CX(a, b), cirq.rz(sympy.Symbol("t")).on(b))))
        q0: ─H─●───────
               │
        q1: ───X─RZ(t)─
    """
    return _CirqReader(source).read()


class _CirqReader:
    """Reads one circuit."""

    def __init__(self, source: cirq.AbstractCircuit) -> None:
        self.source = source
        qubits = sorted(source.all_qubits())
        for qubit in qubits:
            if qubit.dimension != 2:
                raise unsupported("Cirq", f"on {qubit!r} with {qubit.dimension} levels", "Use qubits.")
        plain = all(type(qubit) is cirq.LineQubit for qubit in qubits)
        names = [qubit.x if isinstance(qubit, cirq.LineQubit) and plain else str(qubit) for qubit in qubits]
        numbers, width = positions(names)
        self.numbers = {qubit: numbers[name] for qubit, name in zip(qubits, names, strict=True)}
        self.reading = Reading(width, "Cirq")
        self.angles = angles_by_name(sorted(cirq.parameter_names(source)))
        self.bits: dict[str, int] = {}
        keys = sorted(cirq.measurement_key_names(source))
        if all(_KEY.fullmatch(key) for key in keys):
            self.bits = {key: int(key[1:]) for key in keys}

    def read(self) -> QuantumCircuit:
        for op in self.source.all_operations():
            self._operation(op)
        return self.reading.circuit()

    def _operation(self, op: Any) -> None:
        if IDLE in op.tags:
            return
        op = op.untagged
        if isinstance(op.gate, cirq.EigenGate) and type(op) is cirq.GateOperation:  # most operations are
            self.reading.add(self._block(op))
        elif isinstance(op, cirq.CircuitOperation):
            if op.repeat_until is not None:
                raise unsupported(
                    "Cirq", "CircuitOperation with repeat_until", "Repeat it a fixed number of times."
                )
            for inner in op.mapped_circuit(deep=False).all_operations():
                self._operation(inner)
        elif op.classical_controls:
            self._controlled_by_bits(op)
        elif isinstance(op.gate, cirq.MeasurementGate):
            self._measurement(op)
        elif isinstance(op.gate, cirq.ResetChannel):
            self.reading.reset(self.numbers[op.qubits[0]])
        elif isinstance(op.gate, cirq.StatePreparationChannel):
            self._preparation(op)
        elif cirq.has_unitary(op) or cirq.is_parameterized(op):
            self.reading.add(self._block(op))
        else:
            self._noise(op)

    def _block(self, op: Any) -> Block:
        """A unitary, with its global phase."""
        theirs, qubits = op.untagged.gate, tuple(self.numbers[q] for q in op.qubits)
        name = type(theirs).__name__ if type(theirs).__module__.startswith("cirq.") else ""
        if isinstance(op.untagged, cirq.ControlledOperation):
            return self._under_controls(op.untagged)
        for family in type(theirs).__mro__ if name else ():
            if family.__name__ in POWERS and isinstance(theirs, cirq.EigenGate):
                return POWERS[family.__name__](theirs, self._turn(theirs.exponent, op))(qubits)
        if isinstance(theirs, cirq.ControlledGate):
            return self._under_controls(cirq.ControlledOperation(
                op.qubits[: theirs.num_controls()], theirs.sub_gate.on(*op.qubits[theirs.num_controls() :]),
                theirs.control_values,
            ))  # fmt: skip
        if isinstance(theirs, cirq.IdentityGate):
            return Block(tuple(Operation("i", (q,)) for q in qubits))
        if isinstance(theirs, cirq.CSwapGate):
            return gate("cswap")(qubits)
        if isinstance(theirs, cirq.PhasedXPowGate):
            return self._phased_x(theirs, qubits, op)
        if isinstance(theirs, cirq.GlobalPhaseGate):
            return self._global_phase(theirs, op)
        if isinstance(theirs, cirq.WaitGate):
            return Block()
        return self._taken_apart(op, qubits)

    def _taken_apart(self, op: Any, qubits: tuple[int, ...]) -> Block:
        known = cirq.has_unitary(op)
        small = known and len(qubits) <= MATRIX_QUBITS
        if small and (len(qubits) < MATRIX_QUBITS or isinstance(op.untagged.gate, cirq.MatrixGate)):
            return unitary(cirq.unitary(op), big_endian(qubits))
        parts = cirq.decompose_once(op, default=None)
        if parts is not None:
            block = Block.joined(self._block(part) for part in parts)
            fits = {q for each in block.operations for q in each.qubits} <= {*qubits}
            return verified(block, cirq.unitary(op), big_endian(qubits), op) if small and fits else block
        if small:
            return unitary(cirq.unitary(op), big_endian(qubits))
        raise unsupported("Cirq", f"{op} ({type(op.untagged.gate).__name__})")

    def _under_controls(self, op: Any) -> Block:
        inner = self._block(op.sub_operation)
        values = op.control_values
        if not isinstance(values, cirq.ProductOfSums) or any(len(each) != 1 for each in values):
            raise unsupported(
                "Cirq", f"{op} with alternative control values", "Use one value for each control."
            )
        controls = [self.numbers[q] for q in op.controls]
        return inner.controlled(controls, [each[0] for each in values])

    def _phased_x(self, theirs: Any, qubits: tuple[int, ...], op: Any) -> Block:
        """Z**p X**t Z**-p."""
        axis, t = self._turn(theirs.phase_exponent, op), self._turn(theirs.exponent, op)
        shift = theirs.global_shift
        if t.is_constant and t.constant == PI and not shift:
            return gate("gpi")(qubits, (axis,))
        if t.is_constant and t.constant == PI / 2 and shift == -0.5:
            return gate("gpi2")(qubits, (axis,))
        steps = translated(
            ("rz", (0,), (-1.0, 0, 0.0)), ("rx", (0,), (1.0, 1, 0.0)), ("rz", (0,), (1.0, 0, 0.0))
        )
        return steps(qubits, (axis, t)).then(phase(t.scaled(0.5 + shift)))

    def _global_phase(self, theirs: Any, op: Any) -> Block:
        coefficient = theirs.coefficient
        try:
            value = complex(coefficient)
        except TypeError:
            raise unsupported(
                "Cirq", f"{op} with a symbolic coefficient", "Bind its parameters first."
            ) from None
        return phase(Angle(constant=math.atan2(value.imag, value.real)))

    def _turn(self, exponent: Any, op: Any) -> Angle:
        """An exponent as an angle: a whole turn has two of them."""
        if isinstance(exponent, sympy.Basic):
            return from_sympy(exponent * sympy.pi, self.angles, op)
        return from_sympy(exponent, {}, op).scaled(PI)

    def _bit(self, key: str) -> int:
        return self.bits.setdefault(key, len(self.bits))

    def _measurement(self, op: Any) -> None:
        theirs = op.gate
        if theirs.confusion_map:
            raise unsupported("Cirq", f"{op} with a confusion map", "Give the readout errors to the backend.")
        for number, qubit in enumerate(op.qubits):
            name = theirs.key if len(op.qubits) == 1 else f"{theirs.key}[{number}]"
            at = self.numbers[qubit]
            flipped = number < len(theirs.invert_mask) and theirs.invert_mask[number]
            if flipped:
                self.reading.append(Operation("x", (at,)))
            self.reading.measure(at, self._bit(name))
            if flipped:
                self.reading.append(Operation("x", (at,)))

    def _preparation(self, op: Any) -> None:
        qubits = big_endian([self.numbers[q] for q in op.qubits])
        if not self.reading.is_fresh(qubits):
            raise unsupported("Cirq", f"{op} on qubits in use", "Prepare states at the start.")
        self.reading.initialize(op.gate.state, qubits)

    def _controlled_by_bits(self, op: Any) -> None:
        conditions = list(op.classical_controls)
        if len(conditions) > 1:
            raise unsupported("Cirq", f"{op} with {len(conditions)} conditions", "Use one measured bit.")
        key, value = self._condition(conditions[0], op)
        inner = op.without_classical_controls()
        self.reading.under(self._bit(key), value, lambda: self._operation(inner))

    def _condition(self, condition: Any, op: Any) -> tuple[str, int]:
        """The key and the value that it must have."""
        if isinstance(condition, cirq.KeyCondition) and condition.index == -1:
            return str(condition.key), 1
        expression = getattr(condition, "expr", None)
        if isinstance(expression, (sympy.Eq, sympy.Ne)):
            symbol, number = (
                expression.args if isinstance(expression.args[0], sympy.Symbol) else expression.args[::-1]
            )
            if isinstance(symbol, sympy.Symbol) and number in {0, 1}:
                return symbol.name, int(number) ^ isinstance(expression, sympy.Ne)
        if isinstance(expression, sympy.Symbol):
            return expression.name, 1
        raise unsupported(
            "Cirq", f"{op} under the condition {condition}", "Compare one measured bit with 0 or 1."
        )

    def _noise(self, op: Any) -> None:
        theirs, qubits = op.gate, tuple(self.numbers[q] for q in op.qubits)
        name = type(theirs).__name__
        if name in _CHANNELS:
            row, attribute = _CHANNELS[name]
            self.reading.append(channel(row, getattr(theirs, attribute), qubits, op))
        elif isinstance(theirs, cirq.DepolarizingChannel) and len(qubits) <= 2:
            row = "depolarizing" if len(qubits) == 1 else "depolarizing2"
            self.reading.append(channel(row, theirs.p, qubits, op))
        elif cirq.has_kraus(op) and len(qubits) <= 2:
            self.reading.append(kraus(cirq.kraus(op), big_endian(qubits)))
        else:
            raise unsupported("Cirq", f"{op} ({name})")
