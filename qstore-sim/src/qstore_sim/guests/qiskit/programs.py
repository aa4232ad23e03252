# SPDX-License-Identifier: Apache-2.0
"""Qiskit circuits as rows of batches, and where each classical bit is read from.

Our outputs measure qubits at the end. A measurement that something follows is copied to a work qubit behind the
circuit's own (deferred measurement), so that its bit can be read at the end as well; it stays where it is only if a
condition depends on it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ControlFlowOp, ParameterVector
from qiskit.circuit import QuantumCircuit as Theirs

from qstore.circuit import QuantumCircuit
from qstore.errors import CircuitError
from qstore_sim.converters.qiskit import to_qstore
from qstore_sim.guests.batches import Stack, sweep

__all__ = ["Program", "read", "rows_of"]

_VALUES = "values"
_SILENT = frozenset({"barrier", "delay"})


class Program(NamedTuple):
    """A circuit that is measured at its end.

    Attributes:
        circuit: theirs, with work qubits behind the others.
        sources: for each classical bit the qubit that it is read from, -1 for one that stays 0.
    """

    circuit: Theirs
    sources: NDArray[np.intp]


def read(circuit: Theirs) -> Program:
    """Find out where each classical bit is read from.

    Raises:
        CircuitError: a measurement stands inside control flow.
    """
    last_touch: dict[Any, int] = {}
    asked: set[Any] = set()
    for position, item in enumerate(circuit.data):
        if isinstance(item.operation, ControlFlowOp):
            if any(_measures(block) for block in item.operation.blocks):
                msg = "A measurement inside control flow: move it out of the block, or measure at the end."
                raise CircuitError(msg)
            asked.update(item.clbits)
        if item.operation.name not in _SILENT and item.operation.name != "measure":
            last_touch.update(dict.fromkeys(item.qubits, position))
    sources = np.full(circuit.num_clbits, -1, dtype=np.intp)
    copied = []
    for position, item in enumerate(circuit.data):
        if item.operation.name == "measure":
            qubit = circuit.find_bit(item.qubits[0]).index
            if last_touch.get(item.qubits[0], -1) > position:
                copied.append(position)
                qubit = circuit.num_qubits + len(copied) - 1
            sources[circuit.find_bit(item.clbits[0]).index] = qubit
    return Program(_with_copies(circuit, copied, asked) if copied else circuit, sources)


def _measures(block: Theirs) -> bool:
    return any(
        item.operation.name == "measure"
        or (isinstance(item.operation, ControlFlowOp) and any(map(_measures, item.operation.blocks)))
        for item in block.data
    )


def _with_copies(circuit: Theirs, copied: list[int], asked: set[Any]) -> Theirs:
    made = Theirs(circuit.num_qubits + len(copied), circuit.num_clbits)
    number = {position: index for index, position in enumerate(copied)}
    for position, item in enumerate(circuit.data):
        qubits = [made.qubits[circuit.find_bit(each).index] for each in item.qubits]
        clbits = [made.clbits[circuit.find_bit(each).index] for each in item.clbits]
        if position in number:
            made.cx(qubits[0], made.qubits[circuit.num_qubits + number[position]])
            if not asked & {*item.clbits}:
                continue
        operation = item.operation
        if isinstance(operation, ControlFlowOp):
            operation = _rewired(operation, circuit, made)
        made.append(operation, qubits, clbits)
    return made


def _rewired(operation: Any, circuit: Theirs, made: Theirs) -> Any:
    """A condition on the copy's bits."""
    condition = getattr(operation, "condition", None)
    if not isinstance(condition, tuple) or len(getattr(condition[0], "__dict__", ())) > 64:
        raise CircuitError(
            "Conditions on expressions after measurements in the middle: compare one bit with 0 or 1."
        )
    target, value = condition
    bits = list(target) if hasattr(target, "__len__") else [target]
    if len(bits) != 1:
        raise CircuitError(
            "A condition on several bits after a measurement in the middle: compare one bit with 0 or 1."
        )
    bit = made.clbits[circuit.find_bit(bits[0]).index]
    return type(operation)((bit, value), *operation.blocks, label=operation.label)


def rows_of(circuit: Theirs, values: NDArray[np.float64]) -> list[Stack]:
    """The rows of a circuit.

    Args:
        circuit: with or without parameters.
        values: (rows, P), columns in the order of `circuit.parameters`.

    Raises:
        CircuitError: an operation has no counterpart.
    """
    parameters = list(circuit.parameters)

    def symbolic() -> QuantumCircuit:
        if not parameters:
            return to_qstore(circuit)
        vector = ParameterVector(_VALUES, len(parameters))
        return to_qstore(circuit.assign_parameters(dict(zip(parameters, vector, strict=True))))

    def bound(row: int) -> QuantumCircuit:
        return to_qstore(circuit.assign_parameters(dict(zip(parameters, values[row].tolist(), strict=True))))

    return sweep(symbolic, bound, values, _VALUES)
