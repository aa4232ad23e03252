# SPDX-License-Identifier: Apache-2.0
"""A copy of a training state in memory: the JSON trees of its parts, and one packed array for each dtype.

The copy is all that `save` waits for. Its buffers are used again for the next checkpoint of the same sizes, because
memory that is new to a process costs as much again as copying into it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError
from qstore_storage.checkpoints.structure import Packing

__all__ = ["PARTS", "Snapshot", "SnapshotPool"]

PARTS = ("model_state", "optimizer_state", "random_state")
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was taken.

    Attributes:
        trees: the JSON tree of each of PARTS.
        arrays: the packed arrays, (entries,) each, by the name of their stored dtype.
    """

    trees: dict[str, Any]
    arrays: dict[str, Array]

    @property
    def nbytes(self) -> int:
        """Size of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())


class SnapshotPool:
    """Takes snapshots, into buffers that came back.

    Args:
        max_bytes: the largest snapshot; a larger one is refused before anything is copied.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._free: list[Array] = []
        self._lock, self._pid = threading.Lock(), os.getpid()

    def take(self, parts: Mapping[str, Any]) -> Snapshot:
        """Copy a state; nothing that changes afterwards reaches the copy.

        Raises:
            OptionError: it is too large, or holds something that is not data.
        """
        packing = Packing()
        trees = {name: packing.tree(value, name) for name, value in parts.items()}
        sizes = {name: length * np.dtype(name).itemsize for name, length in packing.lengths.items()}
        total = sum(sizes.values())
        if total > self._max_bytes:
            raise OptionError(
                f"The states take {total} bytes, at most {self._max_bytes} are stored; raise max_bytes."
            )
        arrays = {name: self._buffer(size).view(name) for name, size in sizes.items()}
        for name, offset, source in packing.sources:
            target = arrays[name][offset : offset + source.size]
            np.copyto(target.reshape(source.shape), source, casting="equiv")
        return Snapshot(trees, arrays)

    def give_back(self, snapshot: Snapshot) -> None:
        """Use a snapshot's memory again; it must not be looked at any more."""
        with self._lock:
            # Those of other sizes are let go: a state that grows would pile them up.
            self._free = [array.view(np.uint8) for array in snapshot.arrays.values()]

    def _buffer(self, size: int) -> Array:
        if self._pid != os.getpid():  # a forked child: the parent's thread may have held the lock
            self._lock, self._free, self._pid = threading.Lock(), [], os.getpid()
        with self._lock:
            for index, array in enumerate(self._free):
                if array.nbytes == size:
                    return self._free.pop(index)
        return np.empty(size, dtype=np.uint8)
