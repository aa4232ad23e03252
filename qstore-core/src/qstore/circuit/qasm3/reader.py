# SPDX-License-Identifier: Apache-2.0
"""Programs of OpenQASM 3 (https://openqasm.com, arXiv:2104.14722): the part that says a circuit.

Blocks are read once into functions and run as often as the program says; everything but inputs and measured bits is
known while that happens, so loops are written out and conditions on known values are decided.
"""

from __future__ import annotations

from qstore.circuit.angles import Angle
from qstore.circuit.circuit import QuantumCircuit
from qstore.circuit.entries import angles_by_name, entry_angle
from qstore.circuit.operation import Operation
from qstore.circuit.qasm3.escapes import plain_name
from qstore.circuit.qasm3.quantum import Quantum
from qstore.circuit.qasm3.scope import Scope
from qstore.circuit.qasm3.statements import State, Statement
from qstore.circuit.qasm3.tokens import tokens_of
from qstore.circuit.text import END, Source, Token
from qstore.errors import CircuitError, CircuitFormatError

__all__ = ["loads", "matches"]

_HEADER_WITHIN = 4096
_VERSIONS = {"3", "3.0", "3.1"}


def loads(text: str | bytes) -> QuantumCircuit:
    """Read an OpenQASM 3 program.

    Args:
        text: the program; `include "stdgates.inc"` is built in and no file is ever opened.

    Returns:
        The circuit, without barriers and global phases, and without measurements at the end because outputs measure by
        themselves. `input float` becomes a parameter; inputs called `w__0_1` become the entries of an array `w`.

    Raises:
        CircuitFormatError: it cannot be read; with line, column and the place in the text.

    Example:
        >>> text = 'OPENQASM 3.0; include "stdgates.inc"; input float a; qubit[2] q; ctrl @ rx(2 * a) q[0], q[1];'
        >>> print(loads(text))
        q0: ─●───────
             │
        q1: ─RX(2*a)─
    """
    source = Source(text, "OpenQASM 3")
    try:
        return _Reader(source).read()
    except RecursionError as exc:
        raise CircuitFormatError("The program is nested too deeply for what is left of the stack.") from exc


def matches(source: object) -> bool:
    """Whether this is text that starts like OpenQASM 3: comments and blank lines, then the word and the version."""
    if isinstance(source, bytes):
        source = source[:_HEADER_WITHIN].decode(errors="replace")
    if not isinstance(source, str):
        return False
    try:
        tokens = tokens_of(Source(source[:_HEADER_WITHIN]))
        return tokens.accept("OPENQASM") and tokens.next.text.startswith("3")
    except CircuitFormatError:
        return False


class _Reader:
    """Reads one program from its first token to its last."""

    def __init__(self, source: Source) -> None:
        self.tokens = tokens_of(source)
        self.state = State()
        self.scope = Scope()
        self.quantum = Quantum(self.tokens, self.state, self.scope)

    def read(self) -> QuantumCircuit:
        self._header()
        while self.tokens.next.kind != END:
            first = self.tokens.next
            statement = self.quantum.statement()
            self._at(first, statement)
        end = self.tokens.next
        try:
            return self._named(self.state.program.circuit())
        except CircuitError as exc:
            raise self.tokens.error(str(exc), end) from None

    def _header(self) -> None:
        tokens = self.tokens
        if not tokens.accept("OPENQASM"):
            return  # the specification lets it be left out
        version = tokens.take()
        if version.kind not in {"real", "integer"} or version.text not in _VERSIONS:
            raise tokens.error(f"This reads OpenQASM 3, not {version.text[:40]!r}.", version)
        tokens.expect(";")

    def _at(self, token: Token, statement: Statement) -> None:
        self.quantum.expressions.at(token, lambda: statement(self.scope))

    def _named(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit with the arrays whose entries the names of inputs are."""
        if not circuit.parameters:
            return circuit
        arrays = {p.name: plain_name(p.name) for p in circuit.parameters if p.shape}
        scalars = angles_by_name(map(plain_name, self.state.inputs), taken=arrays.values())
        made = QuantumCircuit(circuit.n_qubits)
        for op in circuit.operations:
            angles = tuple(_renamed(angle, scalars, arrays) for angle in op.angles)
            made._add(Operation(op.gate, op.qubits, angles, op.unitary, bit=op.bit, condition=op.condition))
        return made


def _renamed(angle: Angle, scalars: dict[str, Angle], arrays: dict[str, str]) -> Angle:
    total = Angle(constant=angle.constant)
    for parameter, entry, coefficient in angle.terms:
        if parameter.shape:
            named = type(parameter)(arrays[parameter.name], parameter.shape)
            total = total + entry_angle(named, entry).scaled(coefficient)
        else:
            total = total + scalars[plain_name(parameter.name)].scaled(coefficient)
    return total
