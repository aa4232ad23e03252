# SPDX-License-Identifier: Apache-2.0
"""What may be said about a state: a flat mapping from keys to strings, numbers, booleans, None and lists of strings.

Nothing nested, nothing that JSON cannot spell, no NaN: a value means the same at every provider and in every filter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np

from qstore.errors import OptionError
from qstore_storage.states.showing import shown

__all__ = ["Kind", "Metadata", "Scalar", "checked_key", "checked_metadata", "checked_scalar", "elements", "kind_of", "metadata_text"]  # fmt: skip

Scalar = str | int | float | bool | None
Metadata = dict[str, Any]

MAX_KEYS = 256
MAX_KEY = 128
MAX_BYTES = 64 * 1024
RESERVED = "_qstore"
"""Keys that begin so are ours, where a provider keeps ours beside the user's."""


class Kind(IntEnum):
    """What kind a value is; values of different kinds are neither equal nor ordered. The numbers are on disks."""

    NULL = 0
    BOOL = 1
    NUMBER = 2
    STRING = 3
    LIST = 4


def kind_of(value: Any) -> Kind:
    """The kind of a value; True is no number.

    Example:
        >>> kind_of(True).name, kind_of(1).name
        ('BOOL', 'NUMBER')
    """
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.BOOL
    if isinstance(value, str):
        return Kind.STRING
    return Kind.LIST if isinstance(value, list) else Kind.NUMBER


def elements(metadata: Metadata, key: str) -> list[Scalar]:
    """What a condition on a key looks at: nothing if it is missing, the elements of a list, else the value."""
    if key not in metadata:
        return []
    value = metadata[key]
    return list(value) if isinstance(value, list) else [value]


def checked_metadata(given: Mapping[str, Any] | None) -> Metadata:
    """Check and copy; scalars of NumPy become Python's.

    Raises:
        OptionError: a key or a value breaks the rule above, or it is more than 64 KiB.

    Example:
        >>> checked_metadata({"accuracy": np.float64(0.5), "tags": ("a", "b")})
        {'accuracy': 0.5, 'tags': ['a', 'b']}
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise OptionError(f"Metadata is a mapping from names to values, got {shown(given)}.")
    if len(given) > MAX_KEYS:
        raise OptionError(f"Metadata has at most {MAX_KEYS} keys, got {len(given)}.")
    checked: Metadata = {}
    for key, value in given.items():
        where = f"Metadata[{checked_key(key)!r}]"
        if isinstance(value, list | tuple):
            if not all(isinstance(each, str) for each in value):
                raise OptionError(
                    f"{where} is a list of something else than strings; store each as its own key."
                )
            checked[str(key)] = [checked_scalar(each, where) for each in value]
        else:
            checked[str(key)] = checked_scalar(value, where)
    if (size := len(metadata_text(checked).encode())) > MAX_BYTES:
        raise OptionError(
            f"Metadata takes {size} bytes as JSON; at most {MAX_BYTES} are kept beside a state."
        )
    return checked


def checked_key(key: object) -> str:
    """A key, if it may be one.

    Raises:
        OptionError: empty, too long, begins with `$` or `_qstore`, or no text.
    """
    if (
        not isinstance(key, str)
        or not 0 < len(key) <= MAX_KEY
        or key.startswith(("$", RESERVED))
        or "\0" in key
    ):
        raise OptionError(
            f"A key has 1 to {MAX_KEY} characters and begins neither with '$' nor with {RESERVED!r}; got {shown(key)}."
        )
    return _text(key, "A key")


def checked_scalar(value: Any, where: str) -> Scalar:
    """A single value, if it may be one.

    Raises:
        OptionError: NaN, infinite, an integer of more than 64 bits, half a character, or of another type.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise OptionError(f"{where} is an integer of more than 64 bits; store it as a string.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OptionError(
                f"{where} is {value!r}, which compares with nothing; leave the key out, or store a string."
            )
        return float(value)
    raise OptionError(
        f"{where} is a string, a number, a boolean or None (in stored metadata also a list of strings), nothing nested; "
        f"got {shown(value)}."
    )


def metadata_text(metadata: Metadata) -> str:
    """One JSON spelling of checked metadata."""
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise OptionError(f"{where} has half of a surrogate pair, which is no text: {shown(value)}.") from exc
    return str(value)
