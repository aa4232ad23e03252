# SPDX-License-Identifier: Apache-2.0
"""What runs on a Dask worker: one shard of a batch, on a backend that the worker makes once and keeps.

Our own exceptions come back as values: Dask tries a task again that raised, and a circuit that is refused stays refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import QStoreError
from qstore.execution import execute
from qstore.execution.bridge import wait_for
from qstore.plugins import (
    Backend,
    get_backend,
    is_differentiable,
    is_sync_differentiable,
    load_factory,
    loaded_plugins,
)

__all__ = ["Inner", "Shard", "Swept", "run_shard"]

_made: dict[Inner, Backend] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Inner:
    """The backend behind the workers.

    Attributes:
        token: the same for the same backend, different for different ones.
        name: as registered; "" where `backend` is given.
        options: of the factory.
        backend: one that was made already; it travels to the workers.
    """

    token: str
    name: str = field(default="", compare=False)
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)
    backend: Backend | None = field(default=None, compare=False)

    def make(self) -> Backend:
        """The backend, with one thread where that can be said: a worker runs a task on each of its own."""
        if self.backend is not None:
            return self.backend
        entry = loaded_plugins().backends.get(self.name)
        options = dict(self.options)
        if entry is not None and "threads" not in options:
            takes = inspect.signature(load_factory(entry.spec.factory)).parameters
            if "threads" in takes:
                options["threads"] = 1
        return get_backend(self.name, **options)


@dataclass(frozen=True, slots=True)
class Shard:
    """Some rows of a batch, with their cotangent where a gradient is wanted."""

    batch: CircuitBatch
    cotangent: NDArray[Any] | None = None
    wanted: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """A shard's result and gradients."""

    result: BatchResult
    gradients: Mapping[str, NDArray[np.float64]]


def run_shard(inner: Inner, shard: Shard) -> BatchResult | Swept | QStoreError:
    """Run a shard; what qstore raises on purpose is returned."""
    try:
        backend = _backend(inner)
        if shard.cotangent is None:
            return execute(shard.batch, backend)
        if is_sync_differentiable(backend):
            return Swept(*backend.vjp_sync(shard.batch, shard.cotangent, shard.wanted))
        assert is_differentiable(backend)  # asked before anything was sent
        return Swept(*wait_for(backend.vjp(shard.batch, shard.cotangent, shard.wanted)))
    except QStoreError as exc:
        return exc


def _backend(inner: Inner) -> Backend:
    with _lock:
        if inner not in _made:
            if len(_made) > 16:  # kernels and circuits that nobody asks for any more
                _made.clear()
            _made[inner] = inner.make()
        return _made[inner]
