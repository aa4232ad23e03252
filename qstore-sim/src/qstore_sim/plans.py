# SPDX-License-Identifier: Apache-2.0
"""Compiled plans, kept by what they depend on: the template, the outputs, what is per sample, whose gradient is wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from qstore_sim.engine import Engine

CAPACITY = 256
"""Number of plans kept."""
_KEPT_SCRATCH = 1 << 28
"""Bytes of scratch that may stay with the plans; beyond, the ones used longest ago give theirs back."""


class PlanCache:
    """A cache of engines that drops the ones used longest ago."""

    def __init__(self) -> None:
        self._engines: OrderedDict[Hashable, Engine] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Engine]) -> Engine:
        """The engine of that key, made if it is not there."""
        with self._lock:
            engine = self._engines.get(key)
            if engine is not None:
                self._engines.move_to_end(key)
                return engine
        engine = make()
        with self._lock:
            self._engines[key] = engine
            while len(self._engines) > CAPACITY:
                self._engines.popitem(last=False)
            self._trim()
        return engine

    def _trim(self) -> None:
        kept = 0
        for engine in reversed(self._engines.values()):
            kept += engine.state_bytes(backward=True)
            if kept > _KEPT_SCRATCH:
                engine.release()
