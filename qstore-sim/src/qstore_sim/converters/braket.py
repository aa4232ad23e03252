# SPDX-License-Identifier: Apache-2.0
"""Amazon Braket: qubit k is qubit k, parameters are `FreeParameter`s; the entries of arrays are called `w__0_1`.

Braket's matrices and bit strings have the first qubit as the most significant bit, ours the least significant: a qubit
keeps its number. Braket has no conditions and no reset, and measures at the end only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from braket.circuits import (
    Circuit,
    CompilerDirective,
    FreeParameter,
    FreeParameterExpression,
    Gate,
    Instruction,
    Noise,
)
from braket.circuits.measure import Measure
from numpy.typing import ArrayLike

from qstore.circuit import Angle, CircuitView, Operation, QuantumCircuit
from qstore.circuit.block import Block
from qstore.circuit.entries import EntryNames, angles_by_name
from qstore.circuit.text.program import without_final_measurements
from qstore.circuit.transform import decompose
from qstore_sim.converters.affine import from_sympy, number, symbolic
from qstore_sim.converters.reading import (
    MATRIX_QUBITS,
    Making,
    Reading,
    channel,
    gate,
    kraus,
    phase,
    positions,
    translated,
    unitary,
    unsupported,
)  # fmt: skip
from qstore_sim.converters.writing import big_endian, operations_of, refused, strength_of, synthesized_state

__all__ = ["from_qstore", "to_qstore"]


_CLASSES: Mapping[str, str] = {
    "i": "I", "x": "X", "y": "Y", "z": "Z", "h": "H", "s": "S", "sdg": "Si", "t": "T", "tdg": "Ti", "sx": "V",
    "sxdg": "Vi", "rx": "Rx", "ry": "Ry", "rz": "Rz", "p": "PhaseShift", "u": "U", "cx": "CNot", "cy": "CY", "cz": "CZ",
    "swap": "Swap", "iswap": "ISwap", "cp": "CPhaseShift", "rxx": "XX", "ryy": "YY", "rzz": "ZZ", "ccx": "CCNot",
    "cswap": "CSwap", "gpi": "GPi", "gpi2": "GPi2", "ms": "MS",
}  # fmt: skip
"""Rows of the gate table and Braket's class for each: same matrices up to the order of bits, same order of qubits."""

_NOISE: Mapping[str, tuple[str, float]] = {
    "amplitude_damping": ("AmplitudeDamping", 1.0),
    "phase_damping": ("PhaseDamping", 1.0),
    "depolarizing": ("Depolarizing", 0.75),
    "bit_flip": ("BitFlip", 0.5),
    "depolarizing2": ("TwoQubitDepolarizing", 0.9375),
}
"""Rows, Braket's class for each channel, and up to which probability it takes."""


def from_qstore(circuit: CircuitView, *, bindings: Mapping[str, ArrayLike] | None = None) -> Circuit:
    """A circuit as `braket.circuits.Circuit`.

    Args:
        circuit: a builder or a template.
        bindings: the parameters' values for one sample; without them they become free parameters.

    Raises:
        CircuitError: Braket has no counterpart of an operation, or a parameter's name is no identifier.
        BindingError: the bindings do not fit the circuit.

    Example:
        >>> from_qstore(QuantumCircuit(2).h(0).cx(0, 1)).to_unitary().shape
        (4, 4)
    """
    names = EntryNames(identifier=True)
    made = Circuit()
    for op in without_final_measurements(operations_of(circuit, bindings, "Braket")):
        if op.condition is not None or op.bit is not None or op.gate == "reset":
            raise refused(
                op, "Braket", "It measures at the end only; convert the circuit without feedback and reset."
            )
        if op.amplitudes is not None:
            for each in synthesized_state(op):
                _write(made, each, names)
        else:
            _write(made, op, names)
    used = {q for op in circuit.operations for q in op.qubits}
    for qubit in range(circuit.n_qubits):
        if qubit not in used:  # Braket's circuits are as wide as the qubits with operations
            made.add_instruction(Instruction(Gate.I(), [qubit]))
    return made


def _write(made: Circuit, op: Operation, names: EntryNames) -> None:
    angles = [symbolic(angle, lambda p, i: FreeParameter(names(p, i))) for angle in op.angles]
    target: Sequence[int] = op.qubits
    if op.gate in _CLASSES:
        operator = getattr(Gate, _CLASSES[op.gate])(*angles)
    elif op.gate == "zz":
        operator = Gate.ZZ(*angles)
    elif op.spec.decomposition:
        # Not by Braket's control modifier: binding free parameters forgets it (amazon-braket-sdk 1.127).
        for step in decompose(op):
            _write(made, step, names)
        return
    elif op.gate == "unitary":
        operator, target = Gate.Unitary(op.matrix()), big_endian(op.qubits)
    elif op.gate in _NOISE and strength_of(op, "Braket") <= _NOISE[op.gate][1]:
        operator = getattr(Noise, _NOISE[op.gate][0])(strength_of(op, "Braket"))
    elif op.gate == "kraus" or op.gate in _NOISE:
        operator, target = Noise.Kraus(list(op.operators())), big_endian(op.qubits)
    else:
        raise refused(op, "Braket", "Decompose it first.")
    made.add_instruction(Instruction(operator, list(target)))


# --- theirs to ours -----------------------------------------------------------------------------------------------


def _phase_where(*values: int) -> Making:
    """A phase where two qubits have these values."""

    def make(qubits: Sequence[int], given: Sequence[Angle] = ()) -> Block:
        return phase(given[0]).controlled(qubits, values)

    return make


_READ: Mapping[str, Making] = {name: gate(row) for row, name in _CLASSES.items()} | {
    "PRx": translated(("rz", (0,), (-1.0, 1, 0.0)), ("rx", (0,), (1.0, 0, 0.0)), ("rz", (0,), (1.0, 1, 0.0))),
    "XY": translated(("rxx", (0, 1), (-0.5, 0, 0.0)), ("ryy", (0, 1), (-0.5, 0, 0.0))),
    "CPhaseShift00": _phase_where(0, 0),
    "CPhaseShift01": _phase_where(0, 1),
    "CPhaseShift10": _phase_where(1, 0),
}
"""Braket's gates, by the name of their class."""
_CHANNELS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    name: (row, (lambda noise: noise.gamma) if "damping" in row else (lambda noise: noise.probability))
    for row, (name, _) in _NOISE.items()
}


def to_qstore(source: Circuit) -> QuantumCircuit:
    """A Braket circuit as ours; its result types are left out.

    Raises:
        CircuitError: an operation has no counterpart; says which.

    Example:
        >>> print(to_qstore(Circuit().h(0).cnot(0, 1).rz(1, FreeParameter("w__2"))))
        q0: ─H─●──────────
               │
        q1: ───X─RZ(w[2])─
    """
    return _BraketReader(source).read()


class _BraketReader:
    """Reads one circuit."""

    def __init__(self, source: Circuit) -> None:
        self.source = source
        numbers, width = positions([int(qubit) for qubit in source.qubits])
        self.numbers = numbers
        self.reading = Reading(width, "Braket")
        self.angles = angles_by_name(sorted(str(parameter.name) for parameter in source.parameters))

    def read(self) -> QuantumCircuit:
        for each in self.source.instructions:
            operator = each.operator
            on = tuple(self.numbers[int(qubit)] for qubit in each.target)
            if isinstance(operator, CompilerDirective):
                continue  # a verbatim box says how to compile, not what
            if isinstance(operator, Measure):
                for qubit in on:
                    self.reading.measure(qubit, qubit)
            elif isinstance(operator, Noise):
                self._noise(operator, on)
            elif isinstance(operator, Gate):
                self.reading.add(self._block(each, on))
            else:
                raise unsupported("Braket", type(operator).__name__)
        return self.reading.circuit()

    def _block(self, each: Instruction, on: tuple[int, ...]) -> Block:
        """A gate with its modifiers, with its global phase."""
        made = self._gate(each.operator, on)
        if each.power != 1:
            made = made.power(number(each.power, type(each.operator).__name__))
        controls = tuple(self.numbers[int(qubit)] for qubit in each.control)
        return made.controlled(controls, tuple(each.control_state)) if controls else made

    def _gate(self, operator: Gate, on: tuple[int, ...]) -> Block:
        name = type(operator).__name__
        own = type(operator).__module__.startswith("braket.")
        angles = [self._angle(value, name) for value in getattr(operator, "parameters", ())] if own else []
        if own and name in _READ:
            return _READ[name](on, angles)
        if own and name == "GPhase":
            return phase(angles[0])
        if any(not angle.is_constant for angle in angles):
            raise unsupported(
                "Braket", f"{name} with free parameters", "Bind them first (make_bound_circuit)."
            )
        if len(on) > MATRIX_QUBITS:
            what = f"{name} on {len(on)} qubits"
            raise unsupported("Braket", what, "A matrix may act on three qubits; split it into gates.")
        try:
            matrix = operator.to_matrix()
        except NotImplementedError:  # how Braket says that a gate, such as a pulse, has no matrix
            raise unsupported("Braket", name) from None
        return unitary(matrix, big_endian(on))

    def _angle(self, value: Any, name: str) -> Angle:
        if isinstance(value, FreeParameterExpression):
            return from_sympy(value.expression, self.angles, name)
        return Angle(constant=number(value, name) + 0.0)

    def _noise(self, operator: Noise, on: tuple[int, ...]) -> None:
        name = type(operator).__name__
        strengths = getattr(operator, "parameters", ())
        if any(isinstance(value, FreeParameterExpression) for value in strengths):
            raise unsupported(
                "Braket", f"{name} with free parameters", "Bind them first (make_bound_circuit)."
            )
        if name in _CHANNELS:
            row, strength = _CHANNELS[name]
            self.reading.append(channel(row, strength(operator), on, name))
        elif len(on) <= 2:
            self.reading.append(kraus(np.array(operator.to_matrix()), big_endian(on)))
        else:
            raise unsupported("Braket", f"{name} on {len(on)} qubits")
