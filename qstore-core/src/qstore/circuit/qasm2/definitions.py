# SPDX-License-Identifier: Apache-2.0
"""The gates that a program may call at some point of its text: how they come in, and how a call of one is read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from qstore.circuit.qasm2.expressions import Expression, read_expression
from qstore.circuit.qasm2.gates import Call, Gate
from qstore.circuit.qasm2.library import BUILT_IN, DEFINITIONS, PAPER, PRELUDE, row_gate
from qstore.circuit.qasm2.tokens import tokens_of
from qstore.circuit.text import END, Source, Token, Tokens, listed
from qstore.circuit.text.gates import (
    callee,
    check_number,
    different_names,
    formal_qubit,
    read_include,
    same_tokens,
)

__all__ = ["MAX_DEPTH", "Definitions"]

MAX_DEPTH = 100
"""How deep definitions of gates may be nested."""
LIBRARY = "qelib1.inc"


class Definitions:
    """The gates known so far; reads `include`, `gate`, and the heads of calls."""

    __slots__ = ("gates", "included", "tokens")

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.gates: dict[str, Gate] = {"U": row_gate("u"), "CX": row_gate("cx")}
        self.included = False

    def include(self) -> None:
        """Read `include "qelib1.inc";`."""
        tokens = self.tokens
        tokens.expect("include")
        read_include(tokens, LIBRARY)
        if not self.included:
            self.gates = {**_library(), **self.gates}
            self.included = True

    def opaque(self) -> None:
        """Refuse `opaque`."""
        raise self.tokens.error("An opaque gate has nothing that could be run; define it with 'gate'.")

    def define(self) -> None:
        """Read `gate name(parameters) qubits { body }`."""
        tokens = self.tokens
        first = tokens.expect("gate")
        name = tokens.name("the name of a gate")
        if name.text in self.gates and not self._may_change(name.text):
            raise tokens.error(f"There is a gate {name.text!r} already.", name)
        parameters: dict[str, int] = {}
        if tokens.accept("("):
            parameters = {} if tokens.next.text == ")" else different_names(tokens, "the name of a parameter")
            tokens.expect(")")
        qubits = different_names(tokens, "the name of a qubit")
        tokens.expect("{")
        calls: list[Call] = []
        while not tokens.accept("}"):
            if tokens.next.text == "barrier":
                tokens.take()
                listed(tokens, lambda: formal_qubit(tokens, qubits))
                tokens.expect(";")
            else:
                calls.append(self._call(parameters, qubits))
        gate = Gate(name.text, len(parameters), len(qubits), tuple(calls))
        if gate.depth > MAX_DEPTH:
            raise tokens.error(f"Definitions of gates are nested deeper than {MAX_DEPTH} levels.", name)
        ours = DEFINITIONS.get(name.text)
        if ours and same_tokens(tokens_of(tokens.source, first.position), tokens_of(Source(ours))):
            gate = row_gate(name.text)
        self.gates[name.text] = gate

    def callee(self) -> tuple[Token, Gate]:
        """Read the name of a gate."""
        return callee(self.tokens, self.gates, LIBRARY, lambda: () if self.included else _library())

    def angles(self, name: Token, gate: Gate, parameters: Mapping[str, int]) -> tuple[Expression, ...]:
        """Read the bracket behind a gate's name, if there is one."""
        tokens = self.tokens
        angles: list[Expression] = []
        if tokens.accept("("):
            if tokens.next.text != ")":
                angles = listed(tokens, lambda: read_expression(tokens, parameters))
            tokens.expect(")")
        check_number(tokens, name, "parameter", gate.n_parameters, len(angles))
        return tuple(angles)

    def _may_change(self, name: str) -> bool:
        """Whether a gate is a later addition to the library, which older programs define for themselves."""
        return name not in PAPER and self.gates[name] is _library().get(name)

    def _call(self, parameters: Mapping[str, int], qubits: Mapping[str, int]) -> Call:
        tokens = self.tokens
        name, gate = self.callee()
        angles = self.angles(name, gate, parameters)
        positions = listed(tokens, lambda: formal_qubit(tokens, qubits))
        tokens.expect(";")
        check_number(tokens, name, "qubit", gate.n_qubits, len(positions))
        if len(set(positions)) < len(positions):
            raise tokens.error(f"{name.text!r} names a qubit twice.", name)
        return Call(gate, angles, tuple(positions))


@cache
def _library() -> Mapping[str, Gate]:
    """All gates of the library file."""
    definitions = Definitions(tokens_of(Source(PRELUDE)))
    definitions.gates = dict(BUILT_IN)
    while definitions.tokens.next.kind != END:
        definitions.define()
    return {name: gate for name, gate in definitions.gates.items() if not name.startswith("_")}
