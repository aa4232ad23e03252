# SPDX-License-Identifier: Apache-2.0
"""Angles between sympy's expressions and ours: affine both ways, everything else refused with the reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

from qstore.circuit import Angle, Parameter
from qstore.errors import CircuitError

__all__ = ["from_sympy", "number", "symbolic"]


def symbolic(angle: Angle, symbol: Callable[[Parameter, int], Any]) -> Any:
    """An angle in another library's symbols: a float, or the sum of its terms.

    Args:
        angle: ours.
        symbol: the library's symbol for one entry.
    """
    if angle.is_constant:
        return angle.constant
    total: Any = None
    for parameter, entry, coefficient in angle.terms:
        term = symbol(parameter, entry)
        term = term if coefficient == 1 else coefficient * term
        total = term if total is None else total + term
    return total + angle.constant if angle.constant else total


def number(value: Any, what: object) -> float:
    """A real, finite number of any library's kind.

    Raises:
        CircuitError: it is something else.
    """
    plain = getattr(value, "item", None)
    shape = getattr(value, "shape", ())
    if shape not in {(), (1,)}:
        raise CircuitError(
            f"{what}: {value!r} is an array of shape {shape}, and a circuit has one number there."
        )
    try:
        given = plain() if plain is not None else value
        if isinstance(given, complex):
            raise CircuitError(f"{what}: {value!r} is complex, and an angle is real.")
        made = float(given)
    except (TypeError, ValueError) as exc:
        raise CircuitError(f"{what}: {value!r} is no real number.") from exc
    if not math.isfinite(made):
        raise CircuitError(f"{what}: {value!r} is not finite.")
    return made


def from_sympy(expression: Any, angles: Mapping[str, Angle], what: object) -> Angle:
    """A number, or an affine expression of symbols, as an angle.

    Args:
        expression: a number or a sympy expression.
        angles: what each symbol's name stands for.
        what: the operation, for errors.

    Raises:
        CircuitError: it is not affine.
    """
    if isinstance(expression, Real) or not getattr(expression, "free_symbols", None):
        return Angle(constant=number(expression, what) + 0.0)
    import sympy  # whoever has such an expression has it

    if isinstance(expression, sympy.Symbol):
        return angles[expression.name]
    total = Angle()
    for term in sympy.Add.make_args(sympy.expand(expression)):
        coefficient, rest = term.as_independent(*term.free_symbols, as_Add=False)
        if not rest.free_symbols:
            total = total + Angle(constant=number(coefficient * rest, what))
        elif isinstance(rest, sympy.Symbol):
            total = total + angles[rest.name].scaled(number(coefficient, what))
        else:
            msg = (
                f"{what}: {term} is not affine in the parameters. Calculate it before and make the result a parameter, "
                f"or bind the parameters first."
            )
            raise CircuitError(msg)
    return total
