# SPDX-License-Identifier: Apache-2.0
"""Circuits as OpenQASM 2 text.

A program contains a definition of every gate that the first `qelib1.inc` lacks, so that any reader can read it. Matrices
and constant amplitudes become gates that make the same up to the global phase. Numbers are written so that reading
gives the same ones back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.circuit.angles import Angle
from qstore.circuit.gates import GateKind
from qstore.circuit.operation import Operation
from qstore.circuit.qasm2.library import DEFINITIONS, WRITTEN_NAMES
from qstore.circuit.synthesis import prepared, synthesized
from qstore.circuit.view import CircuitView
from qstore.errors import BindingError, CircuitError

__all__ = ["dumps"]

Bindings = Mapping[str, NDArray[np.float64]]


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
    values = _checked(circuit, bindings)
    operations = [plain for op in circuit.operations for plain in _plain(op, values)]
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


def _checked(circuit: CircuitView, bindings: Mapping[str, ArrayLike] | None) -> Bindings:
    names = [parameter.name for parameter in circuit.parameters]
    if names and bindings is None:
        msg = (
            f"The circuit has the unbound parameters {names}, and OpenQASM 2 has only numbers: give bindings= with an "
            f"array of each one's shape, for one sample (CircuitBatch.row_bindings picks one from a batch)."
        )
        raise CircuitError(msg)
    values = {}
    for parameter in circuit.parameters:
        given = (bindings or {}).get(parameter.name)
        try:
            array = np.asarray(given, dtype=float)
        except (TypeError, ValueError) as exc:
            raise BindingError(
                f"{parameter.name!r} needs an array of real numbers, got {given!r:.80}."
            ) from exc
        if given is None or array.shape != parameter.shape or not np.isfinite(array).all():
            what = (
                "nothing"
                if given is None
                else f"shape {array.shape}"
                if np.isfinite(array).all()
                else "NaN or inf"
            )
            msg = f"{parameter.name!r} needs finite numbers in shape {parameter.shape}, for one sample; got {what}."
            raise BindingError(msg)
        values[parameter.name] = array
    return values


def _plain(op: Operation, values: Bindings) -> Iterator[Operation]:
    """The operation as what the format has."""
    if op.gate == "initialize":
        yield from prepared(_amplitudes(op, values), op.qubits)
    elif op.gate == "unitary":
        yield from synthesized(op.matrix(), op.qubits, op.condition)
    elif op.spec.kind is GateKind.CHANNEL and op.gate != "reset":
        msg = (
            f"OpenQASM 2 has no noise, and the circuit has {op.gate!r} on {op.qubits}: leave it out, or make it gates "
            f"on more qubits with qstore.compiler.dilation.dilate."
        )
        raise CircuitError(msg)
    else:
        angles = tuple(Angle((), angle.value(values)) for angle in op.angles)
        yield Operation(op.gate, op.qubits, angles, bit=op.bit, condition=op.condition)


def _amplitudes(op: Operation, values: Bindings) -> NDArray[np.complex128]:
    amplitudes = op.amplitudes
    assert amplitudes is not None  # the builder gives initialize its amplitudes
    if amplitudes.real is None:
        return np.array(amplitudes.constant)
    state = values[amplitudes.real.name].astype(complex)
    if amplitudes.imag is not None:
        state += 1j * values[amplitudes.imag.name]
    largest = np.abs(state).max()
    if not largest:
        raise BindingError(
            f"{amplitudes.real.name!r} has only zeros: a state needs amplitudes that are not all zero."
        )
    state /= largest  # tiny and huge ones do not lose their squares
    state /= np.linalg.norm(state)
    return state


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
