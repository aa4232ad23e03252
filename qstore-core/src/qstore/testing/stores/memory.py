# SPDX-License-Identifier: Apache-2.0
"""Stores that keep everything in memory, by folder: plain statements of the contracts, for the kit's self-test.

Nobody should keep anything in them: the process ends, and all is gone.
"""

from __future__ import annotations

import copy
import operator
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import AlreadyStored, NotStored, OptionError, SchemaError, StorageError

__all__ = ["MemoryCheckpoints", "MemoryMetrics", "MemoryStates"]

_DATA = (bool, int, float, str, type(None))


@dataclass
class _Checkpoint:
    step: int
    model_state: Any
    optimizer_state: Any
    metadata: dict[str, Any]


class _Closing:
    """What has an end."""

    closed = False

    def close(self) -> None:
        self.closed = True

    def check_open(self) -> None:
        if self.closed:
            raise StorageError("This store is closed; open it again.")


class MemoryCheckpoints(_Closing):
    """Checkpoints; what is saved is copied."""

    kept: dict[Path, dict[int, _Checkpoint]] = {}  # noqa: RUF012  # shared on purpose: it is the disk

    def __init__(self, directory: Path) -> None:
        self.steps = self.kept.setdefault(Path(directory), {})

    def save(
        self,
        step: int,
        model_state: Any,
        optimizer_state: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.check_open()
        if isinstance(step, bool) or not isinstance(step, int) or step < 0:
            raise OptionError(f"A step is an integer from 0 up, got {step!r}.")
        _check_data((model_state, optimizer_state, dict(metadata or {})))
        if step in self.steps:
            raise AlreadyStored(f"Step {step} is stored already.")
        self.steps[step] = self.taken(_Checkpoint(step, model_state, optimizer_state, dict(metadata or {})))

    def taken(self, given: _Checkpoint) -> _Checkpoint:
        """The snapshot."""
        return copy.deepcopy(given)

    def load(self, step: int | None = None) -> _Checkpoint:
        if step is None and self.steps:
            step = max(self.steps)
        if step is None or step not in self.steps:
            raise NotStored(f"No step {step!r} is stored.")
        return copy.deepcopy(self.steps[step])

    def wait(self) -> None:
        self.check_open()


def _check_data(value: Any) -> None:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise OptionError("An array of objects is no data.")
    elif isinstance(value, dict):
        for each in value.values():
            _check_data(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _check_data(each)
    elif not isinstance(value, _DATA):
        raise OptionError(f"A {type(value).__name__} is no data.")


class MemoryMetrics(_Closing):
    """Rows; a column keeps the type that it began with."""

    kept: dict[Path, list[dict[str, Any]]] = {}  # noqa: RUF012  # as above
    types: dict[Path, dict[str, type]] = {}  # noqa: RUF012  # as above

    def __init__(self, path: Path) -> None:
        self._rows = self.kept.setdefault(Path(path), [])
        self._types = self.types.setdefault(Path(path), {})
        self._lock = threading.Lock()

    def log(self, row: Any) -> None:
        self.check_open()
        if not isinstance(row, Mapping) or not all(isinstance(name, str) and name for name in row):
            raise SchemaError(f"A row is a mapping from names of columns to values, got {row!r:.80}.")
        with self._lock:
            new = {name: type(value) for name, value in row.items() if value is not None}
            for name, kind in new.items():
                if kind not in _DATA or self._types.get(name, kind) is not kind:
                    raise SchemaError(f"{name!r} cannot hold a {kind.__name__}.")
            self._types.update(new)
            self._rows.append(dict(row))

    def flush(self) -> None:
        self.check_open()

    def rows(self) -> Sequence[Mapping[str, Any]]:
        return [dict.fromkeys(self._types) | row for row in self._rows]


@dataclass
class _State:
    id: str
    state: NDArray[Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    fidelity: float = 1.0


class MemoryStates(_Closing):
    """States, compared one by one."""

    kept: dict[Path, dict[str, _State]] = {}  # noqa: RUF012  # as above

    def __init__(self, directory: Path) -> None:
        self.states = self.kept.setdefault(Path(directory), {})

    def store_state(
        self, state_id: str, state_vector: Any, metadata: Mapping[str, Any] | None = None
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", state_id):
            raise OptionError(f"{state_id!r} is no id.")
        if state_id in self.states:
            raise AlreadyStored(f"{state_id!r} is stored already.")
        try:
            array = np.array(state_vector, dtype=complex)
        except (TypeError, ValueError) as exc:
            raise OptionError(f"That is no state: {exc}.") from exc
        size = np.trace(array) if array.ndim == 2 else np.linalg.norm(array)
        if len(array) & (len(array) - 1) or not abs(size - 1) < 1e-6:
            raise OptionError("A state has 2^n amplitudes of norm 1.")
        self.states[state_id] = _State(state_id, array, dict(metadata or {}))

    def get(self, state_id: str) -> _State:
        if state_id not in self.states:
            raise NotStored(f"No state {state_id!r}.")
        return self.states[state_id]

    def delete(self, state_id: str) -> bool:
        return self.states.pop(state_id, None) is not None

    def find_similar(
        self,
        query_state: Any,
        top_k: int = 10,
        filter: Mapping[str, Any] | None = None,  # the contract's name
    ) -> list[_State]:
        query = np.asarray(query_state, dtype=complex)
        found = [
            _State(each.id, each.state, each.metadata, self.fidelity(each.state, query))
            for each in self.states.values()
            if fits(each.metadata, filter or {})
        ]
        return sorted(found, key=lambda each: -each.fidelity)[:top_k]

    def fidelity(self, state: NDArray[Any], query: NDArray[Any]) -> float:
        """|<a|b>|^2."""
        return float(abs(np.vdot(state, query)) ** 2)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq, "$ne": operator.ne, "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le,
    "$in": lambda value, among: value in among, "$nin": lambda value, among: value not in among,
}  # fmt: skip


def fits(metadata: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    """Whether metadata pass a filter; a key that is missing fits nothing but `$exists: false`."""
    checked = [_term(metadata, key, wanted) for key, wanted in condition.items()]
    return all(checked)


def _term(metadata: Mapping[str, Any], key: Any, wanted: Any) -> bool:
    if key in {"$and", "$or"}:
        if not isinstance(wanted, list):
            raise OptionError(f"{key} takes a list of filters.")
        return (all if key == "$and" else any)([fits(metadata, each) for each in wanted])
    if not isinstance(key, str) or key.startswith("$"):
        raise OptionError(f"{key!r} is no name.")
    return all(
        _comparison(metadata, key, name, value)
        for name, value in (wanted if isinstance(wanted, Mapping) else {"$eq": wanted}).items()
    )


def _comparison(metadata: Mapping[str, Any], key: str, name: str, wanted: Any) -> bool:
    if name == "$exists":
        return bool((key in metadata) == wanted)
    if name not in _COMPARISONS:
        raise OptionError(f"{name!r} is no operator.")
    if key not in metadata:
        return False
    value = metadata[key]
    if isinstance(value, bool) != isinstance(wanted, bool) and name not in {"$in", "$nin"}:
        return name == "$ne"
    return _COMPARISONS[name](value, wanted)
