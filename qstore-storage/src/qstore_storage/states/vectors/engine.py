# SPDX-License-Identifier: Apache-2.0
"""What an index of real vectors does for us. `VectorStates` makes a provider of exact answers of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qstore_storage.states.filters import Condition
from qstore_storage.states.records import EncodedState, StoredState

__all__ = ["VectorEngine", "VectorRow"]

Hits = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A state and the vector it is found by, (dimension,) float32."""

    state: EncodedState
    vector: NDArray[np.float32]


class VectorEngine(Protocol):
    """An index of real vectors; every method may be called from any thread.

    Attributes:
        most_hits: how many hits it gives at most; None for no limit.
        fetch_at_once: how many states are read in one request.
    """

    most_hits: int | None
    fetch_at_once: int

    def check(self, namespace: str, n_qubits: int) -> None:
        """Nothing, or why states of so many qubits cannot be searched here.

        Raises:
            OptionError: the index is for other sizes.
        """

    def upsert(self, namespace: str, rows: Sequence[VectorRow]) -> None:
        """Keep these, in place of any of the same id."""

    def existing(self, namespace: str, ids: Sequence[str]) -> AbstractSet[str]:
        """Those of these ids that are there."""

    def read(self, namespace: str, ids: Sequence[str]) -> Mapping[str, StoredState]:
        """Those of these states that are there."""

    def remove(self, namespace: str, state_id: str) -> None:
        """Forget this one."""

    def search(
        self,
        namespace: str,
        n_qubits: int,
        vectors: NDArray[np.float32],
        limit: int,
        condition: Condition | None,
    ) -> list[Hits]:
        """For each vector, ids and dot products of the `limit` highest, highest first.

        A filter may be applied in part: what it lets through must be among the hits, others may be.
        """

    def count(self, namespace: str) -> int:
        """How many states there are."""

    def ids(self, namespace: str) -> Iterator[str]:
        """Their ids, in any order."""

    def namespaces(self) -> Sequence[str]:
        """The namespaces that hold a state."""

    def close(self) -> None:
        """Let go of what is held; a second time does nothing."""
