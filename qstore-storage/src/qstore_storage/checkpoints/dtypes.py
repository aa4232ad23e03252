# SPDX-License-Identifier: Apache-2.0
"""Which dtypes a checkpoint stores as they are, and which as their bits under their own name.

Zarr knows the names of `FILL_VALUES`. What it or numpy lacks (bfloat16, the float8 family, complex32) is stored as
unsigned integers of the same size; strings and times of numpy as bytes. The name of the true dtype stands in the index.
Byte order is always little-endian on the disk and the machine's own in memory.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from qstore.errors import CheckpointCorrupt, StorageError

__all__ = ["BITS", "FILL_VALUES", "item_size", "numpy_dtype", "stored_as"]

FILL_VALUES: dict[str, Any] = {
    "bool": False,
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), 0),
    **dict.fromkeys(("float16", "float32", "float64"), 0.0),
    **{name: [0.0, 0.0] for name in ("complex64", "complex128")},
}
"""Dtypes that are stored as they are, with what Zarr calls an empty entry."""

BITS: dict[str, str] = {
    "bfloat16": "uint16",
    **dict.fromkeys((
        "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
        "float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "float4_e2m1fn_x2",
        "int1", "int2", "int4", "uint1", "uint2", "uint4",
    ), "uint8"),
    **dict.fromkeys(("complex32", "bcomplex32"), "uint32"),
}  # fmt: skip
"""Dtypes by the names that torch and ml_dtypes give them, and the integers that carry their bits."""

_TEXT = re.compile(r"[<|]([SU][1-9]\d{0,5}|[mM]8(\[\d{0,6}[A-Za-zμ]{1,3}\])?|[fc](12|16|24|32))")
"""numpy's strings, times and long doubles, in its own short notation; long doubles are of one kind of machine."""


def stored_as(name: str) -> str | None:
    """The name of the stored dtype for a dtype's name, or None for one that cannot be stored.

    Example:
        >>> stored_as("float32"), stored_as("bfloat16"), stored_as("<U5"), stored_as("object")
        ('float32', 'uint16', 'uint8', None)
    """
    if name in FILL_VALUES:
        return name
    return BITS.get(name) or ("uint8" if _TEXT.fullmatch(name) else None)


def item_size(name: str) -> int:
    """Stored items per entry of a dtype: 1, but as many as its bytes for strings, times and long doubles.

    Raises:
        CheckpointCorrupt: there is no such dtype.

    Example:
        >>> item_size("bfloat16"), item_size("<M8[ns]")
        (1, 8)
    """
    if name in FILL_VALUES or name in BITS:
        return 1
    return numpy_dtype(name).itemsize


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of a name; those of `BITS` come from ml_dtypes.

    Raises:
        CheckpointCorrupt: there is no such dtype.
        StorageError: it needs ml_dtypes, or this machine has no such long double.
    """
    if name in BITS:
        try:
            import ml_dtypes

            found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        except (ImportError, AttributeError) as exc:
            raise StorageError(
                f"numpy has no {name}: install a present ml_dtypes, or load without as_numpy what torch saved."
            ) from exc
        return found
    if stored_as(name) is None:
        raise CheckpointCorrupt(f"There is no dtype {name!r}.")
    try:
        return np.dtype(name)
    except TypeError as exc:
        raise StorageError(f"This machine has no dtype {name!r}; load it on the kind that saved it.") from exc
