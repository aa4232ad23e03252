# SPDX-License-Identifier: Apache-2.0
"""JSON that was written by anybody: no NaN or infinity, no key twice, no number of a million digits, no endless nesting."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["strict_value"]


def strict_value(text: str) -> Any:
    """Read JSON.

    Raises:
        ValueError: it is no JSON, or such as we never write; says why.

    Example:
        >>> strict_value('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ValueError: a key occurs twice
        >>> strict_value("[1e999]")
        Traceback (most recent call last):
        ValueError: 1e999 is no finite number
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except RecursionError as exc:
        raise ValueError(str(exc)) from exc


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:80]} is no finite number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found
