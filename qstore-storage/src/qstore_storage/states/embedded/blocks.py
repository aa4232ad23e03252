# SPDX-License-Identifier: Apache-2.0
"""States of one size and kind as rows of matrices in single precision: what a search multiplies with.

They are a cache. A row belongs to a number that is never used again, so the cache is brought up to date by reading the rows
with higher numbers and, when the database says that rows were removed, by dropping those whose numbers are gone. What does
not fit into the memory that was granted is read again at each search.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_storage.states.arrays import State
from qstore_storage.states.blobs import decode_state
from qstore_storage.states.similarity import hilbert_schmidt_vector

__all__ = ["Block", "BlockCache", "Group"]

BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Group:
    """A row of the table `groups`."""

    number: int
    n_qubits: int
    mixed: bool
    count: int
    removed: int


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of states.

    Attributes:
        numbers: (N,) of the rows, ascending.
        rows: (N, 2^n) complex64 amplitudes of norm 1, or (N, 4^n) float32 Hilbert-Schmidt vectors of mixed states.
    """

    numbers: NDArray[np.int64]
    rows: NDArray[Any]


@dataclass(slots=True)
class _Kept:
    """What is in memory of one group: the last block may have room for more rows."""

    removed: int
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    rows: list[NDArray[Any]] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    last: int = 0

    @property
    def nbytes(self) -> int:
        return sum(rows.nbytes for rows in self.rows)


class BlockCache:
    """The matrices of all groups, within one limit; the group that was searched longest ago goes first.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._groups: OrderedDict[int, _Kept] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """How much is in memory."""
        return sum(kept.nbytes for kept in self._groups.values())

    def blocks(self, cursor: sqlite3.Cursor, group: Group) -> Iterator[Block]:
        """All rows of a group, as they are in the cursor's transaction.

        Raises:
            StateCorrupt: one of them is damaged.
        """
        kept = self._up_to_date(cursor, group)
        for numbers, rows, filled in zip(kept.numbers, kept.rows, kept.filled, strict=True):
            yield Block(numbers[:filled], rows[:filled])
        last, size = kept.last, max(1, BLOCK_BYTES // self._row_bytes(group))
        while found := _read(cursor, group, last, size):
            last = found[-1][0]
            yield Block(np.array([number for number, _ in found], np.int64), _matrix(group, found))

    def _up_to_date(self, cursor: sqlite3.Cursor, group: Group) -> _Kept:
        kept = self._groups.setdefault(group.number, _Kept(group.removed))
        self._groups.move_to_end(group.number)
        if kept.removed != group.removed:
            self._drop_removed(cursor, group, kept)
        size = max(1, BLOCK_BYTES // self._row_bytes(group))
        while True:
            room = len(kept.numbers[-1]) - kept.filled[-1] if kept.numbers else 0
            if not room:
                # A small group takes a small block, and doubles.
                wanted = min(size, max(64, 2 * sum(kept.filled), group.count - sum(kept.filled)))
                if not self._make_room(group, wanted * self._row_bytes(group)):
                    return kept
                room = wanted
            found = _read(cursor, group, kept.last, room)
            if not found:
                return kept
            if not kept.numbers or kept.filled[-1] == len(kept.numbers[-1]):
                kept.numbers.append(np.empty(room, np.int64))
                kept.rows.append(np.empty((room, self._row_length(group)), _dtype(group)))
                kept.filled.append(0)
            start = kept.filled[-1]
            kept.rows[-1][start : start + len(found)] = _matrix(group, found)
            kept.numbers[-1][start : start + len(found)] = [number for number, _ in found]
            kept.filled[-1] += len(found)
            kept.last = found[-1][0]

    def _drop_removed(self, cursor: sqlite3.Cursor, group: Group, kept: _Kept) -> None:
        cursor.execute(
            "SELECT number FROM states WHERE grp = ? AND number <= ? ORDER BY number",
            (group.number, kept.last),
        )
        there = np.fromiter((number for (number,) in cursor), np.int64)
        for place in range(len(kept.numbers)):
            filled = kept.filled[place]
            stays = np.isin(kept.numbers[place][:filled], there, assume_unique=True)
            count = int(stays.sum())
            # A new array: a search in another thread may still be looking at the old one.
            rows, numbers = np.empty_like(kept.rows[place]), np.empty_like(kept.numbers[place])
            rows[:count], numbers[:count] = (
                kept.rows[place][:filled][stays],
                kept.numbers[place][:filled][stays],
            )
            kept.rows[place], kept.numbers[place], kept.filled[place] = rows, numbers, count
        full = [place for place, filled in enumerate(kept.filled) if filled]
        kept.rows = [kept.rows[place] for place in full]
        kept.numbers = [kept.numbers[place] for place in full]
        kept.filled = [kept.filled[place] for place in full]
        kept.removed = group.removed

    def _make_room(self, group: Group, nbytes: int) -> bool:
        while self.nbytes + nbytes > self._limit:
            oldest = next(iter(self._groups))
            if oldest == group.number:
                return False
            del self._groups[oldest]
        return True

    @staticmethod
    def _row_length(group: Group) -> int:
        return 1 << group.n_qubits * (1 + group.mixed)

    def _row_bytes(self, group: Group) -> int:
        return self._row_length(group) * _dtype(group).itemsize


def _dtype(group: Group) -> np.dtype[Any]:
    return np.dtype(np.float32 if group.mixed else np.complex64)


def _read(cursor: sqlite3.Cursor, group: Group, after: int, limit: int) -> list[tuple[int, State]]:
    cursor.execute(
        "SELECT number, id, metadata, blob FROM states WHERE grp = ? AND number > ? ORDER BY number LIMIT ?",
        (group.number, after, limit),
    )
    return [(number, decode_state(blob, state_id, text)) for number, state_id, text, blob in cursor]


def _matrix(group: Group, found: list[tuple[int, State]]) -> NDArray[Any]:
    if group.mixed:
        return np.array([hilbert_schmidt_vector(state.array) for _, state in found], np.float32)
    rows = np.array([state.array for _, state in found], np.complex128)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.complex64)
