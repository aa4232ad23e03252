# SPDX-License-Identifier: Apache-2.0
"""The embedded provider: a SQLite file that any number of processes share, and exact search in memory."""

from __future__ import annotations

import heapq
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from sqlite3 import Cursor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qstore.errors import AlreadyStored, OptionError
from qstore_storage.states.arrays import State
from qstore_storage.states.embedded.blocks import BlockCache, Group
from qstore_storage.states.embedded.connection import Connection
from qstore_storage.states.embedded.search import candidates, queries_at_once
from qstore_storage.states.filter_sql import attributes_of, filter_sql
from qstore_storage.states.filters import Condition
from qstore_storage.states.records import EncodedState, SimilarState, StoredState, stored
from qstore_storage.states.showing import shown
from qstore_storage.states.similarity import similarities
from qstore_storage.states.sizes import check_sizes

__all__ = ["EmbeddedStates"]

_CHUNK = 500
_SUFFIX = ".sqlite3"
Item = TypeVar("Item")
_open: weakref.WeakSet[EmbeddedStates] = weakref.WeakSet()
Found = tuple[float, str, StoredState]


class EmbeddedStates:
    """A provider of `QuantumStateDB`.

    Args:
        index_name: of the file in the directory.
        directory: where the file is, or is made.
        path: the file itself, in place of `index_name` and `directory`.
        cache_bytes: memory for the rows that searches multiply with, 2^(n+3) bytes for each pure state of n qubits. A
            database that needs more is still searched exactly, but read from the disk each time.
        durable: wait for the disk at each commit, so that what is stored survives a loss of power, and not only the death
            of the process.

    Raises:
        OptionError: an option is outside its range.
        StorageError: the file cannot be opened or made.
    """

    def __init__(
        self,
        *,
        index_name: str = "states",
        directory: str | os.PathLike[str] = "qstore-states",
        path: str | os.PathLike[str] | None = None,
        cache_bytes: int = 1 << 30,
        durable: bool = False,
    ) -> None:
        if isinstance(cache_bytes, bool) or not isinstance(cache_bytes, int) or cache_bytes < 0:
            raise OptionError(f"cache_bytes is a number of bytes, 0 or more, got {shown(cache_bytes)}.")
        # Absolute: a forked child opens it again, wherever the program is by then, and ":memory:" is a file as well.
        self.path = Path(path if path is not None else Path(directory) / f"{index_name}{_SUFFIX}").absolute()
        self._connection = Connection(self.path, durable=bool(durable))
        self._cache_bytes = cache_bytes
        self._start()
        _open.add(self)

    def _start(self) -> None:
        """A lock that nobody holds, and a cache that nobody was just changing."""
        self._lock = threading.RLock()
        self._cache = BlockCache(self._cache_bytes)

    def put(self, namespace: str, states: Sequence[EncodedState], *, overwrite: bool) -> None:
        with self._lock, self._connection.writing() as cursor:
            taken = list(_numbers_of(cursor, namespace, [state.id for state in states]))
            if taken and not overwrite:
                raise AlreadyStored(
                    f"{len(taken)} of {len(states)} ids are taken in the namespace {namespace!r}, the first is "
                    f"{taken[0][0]!r}; nothing was stored. Pass overwrite=True to replace."
                )
            _forget(cursor, [number for _, number in taken])
            row = cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'states'").fetchone()
            first = (row[0] if row else 0) + 1
            groups: dict[tuple[int, bool], int] = {}
            rows, attributes = [], []
            for number, state in enumerate(states, first):
                size = (state.state.n_qubits, state.state.mixed)
                if size not in groups:
                    groups[size] = _group_number(cursor, namespace, *size)
                group = groups[size]
                rows.append((number, group, namespace, state.id, state.text, state.blob))
                attributes += [(group, *each, number) for each in attributes_of(state.metadata)]
            cursor.executemany("INSERT INTO states VALUES (?, ?, ?, ?, ?, ?)", rows)
            cursor.executemany("INSERT INTO attributes VALUES (?, ?, ?, ?, ?)", attributes)
            for size, group in groups.items():
                added = sum((state.state.n_qubits, state.state.mixed) == size for state in states)
                cursor.execute("UPDATE groups SET count = count + ? WHERE number = ?", (added, group))

    def read(self, namespace: str, ids: Sequence[str]) -> Mapping[str, StoredState]:
        found: dict[str, StoredState] = {}
        with self._lock, self._connection.reading() as cursor:
            for chunk in _chunks(ids):
                cursor.execute(
                    f"SELECT id, metadata, blob FROM states WHERE namespace = ? AND id IN ({_marks(chunk)})",  # noqa: S608  # only marks
                    (namespace, *chunk),
                )
                found |= {state_id: stored(state_id, text, blob) for state_id, text, blob in cursor}
        return found

    def remove(self, namespace: str, state_id: str) -> bool:
        with self._lock, self._connection.writing() as cursor:
            numbers = [number for _, number in _numbers_of(cursor, namespace, [state_id])]
            _forget(cursor, numbers)
        return bool(numbers)

    def count(self, namespace: str, condition: Condition | None) -> int:
        with self._lock, self._connection.reading() as cursor:
            groups = _groups(cursor, namespace)
            if condition is None:
                return sum(group.count for group in groups)
            return sum(len(_matching(cursor, group, condition)) for group in groups)

    def ids(self, namespace: str, condition: Condition | None) -> Iterator[str]:
        found: list[str] = []
        with self._lock, self._connection.reading() as cursor:
            for group in _groups(cursor, namespace):
                text, parameters = filter_sql(condition, group.number) if condition else ("1", ())
                cursor.execute(
                    f"SELECT id FROM states WHERE grp = ? AND {text}",  # noqa: S608  # see filter_sql: our words only
                    (group.number, *parameters),
                )
                found += [state_id for (state_id,) in cursor]
        return iter(sorted(found))

    def namespaces(self) -> Sequence[str]:
        with self._lock, self._connection.reading() as cursor:
            cursor.execute("SELECT DISTINCT namespace FROM groups WHERE count > 0 ORDER BY namespace")
            return [namespace for (namespace,) in cursor]

    def nearest(
        self, namespace: str, queries: Sequence[State], top_k: int, condition: Condition | None
    ) -> list[tuple[SimilarState, ...]]:
        results: list[list[Found]] = [[] for _ in queries]
        n_qubits = queries[0].n_qubits
        with self._lock, self._connection.reading() as cursor:
            groups = _groups(cursor, namespace)
            check_sizes(n_qubits, {group.n_qubits for group in groups if group.count}, namespace)
            for group in groups:
                if group.n_qubits != n_qubits or not group.count:
                    continue
                allowed = _matching(cursor, group, condition) if condition else None
                if allowed is not None and not len(allowed):
                    continue
                at_once = queries_at_once(group.count)
                for start in range(0, len(queries), at_once):
                    some = queries[start : start + at_once]
                    blocks = self._cache.blocks(cursor, group)
                    for place, numbers in enumerate(
                        candidates(some, blocks, group.mixed, top_k, allowed), start
                    ):
                        results[place] = _exact(cursor, queries[place], numbers, top_k, results[place])
        return [
            tuple(
                SimilarState(id=found.id, fidelity=fidelity, metadata=found.metadata, state=found.state)
                for fidelity, _, found in result
            )
            for result in results
        ]

    def close(self) -> None:
        with self._lock:
            self._cache = BlockCache(0)
            self._connection.close()


def _groups(cursor: Cursor, namespace: str) -> list[Group]:
    cursor.execute(
        "SELECT number, n_qubits, mixed, count, removed FROM groups WHERE namespace = ?", (namespace,)
    )
    return [Group(number, n, bool(mixed), count, removed) for number, n, mixed, count, removed in cursor]


def _group_number(cursor: Cursor, namespace: str, n_qubits: int, mixed: bool) -> int:
    key = (namespace, n_qubits, int(mixed))
    cursor.execute("INSERT OR IGNORE INTO groups (namespace, n_qubits, mixed) VALUES (?, ?, ?)", key)
    cursor.execute("SELECT number FROM groups WHERE namespace = ? AND n_qubits = ? AND mixed = ?", key)
    return int(cursor.fetchone()[0])


def _numbers_of(cursor: Cursor, namespace: str, ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    for chunk in _chunks(ids):
        cursor.execute(
            f"SELECT id, number FROM states WHERE namespace = ? AND id IN ({_marks(chunk)})",  # noqa: S608  # only marks
            (namespace, *chunk),
        )
        yield from cursor.fetchall()


def _forget(cursor: Cursor, numbers: Sequence[int]) -> None:
    for number in numbers:
        cursor.execute("DELETE FROM attributes WHERE state = ?", (number,))
        cursor.execute(
            "UPDATE groups SET count = count - 1, removed = removed + 1 "
            "WHERE number = (SELECT grp FROM states WHERE number = ?)",
            (number,),
        )
        cursor.execute("DELETE FROM states WHERE number = ?", (number,))


def _matching(cursor: Cursor, group: Group, condition: Condition) -> NDArray[np.int64]:
    """The numbers of a group's states that a filter lets through, ascending."""
    text, parameters = filter_sql(condition, group.number)
    cursor.execute(
        # As one text: a row of Python's for each number takes longer than the search itself.
        f"SELECT group_concat(number) FROM states WHERE grp = ? AND {text}",  # noqa: S608  # see filter_sql: our words only
        (group.number, *parameters),
    )
    return np.sort(np.fromstring(cursor.fetchone()[0] or "", np.int64, sep=","))


def _exact(
    cursor: Cursor, query: State, numbers: NDArray[np.int64], top_k: int, so_far: list[Found]
) -> list[Found]:
    """The best of what was found so far and of these rows, in double precision."""
    for chunk in _chunks([int(number) for number in numbers]):
        cursor.execute(
            f"SELECT id, metadata, blob FROM states WHERE number IN ({_marks(chunk)})",  # noqa: S608  # only marks
            chunk,
        )
        rows = [stored(state_id, text, blob) for state_id, text, blob in cursor]
        values = similarities(query.array, np.array([row.state for row in rows], np.complex128))
        found = [(float(value), row.id, row) for value, row in zip(values, rows, strict=True)]
        so_far = heapq.nsmallest(top_k, so_far + found, key=lambda each: (-each[0], each[1]))
    return so_far


def _chunks(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


def _marks(items: Sequence[object]) -> str:
    return ", ".join("?" * len(items))


def _after_fork() -> None:
    # Another thread of the parent may have held the lock, and is not here to let go of it.
    for provider in list(_open):
        provider._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
