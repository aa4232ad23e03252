# SPDX-License-Identifier: Apache-2.0
"""PennyLane: a tape (`qml.tape.QuantumScript`) of operations on the wires 0, 1, ..., without measurement processes.

PennyLane's operations hold numbers, so `bindings=` may be arrays of any of its interfaces (autograd, torch, jax): they
stay differentiable, and a binding with one more leading axis becomes PennyLane's parameter broadcasting. Without bindings
angles are sympy symbols `w[0,1]`, which PennyLane carries along and draws, but cannot execute.

PennyLane's matrices have the first wire as the most significant bit, ours the least significant: a wire keeps its number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pennylane as qml
from pennylane.ops import Conditional, MidMeasure

from qstore.circuit import Angle, CircuitView, Operation, Parameter, QuantumCircuit
from qstore.circuit.block import Block
from qstore.circuit.entries import EntryNames, angles_by_name
from qstore.errors import BindingError, CircuitError
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
    verified,
)  # fmt: skip
from qstore_sim.converters.writing import amplitudes_of, big_endian, operations_of, refused, strength_of

__all__ = ["from_qstore", "to_qstore"]

_BIT = re.compile(r"c(0|[1-9][0-9]{0,3})")

_CLASSES: Mapping[str, str] = {
    "i": "Identity", "x": "PauliX", "y": "PauliY", "z": "PauliZ", "h": "Hadamard", "s": "S", "t": "T", "sx": "SX",
    "rx": "RX", "ry": "RY", "rz": "RZ", "p": "PhaseShift", "u": "U3", "cx": "CNOT", "cy": "CY", "cz": "CZ", "ch": "CH",
    "swap": "SWAP", "iswap": "ISWAP", "crx": "CRX", "cry": "CRY", "crz": "CRZ", "cp": "ControlledPhaseShift",
    "rxx": "IsingXX", "ryy": "IsingYY", "rzz": "IsingZZ", "ccx": "Toffoli", "cswap": "CSWAP",
}  # fmt: skip
"""Rows of the gate table and PennyLane's class for each: same matrices up to the order of bits, same order of wires."""


def _adjoint(name: str) -> Callable[..., list[Any]]:
    return lambda wires: [qml.adjoint(getattr(qml, name)(wires))]


_MADE: Mapping[str, Callable[..., list[Any]]] = {
    "sdg": _adjoint("S"),
    "tdg": _adjoint("T"),
    "sxdg": _adjoint("SX"),
    "zz": lambda t, wires: [qml.IsingZZ(t, wires)],
    "cu": lambda theta, phi, lam, gamma, wires: [
        qml.PhaseShift(gamma, wires[0]), qml.ctrl(qml.U3(theta, phi, lam, wires[1]), wires[0]),
    ],
    "gpi": lambda t, wires: [qml.RZ(-t, wires), qml.PauliX(wires), qml.RZ(t, wires)],
    "gpi2": lambda t, wires: [qml.RZ(-t, wires), qml.RX(np.pi / 2, wires), qml.RZ(t, wires)],
    "ms": lambda a, b, t, wires: [
        qml.RZ(-a, wires[0]), qml.RZ(-b, wires[1]), qml.IsingXX(t, wires), qml.RZ(a, wires[0]), qml.RZ(b, wires[1]),
    ],
}  # fmt: skip
"""Rows that PennyLane says with several operations."""

_NOISE: Mapping[str, str] = {
    "amplitude_damping": "AmplitudeDamping",
    "phase_damping": "PhaseDamping",
    "depolarizing": "DepolarizingChannel",
    "bit_flip": "BitFlip",
}
"""Rows and PennyLane's class for each channel, which takes the same probability."""


def from_qstore(circuit: CircuitView, *, bindings: Mapping[str, Any] | None = None) -> Any:
    """A circuit as `qml.tape.QuantumScript`.

    Args:
        circuit: a builder or a template.
        bindings: arrays for the parameters, of any interface that PennyLane knows; shared, or with one more leading
            axis for PennyLane's broadcasting. Without them angles are sympy symbols.

    Raises:
        CircuitError: PennyLane has no counterpart of an operation.
        BindingError: the bindings do not fit the circuit.

    Example:
        >>> tape = from_qstore(QuantumCircuit(2).h(0).rx(1, "theta"), bindings={"theta": np.array(0.5)})
        >>> [operation.name for operation in tape.operations]
        ['Hadamard', 'RX']
    """
    names = EntryNames()
    arrays = _checked(circuit, bindings)

    def entry(parameter: Parameter, flat: int) -> Any:
        if arrays is None:
            import sympy  # only where there are symbols

            return sympy.Symbol(names(parameter, flat))
        array = arrays[parameter.name]
        index = tuple(int(i) for i in np.unravel_index(flat, parameter.shape)) if parameter.shape else ()
        return array[(..., *index)] if index else array

    operations: list[Any] = []
    measured: dict[int, Any] = {}
    # Amplitudes and strengths are numbers in any case; angles keep their interface.
    prepared = _amplitude_bindings(circuit, bindings)
    with qml.QueuingManager.stop_recording():
        for op in operations_of(circuit, prepared, "PennyLane"):
            made = _written(op, [symbolic(angle, entry) for angle in op.angles], measured)
            if op.condition is not None:
                value = measured[op.condition.bit]
                made = [Conditional(value if op.condition.value else ~value, each) for each in made]
            operations += made
        used = {q for op in circuit.operations for q in op.qubits}
        operations += [qml.Identity(q) for q in range(circuit.n_qubits) if q not in used]
        return qml.tape.QuantumScript(operations)


def _checked(circuit: CircuitView, bindings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if bindings is not None and not isinstance(bindings, Mapping):
        raise BindingError(f"bindings is a dict from names to arrays, got {type(bindings).__name__}.")
    for parameter in circuit.parameters if bindings is not None else ():
        array = bindings.get(parameter.name)  # type: ignore[union-attr]  # the loop is empty without bindings
        shape = tuple(qml.math.shape(array)) if array is not None else None
        if shape is None or (shape != parameter.shape and shape[1:] != parameter.shape):
            msg = (
                f"{parameter.name!r} needs numbers in shape {parameter.shape}, or with one more leading axis for PennyLane's "
                f"broadcasting; got {'nothing' if shape is None else f'shape {shape}'}."
            )
            raise BindingError(msg)
    return bindings


def _amplitude_bindings(circuit: CircuitView, bindings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Bindings of circuits that prepare amplitudes of parameters, which become numbers."""
    amplitudes = any(op.amplitudes is not None and op.amplitudes.parameters for op in circuit.operations)
    strengths = any(op.spec.strength and op.parameters for op in circuit.operations)
    return bindings if amplitudes or strengths else None


def _written(op: Operation, angles: Sequence[Any], measured: dict[int, Any]) -> list[Any]:
    wires = list(op.qubits)
    if op.gate in _CLASSES:
        return [getattr(qml, _CLASSES[op.gate])(*angles, wires=wires)]
    if op.gate in _MADE:
        return _MADE[op.gate](*angles, wires=wires)
    if op.gate in _NOISE:
        return [getattr(qml, _NOISE[op.gate])(strength_of(op, "PennyLane"), wires=wires)]
    turned = big_endian(wires)
    if op.gate == "unitary":
        return [qml.QubitUnitary(op.matrix(), wires=turned)]
    if op.gate == "initialize":
        return [qml.StatePrep(amplitudes_of(op), wires=turned)]
    if op.gate == "measure":
        if op.condition is not None:
            raise refused(op, "PennyLane", "Measure without a condition.")
        made = MidMeasure(wires=wires, meas_uid=f"c{op.bit}")
        measured[op.bit or 0] = qml.ops.mid_measure.MeasurementValue([made])
        return [made]
    if op.gate == "reset":
        if op.condition is not None:
            raise refused(op, "PennyLane", "Reset without a condition.")
        return [MidMeasure(wires=wires, reset=True)]
    if op.gate in {"kraus", "depolarizing2"}:
        if op.gate == "depolarizing2":
            strength_of(op, "PennyLane")  # refuses what is not bound
        return [qml.QubitChannel(list(op.operators()), wires=turned)]
    raise refused(op, "PennyLane", "Decompose it first.")


# --- theirs to ours -----------------------------------------------------------------------------------------------

_SAME = (1.0, 0, 0.0)
_READ: Mapping[str, Making] = {name: gate(row) for row, name in _CLASSES.items()} | {
    "U1": gate("p"),
    "U2": translated(("u", (0,), np.pi / 2, (1.0, 0, 0.0), (1.0, 1, 0.0))),
    "Rot": translated(("rz", (0,), _SAME), ("ry", (0,), (1.0, 1, 0.0)), ("rz", (0,), (1.0, 2, 0.0))),
    "IsingXY": translated(("rxx", (0, 1), (-0.5, 0, 0.0)), ("ryy", (0, 1), (-0.5, 0, 0.0))),
    "CPhaseShift": gate("cp"),
    "CCZ": translated(("h", (2,)), ("ccx", (0, 1, 2)), ("h", (2,))),
}
"""PennyLane's operations, by the name of their class."""
_CHANNELS: Mapping[str, str] = {name: row for row, name in _NOISE.items()}
_IGNORED = {"Barrier", "Snapshot", "WireCut"}


def to_qstore(source: Any) -> QuantumCircuit:
    """A tape, or a list of operations, as our circuit; its measurement processes are left out.

    Whole numbers as wires keep their number, other wires are numbered in the order of the tape.

    Raises:
        CircuitError: an operation has no counterpart; says which.

    Example:
        >>> print(to_qstore([qml.Hadamard(0), qml.ctrl(qml.RX(0.5, 2), control=0)]))
        q0: ─H─●───────
               │
        q1: ───┼───────
               │
        q2: ───RX(0.5)─
    """
    operations = list(source) if isinstance(source, (list, tuple)) else list(source.operations)
    return _PennyLaneReader(operations).read()


class _PennyLaneReader:
    """Reads one list of operations."""

    def __init__(self, operations: list[Any]) -> None:
        self.operations = operations
        wires = list(qml.wires.Wires.all_wires([op.wires for op in operations]))
        names = [int(wire) if isinstance(wire, np.integer) else wire for wire in wires]
        numbers, width = positions(names)
        self.numbers = {wire: numbers[name] for wire, name in zip(wires, names, strict=True)}
        self.reading = Reading(width, "PennyLane")
        symbols = {
            symbol.name
            for op in operations
            for value in getattr(op, "data", ())
            for symbol in getattr(value, "free_symbols", ())
        }
        self.angles = angles_by_name(sorted(symbols))
        self.bits: dict[Any, int] = {}
        self.asked = {
            id(each) for op in operations if isinstance(op, Conditional) for each in op.meas_val.measurements
        }

    def read(self) -> QuantumCircuit:
        for op in self.operations:
            self._operation(op)
        return self.reading.circuit()

    def _operation(self, op: Any) -> None:
        name = type(op).__name__
        if name in _IGNORED:
            return
        if isinstance(op, MidMeasure):
            self._measurement(op)
        elif isinstance(op, Conditional):
            bit, value = self._condition(op)
            self.reading.under(bit, value, lambda: self._operation(op.base))
        elif isinstance(op, (qml.StatePrep, qml.BasisState)):
            self._preparation(op)
        elif isinstance(op, qml.operation.Channel):
            self._noise(op)
        else:
            self.reading.add(self._block(op))

    # Unitaries

    def _block(self, op: Any) -> Block:
        """A unitary, with its global phase."""
        on = self._on(op.wires)
        ours = type(op).__module__.startswith("pennylane.")
        name = type(op).__name__ if ours else ""
        if name in _READ and (name != "Identity" or len(on) == 1):
            return _READ[name](on, [self._angle(value, op) for value in op.data])
        if name == "Identity":
            return Block(tuple(Operation("i", (q,)) for q in on))
        if name == "GlobalPhase":
            return phase(self._angle(op.data[0], op).scaled(-1.0))
        if name == "MultiRZ" and len(on) <= 2:
            return gate("rz" if len(on) == 1 else "rzz")(on, [self._angle(op.data[0], op)])
        if isinstance(op, qml.QubitUnitary) and len(on) <= MATRIX_QUBITS:
            return unitary(np.asarray(op.matrix()), big_endian(on))
        if isinstance(op, qml.ops.Controlled):
            base = self._block(op.base)
            return base.controlled(self._on(op.control_wires), [int(value) for value in op.control_values])
        if isinstance(op, qml.ops.Adjoint):
            return self._block(op.base).inverse()
        if isinstance(op, qml.ops.Pow):
            return self._block(op.base).power(number(op.z, op))
        return self._taken_apart(op, on)

    def _taken_apart(self, op: Any, on: tuple[int, ...]) -> Block:
        symbols = any(getattr(value, "free_symbols", ()) for value in getattr(op, "data", ()))
        small = len(on) <= MATRIX_QUBITS and op.has_matrix and not symbols
        matrix = np.asarray(qml.matrix(op, wire_order=op.wires)) if small else None
        if op.has_decomposition:
            with qml.QueuingManager.stop_recording():
                parts = op.decomposition()
            if {*qml.wires.Wires.all_wires([part.wires for part in parts])} <= {*op.wires}:
                made = Block.joined(self._block(part) for part in parts)
                return made if matrix is None else verified(made, matrix, big_endian(on), op)
        if matrix is None:
            raise unsupported(
                "PennyLane",
                f"{op} ({type(op).__name__})",
                "Expand the tape first (qml.transforms.decompose).",
            )
        return unitary(matrix, big_endian(on))

    def _on(self, wires: Any) -> tuple[int, ...]:
        return tuple(self.numbers[wire] for wire in wires)

    def _angle(self, value: Any, op: Any) -> Angle:
        if getattr(value, "free_symbols", None):
            return from_sympy(value, self.angles, op)
        plain = qml.math.toarray(qml.math.detach(value)) if not isinstance(value, (int, float)) else value
        if np.ndim(plain) > 0:
            msg = (
                f"PennyLane's {type(op).__name__} has {np.size(plain)} values at once: convert a tape of one sample, and give "
                f"the others as bindings of a parameter."
            )
            raise CircuitError(msg)
        return Angle(constant=number(plain, op) + 0.0)

    # What is not unitary

    def _measurement(self, op: Any) -> None:
        if op.hyperparameters.get("postselect") is not None:
            raise unsupported("PennyLane", f"{op} with postselection", "Select the outcomes afterwards.")
        (qubit,) = self._on(op.wires)
        resets = op.hyperparameters.get("reset")
        if id(op) in self.asked or not resets:
            self.reading.measure(qubit, self._bit(op))
        if resets:
            self.reading.reset(qubit)

    def _bit(self, measurement: Any) -> int:
        key = id(measurement)
        if key not in self.bits:
            named = _BIT.fullmatch(str(measurement.hyperparameters.get("meas_uid")))
            taken = {*self.bits.values()}
            free = next(bit for bit in range(len(taken) + 1) if bit not in taken)
            self.bits[key] = int(named[1]) if named else free
        return self.bits[key]

    def _condition(self, op: Any) -> tuple[int, int]:
        """The bit and the value that it must have."""
        value = op.meas_val
        if len(value.measurements) == 1:
            holds = [bool(value.branches[(outcome,)]) for outcome in (0, 1)]
            if holds[0] != holds[1]:
                return self._bit(value.measurements[0]), int(holds[1])
        raise unsupported("PennyLane", f"{op} under {value}", "Compare one measured bit with 0 or 1.")

    def _preparation(self, op: Any) -> None:
        on = big_endian(self._on(op.wires))
        if not self.reading.is_fresh(on):
            raise unsupported(
                "PennyLane", f"{type(op).__name__} on wires in use", "Prepare states at the start."
            )
        state = np.asarray(qml.math.toarray(op.state_vector(wire_order=op.wires))).ravel()
        self.reading.initialize(state, on)

    def _noise(self, op: Any) -> None:
        on, name = self._on(op.wires), type(op).__name__
        if name in _CHANNELS:
            strength = self._angle(op.data[0], op)
            if not strength.is_constant:
                raise unsupported("PennyLane", f"{op} with a symbolic strength", "Bind its parameters first.")
            self.reading.append(channel(_CHANNELS[name], strength.constant, on, op))
        elif len(on) <= 2:
            operators = [np.asarray(each) for each in op.kraus_matrices()]
            self.reading.append(kraus(operators, big_endian(on)))
        else:
            raise unsupported("PennyLane", f"{op} on {len(on)} wires")
