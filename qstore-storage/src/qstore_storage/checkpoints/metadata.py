# SPDX-License-Identifier: Apache-2.0
"""What a user may write beside a checkpoint: JSON with string keys and finite numbers, at most 1 MiB."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from qstore.errors import OptionError
from qstore_storage.checkpoints.strict_json import canonical

__all__ = ["checked_metadata", "checked_step"]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
LAST_STEP = 10**12 - 1
_LARGEST = 2**63


def checked_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of plain dicts, lists, strings, numbers, booleans and None; numpy's numbers become Python's.

    Raises:
        OptionError: something else, NaN or infinity, a key that is no string, too much or too deep; names the place.

    Example:
        >>> checked_metadata({"loss": np.float32(0.5), "tags": ("a", "b")})
        {'loss': 0.5, 'tags': ['a', 'b']}
        >>> checked_metadata({"loss": float("nan")})
        Traceback (most recent call last):
        qstore.errors.OptionError: metadata['loss'] is nan; JSON has finite numbers only. Leave it out, or write it as text.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise OptionError(f"metadata must be a dict, got {type(metadata).__name__}.")
    plain: dict[str, Any] = _plain(metadata, "metadata", 0)
    size = len(canonical(plain))
    if size > MAX_BYTES:
        raise OptionError(
            f"metadata takes {size} bytes as JSON, at most {MAX_BYTES} are stored; put arrays into a state."
        )
    return plain


def checked_step(step: Any) -> int:
    """A step as an int.

    Raises:
        OptionError: no integer from 0 to 10^12 - 1.
    """
    try:
        number = operator.index(step)
    except TypeError:
        number = -1
    if isinstance(step, bool) or not 0 <= number <= LAST_STEP:
        raise OptionError(f"step must be an integer from 0 to {LAST_STEP}, got {step!r:.80}.")
    return number


def _plain(value: Any, place: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise OptionError(f"{place} is nested more than {MAX_DEPTH} deep, or contains itself.")
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            raise OptionError(f"{place} is an integer of {value.bit_length()} bits; at most 64 are stored.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OptionError(
                f"{place} is {value}; JSON has finite numbers only. Leave it out, or write it as text."
            )
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise OptionError(f"{place} has the key {key!r:.80}; keys must be strings.")
        return {str(key): _plain(each, f"{place}[{key!r:.80}]", depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{place}[{index}]", depth + 1) for index, each in enumerate(value)]
    raise OptionError(
        f"{place} is a {type(value).__name__}; metadata takes dicts, lists, strings, finite numbers, booleans and None."
    )
