# SPDX-License-Identifier: Apache-2.0
"""JSON that was written by anybody: no NaN, no key twice, no number of a million digits, no endless nesting."""

from __future__ import annotations

import json
from typing import Any

from qstore.errors import CheckpointCorrupt

__all__ = ["canonical", "strict_loads"]


def canonical(value: Any) -> bytes:
    """The one way in which a value is written: no spaces, ASCII, keys in their order.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True).encode("ascii")


def strict_loads(raw: bytes, what: str) -> Any:
    """Read JSON.

    Raises:
        CheckpointCorrupt: it is no JSON, or of a kind that a checkpoint never has.

    Example:
        >>> strict_loads(b'{"a": NaN}', "MANIFEST.json")
        Traceback (most recent call last):
        qstore.errors.CheckpointCorrupt: MANIFEST.json is not JSON of a checkpoint: NaN is no number of JSON
    """
    try:
        return json.loads(raw.decode("ascii"), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError, UnicodeDecodeError) as exc:
        raise CheckpointCorrupt(f"{what} is not JSON of a checkpoint: {str(exc)[:200]}") from exc


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found
