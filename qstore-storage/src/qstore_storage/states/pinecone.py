# SPDX-License-Identifier: Apache-2.0
"""The Pinecone provider: an index at the service, through its own SDK.

The index is made by you, with the metric "dotproduct" and the dimension 2^(n+1) (pure states of n qubits) or 4^n
(`mixed=True`). A record's values are the vector that it is found by, in single precision; the state itself, to the last
bit, and all metadata are in its metadata under our own keys, of which Pinecone takes 40 kB in all: pure states of up to 10
qubits, density matrices of up to 5. The key comes from the environment variable PINECONE_API_KEY and is kept nowhere else.

Pinecone shows what was stored after a moment ("eventual consistency"), its search may be approximate, and two clients that
store the same id at the same time both succeed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import (
    AuthenticationError,
    BackendUnavailable,
    NotStored,
    OptionError,
    QStoreError,
    StateCorrupt,
    StorageError,
    TransportError,
)
from qstore_storage.states.filters import Condition
from qstore_storage.states.pinecone_filters import SHAPE_KEY, native_metadata, service_filter
from qstore_storage.states.records import StoredState, stored
from qstore_storage.states.vectors import Embedding, VectorRow, VectorStates
from qstore_storage.states.vectors.embedding import PHASES

__all__ = ["ERRORS", "PineconeEngine", "pinecone_states"]

KEY_VARIABLE = "PINECONE_API_KEY"
MOST_METADATA = 40_960
_MOST_BODY = 1_800_000
"""The service takes 2 MB in a request."""
_MOST_ROWS = 500
_TEXT, _BLOB = "_qstore_metadata", "_qstore_state"
_EVERYTHING = "__default__"
Hits = list[tuple[str, float]]

ERRORS: tuple[tuple[str, type[QStoreError]], ...] = (
    ("UnauthorizedError", AuthenticationError),
    ("ForbiddenError", AuthenticationError),
    ("PineconeConnectionError", TransportError),
    ("PineconeTimeoutError", TransportError),
    ("RateLimitError", TransportError),
    ("ServiceError", TransportError),
    ("NotFoundError", NotStored),
    ("PineconeError", StorageError),
)
"""The SDK's exceptions by name and what becomes of them; the first that fits."""


def pinecone_states(
    *, index_name: str = "states", host: str | None = None, mixed: bool = False, timeout_s: float = 30.0
) -> VectorStates:
    """The provider "pinecone" of `QuantumStateDB`.

    Args:
        index_name: the index's name at the service.
        host: the index's own address, which saves asking for it; or of something that speaks the same protocol.
        mixed: whether density matrices are kept too; the index then has the dimension 4^n.
        timeout_s: seconds that a request may take.

    Raises:
        BackendUnavailable: the SDK is not installed.
        AuthenticationError: there is no key, or the service does not accept it.
        NotStored: the service has no index of that name.
    """
    embedding = Embedding(mixed)
    return VectorStates(PineconeEngine(index_name, host, embedding, timeout_s), embedding)


class PineconeEngine:
    """An index at Pinecone."""

    most_hits: int | None = 10_000
    fetch_at_once = 50

    def __init__(self, index_name: str, host: str | None, embedding: Embedding, timeout_s: float) -> None:
        try:
            import pinecone
        except ImportError as exc:
            raise BackendUnavailable(
                "The provider 'pinecone' needs its SDK: pip install 'qstore-storage[pinecone]'."
            ) from exc
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not key:
            raise AuthenticationError(
                f"The provider 'pinecone' reads its key from the environment: set {KEY_VARIABLE}."
            )
        self.index_name = index_name
        self._embedding = embedding
        self._errors = _translations()
        self._lock = threading.RLock()
        self._closed = False
        self._dimension: int | None = None
        # The queries of one search go out together: each is a way to the service and back.
        self._threads = ThreadPoolExecutor(PHASES, "qstore-pinecone")
        with self._in_words(), ExitStack() as on_failure:
            self._client = on_failure.enter_context(pinecone.Pinecone(api_key=key, timeout=timeout_s))
            self._index = self._client.index(host=host) if host else self._client.index(name=index_name)
            on_failure.pop_all()

    def check(self, namespace: str, n_qubits: int) -> None:  # noqa: ARG002  # all namespaces have the index's dimension
        if self._dimension is None:
            with self._in_words():
                self._dimension = int(self._index.describe_index_stats().dimension or 0)
        wanted = self._embedding.dimension(n_qubits)
        if self._dimension and self._dimension != wanted:
            holds = self._embedding.n_qubits(self._dimension)
            of = "none of ours" if holds is None else f"states of {holds} qubits"
            raise OptionError(
                f"The index {self.index_name!r} has vectors of {self._dimension} numbers ({of}); states of {n_qubits} qubits "
                f"need {wanted} with mixed={self._embedding.mixed}."
            )

    def upsert(self, namespace: str, rows: Sequence[VectorRow]) -> None:
        for n_qubits in {row.state.state.n_qubits for row in rows}:
            self.check(namespace, n_qubits)
        records = [self._record(row) for row in rows]  # all of them are checked before the first is sent
        batch: list[dict[str, Any]] = []
        room = _MOST_BODY
        for record in records:
            size = 26 * len(record["values"]) + len(json.dumps(record["metadata"]))
            if batch and (size > room or len(batch) == _MOST_ROWS):
                self._send(namespace, batch)
                batch, room = [], _MOST_BODY
            batch.append(record)
            room -= size
        if batch:
            self._send(namespace, batch)

    def existing(self, namespace: str, ids: Sequence[str]) -> AbstractSet[str]:
        return self._fetched(namespace, ids).keys()

    def read(self, namespace: str, ids: Sequence[str]) -> Mapping[str, StoredState]:
        found = self._fetched(namespace, ids)
        return {state_id: _stored(state_id, record.metadata or {}) for state_id, record in found.items()}

    def remove(self, namespace: str, state_id: str) -> None:
        with self._in_words():
            self._index.delete(ids=[state_id], namespace=namespace)

    def search(
        self,
        namespace: str,
        n_qubits: int,
        vectors: NDArray[np.float32],
        limit: int,
        condition: Condition | None,
    ) -> list[Hits]:
        chosen = service_filter(condition, self._shape(n_qubits))

        def hits(vector: NDArray[np.float32]) -> Hits:
            answer = self._index.query(
                vector=vector.tolist(), top_k=limit, namespace=namespace, filter=chosen
            )
            return [(match.id, float(match.score)) for match in answer.matches]

        with self._in_words():
            if len(vectors) == 1:
                return [hits(vectors[0])]
            return list(self._threads.map(hits, vectors))

    def count(self, namespace: str) -> int:
        with self._in_words():
            found = self._index.describe_index_stats().namespaces.get(namespace)
        return 0 if found is None else int(found.vector_count)

    def ids(self, namespace: str) -> Iterator[str]:
        with self._in_words():
            for page in self._index.list(namespace=namespace):
                yield from (item.id for item in page.vectors if item.id is not None)

    def namespaces(self) -> Sequence[str]:
        with self._in_words():
            found = self._index.describe_index_stats().namespaces
        return [name for name, summary in found.items() if summary.vector_count and name != _EVERYTHING]

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._threads.shutdown()
                self._index.close()
                self._client.close()

    def _shape(self, n_qubits: int) -> str:
        return f"{'mixed' if self._embedding.mixed else 'pure'}-{n_qubits}"

    def _record(self, row: VectorRow) -> dict[str, Any]:
        state = row.state
        metadata = {
            **native_metadata(state.metadata),
            SHAPE_KEY: self._shape(state.state.n_qubits),
            _TEXT: state.text,
            _BLOB: base64.b64encode(state.blob).decode(),
        }
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
        if size > MOST_METADATA:
            raise OptionError(
                f"The state {state.id!r} takes {size} bytes of Pinecone's metadata, which are at most {MOST_METADATA}. Store "
                "complex64, shorter metadata, or use another provider for so many qubits."
            )
        return {"id": state.id, "values": row.vector.tolist(), "metadata": metadata}

    def _send(self, namespace: str, batch: list[dict[str, Any]]) -> None:
        with self._in_words():
            taken = self._index.upsert(vectors=batch, namespace=namespace).upserted_count
        if taken != len(batch):
            raise StorageError(
                f"Pinecone took {taken} of {len(batch)} states; store the batch again with overwrite=True."
            )

    def _fetched(self, namespace: str, ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with self._in_words():
            for start in range(0, len(ids), self.fetch_at_once):
                some = list(ids[start : start + self.fetch_at_once])
                found.update(self._index.fetch(ids=some, namespace=namespace).vectors)
        return found

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        if self._closed:
            raise StorageError(f"The connection to the index {self.index_name!r} is closed.")
        try:
            yield
        except tuple(foreign for foreign, _ in self._errors) as exc:
            ours = next(ours for foreign, ours in self._errors if isinstance(exc, foreign))
            raise ours(f"Pinecone, index {self.index_name!r}: {exc}") from exc


def _translations() -> list[tuple[type[Exception], type[QStoreError]]]:
    from pinecone.errors import exceptions

    return [(getattr(exceptions, name), ours) for name, ours in ERRORS]


def _stored(state_id: str, metadata: Mapping[str, Any]) -> StoredState:
    text, packed = metadata.get(_TEXT), metadata.get(_BLOB)
    if not isinstance(text, str) or not isinstance(packed, str):
        raise StateCorrupt(f"The record {state_id!r} was not stored by qstore, or has lost its state.")
    try:
        blob = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise StateCorrupt(
            f"The state {state_id!r} is damaged: {exc}. Delete it and store it again."
        ) from exc
    return stored(state_id, text, blob)
