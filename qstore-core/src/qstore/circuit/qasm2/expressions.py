# SPDX-License-Identifier: Apache-2.0
"""Angles in the text: read into a small program for a stack machine, which is evaluated without recursion.

Precedence, from loose to tight: `+ -`, `* /`, a sign in front, `^` (to the right), as in Qiskit's reader:
`-2^2` is -4 and `2^-1` is 0.5.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from qstore.circuit.text import Token, Tokens

__all__ = ["MAX_NESTING", "Expression", "evaluate", "read_expression"]

MAX_NESTING = 100
"""How deep brackets, signs and powers may be nested in one expression."""

Expression = tuple[float | int | str, ...]
"""In postfix order: a float is a number, an int the position of a gate's parameter, a str an operation."""

_BINARY: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
}
_UNARY: dict[str, Callable[[float], float]] = {
    "negative": operator.neg,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "exp": math.exp,
    "ln": math.log,
    "sqrt": math.sqrt,
}
_FUNCTIONS = frozenset(_UNARY) - {"negative"}
_POWERS = {"+": (1, 2), "-": (1, 2), "*": (3, 4), "/": (3, 4), "^": (8, 7)}
"""Binding power to the left and to the right."""
_SIGN_POWER = 5


def read_expression(tokens: Tokens, parameters: Mapping[str, int]) -> Expression:
    """Read one expression; names are looked up among the parameters of the gate that is being defined.

    Raises:
        CircuitFormatError: it is no expression, nested deeper than `MAX_NESTING`, or constant and not a finite number.
    """
    start = tokens.next
    program: list[float | int | str] = []
    _expression(tokens, parameters, program, 0, 0)
    if any(type(item) is int for item in program):
        return tuple(program)
    if len(program) > 1:
        program = [_constant(tokens, program, start)]
    return tuple(program)


def evaluate(program: Expression, parameters: Sequence[float]) -> float:
    """The value for the given parameters.

    Raises:
        ArithmeticError, ValueError: division by zero, a logarithm of nothing and the like, or a value that is not finite.
    """
    if len(program) == 1:  # nearly all are one number or one parameter
        item = program[0]
        return parameters[item] if type(item) is int else item  # type: ignore[return-value]  # a lone str is no program
    stack: list[float] = []
    for item in program:
        if isinstance(item, float):
            stack.append(item)
        elif isinstance(item, int):
            stack.append(parameters[item])
        elif item in _BINARY:
            right = stack.pop()
            stack[-1] = _BINARY[item](stack[-1], right)
        else:
            stack[-1] = _UNARY[item](stack[-1])
    if not math.isfinite(stack[0]):
        raise OverflowError(f"the value is {stack[0]}")
    return stack[0]


def _expression(
    tokens: Tokens, parameters: Mapping[str, int], program: list[float | int | str], power: int, depth: int
) -> None:
    """Append an expression whose operators bind to the left more tightly than `power` (a Pratt parser)."""
    if depth > MAX_NESTING:
        raise tokens.error(f"The expression is nested deeper than {MAX_NESTING} levels.")
    _operand(tokens, parameters, program, depth)
    while tokens.next.kind == "sign" and tokens.next.text in _POWERS:
        left, right = _POWERS[tokens.next.text]
        if left < power:
            return
        sign = tokens.take().text
        _expression(tokens, parameters, program, right, depth + 1)
        program.append(sign)


def _operand(
    tokens: Tokens, parameters: Mapping[str, int], program: list[float | int | str], depth: int
) -> None:
    token = tokens.next
    if token.kind in {"integer", "real"}:
        value = float(tokens.take().text)
        if not math.isfinite(value):
            raise tokens.error("The number is too large.", token)
        program.append(value)
    elif token.kind == "name" and token.text in _FUNCTIONS:
        tokens.take()
        tokens.expect("(")
        _expression(tokens, parameters, program, 0, depth + 1)
        tokens.expect(")")
        program.append(token.text)
    elif token.kind == "name":
        tokens.take()
        if token.text == "pi":
            program.append(math.pi)
        elif token.text in parameters:
            program.append(parameters[token.text])
        else:
            known = f"; this gate has {', '.join(parameters)}" if parameters else ""
            raise tokens.error(f"No parameter named {token.text!r}{known}.", token)
    elif tokens.accept("("):
        _expression(tokens, parameters, program, 0, depth + 1)
        tokens.expect(")")
    elif tokens.accept("-"):
        _expression(tokens, parameters, program, _SIGN_POWER, depth + 1)
        program.append("negative")
    elif tokens.accept("+"):
        _expression(tokens, parameters, program, _SIGN_POWER, depth + 1)
    else:
        raise tokens.unexpected("a number, 'pi', a parameter or a function")


def _constant(tokens: Tokens, program: list[float | int | str], start: Token) -> float:
    try:
        return evaluate(tuple(program), ())
    except (ArithmeticError, ValueError) as exc:
        raise tokens.error(f"The expression has no finite value: {exc}.", start) from exc
