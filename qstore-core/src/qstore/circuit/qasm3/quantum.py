# SPDX-License-Identifier: Apache-2.0
"""Quantum statements: qubits, gates and their definitions, measurements, and the blocks of `if` and `for`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from qstore.circuit.circuit import MAX_QUBITS
from qstore.circuit.qasm3.expressions import MAX_NESTING, Expression, Expressions
from qstore.circuit.qasm3.gates import Call, Gate, Modifier, Sink, modified
from qstore.circuit.qasm3.library import BUILT_IN, DEFINITIONS, STANDARD, row_gate
from qstore.circuit.qasm3.operands import Operand, Operands
from qstore.circuit.qasm3.scope import Scope, Variable
from qstore.circuit.qasm3.statements import Classical, State, Statement
from qstore.circuit.qasm3.tokens import REFUSED, TYPES, tokens_of
from qstore.circuit.qasm3.values import UNARY, Depends, Value, as_condition, as_integer
from qstore.circuit.text import END, Source, Token, Tokens, listed
from qstore.circuit.text.gates import (
    broadcast,
    callee,
    check_number,
    different_names,
    formal_qubit,
    read_include,
    same_tokens,
)
from qstore.errors import CircuitError, CircuitFormatError

__all__ = ["MAX_DEPTH", "Quantum"]

MAX_DEPTH = 50
"""How deep definitions of gates may be nested."""
LIBRARY = "stdgates.inc"
_CALL = re.compile(r"[ \t]*[(\w]")
"""What stands behind the name of a gate in nearly all calls; anything else is looked at token by token."""
_MODIFIERS = ("ctrl", "negctrl", "inv", "pow")


class Quantum:
    """Reads statements into functions that run them.

    Args:
        tokens: the program's.
        state: where the circuit comes about.
        scope: the outermost one.
    """

    def __init__(self, tokens: Tokens, state: State, scope: Scope) -> None:
        self.tokens, self.state, self.top = tokens, state, scope
        self.expressions = Expressions(tokens, state.program)
        self.classical = Classical(tokens, self.expressions, state)
        self.operands = Operands(tokens, self.expressions, state)
        self.included = False
        self._depth = 0
        # Apart from the values: gates are called `t` and `x`, and so are people's inputs.
        self.gates: dict[str, Gate] = dict(BUILT_IN)
        self._readers: dict[str, Callable[[], Statement]] = {
            "include": self._include,
            "gate": self._definition,
            "input": self.classical.input,
            "const": self._const,
            "array": lambda: self.classical.declaration(constant=False),
            "qubit": self.operands.qubits,
            "qreg": self.operands.old_register,
            "bit": self.operands.bits,
            "creg": self.operands.old_register,
            "let": self.operands.alias,
            "barrier": self.operands.barrier,
            "reset": self.operands.reset,
            "measure": self.operands.arrow,
            "if": self._if,
            "for": self._for,
            "nop": self._nothing,
        }

    def statement(self) -> Statement:
        """Read one statement."""
        tokens = self.tokens
        first = tokens.next
        if first.text == "@":  # annotations may be ignored, says the specification
            tokens.skip_line()
            return self.statement() if tokens.next.kind != END else _nothing
        if first.text == "#" or first.text in REFUSED:
            what = REFUSED.get(first.text, "pragmas")
            raise tokens.error(f"This reads circuits: {what} are left out of it. Remove the statement.")
        reader = self._readers.get(first.text)
        if reader is not None:
            made = reader()
        elif first.text in TYPES:
            made = self.classical.declaration(constant=False)
        elif first.text in _MODIFIERS or first.text in BUILT_IN:
            made = self._call()
        elif first.text == ";":
            tokens.take()
            return _nothing
        else:
            made = self._named()
        return self._counted(first, made)

    def _counted(self, first: Token, made: Statement) -> Statement:
        def run(scope: Scope) -> None:
            try:
                self.state.count(1)
                made(scope)
            except CircuitError as exc:
                if str(exc).startswith("Line "):
                    raise
                raise self.tokens.error(str(exc), first) from None

        return run

    def _nothing(self) -> Statement:
        self.tokens.take()
        self.tokens.expect(";")
        return _nothing

    def _named(self) -> Statement:
        """A statement that starts with a name: an assignment, a measurement into bits, or a call."""
        name = self.tokens.next
        if name.kind != "name":
            raise self.tokens.unexpected("a statement")
        if _CALL.match(self.tokens.source.text, name.position + len(name.text)):
            return self._call()
        behind = tokens_of(self.tokens.source, name.position)
        behind.take()
        if behind.next.text == "[" or (behind.next.text.endswith("=") and behind.next.kind == "sign"):
            return self.operands.measured_into() or self.classical.assignment()
        return self._call()

    def _const(self) -> Statement:
        self.tokens.take()
        return self.classical.declaration(constant=True)

    def _include(self) -> Statement:
        tokens = self.tokens
        first = tokens.take()
        file = read_include(tokens, LIBRARY)

        def run(scope: Scope) -> None:
            if scope is not self.top:
                raise tokens.error("An include stands at the top of the program, not inside a block.", first)
            if self.included:
                return
            if twice := sorted(self.gates.keys() & STANDARD.keys()):
                raise tokens.error(f"There is a gate {twice[0]!r} already, which {LIBRARY!r} defines.", file)
            self.gates |= STANDARD
            self.included = True

        return run

    # Gates

    def _definition(self) -> Statement:
        """Read `gate name(parameters) qubits { body }`."""
        tokens = self.tokens
        first = tokens.take()
        if self._depth:
            raise tokens.error("A gate is defined at the top of the program, not inside a block.", first)
        name = tokens.name("the name of a gate")
        parameters: dict[str, int] = {}
        if tokens.accept("("):
            parameters = {} if tokens.next.text == ")" else different_names(tokens, "the name of a parameter")
            tokens.expect(")")
        qubits = different_names(tokens, "the name of a qubit")
        if twice := sorted({*parameters} & {*qubits}):
            raise tokens.error(f"{twice[0]!r} is a parameter and a qubit.", name)
        tokens.expect("{")
        calls: list[Call] = []
        while not tokens.accept("}"):
            if tokens.next.text == "barrier":
                tokens.take()
                listed(tokens, lambda: tokens.name("the name of a qubit"))
                tokens.expect(";")
            elif tokens.accept(";"):
                continue
            else:
                calls.append(self._inner_call(qubits))
        ours = DEFINITIONS.get(name.text)
        if ours is not None and same_tokens(
            tokens_of(tokens.source, first.position), tokens_of(Source(ours))
        ):
            gate = row_gate(name.text)
        else:
            gate = Gate(
                name.text, len(parameters), len(qubits), parameters=tuple(parameters), calls=tuple(calls)
            )
        if gate.depth > MAX_DEPTH:
            raise tokens.error(f"Definitions of gates are nested deeper than {MAX_DEPTH} levels.", name)
        if name.text in self.gates:
            raise tokens.error(f"There is a gate {name.text!r} already.", name)
        self.gates[name.text] = gate
        return _nothing

    def _inner_call(self, qubits: dict[str, int]) -> Call:
        tokens = self.tokens
        modifiers = self._modifiers()
        name, gate = self._callee()
        angles = self._angles(name, gate)
        positions = (
            () if tokens.next.text == ";" else tuple(listed(tokens, lambda: formal_qubit(tokens, qubits)))
        )
        tokens.expect(";")

        def run(call: Call, scope: Scope, on: Sequence[int], sink: Sink) -> None:
            self.state.count(1)
            self._apply(name, call.gate, call.angles, call.modifiers, on, scope, sink)

        if len(set(positions)) < len(positions):
            raise tokens.error(f"{name.text!r} names a qubit twice.", name)
        return Call(gate, angles, modifiers, positions, run)

    def _call(self) -> Statement:
        """Read a call in the program itself, which may go over whole registers."""
        tokens = self.tokens
        modifiers = self._modifiers()
        name, gate = self._callee()
        angles = self._angles(name, gate)
        given: list[Operand] = [] if tokens.next.text == ";" else listed(tokens, self.operands.operand)
        tokens.expect(";")

        def run(scope: Scope) -> None:
            sink = Sink(self.state.count)
            for on in broadcast(tokens, name, [operand(scope) for operand in given]):
                if len(set(on)) < len(on):
                    raise tokens.error(f"{name.text!r} acts on a qubit twice.", name)
                self._apply(name, gate, angles, modifiers, on, scope, sink)
                for op in sink.operations:
                    self.state.append(op)
                sink.operations.clear()

        return run

    def _apply(
        self, name: Token, gate: Gate, angles: Sequence[Callable[[Scope], Value]], modifiers: Sequence[Modifier],
        on: Sequence[int], scope: Scope, sink: Sink,
    ) -> None:  # fmt: skip
        """One call on numbered qubits."""
        values = [angle(scope) for angle in angles]
        numbers: list[tuple[Modifier, Value]] = []
        controls = 0
        for modifier in modifiers:
            number: Value = 1 if modifier.number is None else modifier.number(scope)
            if modifier.name in {"ctrl", "negctrl"}:
                number = self._whole(modifier.token, number)
                if not 1 <= number <= MAX_QUBITS:
                    raise self.tokens.error(f"{number} controls.", modifier.token)
                controls += number
            elif isinstance(number, (bool, int, float)):
                number = float(number)
            else:
                raise self.tokens.error("A power must be a number known in advance.", modifier.token)
            numbers.append((modifier, number))
        check_number(self.tokens, name, "qubit", controls + gate.n_qubits, len(on))
        self.expressions.at(name, lambda: modified(gate, values, numbers, on, self.top, sink))

    def _whole(self, token: Token, number: Value) -> int:
        return self.expressions.at(token, lambda: as_integer(number, "A number of controls"))

    def _modifiers(self) -> tuple[Modifier, ...]:
        tokens = self.tokens
        found: list[Modifier] = []
        while tokens.next.text in _MODIFIERS:
            if len(found) > MAX_NESTING:
                raise tokens.error(f"More than {MAX_NESTING} modifiers of one call.")
            word = tokens.take()
            number = None
            if word.text == "pow" or (word.text != "inv" and tokens.next.text == "("):
                tokens.expect("(")
                number = self.expressions.number("The number of a modifier")
                tokens.expect(")")
            tokens.expect("@")
            found.append(Modifier(word.text, word, number))
        return tuple(found)

    def _callee(self) -> tuple[Token, Gate]:
        return callee(self.tokens, self.gates, LIBRARY, lambda: () if self.included else STANDARD)

    def _angles(self, name: Token, gate: Gate) -> tuple[Callable[[Scope], Value], ...]:
        tokens = self.tokens
        angles: list[Callable[[Scope], Value]] = []
        if tokens.accept("("):
            if tokens.next.text != ")":
                angles = listed(tokens, lambda: self.expressions.number("An angle"))
            tokens.expect(")")
        check_number(tokens, name, "parameter", gate.n_parameters, len(angles))
        return tuple(angles)

    # Blocks

    def _block(self) -> Statement:
        """Read `{ statements }` or one statement, which get a scope of their own."""
        tokens = self.tokens
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise tokens.error(f"Blocks are nested deeper than {MAX_NESTING} levels.")
        statements: list[Statement] = []
        if tokens.accept("{"):
            while not tokens.accept("}"):
                statements.append(self.statement())
        else:
            statements.append(self.statement())
        self._depth -= 1

        def run(scope: Scope) -> None:
            inside = Scope(scope)
            for statement in statements:
                statement(inside)

        return run

    def _if(self) -> Statement:
        tokens = self.tokens
        first = tokens.take()
        tokens.expect("(")
        place = tokens.next
        test = self.expressions.read()
        tokens.expect(")")
        then = self._block()
        other = self._block() if tokens.accept("else") else _nothing
        state = self.state

        def run(scope: Scope) -> None:
            truth = self.expressions.at(place, lambda: as_condition(test(scope)))
            if not isinstance(truth, Depends):
                (then if truth else other)(scope)
                return
            if state.condition is not None:
                raise tokens.error(
                    "A condition on a measured bit inside another one: an operation can depend on one bit.",
                    first,
                )
            flipped = self.expressions.at(place, lambda: _flipped(truth))
            try:
                for condition, branch in ((truth, then), (flipped, other)):
                    state.condition = condition.condition
                    branch(scope)
            finally:
                state.condition, state.stale = None, False

        return run

    def _for(self) -> Statement:
        tokens = self.tokens
        tokens.take()
        word = self.classical.type()[0].text if tokens.next.text in TYPES else "int"
        name = tokens.name("the name of a loop's variable")
        tokens.expect("in")
        place = tokens.next
        values = self._range() if tokens.next.text == "[" else self._members(self.expressions.read(), place)
        body = self._block()

        def run(scope: Scope) -> None:
            for value in values(scope):
                self.state.count(1)
                inside = Scope(scope)
                inside.put(name.text, Variable(value, word, constant=True))
                body(inside)

        return run

    def _members(self, expression: Expression, place: Token) -> Callable[[Scope], Sequence[Value]]:
        def values(scope: Scope) -> Sequence[Value]:
            found = expression(scope)
            if not isinstance(found, tuple):
                raise self.tokens.error("A loop goes over a range, a set or an array.", place)
            return found

        return values

    def _range(self) -> Callable[[Scope], Sequence[Value]]:
        """Read `[first:last]` or `[first:step:last]`; the last one is included."""
        tokens = self.tokens
        place = tokens.expect("[")
        parts = [self.expressions.integer("The end of a range")]
        while tokens.accept(":"):
            parts.append(self.expressions.integer("The end of a range"))
        tokens.expect("]")
        if len(parts) not in {2, 3}:
            raise tokens.error("A range is written [first:last] or [first:step:last].", place)

        def values(scope: Scope) -> Sequence[Value]:
            first, *middle, last = (part(scope) for part in parts)
            step = middle[0] if middle else 1
            if not step:
                raise tokens.error("A range with the step 0.", place)
            return range(first, last + (1 if step > 0 else -1), step)

        return values


def _nothing(_: Scope) -> None:
    pass


def _flipped(truth: Depends) -> Depends:
    made = UNARY["!"](truth)
    if not isinstance(made, Depends):
        raise CircuitFormatError("The condition is known in advance.")
    return made
