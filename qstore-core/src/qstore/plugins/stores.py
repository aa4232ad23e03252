# SPDX-License-Identifier: Apache-2.0
"""Stores by name: places for checkpoints, metrics and quantum states that plugins register with `qstore_stores`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

from qstore.errors import BackendUnavailable, OptionError, PluginError, nearest_names
from qstore.plugins.factories import called_with, load_factory
from qstore.plugins.installed import loaded_plugins

__all__ = ["CheckpointStore", "MetricsStore", "StateStore", "open_store"]


@runtime_checkable
class CheckpointStore(Protocol):
    """Keeps the state of a training run by step; what it loads is exactly what was saved, or it raises."""

    def save(
        self,
        step: int,
        model_state: Any,
        optimizer_state: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Take a snapshot of the states and queue it; returns before it is on the disk."""

    def load(self, step: int | None = None) -> Any:
        """The checkpoint of a step, or of the newest one that is whole: `step`, `model_state`, `optimizer_state`, `metadata`.

        Raises:
            NotStored: there is none.
            CheckpointCorrupt: what is on the disk is not what was saved.
        """

    def wait(self) -> None:
        """Return when everything queued is on the disk; raises what went wrong there."""

    def close(self) -> None:
        """Wait, and let go of what is held."""


@runtime_checkable
class MetricsStore(Protocol):
    """Keeps rows of numbers of a training run; a row that was acknowledged is never lost."""

    def log(self, row: Any) -> None:
        """Queue one row: a mapping from column to number, text, truth or None.

        Raises:
            SchemaError: a value is of another type than its column; nothing of the row is kept.
        """

    def flush(self) -> None:
        """Return when every queued row is on the disk; raises what went wrong there."""

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Every row that was flushed, in the order of logging; a value that was left out is None."""

    def close(self) -> None:
        """Flush, and let go of what is held."""


@runtime_checkable
class StateStore(Protocol):
    """Keeps quantum states, and finds the ones nearest to a given state by fidelity."""

    def store_state(
        self, state_id: str, state_vector: Any, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a state: amplitudes (2^n,) or a density matrix (2^n, 2^n).

        Raises:
            AlreadyStored: the id is taken; nothing was overwritten.
            OptionError: the id, the array or the metadata cannot be kept.
        """

    def get(self, state_id: str) -> Any:
        """The state of that id: `id`, `state`, `metadata`.

        Raises:
            NotStored: there is none.
        """

    def delete(self, state_id: str) -> Any:
        """Forget the state of that id."""

    def find_similar(
        self, query_state: Any, top_k: int = 10, filter: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The stored states of the highest fidelity with a state, best first: `id`, `fidelity`, `metadata`."""

    def close(self) -> None:
        """Let go of what is held."""


_CONTRACTS: dict[str, type] = {
    "checkpoints": CheckpointStore, "metrics": MetricsStore, "states": StateStore,
}  # fmt: skip


def open_store(name: str, **options: Any) -> Any:
    """Open a store by its registered name.

    Args:
        name: as `qstore doctor` lists it ("states.pinecone"), or a kind alone ("checkpoints", "metrics", "states") for its
            default.
        options: what the store takes, for instance `directory="runs/digits"`.

    Raises:
        BackendUnavailable: no such store is installed; says what to install.
        OptionError: the store does not take these options.
        PluginError: two distributions claim the name, or what the plugin made is no store of its kind.
    """
    kind = str(name).partition(".")[0]
    if kind not in _CONTRACTS:
        raise OptionError(f"A store's name begins with {', '.join(_CONTRACTS)}; got {name!r}.")
    stores = loaded_plugins().stores
    entry = stores.get(name)
    if entry is None:
        hint = nearest_names(name, stores.names)
        installed = f" Installed: {', '.join(stores.names)}." if stores.names else ""
        raise BackendUnavailable(
            f"No store named {name!r} is installed.{hint}{installed} 'pip install qstore-storage' brings ours."
        )
    made = called_with(load_factory(entry.spec.factory), options, f"Store {name!r}")
    if not isinstance(made, _CONTRACTS[kind]):
        raise PluginError(
            f"{entry.spec.factory} of {entry.distribution} made {made!r:.80}, which is no {_CONTRACTS[kind].__name__}."
        )
    return cast("Any", made)
