# SPDX-License-Identifier: Apache-2.0
"""Circuits as OpenQASM 3 text.

Parameters are inputs. A program contains a definition of every gate that `stdgates.inc` lacks. Matrices and constant
amplitudes become gates that make the same up to the global phase. Numbers are written so that reading gives them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from qstore.circuit.angles import Angle, Parameter
from qstore.circuit.constants import plain_operations
from qstore.circuit.entries import EntryNames
from qstore.circuit.operation import Operation
from qstore.circuit.qasm3.escapes import escaped_name
from qstore.circuit.qasm3.library import DEFINITIONS, WRITTEN_NAMES
from qstore.circuit.view import CircuitView

__all__ = ["dumps"]


def dumps(
    circuit: CircuitView,
    *,
    bindings: Mapping[str, ArrayLike] | None = None,
    measure: bool = False,
    arrays: bool = False,
) -> str:
    """Write a circuit as an OpenQASM 3 program.

    Args:
        circuit: without noise; a builder or a template.
        bindings: the parameters' values for one sample; without them parameters become inputs.
        measure: whether all qubits are measured at the end, as `Counts()` does by itself and other tools do not.
        arrays: whether a parameter with a shape becomes one input of an array type; by default each of its entries
            becomes a scalar input `w__0_1`, because few readers know arrays.

    Returns:
        A program of one quantum register `q`; classical bits are a register `c`.

    Raises:
        CircuitError: an operation that the format does not have, or a parameter whose name is no identifier.
        BindingError: the bindings do not fit the circuit.

    Example:
        >>> from qstore.circuit import QuantumCircuit
        >>> print(dumps(QuantumCircuit(2).h(0).cp(0, 1, "phi")))
        OPENQASM 3.0;
        include "stdgates.inc";
        input float[64] phi;
        qubit[2] q;
        h q[0];
        cp(phi) q[0], q[1];
        <BLANKLINE>
    """
    operations = list(plain_operations(circuit, bindings, "OpenQASM 3", symbols=True))
    symbols = _Arrays() if arrays else _Entries()
    used = {op.gate for op in operations}
    statements = [_statement(op, symbols) for op in operations]
    parameters = {parameter.name: parameter for op in operations for parameter in op.parameters}
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    lines += symbols.declarations([parameters[name] for name in sorted(parameters)])
    lines += [text for name, text in DEFINITIONS.items() if name in used]
    lines.append(f"qubit[{circuit.n_qubits}] q;")
    n_bits = max((op.bit + 1 for op in operations if op.bit is not None), default=0)
    lines += [f"bit[{n_bits}] c;"] if n_bits else []
    lines += statements
    if measure:
        lines += [f"bit[{circuit.n_qubits}] m;", "m = measure q;"]
    return "\n".join(lines) + "\n"


class _Entries:
    """Each entry is a scalar input."""

    def __init__(self) -> None:
        self._names = EntryNames(identifier=True, spelled=escaped_name)
        self._used: set[tuple[Parameter, int]] = set()

    def __call__(self, parameter: Parameter, entry: int) -> str:
        self._used.add((parameter, entry))
        return self._names(parameter, entry)

    def declarations(self, parameters: Sequence[Parameter]) -> Iterator[str]:
        """The inputs; the last entry of each array is among them, so that its shape can be told from the names."""
        for parameter in parameters:
            entries = {entry for owner, entry in self._used if owner == parameter} | {parameter.size - 1}
            for entry in sorted(entries):
                yield f"input float[64] {self._names(parameter, entry)};"


class _Arrays:
    """Each parameter is one input."""

    def __init__(self) -> None:
        self._names = EntryNames(identifier=True, spelled=escaped_name)

    def __call__(self, parameter: Parameter, entry: int) -> str:
        name = self._names(Parameter(parameter.name), 0)
        if not parameter.shape:
            return name
        return f"{name}[{', '.join(str(int(i)) for i in np.unravel_index(entry, parameter.shape))}]"

    def declarations(self, parameters: Sequence[Parameter]) -> Iterator[str]:
        """The inputs."""
        for parameter in parameters:
            name = self._names(Parameter(parameter.name), 0)
            sizes = "".join(f", {size}" for size in parameter.shape)
            yield f"input {f'array[float[64]{sizes}]' if sizes else 'float[64]'} {name};"


def _statement(op: Operation, symbols: _Entries | _Arrays) -> str:
    if op.bit is not None:
        made = f"c[{op.bit}] = measure q[{op.qubits[0]}];"
    else:
        angles = ", ".join(_angle(angle, symbols) for angle in op.angles)
        name = WRITTEN_NAMES.get(op.gate, op.gate)
        made = f"{name}{f'({angles})' if angles else ''} {', '.join(f'q[{qubit}]' for qubit in op.qubits)};"
    if op.condition is None:
        return made
    return f"if ({'' if op.condition.value else '!'}c[{op.condition.bit}]) {{ {made} }}"


def _angle(angle: Angle, symbols: _Entries | _Arrays) -> str:
    parts = []
    for parameter, entry, coefficient in angle.terms:
        name = symbols(parameter, entry)
        parts.append(name if coefficient == 1 else f"{coefficient!r}*{name}")
    if angle.constant or not parts:
        parts.append(repr(angle.constant))
    return " + ".join(parts).replace("+ -", "- ")
