# SPDX-License-Identifier: Apache-2.0
"""A value in a message: short, whatever it is."""

from __future__ import annotations

import reprlib

__all__ = ["shown"]

_WIDTH = 80
_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxstring = _short.maxother = _short.maxlong = _WIDTH


def shown(value: object) -> str:
    """The repr of a value, cut off; nesting and integers without end do not stop it.

    Example:
        >>> shown({"a": [1] * 100})
        "{'a': [1, 1, 1, 1, 1, 1, ...]}"
    """
    try:
        return _short.repr(value)[: 2 * _WIDTH]
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
