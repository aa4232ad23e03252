# SPDX-License-Identifier: Apache-2.0
"""The LanceDB provider: a folder of columns on the disk, for more states than fit into memory.

A table for each number of qubits and namespace, named "p8.default" (pure states of 8 qubits) or "m4.default" (any states
of 4 qubits). Without an index LanceDB compares with every row, so its answers are exact and ours are proven.

Filters: LanceDB sees tokens, digests of (key, kind, value), in a column of lists. Equality, `$in`, `$exists` and their
opposites are decided by it; of a comparison it only decides that there is a value of that kind, the rest is decided
here. No text of the user's is ever part of its SQL.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import BackendUnavailable, OptionError, StorageError
from qstore_storage.states.filters import All, AnyOf, Condition, Exists, In, Not, Ordered
from qstore_storage.states.metadata import Kind, Metadata, Scalar, elements, kind_of
from qstore_storage.states.records import StoredState, stored
from qstore_storage.states.sizes import check_sizes
from qstore_storage.states.vectors import Embedding, VectorRow, VectorStates

__all__ = ["LanceEngine", "lance_states"]

_IDS_AT_ONCE = 500
Hits = list[tuple[str, float]]


def lance_states(
    *,
    index_name: str = "states",
    directory: str | os.PathLike[str] = "qstore-states",
    mixed: bool = False,
) -> VectorStates:
    """The provider "lancedb" of `QuantumStateDB`.

    Args:
        index_name: the folder `index_name`.lance in the directory.
        directory: where that folder is, or is made.
        mixed: whether density matrices are kept too; vectors then have 4^n numbers instead of 2^(n+1).

    Raises:
        BackendUnavailable: LanceDB is not installed.
        OptionError: the folder holds states that were stored with the other `mixed`.
    """
    embedding = Embedding(mixed)
    return VectorStates(LanceEngine(Path(directory).absolute() / f"{index_name}.lance", embedding), embedding)


class LanceEngine:
    """A LanceDB folder as an index of vectors."""

    most_hits: int | None = None
    fetch_at_once = 200

    def __init__(self, path: Path, embedding: Embedding) -> None:
        try:
            import lancedb
        except ImportError as exc:
            raise BackendUnavailable(
                "The provider 'lancedb' needs LanceDB: pip install 'qstore-storage[lancedb]'."
            ) from exc
        self.path = path
        self._embedding = embedding
        self._letter = "m" if embedding.mixed else "p"
        self._lock = threading.RLock()
        self._closed = False
        with self._in_words():
            # Zero: what another process has stored is seen at once.
            self._db = lancedb.connect(str(path), read_consistency_interval=timedelta(0))
        other = [name for name in self._names() if not name.startswith(self._letter)]
        if other:
            raise OptionError(f"{path} holds states that were stored with mixed={not embedding.mixed}.")

    def check(self, namespace: str, n_qubits: int) -> None:
        tables = self._tables(namespace)
        check_sizes(n_qubits, {n for n, table in tables.items() if table.count_rows()}, namespace)

    def upsert(self, namespace: str, rows: Sequence[VectorRow]) -> None:
        by_size: dict[int, list[VectorRow]] = {}
        for row in rows:
            by_size.setdefault(row.state.state.n_qubits, []).append(row)
        with self._lock, self._in_words():
            for n_qubits, some in by_size.items():
                content = self._content(n_qubits, some)
                table = self._db.create_table(
                    f"{self._letter}{n_qubits}.{namespace}", schema=content.schema, exist_ok=True
                )
                merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                merge.execute(content)
                ids = [row.state.id for row in some]
                for other, table in self._tables(namespace).items():
                    if other != n_qubits:  # the same id, with another number of qubits
                        for chunk in _chunks(ids):
                            if table.count_rows(_among(chunk)):
                                table.delete(_among(chunk))

    def existing(self, namespace: str, ids: Sequence[str]) -> AbstractSet[str]:
        return {row["id"] for row in self._rows(namespace, ids, ["id"])}

    def read(self, namespace: str, ids: Sequence[str]) -> Mapping[str, StoredState]:
        rows = self._rows(namespace, ids, ["id", "metadata", "blob"])
        return {row["id"]: stored(row["id"], row["metadata"], row["blob"]) for row in rows}

    def remove(self, namespace: str, state_id: str) -> None:
        with self._lock, self._in_words():
            for table in self._tables(namespace).values():
                table.delete(_among([state_id]))

    def search(
        self,
        namespace: str,
        n_qubits: int,
        vectors: NDArray[np.float32],
        limit: int,
        condition: Condition | None,
    ) -> list[Hits]:
        lists: list[Hits] = [[] for _ in vectors]
        with self._lock, self._in_words():
            table = self._tables(namespace).get(n_qubits)
            if table is None:
                return lists
            # One after another: LanceDB's search with several vectors at once keeps all of their hits in memory.
            for hits, vector in zip(lists, vectors, strict=True):
                query = table.search(vector).distance_type("dot").limit(limit).select(["id", "_distance"])
                if condition is not None:
                    query = query.where(_where(condition), prefilter=True)
                found = query.to_arrow()
                ids, distances = found["id"].to_pylist(), found["_distance"].to_pylist()
                hits += [
                    (state_id, 1.0 - distance) for state_id, distance in zip(ids, distances, strict=True)
                ]
        return lists

    def count(self, namespace: str) -> int:
        with self._lock, self._in_words():
            return sum(int(table.count_rows()) for table in self._tables(namespace).values())

    def ids(self, namespace: str) -> Iterator[str]:
        with self._lock, self._in_words():
            for table in self._tables(namespace).values():
                yield from table.search().select(["id"]).to_arrow()["id"].to_pylist()

    def namespaces(self) -> Sequence[str]:
        names = {name.partition(".")[2] for name in self._names()}
        return [namespace for namespace in names if self.count(namespace)]

    def close(self) -> None:
        self._closed = True

    def _names(self) -> list[str]:
        names: list[str] = []
        token = None
        with self._lock, self._in_words():
            while True:
                page = self._db.list_tables(page_token=token)
                names += page.tables
                token = page.page_token
                if not token:
                    return names

    def _tables(self, namespace: str) -> dict[int, Any]:
        """The tables of a namespace by number of qubits."""
        found = {}
        with self._lock, self._in_words():
            for name in self._names():
                size, _, place = name.partition(".")
                if place == namespace and size[1:].isdecimal():
                    found[int(size[1:])] = self._db.open_table(name)
        return found

    def _rows(self, namespace: str, ids: Sequence[str], columns: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        with self._lock, self._in_words():
            for table in self._tables(namespace).values():
                for chunk in _chunks(ids):
                    query = table.search().where(_among(chunk)).limit(len(chunk)).select(columns)
                    found += query.to_arrow().to_pylist()
        return found

    def _content(self, n_qubits: int, rows: Sequence[VectorRow]) -> Any:
        import pyarrow as pa

        size = self._embedding.dimension(n_qubits)
        vectors = np.concatenate([row.vector for row in rows])
        columns = {
            "id": pa.array([row.state.id for row in rows], pa.string()),
            "tokens": pa.array([_tokens(row.state.metadata) for row in rows], pa.list_(pa.string())),
            "metadata": pa.array([row.state.text for row in rows], pa.string()),
            "blob": pa.array([row.state.blob for row in rows], pa.binary()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors, pa.float32()), size),
        }
        return pa.table(columns)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        if self._closed:
            raise StorageError(f"The database of states {self.path} is closed.")
        try:
            yield
        except (RuntimeError, ValueError, OSError) as exc:  # LanceDB raises Python's own exceptions
            if isinstance(exc, StorageError | OptionError):
                raise
            raise StorageError(f"The database of states {self.path} cannot be used: {exc}.") from exc


def _where(condition: Condition) -> str:
    """SQL that lets through at least what the condition does; made of digests alone."""
    match condition:
        case All(conditions) | AnyOf(conditions):
            word = " AND " if isinstance(condition, All) else " OR "
            return f"({word.join(map(_where, conditions))})"
        case Not(inner):
            return f"(NOT {_where(inner)})"
        case Exists(key):
            return _has(_token("key", key))
        case Ordered(key, _, operand):
            return _has(_token("kind", key, kind_of(operand)))
        case In(key, values):
            parts = [
                _has(_token("value", key, kind_of(value), value)) for value in values if value is not None
            ]
            if None in values:
                parts.append(f"(NOT {_has(_token('some', key))})")
            return f"({' OR '.join(parts)})" if parts else "false"


def _tokens(metadata: Metadata) -> list[str]:
    """What `_where` may ask for of a state with this metadata."""
    tokens: set[str] = {_token("any", "")}  # never an empty list, which some functions take for NULL
    for key, content in metadata.items():
        tokens.add(_token("key", key))
        if content is not None:
            tokens.add(_token("some", key))
        for value in elements(metadata, key):
            tokens |= {_token("kind", key, kind_of(value)), _token("value", key, kind_of(value), value)}
    return sorted(tokens)


def _token(word: str, key: str, kind: Kind | None = None, value: Scalar = None) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1.0 is 1
    text = json.dumps([word, key, None if kind is None else int(kind), value])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _has(token: str) -> str:
    return f"array_has(tokens, '{token}')"


def _among(ids: Sequence[str]) -> str:
    """SQL for "one of these"; the rule for ids leaves no character in them that SQL could misread."""
    return f"id IN ({', '.join(repr(str(state_id)) for state_id in ids)})"


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE))
