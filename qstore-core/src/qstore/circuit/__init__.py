# SPDX-License-Identifier: Apache-2.0
"""What is run: gates, operations, parameters, observables, and circuits as JSON and text."""

from qstore.circuit.angles import Angle, AngleLike, Parameter, Term
from qstore.circuit.binding_map import AnglePlan, BindingMap, Slot
from qstore.circuit.circuit import MAX_QUBITS, QuantumCircuit
from qstore.circuit.gates import GATES, GateKind, GateSpec, ShiftRule, gate_spec
from qstore.circuit.grouping import MeasuredGroup, grouped, in_basis
from qstore.circuit.observables import I, Observable, PauliTerm, X, Y, Z
from qstore.circuit.operation import Amplitudes, Condition, Operation
from qstore.circuit.template import Template
from qstore.circuit.transform import decompose
from qstore.circuit.view import CircuitView

__all__ = [
    "GATES",
    "MAX_QUBITS",
    "Amplitudes",
    "Angle",
    "AngleLike",
    "AnglePlan",
    "BindingMap",
    "CircuitView",
    "Condition",
    "GateKind",
    "GateSpec",
    "I",
    "MeasuredGroup",
    "Observable",
    "Operation",
    "Parameter",
    "PauliTerm",
    "QuantumCircuit",
    "ShiftRule",
    "Slot",
    "Template",
    "Term",
    "X",
    "Y",
    "Z",
    "decompose",
    "gate_spec",
    "grouped",
    "in_basis",
]
