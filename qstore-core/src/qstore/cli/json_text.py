# SPDX-License-Identifier: Apache-2.0
"""What `--json` prints: JSON that every reader takes. Python's own writes NaN and Infinity, which are no JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["json_text"]


def json_text(value: Any) -> str:
    """A document, indented; numbers that are not finite are null, sets are sorted lists, all else is text.

    Example:
        >>> print(json_text({"seconds": math.inf, "shots": 10}))
        {
          "seconds": null,
          "shots": 10
        }
    """
    return json.dumps(_finite(value), indent=2, default=_plain, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)
