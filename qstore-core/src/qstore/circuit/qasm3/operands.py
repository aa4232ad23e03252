# SPDX-License-Identifier: Apache-2.0
"""Qubits and bits in statements: declarations, slices, aliases, measurements and resets."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from qstore.circuit.qasm3.expressions import Expressions
from qstore.circuit.qasm3.scope import Qubits, Scope
from qstore.circuit.qasm3.statements import State, Statement
from qstore.circuit.qasm3.tokens import tokens_of
from qstore.circuit.text import Register, Token, Tokens, listed
from qstore.errors import CircuitFormatError

__all__ = ["Operand", "Operands"]

Operand = Callable[[Scope], Qubits]
Chooser = Callable[[Scope, int], list[int]]


class Operands:
    """Reads statements about qubits and bits themselves.

    Args:
        tokens: the program's.
        expressions: reads numbers in them.
        state: where the circuit comes about.
    """

    def __init__(self, tokens: Tokens, expressions: Expressions, state: State) -> None:
        self.tokens, self.expressions, self.state = tokens, expressions, state

    # Declarations

    def qubits(self) -> Statement:
        """Read `qubit[size] name;`."""
        size, name = self._declared()
        self.tokens.expect(";")
        return lambda scope: self._declare(scope, name, size(scope), quantum=True)

    def bits(self) -> Statement:
        """Read `bit[size] name;`, which may be measured into at once."""
        tokens = self.tokens
        size, name = self._declared()
        source: Operand | None = None
        if tokens.accept("="):
            if tokens.accept("measure"):
                source = self.operand()
            elif not (
                tokens.next.text.strip('"').replace("_", "").strip("0") == ""
                and tokens.next.kind in {"string", "integer"}
            ):
                raise tokens.unexpected("'measure' or zeros")
            else:
                tokens.take()  # bits are zero before they are measured
        tokens.expect(";")

        def run(scope: Scope) -> None:
            self._declare(scope, name, size(scope), quantum=False)
            if source is not None:
                register = cast("Register", scope.find(name.text))
                self._measure(name, source(scope).members, tuple(register.members))

        return run

    def old_register(self) -> Statement:
        """Read `qreg name[size];` or `creg name[size];`."""
        tokens = self.tokens
        quantum = tokens.take().text == "qreg"
        name = tokens.name("the name of a register")
        size: Callable[[Scope], int] = lambda _: 1  # noqa: E731  # replaced where there is one
        if tokens.accept("["):
            size = self.expressions.integer("The size of a register")
            tokens.expect("]")
        tokens.expect(";")
        return lambda scope: self._declare(scope, name, size(scope), quantum=quantum)

    def alias(self) -> Statement:
        """Read `let name = qubits;`, where `++` joins several."""
        tokens = self.tokens
        tokens.take()
        name = tokens.name("the name of an alias")
        tokens.expect("=")
        parts = [self.operand()]
        while tokens.accept("++"):
            parts.append(self.operand())
        tokens.expect(";")

        def run(scope: Scope) -> None:
            found = [part(scope) for part in parts]
            members = tuple(qubit for each in found for qubit in each.members)
            scope.declare(tokens, name, Qubits(members, len(found) == 1 and found[0].single))

        return run

    def _declared(self) -> tuple[Callable[[Scope], int], Token]:
        tokens = self.tokens
        tokens.take()
        size: Callable[[Scope], int] = lambda _: 0  # noqa: E731  # 0 is one alone
        if tokens.accept("["):
            inner = self.expressions.integer("The size of a register")
            size = lambda scope: inner(scope) or -1  # noqa: E731  # an empty register is not one alone
            tokens.expect("]")
        return size, tokens.name("the name of a register")

    def _declare(self, scope: Scope, name: Token, size: int, *, quantum: bool) -> None:
        if scope.outer is not None or self.state.condition is not None:
            kind = "Qubits" if quantum else "Bits"
            raise self.tokens.error(
                f"{kind} are declared at the top of the program, not inside a block.", name
            )
        if scope.find(name.text) is not None:
            raise self.tokens.error(f"There is a {name.text!r} already.", name)
        program = self.state.program
        self.expressions.at(name, lambda: program.declare(name.text, size or 1, quantum=quantum))
        register = program.registers[name.text]
        scope.declare(self.tokens, name, Qubits(tuple(register.members), not size) if quantum else register)

    # What statements name

    def operand(self) -> Operand:
        """Read qubits: a register, an alias, a formal qubit, or some of its members."""
        name = self.tokens.name("the name of qubits")
        chooser = self._chooser(name)

        def find(scope: Scope) -> Qubits:
            found = scope.find(name.text)
            if not isinstance(found, Qubits):
                raise scope.missing(self.tokens, name, "quantum register")
            if chooser is None:
                return found
            choose, single = chooser
            if found.single:
                raise self.tokens.error(f"{name.text!r} is one qubit and has no index.", name)
            picked = choose(scope, len(found.members))
            return Qubits(tuple(found.members[i] for i in picked), single)

        return find

    def _bits(self) -> Callable[[Scope], tuple[int, ...]]:
        name = self.tokens.name("the name of bits")
        chooser = self._chooser(name)

        def find(scope: Scope) -> tuple[int, ...]:
            found = scope.find(name.text)
            if not isinstance(found, Register):
                raise scope.missing(self.tokens, name, "classical register")
            members = tuple(found.members)
            return members if chooser is None else tuple(members[i] for i in chooser[0](scope, len(members)))

        return find

    def _chooser(self, name: Token) -> tuple[Chooser, bool] | None:
        """Read `[index]`, `[first:last]`, `[first:step:last]` or `[{...}]`; whether it is a single index."""
        tokens = self.tokens
        if not tokens.accept("["):
            return None
        place = tokens.next
        if tokens.accept("{"):
            several = listed(tokens, lambda: self.expressions.integer("An index"))
            tokens.expect("}")
            tokens.expect("]")
            return (lambda scope, size: [self._index(name, place, i(scope), size) for i in several]), False
        empty: Callable[[Scope], int | None] = lambda _: None  # noqa: E731  # an end that is not written
        parts: list[Callable[[Scope], int | None]] = []
        while True:
            parts.append(empty if tokens.next.text in {":", "]"} else self.expressions.integer("An index"))
            if not tokens.accept(":"):
                break
        tokens.expect("]")
        if len(parts) == 1:
            one = parts[0]
            if one is empty:
                raise tokens.error("An index is missing.", place)
            return (lambda scope, size: [self._index(name, place, cast("int", one(scope)), size)]), True
        if len(parts) > 3:
            raise tokens.error("A slice is written [first:last] or [first:step:last].", place)

        def chosen(scope: Scope, size: int) -> list[int]:
            values = [part(scope) for part in parts]
            step = 1 if len(values) == 2 or values[1] is None else values[1]
            if not step:
                raise tokens.error("A slice with the step 0.", place)
            down = step < 0
            first = self._index(
                name, place, (size - 1 if down else 0) if values[0] is None else values[0], size
            )
            last = self._index(
                name, place, (0 if down else size - 1) if values[-1] is None else values[-1], size
            )
            return list(range(first, last + (-1 if down else 1), step))

        return chosen, False

    def _index(self, name: Token, place: Token, index: int, size: int) -> int:
        if not -size <= index < size:
            last = size - 1
            raise self.tokens.error(
                f"{name.text}[{index}]: {name.text!r} ends with {name.text}[{last}].", place
            )
        return index % size

    # What happens to them

    def barrier(self) -> Statement:
        """Read `barrier qubits;`, which changes nothing."""
        tokens = self.tokens
        tokens.take()
        given = [] if tokens.next.text == ";" else listed(tokens, self.operand)
        tokens.expect(";")

        def run(scope: Scope) -> None:
            for operand in given:
                operand(scope)

        return run

    def reset(self) -> Statement:
        """Read `reset qubits;`."""
        self.tokens.take()
        operand = self.operand()
        self.tokens.expect(";")

        def run(scope: Scope) -> None:
            for qubit in operand(scope).members:
                self.state.kept(1)
                self.state.program.reset(qubit, self.state.condition)

        return run

    def arrow(self) -> Statement:
        """Read `measure qubits -> bits;`."""
        tokens = self.tokens
        first = tokens.take()
        source = self.operand()
        if tokens.next.text == ";":
            raise tokens.error(
                "A measurement whose outcome goes nowhere; write `bits = measure qubits;`.", first
            )
        tokens.expect("->")
        target = self._bits()
        tokens.expect(";")
        return lambda scope: self._measure(first, source(scope).members, target(scope))

    def measured_into(self) -> Statement | None:
        """Read `bits = measure qubits;`, or nothing if the statement is another assignment."""
        tokens = self.tokens
        ahead = tokens_of(tokens.source, tokens.next.position)
        try:
            while ahead.next.text not in {"=", ";", "{", "}", ""}:
                ahead.take()
            if not ahead.accept("=") or ahead.next.text != "measure":
                return None
        except CircuitFormatError:
            return None  # the assignment's own reader says what is wrong
        first = tokens.next
        target = self._bits()
        tokens.expect("=")
        tokens.expect("measure")
        source = self.operand()
        tokens.expect(";")
        return lambda scope: self._measure(first, source(scope).members, target(scope))

    def _measure(self, token: Token, qubits: tuple[int, ...], bits: tuple[int, ...]) -> None:
        if len(qubits) != len(bits):
            raise self.tokens.error(
                f"{len(qubits)} qubit(s) cannot be measured into {len(bits)} bit(s).", token
            )
        state = self.state
        for qubit, bit in zip(qubits, bits, strict=True):
            state.kept(1)
            state.program.measure(qubit, bit, state.condition)
            if state.condition is not None and state.condition.bit == bit:
                state.stale = True
