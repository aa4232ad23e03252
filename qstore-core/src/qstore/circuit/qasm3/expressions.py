# SPDX-License-Identifier: Apache-2.0
"""Expressions of the text, read once into functions of the names' meanings.

Precedence as in the specification, from loose to tight: `||`, `&&`, `|`, `^`, `&`, equality, order, shifts, `+ -`,
`* / %`, a sign in front, `**` (to the right).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from qstore.circuit.angles import Parameter
from qstore.circuit.qasm3.scope import Qubits, Scope, Variable
from qstore.circuit.qasm3.tokens import TYPES
from qstore.circuit.qasm3.values import BINARY, FUNCTIONS, UNARY, Measured, Value, as_integer, as_number
from qstore.circuit.text import Program, Register, Token, Tokens, listed
from qstore.errors import CircuitError, CircuitFormatError

__all__ = ["MAX_NESTING", "Expression", "Expressions", "converted"]

MAX_NESTING = 50
"""How deep brackets, signs, powers and blocks may be nested."""

Expression = Callable[[Scope], Value]
T = TypeVar("T")

_POWERS = {
    "||": (1, 2), "&&": (3, 4), "|": (5, 6), "^": (7, 8), "&": (9, 10), "==": (11, 12), "!=": (11, 12), "<": (13, 14),
    "<=": (13, 14), ">": (13, 14), ">=": (13, 14), "<<": (15, 16), ">>": (15, 16), "+": (17, 18), "-": (17, 18),
    "*": (19, 20), "/": (19, 20), "%": (19, 20), "**": (24, 23),
}  # fmt: skip
"""Binding power to the left and to the right."""
_SIGN_POWER = 21
_MAX_DIGITS = 100
_CONSTANTS: dict[str, Value] = {
    "pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "euler": math.e, "ℇ": math.e, "true": True, "false": False,
}  # fmt: skip


class Expressions:
    """Reads expressions from the tokens.

    Args:
        tokens: the program's.
        program: whose bits expressions may name.
    """

    __slots__ = ("program", "tokens")

    def __init__(self, tokens: Tokens, program: Program) -> None:
        self.tokens, self.program = tokens, program

    def read(self, power: int = 0, depth: int = 0) -> Expression:
        """One expression whose operators bind to the left more tightly than `power` (a Pratt parser)."""
        tokens = self.tokens
        if depth > MAX_NESTING:
            raise tokens.error(f"The expression is nested deeper than {MAX_NESTING} levels.")
        first = self._operand(depth)
        steps: list[tuple[Token, Callable[[Value, Value], Value], Expression]] = []
        while tokens.next.kind == "sign" and tokens.next.text in _POWERS:
            left, right = _POWERS[tokens.next.text]
            if left < power:
                break
            sign = tokens.take()
            steps.append((sign, BINARY[sign.text], self.read(right, depth + 1)))
        return self._folded(first, steps) if steps else first

    def at(self, token: Token, action: Callable[[], T]) -> T:
        """Do something whose errors do not know where in the text they are.

        Raises:
            CircuitFormatError: with the place.
        """
        try:
            return action()
        except (ArithmeticError, ValueError) as exc:
            raise self._placed(token, exc) from exc

    def _placed(self, token: Token, exc: Exception) -> Exception:
        if isinstance(exc, CircuitFormatError) and str(exc).startswith("Line "):
            return exc
        what = str(exc) if isinstance(exc, CircuitError) else f"The expression has no value: {exc}."
        return self.tokens.error(what, token)

    def integer(self, what: str) -> Callable[[Scope], int]:
        """An expression that comes to a whole number."""
        token = self.tokens.next
        expression = self.read()
        return lambda scope: self.at(token, lambda: as_integer(expression(scope), what))

    def number(self, what: str) -> Callable[[Scope], Value]:
        """An expression that comes to a number or an angle."""
        token = self.tokens.next
        expression = self.read()
        return lambda scope: self.at(token, lambda: as_number(expression(scope), what))

    def _folded(
        self, first: Expression, steps: list[tuple[Token, Callable[[Value, Value], Value], Expression]]
    ) -> Expression:
        """What stands on one level from left to right, in a loop: a long sum is no deep recursion."""

        def value(scope: Scope) -> Value:
            total = first(scope)
            for sign, calculate, right in steps:
                other = right(scope)
                try:
                    total = calculate(total, other)
                except (ArithmeticError, ValueError) as exc:
                    raise self._placed(sign, exc) from exc
            return total

        return value

    def _operand(self, depth: int) -> Expression:
        tokens = self.tokens
        token = tokens.next
        made: Expression
        if token.kind == "sign" and token.text in UNARY:
            tokens.take()
            inner, calculate = self.read(_SIGN_POWER, depth + 1), UNARY[token.text]
            made = lambda scope: self.at(token, lambda: calculate(inner(scope)))  # noqa: E731  # one of several kinds
        elif tokens.accept("("):
            made = self.read(0, depth + 1)
            tokens.expect(")")
        elif token.kind in {"integer", "real"}:
            made = self._literal()
        elif token.text == "{":
            made = self._array(depth)
        elif token.kind != "name":
            raise tokens.unexpected("a number, a name or a function")
        elif token.text in _CONSTANTS:
            constant = _CONSTANTS[tokens.take().text]
            made = lambda _: constant  # noqa: E731  # likewise
        elif token.text in TYPES:
            made = self._cast(depth)
        elif token.text in FUNCTIONS or token.text == "sizeof":
            made = self._call(depth)
        else:
            made = self._name(tokens.name("the name of a value"))
        while tokens.next.text == "[":
            made = self._indexed(made, depth)
        return made

    def _literal(self) -> Expression:
        tokens = self.tokens
        token = tokens.next
        text = token.text.replace("_", "")
        if token.kind == "real":
            number = float(text)
            if not math.isfinite(number):
                raise tokens.error("The number is too large.", token)
            tokens.take()
            return lambda _: number
        if len(text.lstrip("0")) > _MAX_DIGITS:
            raise tokens.error(f"A number of {len(text)} digits is too large.", token)
        prefixed = text[:2].lower() in {"0x", "0b", "0o"}
        try:
            whole = int(text, 0) if prefixed else int(text)
        except ValueError:
            raise tokens.error(f"{token.text!r} is no number.", token) from None
        tokens.take()
        return lambda _: whole

    def _array(self, depth: int) -> Expression:
        tokens = self.tokens
        tokens.expect("{")
        entries = listed(tokens, lambda: self.read(0, depth + 1))
        tokens.expect("}")
        return lambda scope: tuple(entry(scope) for entry in entries)

    def _cast(self, depth: int) -> Expression:
        tokens = self.tokens
        kind = tokens.take()
        size: Callable[[Scope], int] = lambda _: 0  # noqa: E731  # replaced where there is one
        if tokens.accept("["):
            size = self.integer("The number of bits")
            tokens.expect("]")
        tokens.expect("(")
        inner = self.read(0, depth + 1)
        tokens.expect(")")
        return lambda scope: self.at(
            kind, lambda: converted(_truncated(inner(scope), kind.text), kind.text, size(scope))
        )

    def _call(self, depth: int) -> Expression:
        tokens = self.tokens
        name = tokens.take()
        tokens.expect("(")
        given = [] if tokens.next.text == ")" else listed(tokens, lambda: self.read(0, depth + 1))
        tokens.expect(")")
        if name.text == "sizeof":
            raise tokens.error("sizeof is not read; write the number.", name)
        n, function = FUNCTIONS[name.text]
        if len(given) != n:
            raise tokens.error(f"{name.text!r} takes {n} value(s), got {len(given)}.", name)
        return lambda scope: self.at(name, lambda: function(*(each(scope) for each in given)))

    def _name(self, name: Token) -> Expression:
        def value(scope: Scope) -> Value:
            found = scope.find(name.text)
            if isinstance(found, Variable):
                return found.value
            if isinstance(found, Parameter):
                return found
            if isinstance(found, Register) and not found.quantum:
                return Measured(self.program, found)
            if isinstance(found, Qubits):
                raise self.tokens.error(f"{name.text!r} are qubits, and this wants a number.", name)
            raise scope.missing(self.tokens, name, "value")

        return value

    def _indexed(self, whole: Expression, depth: int) -> Expression:
        tokens = self.tokens
        place = tokens.expect("[")
        indices = listed(tokens, lambda: self.read(0, depth + 1))
        tokens.expect("]")

        def entry(scope: Scope) -> Value:
            found = whole(scope)
            index = [as_integer(each(scope), "An index") for each in indices]
            try:
                if isinstance(found, Parameter):
                    return found[tuple(index)]
                for i in index:
                    found = _entry(found, i)
            except IndexError:
                raise CircuitFormatError(f"There is no entry {index}.") from None
            return found

        return lambda scope: self.at(place, lambda: entry(scope))


def converted(value: Value, kind: str, size: int = 0) -> Value:
    """A value as one of a type.

    Raises:
        CircuitFormatError: it does not fit the type.
    """
    if isinstance(value, tuple):
        return tuple(converted(each, kind, size) for each in value)
    if kind == "bool":
        if not isinstance(value, (bool, int)):
            raise CircuitFormatError("A bool must be true, false or a whole number that is known in advance.")
        return bool(value)
    if kind in {"int", "uint", "bit"}:
        whole = as_integer(value, f"A value of type {kind!r}")
        bits = size or (1 if kind == "bit" else 64)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind == "int" else (0, (1 << bits) - 1)
        if not low <= whole <= high:
            raise CircuitFormatError(f"{whole} does not fit {bits} bits of type {kind!r}.")
        return whole
    number = as_number(value, f"A value of type {kind!r}")
    return float(number) if isinstance(number, int) else number


def _truncated(value: Value, kind: str) -> Value:
    """A cast from float to a whole number cuts off what is behind the point."""
    return math.trunc(value) if kind in {"int", "uint"} and isinstance(value, float) else value


def _entry(array: Value, index: int) -> Value:
    if isinstance(array, tuple):
        return array[index]  # type: ignore[no-any-return]  # arrays hold values
    if isinstance(array, Measured) and array.position is None:
        size = array.register.size
        if not -size <= index < size:
            raise IndexError
        return Measured(array.program, array.register, index % size)
    raise CircuitFormatError("This has no entries.")
