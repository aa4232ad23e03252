# SPDX-License-Identifier: Apache-2.0
"""Classical statements: declarations, assignments, inputs; and what the reader knows while it goes along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qstore.circuit.angles import Parameter
from qstore.circuit.operation import Condition, Operation
from qstore.circuit.qasm3.expressions import Expression, Expressions, converted
from qstore.circuit.qasm3.scope import Scope, Variable
from qstore.circuit.qasm3.tokens import TYPES
from qstore.circuit.qasm3.values import BINARY, Value
from qstore.circuit.text import Program, Register, Token, Tokens, listed
from qstore.errors import CircuitFormatError

__all__ = ["MAX_OPERATIONS", "MAX_STEPS", "Classical", "State"]

MAX_OPERATIONS = 1_000_000
"""Most operations of the circuit, after expansion."""
MAX_STEPS = 5_000_000
"""Most statements, calls and operations on the way there."""
_MAX_ARRAY = 1_000_000
_ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "**=", "&=", "|=", "^=", "<<=", ">>="}

Statement = Callable[[Scope], None]


class State:
    """The circuit as far as it is read, the condition that holds, and how much was done.

    Attributes:
        condition: of what is appended now.
        stale: whether the condition's bit has been measured again since the condition was asked.
        inputs: names of scalar inputs, in the order of the text.
    """

    __slots__ = ("_operations", "condition", "inputs", "program", "stale", "steps")

    def __init__(self) -> None:
        self.program = Program()
        self.condition: Condition | None = None
        self.stale = False
        self.inputs: list[str] = []
        self.steps = 0
        self._operations = 0

    def count(self, steps: int) -> None:
        """Note work.

        Raises:
            CircuitFormatError: it is too much.
        """
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise CircuitFormatError(f"Reading this takes more than {MAX_STEPS} steps.")

    def append(self, op: Operation) -> None:
        """Append a unitary under the condition that holds.

        Raises:
            CircuitFormatError: the circuit becomes too long.
        """
        self.kept(1)
        if self.condition is not None:
            op = Operation(op.gate, op.qubits, op.angles, op.unitary, condition=self.condition)
        self.program.append(op)

    def kept(self, number: int) -> None:
        """Note operations of the circuit.

        Raises:
            CircuitFormatError: there are too many, or their condition is out of date.
        """
        if self.stale:
            raise CircuitFormatError(
                "The bit of the condition is measured again inside its block, so that what follows would ask the new value. "
                "Measure into another bit."
            )
        self._operations += number
        if self._operations > MAX_OPERATIONS:
            raise CircuitFormatError(f"The circuit has more than {MAX_OPERATIONS} operations.")


class Classical:
    """Reads classical statements.

    Args:
        tokens: the program's.
        expressions: reads what stands in them.
        state: the reader's.
    """

    __slots__ = ("expressions", "state", "tokens")

    def __init__(self, tokens: Tokens, expressions: Expressions, state: State) -> None:
        self.tokens, self.expressions, self.state = tokens, expressions, state

    def type(self) -> tuple[Token, Callable[[Scope], int], list[Callable[[Scope], int]]]:
        """Read a type: its word, its number of bits (0 without), and the sizes of an array's axes."""
        tokens = self.tokens
        word = tokens.take()
        sizes: list[Callable[[Scope], int]] = []
        bits: Callable[[Scope], int] = lambda _: 0  # noqa: E731  # replaced where there is one
        if word.text == "array":
            tokens.expect("[")
            word, bits, _ = self.type()
            while tokens.accept(","):
                sizes.append(self.expressions.integer("The size of an axis"))
            tokens.expect("]")
            if not sizes:
                raise tokens.error("An array has the size of at least one axis.", word)
        elif word.text not in TYPES:
            raise tokens.error(
                f"{word.text!r} is no type that is read; it takes {', '.join(sorted(TYPES))}.", word
            )
        elif tokens.accept("["):
            bits = self.expressions.integer("The number of bits")
            tokens.expect("]")
        return word, bits, sizes

    def declaration(self, *, constant: bool) -> Statement:
        """Read `type name = value;`."""
        tokens = self.tokens
        word, bits, sizes = self.type()
        name = tokens.name("the name of a value")
        value: Expression | None = None
        if tokens.accept("="):
            value = self.expressions.read()
        elif constant:
            raise tokens.unexpected("'='")
        tokens.expect(";")

        def run(scope: Scope) -> None:
            start: Value = 0 if value is None else value(scope)
            shape = [size(scope) for size in sizes]
            made = self.expressions.at(
                name, lambda: _shaped(converted(start, word.text, bits(scope)), shape, value is None)
            )
            scope.declare(tokens, name, Variable(made, word.text, bits(scope), constant))

        return run

    def input(self) -> Statement:
        """Read `input float name;`, which becomes a parameter."""
        tokens = self.tokens
        first = tokens.take()
        word, _, sizes = self.type()
        name = tokens.name("the name of an input")
        tokens.expect(";")
        if word.text not in {"float", "angle"}:
            msg = (
                f"An input of type {word.text!r}: inputs become parameters, which are real. Make it a const."
            )
            raise tokens.error(msg, word)

        def run(scope: Scope) -> None:
            if self.state.condition is not None or scope.outer is not None:
                raise tokens.error("An input stands at the top of the program, not inside a block.", first)
            shape = tuple(size(scope) for size in sizes)
            meaning: Any = self.expressions.at(name, lambda: Parameter(name.text, shape))
            if not shape:
                self.state.inputs.append(name.text)
            scope.declare(tokens, name, meaning)

        return run

    def assignment(self) -> Statement:
        """Read `name = value;`, `name[index] = value;`, and those with an operator."""
        tokens = self.tokens
        name = tokens.name("a statement")
        indices: list[Callable[[Scope], int]] = []
        while tokens.accept("["):
            indices += listed(tokens, lambda: self.expressions.integer("An index"))
            tokens.expect("]")
        sign = tokens.next
        if sign.text not in _ASSIGNMENTS:
            raise tokens.unexpected("'='")
        tokens.take()
        value = self.expressions.read()
        tokens.expect(";")

        def run(scope: Scope) -> None:
            found = scope.find(name.text)
            if isinstance(found, Register):
                raise tokens.error("A bit is written by measure only.", name)
            if not isinstance(found, Variable) or found.constant:
                what = "is constant" if isinstance(found, (Variable, Parameter)) else "is no variable"
                raise tokens.error(f"{name.text!r} {what} and cannot be assigned to.", name)
            if self.state.condition is not None:
                msg = "A variable cannot depend on a measured bit: assign outside of the condition."
                raise tokens.error(msg, name)
            other = value(scope)
            at = [index(scope) for index in indices]
            self.expressions.at(sign, lambda: _assign(found, at, sign.text[:-1], other))

        return run


def _assign(variable: Variable, at: list[int], sign: str, other: Value) -> None:
    if not at:
        made = BINARY[sign](variable.value, other) if sign else other
        variable.value = converted(made, variable.kind, variable.size)
        return

    def changed(array: Value, path: list[int]) -> Value:
        if not path:
            made = BINARY[sign](array, other) if sign else other
            return converted(made, variable.kind, variable.size)
        if not isinstance(array, tuple) or not -len(array) <= path[0] < len(array):
            raise CircuitFormatError(f"There is no entry {at}.")
        i = path[0] % len(array)
        return (*array[:i], changed(array[i], path[1:]), *array[i + 1 :])

    variable.value = changed(variable.value, at)


def _shaped(value: Value, shape: list[int], empty: bool) -> Value:
    """A value as an array of a shape; one number fills an array that is not given."""
    total = 1
    for size in shape:
        total *= max(size, 0)
        if size < 1 or total > _MAX_ARRAY:
            raise CircuitFormatError(f"An array of shape {shape}.")
    if empty:
        for size in reversed(shape):
            value = (value,) * size
        return value
    _check_shape(value, shape)
    return value


def _check_shape(value: Value, shape: list[int]) -> None:
    if not shape:
        if isinstance(value, tuple):
            raise CircuitFormatError("An array where a number is wanted.")
        return
    if not isinstance(value, tuple) or len(value) != shape[0]:
        raise CircuitFormatError(f"The values do not have the shape {shape}.")
    for each in value:
        _check_shape(each, shape[1:])
