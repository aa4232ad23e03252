# SPDX-License-Identifier: Apache-2.0
"""Stream keys: one 64-bit number per row that names its random outcomes.

A key depends on the seed, the circuit's fingerprint, the row's own bindings, and how many earlier rows of the batch
have the same bindings. It does not depend on the batch's size or order, nor on which bindings were passed shared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["derived_keys", "stream_keys"]

_GOLDEN = 0x9E3779B97F4A7C15


def stream_keys(
    seed: int,
    fingerprint: str,
    bindings: Mapping[str, NDArray[np.float64]],
    per_sample: frozenset[str],
    size: int,
) -> NDArray[np.uint64]:
    """The keys of a batch's rows, (size,) uint64."""
    import hashlib  # 3 ms that exact work never needs

    columns = []
    for name in sorted(bindings):
        array = np.ascontiguousarray(bindings[name] + 0.0)  # -0.0 becomes 0.0: equal values, equal keys
        prefix = f"{len(name)}:{name}:".encode()
        rows = array.reshape(size, -1) if name in per_sample else array.reshape(1, -1)
        columns.append([hashlib.blake2b(prefix + row.tobytes(), digest_size=16).digest() for row in rows])
    head = f"{seed}:{fingerprint}:".encode()
    seen: Counter[bytes] = Counter()
    keys = np.empty(size, dtype=np.uint64)
    for row in range(size):
        content = b"".join(column[row if len(column) > 1 else 0] for column in columns)
        text = head + content + str(seen[content]).encode()
        keys[row] = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
        seen[content] += 1
    return keys


def derived_keys(keys: NDArray[np.uint64], index: int) -> NDArray[np.uint64]:
    """Keys for the `index`-th circuit made from each row (a shift, a measured basis); independent of the rows' keys.

    Source: the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    mixed = keys + np.uint64((index + 1) * _GOLDEN & 0xFFFFFFFFFFFFFFFF)  # wraps on purpose
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
