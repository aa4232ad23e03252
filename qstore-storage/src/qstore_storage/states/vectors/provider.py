# SPDX-License-Identifier: Apache-2.0
"""A provider made of an index of real vectors: more hits than are wanted, then exact numbers from the stored amplitudes.

The hits of all queries together bound what was not seen: a state that is in none of the lists has, for each query, a dot
product of at most that list's last one, and therefore at most `Embedding.bound` of the largest of those as its similarity.
When the worst of the wanted states beats that, nothing better can have been missed. Until then four times as many hits are
asked for, up to what the index gives; a result of which this could not be shown says `proven=False`.
"""

from __future__ import annotations

import bisect
import logging
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from qstore.errors import AlreadyStored
from qstore_storage.states.arrays import State
from qstore_storage.states.filters import Condition, matches
from qstore_storage.states.records import EncodedState, SimilarState, StoredState
from qstore_storage.states.similarity import similarities
from qstore_storage.states.vectors.embedding import Embedding
from qstore_storage.states.vectors.engine import Hits, VectorEngine, VectorRow

__all__ = ["VectorStates"]

log = logging.getLogger(__name__)

_FIRST_HITS = 32
_GROWTH = 4
Found = tuple[float, str, StoredState]


class VectorStates:
    """A provider of `QuantumStateDB`.

    Args:
        engine: the index.
        embedding: what its vectors mean.
    """

    def __init__(self, engine: VectorEngine, embedding: Embedding) -> None:
        self._engine = engine
        self._embedding = embedding

    def put(self, namespace: str, states: Sequence[EncodedState], *, overwrite: bool) -> None:
        rows = [VectorRow(state, self._embedding.vector(state.state)) for state in states]
        taken = [] if overwrite else sorted(self._engine.existing(namespace, [state.id for state in states]))
        if taken:
            raise AlreadyStored(
                f"{len(taken)} of {len(states)} ids are taken in the namespace {namespace!r}, the first is {taken[0]!r}; "
                "nothing was stored. Pass overwrite=True to replace."
            )
        self._engine.upsert(namespace, rows)

    def read(self, namespace: str, ids: Sequence[str]) -> Mapping[str, StoredState]:
        return self._engine.read(namespace, ids)

    def remove(self, namespace: str, state_id: str) -> bool:
        there = bool(self._engine.existing(namespace, [state_id]))
        if there:
            self._engine.remove(namespace, state_id)
        return there

    def count(self, namespace: str, condition: Condition | None) -> int:
        if condition is None:
            return self._engine.count(namespace)
        return sum(1 for _ in self._matching(namespace, condition))

    def ids(self, namespace: str, condition: Condition | None) -> Iterator[str]:
        found = self._engine.ids(namespace) if condition is None else self._matching(namespace, condition)
        return iter(sorted(found))

    def namespaces(self) -> Sequence[str]:
        return sorted(self._engine.namespaces())

    def nearest(
        self, namespace: str, queries: Sequence[State], top_k: int, condition: Condition | None
    ) -> list[tuple[SimilarState, ...]]:
        self._engine.check(namespace, queries[0].n_qubits)
        return [self._nearest(namespace, query, top_k, condition) for query in queries]

    def close(self) -> None:
        self._engine.close()

    def _matching(self, namespace: str, condition: Condition) -> Iterator[str]:
        ids = sorted(self._engine.ids(namespace))
        for start in range(0, len(ids), self._engine.fetch_at_once):
            some = self._engine.read(namespace, ids[start : start + self._engine.fetch_at_once])
            yield from (found.id for found in some.values() if matches(condition, found.metadata))

    def _nearest(
        self, namespace: str, query: State, top_k: int, condition: Condition | None
    ) -> tuple[SimilarState, ...]:
        vectors = self._embedding.queries(query)
        most = self._engine.most_hits
        limit = max(_FIRST_HITS, 2 * top_k) if most is None else min(most, max(_FIRST_HITS, 2 * top_k))
        known: dict[str, StoredState | None] = {}
        while True:
            lists = self._engine.search(namespace, query.n_qubits, vectors, limit, condition)
            best = self._best(namespace, query, lists, top_k, condition, known)
            unseen = max((hits[-1][1] for hits in lists if len(hits) >= limit), default=-math.inf)
            proven = unseen == -math.inf or (
                len(best) == top_k and -best[-1][0] >= self._embedding.bound(unseen, query.n_qubits)
            )
            if proven or limit == most:
                break
            limit = limit * _GROWTH if most is None else min(most, limit * _GROWTH)
        if not proven:
            log.warning(
                "A search for the %d nearest of %r saw the %d hits per query that the index gives at most and may have "
                "missed a state: use a filter that the index can apply, or fewer states per namespace.",
                top_k, namespace, limit,
            )  # fmt: skip
        return tuple(
            SimilarState(
                id=found.id, fidelity=-value, metadata=found.metadata, state=found.state, proven=proven
            )
            for value, _, found in best
        )

    def _best(
        self,
        namespace: str,
        query: State,
        lists: Sequence[Hits],
        top_k: int,
        condition: Condition | None,
        known: dict[str, StoredState | None],
    ) -> list[Found]:
        """The nearest of all hits as (-similarity, id, state), reading no more of them than could be among these."""
        scores: dict[str, float] = {}
        for hits in lists:
            for state_id, score in hits:
                scores[state_id] = max(score, scores.get(state_id, -math.inf))
        order = sorted(scores, key=lambda state_id: -scores[state_id])
        best: list[Found] = []
        size = self._engine.fetch_at_once
        for start in range(0, len(order), size):
            chunk = order[start : start + size]
            bound = self._embedding.bound(scores[chunk[0]], query.n_qubits)
            if len(best) == top_k and -best[-1][0] > bound:
                break
            wanted = [state_id for state_id in chunk if state_id not in known]
            read = self._engine.read(namespace, wanted) if wanted else {}
            # None: deleted since the search, or not what the filter asks for.
            for state_id in wanted:
                found = read.get(state_id)
                known[state_id] = found if found is not None and matches(condition, found.metadata) else None
            rows = [found for state_id in chunk if (found := known[state_id]) is not None]
            for value, found in zip(_values(query, rows), rows, strict=True):
                bisect.insort(best, (-value, found.id, found), key=lambda each: each[:2])
            del best[top_k:]
        return best


def _values(query: State, rows: Sequence[StoredState]) -> list[float]:
    """The similarity with each; pure and mixed states may be among them."""
    values: dict[str, float] = {}
    for mixed in (False, True):
        some = [row for row in rows if row.mixed is mixed]
        if some:
            arrays = np.array([row.state for row in some], np.complex128)
            values |= {
                row.id: float(value)
                for row, value in zip(some, similarities(query.array, arrays), strict=True)
            }
    return [values[row.id] for row in rows]
