# SPDX-License-Identifier: Apache-2.0
"""What a provider of `QuantumStateDB` does: keep checked states by namespace and id, and find the nearest ones.

Names, states, metadata and filters have been checked before they come here. `tests/storage/states/test_contract.py` is
the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from qstore.errors import OptionError, nearest_names
from qstore.plugins import load_factory
from qstore_storage.states.arrays import State
from qstore_storage.states.filters import Condition
from qstore_storage.states.records import EncodedState, SimilarState, StoredState
from qstore_storage.states.showing import shown

__all__ = ["PROVIDERS", "StateProvider", "make_provider"]

PROVIDERS = {
    "embedded": "qstore_storage.states.embedded:EmbeddedStates",
    "pinecone": "qstore_storage.states.pinecone:pinecone_states",
    "lancedb": "qstore_storage.states.lance:lance_states",
}
"""Made with `index_name` and the options of the user's that are its own."""


class StateProvider(Protocol):
    """Keeps states; every method may be called from any thread."""

    def put(self, namespace: str, states: Sequence[EncodedState], *, overwrite: bool) -> None:
        """Keep these; ids are different from each other.

        Raises:
            AlreadyStored: one of the ids is there and may not be overwritten; nothing was stored.
        """

    def read(self, namespace: str, ids: Sequence[str]) -> Mapping[str, StoredState]:
        """Those of these that are there."""

    def remove(self, namespace: str, state_id: str) -> bool:
        """Forget this one; whether it was there."""

    def count(self, namespace: str, condition: Condition | None) -> int:
        """How many states there are that a filter lets through."""

    def ids(self, namespace: str, condition: Condition | None) -> Iterator[str]:
        """Their ids, sorted."""

    def namespaces(self) -> Sequence[str]:
        """The namespaces that hold a state, sorted."""

    def nearest(
        self, namespace: str, queries: Sequence[State], top_k: int, condition: Condition | None
    ) -> list[tuple[SimilarState, ...]]:
        """For each query, the `top_k` of highest similarity that a filter lets through; equal ones by id."""

    def close(self) -> None:
        """Let go of what is held; a second time does nothing."""


def make_provider(name: str, options: Mapping[str, Any]) -> StateProvider:
    """A provider by its name.

    Raises:
        OptionError: no such provider, or it does not take these options.
    """
    if not isinstance(name, str) or name not in PROVIDERS:
        hint = nearest_names(str(name), list(PROVIDERS))
        raise OptionError(f"No provider {shown(name)}; there are {', '.join(PROVIDERS)}.{hint}")
    factory: Callable[..., StateProvider] = load_factory(PROVIDERS[name])
    try:
        return factory(**options)
    except TypeError as exc:
        raise OptionError(f"The provider {name!r} does not take these options: {exc}.") from exc
