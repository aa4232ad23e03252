# SPDX-License-Identifier: Apache-2.0
"""Options of backends, checked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qstore.errors import OptionError

__all__ = ["chosen", "count"]


def chosen(option: str, value: Any, known: Collection[str]) -> str:
    """The value, if it is one of the known ones.

    Raises:
        OptionError: it is not.
    """
    if not isinstance(value, str) or value not in known:
        raise OptionError(f"{option} must be one of {sorted(known)}, got {value!r}.")
    return value


def count(option: str, value: Any) -> int:
    """The value, if it is an integer from 1 up.

    Raises:
        OptionError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OptionError(f"{option} must be an integer from 1 up, got {value!r}.")
    return value
