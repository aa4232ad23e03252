# SPDX-License-Identifier: Apache-2.0
"""JSON as checkpoints have it: written in one way only, and read strictly."""

from __future__ import annotations

import json
from typing import Any

from qstore.errors import CheckpointCorrupt
from qstore_storage.strict_json import strict_value

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
        return strict_value(raw.decode("ascii"))
    except ValueError as exc:
        raise CheckpointCorrupt(f"{what} is not JSON of a checkpoint: {str(exc)[:200]}") from exc
