# SPDX-License-Identifier: Apache-2.0
"""Qiskit: qubit k is qubit k and the least significant bit comes first on both sides; classical bits keep their numbers.

A parameter with one axis is a `ParameterVector`, a scalar a `Parameter`; entries of other arrays are Parameters called
`w[0,1]`, and the circuit's metadata keeps their shapes. Both directions are exact with the global phase, which our side
then drops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit as Theirs
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    BoxOp,
    Clbit,
    ControlledGate,
    ControlModifier,
    Delay,
    ForLoopOp,
    IfElseOp,
    Instruction,
    InverseModifier,
    Measure,
    ParameterExpression,
    ParameterVector,
    ParameterVectorElement,
    Reset,
    library,
)
from qiskit.circuit import Parameter as TheirParameter
from qiskit.circuit.classical import expr
from qiskit.quantum_info import Kraus

from qstore.circuit import Angle, CircuitView, Operation, Parameter, QuantumCircuit
from qstore.circuit.block import Block
from qstore.circuit.entries import EntryNames, angles_by_name
from qstore.circuit.transform import decompose
from qstore.errors import CircuitError
from qstore_sim.converters.affine import from_sympy, number, symbolic
from qstore_sim.converters.reading import (
    MATRIX_QUBITS,
    Making,
    Reading,
    gate,
    kraus,
    phase,
    translated,
    unitary,
    unsupported,
    verified,
)  # fmt: skip
from qstore_sim.converters.writing import amplitudes_of, operations_of, refused, strength_of

__all__ = ["from_qstore", "to_qstore"]

SHAPES = "qstore_shapes"
"""Key of the circuit's metadata with the shapes of parameters."""
_MAX_LOOPS = 100_000

_CLASSES: Mapping[str, str] = {
    "i": "IGate", "x": "XGate", "y": "YGate", "z": "ZGate", "h": "HGate", "s": "SGate", "sdg": "SdgGate", "t": "TGate",
    "tdg": "TdgGate", "sx": "SXGate", "sxdg": "SXdgGate", "rx": "RXGate", "ry": "RYGate", "rz": "RZGate", "p": "PhaseGate",
    "u": "UGate", "cx": "CXGate", "cy": "CYGate", "cz": "CZGate", "ch": "CHGate", "swap": "SwapGate", "iswap": "iSwapGate",
    "crx": "CRXGate", "cry": "CRYGate", "crz": "CRZGate", "cp": "CPhaseGate", "cu": "CUGate", "rxx": "RXXGate",
    "ryy": "RYYGate", "rzz": "RZZGate", "ccx": "CCXGate", "cswap": "CSwapGate",
}  # fmt: skip
"""Rows of the gate table and Qiskit's class for each: same matrices, same order of qubits and angles."""

_SAME_MATRIX = {"zz": "RZZGate"}
"""Rows with another row's class."""

_READ: Mapping[str, Making] = {name: gate(row) for row, name in _CLASSES.items()} | {
    "U1Gate": gate("p"),
    "U2Gate": translated(("u", (0,), np.pi / 2, (1.0, 0, 0.0), (1.0, 1, 0.0))),
    "U3Gate": gate("u"),
    "CU1Gate": gate("cp"),
    "CU3Gate": gate("cu", 0.0),
    "RGate": translated(
        ("rz", (0,), (-1.0, 1, 0.0)), ("rx", (0,), (1.0, 0, 0.0)), ("rz", (0,), (1.0, 1, 0.0))
    ),
    "RZXGate": translated(("h", (1,)), ("rzz", (0, 1), (1.0, 0, 0.0)), ("h", (1,))),
    "DCXGate": translated(("cx", (0, 1)), ("cx", (1, 0))),
}
"""Qiskit's standard gates, by the name of their class."""


def from_qstore(circuit: CircuitView, *, bindings: Mapping[str, ArrayLike] | None = None) -> Theirs:
    """A circuit as `qiskit.QuantumCircuit`.

    Args:
        circuit: a builder or a template.
        bindings: the parameters' values for one sample; without them they become Qiskit parameters.

    Raises:
        CircuitError: Qiskit has no counterpart of an operation.
        BindingError: the bindings do not fit the circuit.

    Example:
        >>> [each.operation.name for each in from_qstore(QuantumCircuit(2).h(0).cx(0, 1)).data]
        ['h', 'cx']
    """
    made = Theirs(circuit.n_qubits, circuit.n_bits)
    shapes = {p.name: list(p.shape) for p in circuit.parameters if len(p.shape) > 1}
    if shapes and bindings is None:
        made.metadata = {SHAPES: shapes}
    symbol = _Symbols()
    for op in operations_of(circuit, bindings, "Qiskit"):
        if op.condition is None:
            _write(made, op, symbol)
        else:
            with made.if_test((made.clbits[op.condition.bit], op.condition.value)):
                _write(made, op, symbol)
    return made


class _Symbols:
    """Qiskit's parameter for each entry: one object for one entry, or they would not be the same parameter."""

    def __init__(self) -> None:
        self._names = EntryNames()
        self._vectors: dict[str, ParameterVector] = {}
        self._scalars: dict[str, TheirParameter] = {}

    def __call__(self, parameter: Parameter, entry: int) -> Any:
        name = self._names(parameter, entry)
        if len(parameter.shape) == 1:
            if parameter.name not in self._vectors:
                self._vectors[parameter.name] = ParameterVector(parameter.name, parameter.size)
            return self._vectors[parameter.name][entry]
        return self._scalars.setdefault(name, TheirParameter(name))


def _write(made: Theirs, op: Operation, symbol: _Symbols) -> None:
    name = _CLASSES.get(op.gate) or _SAME_MATRIX.get(op.gate)
    if name is not None:
        made.append(getattr(library, name)(*(symbolic(angle, symbol) for angle in op.angles)), op.qubits)
    elif op.gate == "unitary":
        made.append(library.UnitaryGate(op.matrix()), op.qubits)
    elif op.gate == "initialize":
        made.append(library.StatePreparation(amplitudes_of(op)), op.qubits)
    elif op.gate == "measure":
        made.measure(op.qubits[0], op.bit)
    elif op.gate == "reset":
        made.reset(op.qubits[0])
    elif op.gate == "kraus":
        made.append(Kraus(list(op.operators())).to_instruction(), op.qubits)
    elif op.spec.decomposition:
        for step in decompose(op):
            _write(made, step, symbol)
    elif op.spec.strength:
        strength_of(op, "Qiskit")  # refuses what is not bound
        made.append(Kraus(list(op.operators())).to_instruction(), op.qubits)
    else:
        raise refused(op, "Qiskit", "Decompose it first.")


# --- theirs to ours -----------------------------------------------------------------------------------------------


def to_qstore(source: Theirs) -> QuantumCircuit:
    """A Qiskit circuit as ours.

    Gates without a row of the gate table are read through their own definitions, modifiers and controls included.

    Raises:
        CircuitError: an operation has no counterpart; says which.

    Example:
        >>> theirs = Theirs(3)
        >>> _ = theirs.h(0), theirs.ccx(0, 2, 1), theirs.rz(TheirParameter("t"), 2)
        >>> print(to_qstore(theirs))
        q0: ─H─●───────
               │
        q1: ───X───────
               │
        q2: ───●─RZ(t)─
    """
    reader = _QiskitReader(source)
    reader.run(source, range(source.num_qubits), range(source.num_clbits))
    return reader.reading.circuit()


class _QiskitReader:
    """Reads one circuit and the circuits inside it."""

    def __init__(self, source: Theirs) -> None:
        self.reading = Reading(source.num_qubits, "Qiskit")
        shapes = {
            parameter.vector.name: [len(parameter.vector)]
            for parameter in source.parameters
            if isinstance(parameter, ParameterVectorElement)
        }
        kept = (source.metadata or {}).get(SHAPES)
        self.angles = angles_by_name(
            [parameter.name for parameter in source.parameters],
            shapes | (kept if isinstance(kept, dict) else {}),
        )
        self._loops: dict[str, float] = {}

    def run(self, source: Theirs, qubits: Sequence[int], bits: Sequence[int]) -> None:
        """Read a circuit onto numbered qubits and bits."""
        for each in source.data:
            on = tuple(qubits[source.find_bit(q).index] for q in each.qubits)
            to = tuple(bits[source.find_bit(c).index] for c in each.clbits)
            self._operation(each.operation, on, to, source, bits)

    def _operation(
        self, op: Any, on: tuple[int, ...], to: tuple[int, ...], source: Theirs, bits: Sequence[int]
    ) -> None:
        if isinstance(op, Barrier) or op.name in {"snapshot", "save_statevector"}:
            return
        if isinstance(op, Measure):
            self.reading.measure(on[0], to[0])
        elif isinstance(op, Reset):
            self.reading.reset(on[0])
        elif isinstance(op, IfElseOp):
            self._if(op, on, to, source, bits)
        elif isinstance(op, ForLoopOp):
            self._for(op, on, to)
        elif isinstance(op, BoxOp):
            self.run(op.blocks[0], on, to)
        elif isinstance(op, (library.Initialize, library.StatePreparation)) and self._prepared(op, on):
            return
        elif op.name == "kraus":
            self.reading.append(kraus(np.asarray(op.params), on))
        elif self._is_unitary(op):
            self.reading.add(self._block(op, on))
        elif getattr(op, "definition", None) is not None:
            self.run(op.definition, on, to)
        else:
            raise unsupported("Qiskit", f"{op.name!r} ({type(op).__name__})")

    def _prepared(self, op: Any, on: tuple[int, ...]) -> bool:
        """Whether fresh qubits were prepared in the given amplitudes; other preparations are read by their definition."""
        if len(op.params) != 1 << len(on) or isinstance(op.params[0], str) or not self.reading.is_fresh(on):
            return False
        self.reading.initialize(op.params, on)
        return True

    def _is_unitary(self, op: Any) -> bool:
        if isinstance(op, (AnnotatedOperation, Delay)) or not isinstance(op, Instruction):
            return True
        # Instructions that are no gates may hold measurements; those without a definition say themselves what they are.
        return hasattr(op, "to_matrix") or hasattr(op, "control")

    # Unitaries

    def _block(self, op: Any, on: tuple[int, ...]) -> Block:
        """A gate, with its global phase."""
        if isinstance(op, Delay):
            return Block()
        if isinstance(op, AnnotatedOperation):
            return self._annotated(op, on)
        standard = (
            op.base_class.__name__ if op.base_class.__module__.startswith("qiskit.circuit.library.") else ""
        )
        if isinstance(op, ControlledGate):
            n = op.num_ctrl_qubits
            if standard in _READ and op.ctrl_state == (1 << n) - 1:
                return _READ[standard](on, self._angles(op))
            values = [op.ctrl_state >> i & 1 for i in range(n)]
            return self._block(op.base_gate, on[n:]).controlled(on[:n], values)
        if standard in _READ:
            return _READ[standard](on, self._angles(op))
        if isinstance(op, library.GlobalPhaseGate):
            return phase(self._angle(op.params[0], op))
        if isinstance(op, library.UnitaryGate) and len(on) <= MATRIX_QUBITS:
            return unitary(op.to_matrix(), on)
        definition = getattr(op, "definition", None)
        if definition is not None:
            return self._checked(self._defined(definition, on, op), op, on)
        matrix = _matrix(op)
        if matrix is None or len(on) > MATRIX_QUBITS:
            raise unsupported("Qiskit", f"{op.name!r} ({type(op).__name__})")
        return unitary(matrix, on)

    def _checked(self, block: Block, op: Any, on: tuple[int, ...]) -> Block:
        matrix = _matrix(op) if len(on) <= MATRIX_QUBITS and not self._has_parameters(op) else None
        return block if matrix is None else verified(block, matrix, on, op.name)

    def _has_parameters(self, op: Any) -> bool:
        return any(isinstance(each, ParameterExpression) for each in op.params)

    def _defined(self, definition: Theirs, on: tuple[int, ...], op: Any) -> Block:
        """What a definition says, which must be unitary."""
        parts: list[Block] = [phase(self._angle(definition.global_phase, op))]
        for each in definition.data:
            inner = each.operation
            if isinstance(inner, Barrier):
                continue
            if each.clbits or not self._is_unitary(inner):
                raise unsupported(
                    "Qiskit", f"{inner.name!r} inside {op.name!r}", "A gate may hold gates only."
                )
            parts.append(self._block(inner, tuple(on[definition.find_bit(q).index] for q in each.qubits)))
        return Block.joined(parts)

    def _annotated(self, op: AnnotatedOperation, on: tuple[int, ...]) -> Block:
        controls = sum(m.num_ctrl_qubits for m in op.modifiers if isinstance(m, ControlModifier))
        block = self._block(op.base_op, on[controls:])
        behind = controls
        for (
            modifier
        ) in op.modifiers:  # each acts on what the ones before it made; its controls stand before theirs
            if isinstance(modifier, InverseModifier):
                block = block.inverse()
            elif isinstance(modifier, ControlModifier):
                n, state = modifier.num_ctrl_qubits, modifier.ctrl_state
                values = [1 if state is None else state >> i & 1 for i in range(n)]
                block = block.controlled(on[behind - n : behind], values)
                behind -= n
            else:
                block = block.power(float(modifier.power))
        return block

    def _angles(self, op: Any) -> list[Angle]:
        return [self._angle(value, op) for value in op.params]

    def _angle(self, value: Any, op: Any) -> Angle:
        if not isinstance(value, ParameterExpression):
            return Angle(constant=number(value, op.name) + 0.0)
        if isinstance(value, TheirParameter):
            return self._known(value.name)
        if not value.parameters:
            return Angle(constant=number(value.numeric(), op.name) + 0.0)
        names = {parameter.name: self._known(parameter.name) for parameter in value.parameters}
        return from_sympy(value.sympify(), names, op.name)

    def _known(self, name: str) -> Angle:
        if name in self._loops:
            return Angle(constant=self._loops[name])
        found = self.angles.get(name)
        if found is None:
            raise CircuitError(
                f"The Qiskit parameter {name!r} stands in a definition but not in the circuit."
            )
        return found

    # Control flow

    def _if(
        self, op: Any, on: tuple[int, ...], to: tuple[int, ...], source: Theirs, bits: Sequence[int]
    ) -> None:
        bit, value = self._condition(op.condition, source, bits)
        branches: list[Callable[[], None] | None] = [
            (lambda block=block: self.run(block, on, to)) if block is not None else None  # type: ignore[misc]  # mypy does not infer the default
            for block in (op.blocks[0], op.blocks[1] if len(op.blocks) > 1 else None)
        ]
        then, other = branches
        if value == 1 and then is not None:
            self.reading.either(bit, then, other)
        elif then is not None:
            self.reading.either(bit, other or (lambda: None), then)

    def _condition(self, condition: Any, source: Theirs, bits: Sequence[int]) -> tuple[int, int]:
        """The bit and the value that it must have."""
        if isinstance(condition, tuple):
            target, value = condition
            members = [target] if isinstance(target, Clbit) else list(target)
            if len(members) == 1 and int(value) in {0, 1}:
                return bits[source.find_bit(members[0]).index], int(value)
        elif isinstance(condition, expr.Var) and isinstance(condition.var, Clbit):
            return bits[source.find_bit(condition.var).index], 1
        elif isinstance(condition, expr.Unary) and condition.op in {
            expr.Unary.Op.LOGIC_NOT,
            expr.Unary.Op.BIT_NOT,
        }:
            bit, value = self._condition(condition.operand, source, bits)
            return bit, 1 - value
        raise unsupported("Qiskit", f"if_test on {condition}", "Compare one classical bit with 0 or 1.")

    def _for(self, op: Any, on: tuple[int, ...], to: tuple[int, ...]) -> None:
        indices, parameter, body = op.params
        if len(indices) > _MAX_LOOPS:
            raise unsupported(
                "Qiskit", f"a loop of {len(indices)} rounds", f"At most {_MAX_LOOPS} are written out."
            )
        for index in indices:
            if parameter is not None:
                self._loops[parameter.name] = float(index)
            self.run(body, on, to)
        if parameter is not None:
            self._loops.pop(parameter.name, None)


def _matrix(op: Any) -> Any:
    """The gate's own matrix, if it has one."""
    make = getattr(op, "to_matrix", None)
    if make is None:
        return None
    try:
        return np.asarray(make())
    except (CircuitError, ArithmeticError, AttributeError, TypeError, ValueError):
        return None
    except Exception as exc:  # Qiskit's own error says that this gate has none
        if type(exc).__module__.startswith("qiskit."):
            return None
        raise
