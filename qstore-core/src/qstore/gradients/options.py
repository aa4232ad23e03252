# SPDX-License-Identifier: Apache-2.0
"""Numbers that users give to gradient methods, checked where they are written down and not in the middle of training."""

from __future__ import annotations

import math
from numbers import Real
from operator import index
from typing import Any

from qstore.errors import OptionError

__all__ = ["integer", "number"]


def integer(name: str, given: Any, least: int = 0, below: float = math.inf) -> int:
    """A whole number from `least` up; numpy's are as good as Python's.

    Raises:
        OptionError: it is something else.

    Example:
        >>> integer("samples", 4, least=1)
        4
    """
    if not isinstance(given, bool) and hasattr(given, "__index__") and least <= index(given) < below:
        return index(given)
    until = "up" if below == math.inf else f"to {int(below) - 1}"
    raise OptionError(f"{name} must be an integer from {least} {until}, got {given!r}.")


def number(name: str, given: Any, *, zero: bool = False) -> float:
    """A finite number above zero, or from zero up.

    Raises:
        OptionError: it is something else.

    Example:
        >>> number("epsilon", 0.1)
        0.1
    """
    if isinstance(given, Real) and not isinstance(given, bool):
        value = float(given)
        if 0 < value < math.inf or (zero and value == 0):
            return value
    raise OptionError(f"{name} must be a {'number from 0 up' if zero else 'positive number'}, got {given!r}.")
