# SPDX-License-Identifier: Apache-2.0
"""What expressions are made of and how they are calculated: numbers, angles of parameters, and measured bits.

Everything is known while the program is read, but for two things: inputs, which are parameters of the circuit and
enter angles affinely, and measured bits, of which a condition may ask one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from qstore.circuit.angles import Angle, Parameter
from qstore.circuit.operation import Condition
from qstore.circuit.text import NEVER, Program, Register
from qstore.errors import CircuitFormatError

__all__ = [
    "BINARY",
    "FUNCTIONS",
    "UNARY",
    "Depends",
    "Measured",
    "Value",
    "as_condition",
    "as_integer",
    "as_number",
]

MAX_BITS = 64
"""Whole numbers are as large as the language's largest."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Classical bits whose values only a run knows: a whole register, or one bit of it."""

    program: Program
    register: Register
    position: int | None = None

    def equals(self, value: int) -> bool | Depends:
        """What `bits == value` depends on."""
        if self.position is None:
            return _depends(self.program.condition(self.register, value))
        if value not in (0, 1):
            return False
        return _depends(self.program.bit_condition(self.register, self.position, value))


@dataclass(frozen=True, slots=True)
class Depends:
    """A truth value that a run decides by one bit."""

    condition: Condition


Value = bool | int | float | Angle | Parameter | Measured | Depends | tuple[Any, ...]
"""What an expression may come to; a tuple is an array."""


def _depends(condition: Condition | None) -> bool | Depends:
    if condition is None or condition is NEVER:
        return condition is None
    return Depends(condition)


def as_condition(value: Value) -> bool | Depends:
    """A value as the condition of `if`.

    Raises:
        CircuitFormatError: it is no truth value.
    """
    if isinstance(value, Measured):
        if value.position is None and value.register.size != 1:
            raise CircuitFormatError("A register of several bits is no condition; compare it with a number.")
        return value.equals(1)
    if isinstance(value, (bool, Depends)):
        return value
    if isinstance(value, int):
        return bool(value)
    raise CircuitFormatError("The condition is neither a truth value nor a measured bit.")


def as_integer(value: Value, what: str) -> int:
    """A whole number; a float that is one will do.

    Raises:
        CircuitFormatError: it is something else.
    """
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2.0**MAX_BITS:
        return int(value)
    raise CircuitFormatError(f"{what} must be a whole number known in advance, not {_shown(value)}.")


def as_number(value: Value, what: str) -> int | float | Angle:
    """A number, or an angle of parameters.

    Raises:
        CircuitFormatError: it is something else.
    """
    if isinstance(value, Parameter) and not value.shape:
        return +value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float, Angle)):
        return value
    raise CircuitFormatError(f"{what} must be a number, not {_shown(value)}.")


def _shown(value: Value) -> str:
    if isinstance(value, (Measured, Depends)):
        return "measured bits, which only a run knows"
    if isinstance(value, tuple):
        return "an array"
    return repr(value)


def _numbers(function: Callable[[Any, Any], Any]) -> Callable[[Value, Value], Value]:
    def calculate(left: Value, right: Value) -> Value:
        made: Value = _small(function(as_number(left, "The left side"), as_number(right, "The right side")))
        return made

    return calculate


def _integers(function: Callable[[int, int], int]) -> Callable[[Value, Value], Value]:
    def calculate(left: Value, right: Value) -> Value:
        made: Value = _small(function(as_integer(left, "The left side"), as_integer(right, "The right side")))
        return made

    return calculate


def _comparison(function: Callable[[Any, Any], bool]) -> Callable[[Value, Value], Value]:
    def compare(left: Value, right: Value) -> Value:
        sides = as_number(left, "The left side"), as_number(right, "The right side")
        if any(isinstance(side, Angle) for side in sides):
            raise CircuitFormatError("An input cannot be compared: its value is not known yet.")
        return bool(function(*sides))

    return compare


def _equal(left: Value, right: Value) -> Value:
    if isinstance(right, Measured) and not isinstance(left, Measured):
        left, right = right, left
    if isinstance(left, Measured):
        return left.equals(as_integer(right, "What measured bits are compared with"))
    if isinstance(left, Depends) and isinstance(right, bool):
        return left if right else _not(left)
    return _comparison(operator.eq)(left, right)


def _not(value: Value) -> Value:
    truth = as_condition(value)
    if isinstance(truth, Depends):
        return Depends(Condition(truth.condition.bit, 1 - truth.condition.value))
    return not truth


def _both(left: Value, right: Value) -> Value:
    first, second = as_condition(left), as_condition(right)
    if isinstance(first, bool):
        return second if first else False
    if isinstance(second, bool):
        return first if second else False
    if first == second:
        return first
    raise CircuitFormatError("A condition on two measured bits: an operation can depend on one.")


def _either(left: Value, right: Value) -> Value:
    return _not(_both(_not(left), _not(right)))


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and right:
        if left % right:
            # Qiskit and Braket cut off what is behind the point, the specification's own `pow(1/2)` means one half.
            raise CircuitFormatError(
                f"{left}/{right} of whole numbers is read as {left / right} by some and {left // right} by others: write {float(left)}/{right}."
            )
        return left // right
    return left / right


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        if abs(base) > 1 and exponent > MAX_BITS:
            raise OverflowError("the value has more than 64 bits")
        return base**exponent
    if isinstance(base, Angle) or isinstance(exponent, Angle):
        return base**exponent  # refuses, and says why
    return math.pow(base, exponent)


def _shift(left: int, right: int) -> int:
    if not 0 <= right <= MAX_BITS:
        raise ValueError(f"a shift by {right} bits")
    return left << right


def _small(value: Any) -> Any:
    """Refuse values that no program needs and that would cost time or lose meaning."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise OverflowError(f"the value has more than {MAX_BITS} bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError(f"the value is {value}")
    return value


def _negative(value: Value) -> Value:
    return -as_number(value, "What a minus stands before")


def _positive(value: Value) -> Value:
    return as_number(value, "What a plus stands before")


BINARY: Mapping[str, Callable[[Value, Value], Value]] = MappingProxyType({
    "+": _numbers(operator.add), "-": _numbers(operator.sub), "*": _numbers(operator.mul), "/": _numbers(_divide),
    "%": _numbers(operator.mod), "**": _numbers(_power), "<<": _integers(_shift), ">>": _integers(operator.rshift),
    "&": _integers(operator.and_), "|": _integers(operator.or_), "^": _integers(operator.xor),
    "<": _comparison(operator.lt), "<=": _comparison(operator.le), ">": _comparison(operator.gt),
    ">=": _comparison(operator.ge), "==": _equal, "!=": lambda left, right: _not(_equal(left, right)),
    "&&": _both, "||": _either,
})  # fmt: skip
"""Operators between two values."""

UNARY: Mapping[str, Callable[[Value], Value]] = MappingProxyType(
    {"-": _negative, "+": _positive, "!": _not, "~": _not}
)
"""Operators before one value; the bitwise complement is that of one bit."""


def _function(function: Callable[..., Any], n: int) -> tuple[int, Callable[..., Value]]:
    def call(*values: Value) -> Value:
        numbers = [as_number(value, "What a function is given") for value in values]
        if any(isinstance(number, Angle) for number in numbers):
            raise CircuitFormatError(
                "A function of an input is not affine; calculate it before and make the result the input."
            )
        return _small(function(*numbers))  # type: ignore[no-any-return]  # numbers in, numbers out

    return n, call


FUNCTIONS: Mapping[str, tuple[int, Callable[..., Value]]] = MappingProxyType({
    "arccos": _function(math.acos, 1), "arcsin": _function(math.asin, 1), "arctan": _function(math.atan, 1),
    "ceiling": _function(math.ceil, 1), "cos": _function(math.cos, 1), "exp": _function(math.exp, 1),
    "floor": _function(math.floor, 1), "log": _function(math.log, 1), "mod": _function(operator.mod, 2),
    "pow": _function(_power, 2), "sin": _function(math.sin, 1), "sqrt": _function(math.sqrt, 1),
    "tan": _function(math.tan, 1),
})  # fmt: skip
"""Functions: how many values each takes, and what it makes of them."""
