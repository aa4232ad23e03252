# SPDX-License-Identifier: Apache-2.0
"""Circuits as OpenQASM 2 text.

A program contains a definition of every gate that the first `qelib1.inc` lacks, so that any reader can read it. Matrices
and constant amplitudes become gates that make the same up to the global phase. Numbers are written so that reading
gives the same ones back.
"""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import ArrayLike

from qstore.circuit.constants import plain_operations
from qstore.circuit.operation import Operation
from qstore.circuit.qasm2.library import DEFINITIONS, WRITTEN_NAMES
from qstore.circuit.view import CircuitView

__all__ = ["dumps"]


def dumps(
    circuit: CircuitView, *, bindings: Mapping[str, ArrayLike] | None = None, measure: bool = False
) -> str:
    """Write a circuit as an OpenQASM 2 program.

    Args:
        circuit: without noise; a builder or a template.
        bindings: the parameters' values for one sample, because the format knows numbers only.
        measure: whether all qubits are measured at the end, as `Counts()` does by itself and other tools do not.

    Returns:
        A program of one quantum register `q`. Classical bits are a register `c`, or one register `c0`, `c1`, ... each
        where operations depend on them.

    Raises:
        CircuitError: there are parameters and no bindings, or an operation that the format does not have.
        BindingError: the bindings do not fit the circuit.

    Example:
        >>> from qstore.circuit import QuantumCircuit
        >>> print(dumps(QuantumCircuit(2).h(0).cp(0, 1, 0.5)))
        OPENQASM 2.0;
        include "qelib1.inc";
        qreg q[2];
        h q[0];
        cu1(0.5) q[0],q[1];
        <BLANKLINE>
    """
    operations = list(plain_operations(circuit, bindings, "OpenQASM 2"))
    single = any(op.condition is not None for op in operations)
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";']
    used = {op.gate for op in operations}
    lines += [text for name, text in DEFINITIONS.items() if name in used]
    lines.append(f"qreg q[{circuit.n_qubits}];")
    if single:
        lines += [f"creg c{bit}[1];" for bit in range(circuit.n_bits)]
    elif circuit.n_bits:
        lines.append(f"creg c[{circuit.n_bits}];")
    lines += [_statement(op, "c{}[0]" if single else "c[{}]") for op in operations]
    if measure:
        lines += [f"creg m[{circuit.n_qubits}];", "measure q -> m;"]
    return "\n".join(lines) + "\n"


def _statement(op: Operation, bit: str) -> str:
    condition = ""
    if op.condition is not None:
        condition = f"if(c{op.condition.bit}=={op.condition.value}) "
    if op.bit is not None:
        return f"{condition}measure q[{op.qubits[0]}] -> {bit.format(op.bit)};"
    angles = f"({','.join(_number(angle.constant) for angle in op.angles)})" if op.angles else ""
    qubits = ",".join(f"q[{qubit}]" for qubit in op.qubits)
    return f"{condition}{WRITTEN_NAMES.get(op.gate, op.gate)}{angles} {qubits};"


def _number(value: float) -> str:
    """The shortest text that is read back as this number; the format wants a point where there is an exponent."""
    mantissa, exponent, power = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}"
