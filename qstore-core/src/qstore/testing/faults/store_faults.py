# SPDX-License-Identifier: Apache-2.0
"""Planted faults of stores: the kit's stores in memory with one thing changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qstore.errors import QStoreError
from qstore.testing.faults.altered import Fault
from qstore.testing.stores import StoreExam
from qstore.testing.stores.memory import MemoryCheckpoints, MemoryMetrics, MemoryStates

__all__ = ["GOOD_STORES", "STORE_FAULTS"]

_KINDS = {"checkpoints": MemoryCheckpoints, "metrics": MemoryMetrics, "states": MemoryStates}


def _exam(kind: str, make: Callable[[Path], Any]) -> Callable[[], StoreExam]:
    return lambda: StoreExam(kind, make)


GOOD_STORES = {kind: _exam(kind, make) for kind, make in _KINDS.items()}
"""An exam of a good store of each kind."""


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Arrays of a nested value changed."""
    if isinstance(value, dict):
        return {key: _changed(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [_changed(each, change) for each in value]
    return change(value) if isinstance(value, np.ndarray) else value


def _loaded(change: Callable[[Any], Any]) -> type[MemoryCheckpoints]:
    class Changed(MemoryCheckpoints):
        def load(self, step: int | None = None) -> Any:
            found = super().load(step)
            return replace(found, model_state=change(found.model_state))

    return Changed


class _KeepsReferences(MemoryCheckpoints):
    def taken(self, given: Any) -> Any:
        return given


class _NewestIsLast(MemoryCheckpoints):
    def load(self, step: int | None = None) -> Any:
        return super().load(next(reversed(self.steps), None) if step is None else step)


class _Overwrites(MemoryCheckpoints):
    def save(self, step: Any, *arguments: Any, **named: Any) -> None:
        self.steps.pop(step, None)
        super().save(step, *arguments, **named)


class _LosesOptimizer(MemoryCheckpoints):
    def save(self, step: Any, model_state: Any, optimizer_state: Any = None, metadata: Any = None) -> None:
        del optimizer_state
        super().save(step, model_state, None, metadata)


class _NothingIsNone(MemoryCheckpoints):
    def load(self, step: int | None = None) -> Any:
        return super().load(step) if self.steps else None


class _AnyObject(MemoryCheckpoints):
    def save(self, step: Any, model_state: Any, *arguments: Any, **named: Any) -> None:
        try:
            super().save(step, model_state, *arguments, **named)
        except QStoreError:
            if not isinstance(step, int) or isinstance(step, bool) or step < 0 or step in self.steps:
                raise


class _AnyStep(MemoryCheckpoints):
    def save(self, step: Any, *arguments: Any, **named: Any) -> None:
        super().save(abs(int(step)) if isinstance(step, float | int) else 0, *arguments, **named)


class _OpenForEver(MemoryCheckpoints):
    def check_open(self) -> None:
        return


class _Forgets(MemoryCheckpoints):
    def close(self) -> None:
        super().close()
        self.steps.clear()


class _Damaged(MemoryCheckpoints):
    """Keeps its model in a file without a checksum."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.file = Path(directory) / "model.bin"
        self.file.parent.mkdir(exist_ok=True)

    def save(self, step: Any, model_state: Any, *arguments: Any, **named: Any) -> None:
        super().save(step, model_state, *arguments, **named)
        self.file.write_bytes(_changed_bytes(model_state))

    def load(self, step: int | None = None) -> Any:
        found = super().load(step)
        data = self.file.read_bytes()
        if data != _changed_bytes(found.model_state):
            found.model_state = _changed(found.model_state, np.zeros_like)
        return found


def _changed_bytes(state: Any) -> bytes:
    kept: list[bytes] = []
    _changed(state, lambda array: kept.append(array.tobytes()))
    return b"".join(kept) or b"-"


class _Reordered(MemoryMetrics):
    def rows(self) -> Any:
        return list(super().rows())[::-1]


class _KeepsRows(MemoryMetrics):
    def log(self, row: Any) -> None:
        super().log(row)
        self._rows[-1] = row


class _DropsTail(MemoryMetrics):
    def close(self) -> None:
        if not self.closed:
            del self._rows[-1:]
        super().close()


class _Twice(MemoryMetrics):
    def rows(self) -> Any:
        found = list(super().rows())
        return found + found[-1:] if len(found) > 100 else found


class _Drifts(MemoryMetrics):
    def log(self, row: Any) -> None:
        self._types.clear()
        super().log(row)


class _Zeros(MemoryMetrics):
    def rows(self) -> Any:
        return [
            {key: 0.0 if value is None else value for key, value in row.items()} for row in super().rows()
        ]


class _Floats(MemoryMetrics):
    def rows(self) -> Any:
        return [{key: float(value) if type(value) is int else value for key, value in row.items()}
                for row in super().rows()]  # fmt: skip


class _LosesInSilence(MemoryMetrics):
    def log(self, row: Any) -> None:
        if not self.closed:
            super().log(row)


class _Cosine(MemoryStates):
    """Compares [Re, Im], which sees the phase."""

    def fidelity(self, state: Any, query: Any) -> float:
        return float(np.vdot(state, query).real ** 2)


class _Amplitude(MemoryStates):
    def fidelity(self, state: Any, query: Any) -> float:
        return float(super().fidelity(state, query) ** 0.5)


class _NoConjugate(MemoryStates):
    def fidelity(self, state: Any, query: Any) -> float:
        return float(abs(state @ query) ** 2)


class _Unfiltered(MemoryStates):
    def find_similar(self, query_state: Any, top_k: int = 10, filter: Any = None) -> Any:  # noqa: ARG002
        return super().find_similar(query_state, top_k)


class _FiltersLate(MemoryStates):
    """Filters what it has already cut to the best."""

    def find_similar(self, query_state: Any, top_k: int = 10, filter: Any = None) -> Any:
        passed = {each.id for each in super().find_similar(query_state, 10**6, filter)}
        return [each for each in super().find_similar(query_state, 2) if each.id in passed][:top_k]


class _Truths(MemoryStates):
    """Takes True for 1."""

    def find_similar(self, query_state: Any, top_k: int = 10, filter: Any = None) -> Any:
        if filter == {"good": 1}:
            filter = {"good": True}
        return super().find_similar(query_state, top_k, filter)


class _RemovesPhase(MemoryStates):
    def store_state(self, state_id: str, state_vector: Any, metadata: Any = None) -> None:
        super().store_state(state_id, state_vector, metadata)
        array = self.states[state_id].state
        if array.ndim == 1:
            array *= np.exp(-1j * np.angle(array[0]))


class _OverwritesStates(MemoryStates):
    def store_state(self, state_id: str, state_vector: Any, metadata: Any = None) -> None:
        self.states.pop(state_id, None)
        super().store_state(state_id, state_vector, metadata)


class _Undead(MemoryStates):
    """Deletes from `get`, not from the search."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.dead: dict[str, Any] = {}

    def delete(self, state_id: str) -> bool:
        if state_id in self.states:
            self.dead[state_id] = self.states[state_id]
        return super().delete(state_id)

    def find_similar(self, query_state: Any, top_k: int = 10, filter: Any = None) -> Any:
        kept = dict(self.states)
        self.states.update(self.dead)
        found = super().find_similar(query_state, top_k, filter)
        self.states.clear()
        self.states.update(kept)
        return found


class _AnyId(MemoryStates):
    numbers = itertools.count()

    def store_state(self, state_id: str, state_vector: Any, metadata: Any = None) -> None:
        safe = state_id if state_id.isalnum() else f"x{next(self.numbers)}"
        super().store_state(safe[:100], state_vector, metadata)


class _Normalizes(MemoryStates):
    def store_state(self, state_id: str, state_vector: Any, metadata: Any = None) -> None:
        try:
            array = np.array(state_vector, dtype=complex)
            array = array / (np.trace(array) if array.ndim == 2 else np.linalg.norm(array) or 1)
        except (TypeError, ValueError):
            array = state_vector
        super().store_state(state_id, array, metadata)


_FAULTS: dict[str, dict[str, Callable[[Path], Any]]] = {
    "checkpoints": {
        "keeps references to what it saves": _KeepsReferences,
        "halves the precision": _loaded(lambda state: _changed(
            state, lambda a: a.astype(np.float32) if a.dtype == np.float64 else a)),
        "drops the imaginary part": _loaded(lambda state: _changed(
            state, lambda a: a.real.astype(a.dtype) if np.iscomplexobj(a) else a)),
        "flattens arrays": _loaded(lambda state: _changed(state, np.ravel)),
        "sorts names": _loaded(lambda state: dict(sorted(state.items()))),
        "reads column by column": _loaded(lambda state: _changed(
            state, lambda a: a.ravel(order="F").reshape(a.shape))),
        "rewrites NaN": _loaded(lambda state: _changed(
            state, lambda a: np.nan_to_num(a) if a.dtype.kind == "f" else a)),
        "takes the step saved last for the newest": _NewestIsLast,
        "overwrites a step": _Overwrites,
        "loses the optimizer's state": _LosesOptimizer,
        "returns None when nothing is stored": _NothingIsNone,
        "drops what it cannot save in silence": _AnyObject,
        "takes any step": _AnyStep,
        "saves after it was closed": _OpenForEver,
        "forgets what it has when it is closed": _Forgets,
        "does not notice damage": _Damaged,
    },
    "metrics": {
        "turns the order of rows round": _Reordered,
        "keeps references to rows": _KeepsRows,
        "drops the last row when it is closed": _DropsTail,
        "has a row twice": _Twice,
        "lets types drift": _Drifts,
        "reads what was left out as zero": _Zeros,
        "makes whole numbers real": _Floats,
        "loses rows in silence once it is closed": _LosesInSilence,
    },
    "states": {
        "compares real and imaginary parts": _Cosine,
        "gives the amplitude of the overlap": _Amplitude,
        "forgets to conjugate": _NoConjugate,
        "ignores filters": _Unfiltered,
        "filters after it has cut to the best": _FiltersLate,
        "takes a truth for a number": _Truths,
        "stores states without their phase": _RemovesPhase,
        "overwrites an id": _OverwritesStates,
        "finds what was deleted": _Undead,
        "renames ids it does not like": _AnyId,
        "normalises in silence": _Normalizes,
    },
}  # fmt: skip
STORE_FAULTS = tuple(
    Fault(f"{kind}: {name}", _exam(kind, make))
    for kind, faults in _FAULTS.items()
    for name, make in faults.items()
)
