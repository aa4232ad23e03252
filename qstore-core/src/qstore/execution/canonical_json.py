# SPDX-License-Identifier: Apache-2.0
"""JSON with one spelling: what is hashed and what is kept on disk. Keys are sorted, NaN and infinity are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from qstore.errors import OptionError

__all__ = ["canonical_json"]


def canonical_json(content: Mapping[str, Any], what: str) -> str:
    """The text of a value, the same for equal values.

    Args:
        content: strings, numbers, booleans, None, lists and dicts with string keys.
        what: what it is, for the message.

    Raises:
        OptionError: anything else in it.

    Example:
        >>> canonical_json({"b": [1, 2.5], "a": None}, "An example")
        '{"a":null,"b":[1,2.5]}'
    """
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise OptionError(f"{what} cannot be written as JSON: {exc}.") from exc
