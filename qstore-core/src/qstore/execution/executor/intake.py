# SPDX-License-Identifier: Apache-2.0
"""From batches to works: checked, compiled once, looked up in the cache, snapshot taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import OptionError, QueueFull
from qstore.execution.caches import MultiLevelCache
from qstore.execution.caches.levels import MIN_PARAMETER_BYTES
from qstore.execution.executor.dispatcher import Dispatcher
from qstore.execution.executor.handle import Handle
from qstore.execution.executor.merging import group_of
from qstore.execution.executor.sending import compiled_kind
from qstore.execution.executor.work import Kind, Work
from qstore.execution.settings import settings_told
from qstore.plugins import Backend, chooses

__all__ = ["Intake", "checked_count"]

_OPERATION_BYTES = 500
"""What an operation of a compiled template takes, roughly."""


class Intake:
    """Makes works of batches.

    Args:
        backend: what they are compiled for.
        cache: what is known already.
        largest: circuits of a request that is sent as it was submitted.
        pool_shots: whether samples are added to earlier ones.
    """

    def __init__(self, backend: Backend, cache: MultiLevelCache, largest: int, *, pool_shots: bool) -> None:
        self._backend = backend
        self._largest = largest
        self._cache = cache
        self._remembers = cache.max_bytes > 0
        self._templates = cache.templates
        self._keep = cache.get_parameters
        self._worth_keeping = MIN_PARAMETER_BYTES if self._remembers else math.inf
        self._known = cache.results.get
        self._last: Kind | None = None
        self._last_group: object = None
        self.pools = pool_shots
        # A router goes by the settings of whoever calls it; nobody else looks at them.
        self._follows_settings = chooses(backend)

    def take_one(
        self,
        dispatcher: Dispatcher,
        batch: CircuitBatch,
        priority: int,
        deadline: float | None,
        room: int | None,
    ) -> Handle:
        """A handle for one batch; raises as `take`."""
        if priority or deadline is not None:
            _check(priority, deadline)
        work = self._work(batch, self.pools)
        if self._remembers and work.key is not None:
            known = self._known(work.key)
            if known is not None:
                return dispatcher.settled(known)
        handle = Handle(dispatcher)
        if not dispatcher.add((work,), (handle,), work.rows, priority, deadline, room):
            raise _queue_full(dispatcher.pending, work.rows, room)
        return handle

    def take(
        self, dispatcher: Dispatcher, batches: Sequence[CircuitBatch], priority: int, deadline: float | None,
        room: int | None, *, pooled: bool,
    ) -> list[Handle]:  # fmt: skip
        """A handle for each batch, all or none.

        Raises:
            QueueFull: with all of them more than `room` circuits would wait.
            OptionError: something is no batch, or an argument is outside its range.
            CapabilityError: the backend cannot do it.
        """
        _check(priority, deadline)
        works = [self._work(batch, pooled and self.pools) for batch in batches]
        known = [
            self._known(work.key) if self._remembers and work.key is not None else None for work in works
        ]
        new = [work for work, result in zip(works, known, strict=True) if result is None]
        handles = [Handle(dispatcher) for _ in new]
        if new:
            self._bind_together(new)
            circuits = sum([work.rows for work in new])
            if not dispatcher.add(new, handles, circuits, priority, deadline, room):
                raise _queue_full(dispatcher.pending, circuits, room)
        waiting = iter(handles)
        return [next(waiting) if result is None else dispatcher.settled(result) for result in known]

    def call(self, batch: CircuitBatch, call: Callable[[], Coroutine[Any, Any, Any]]) -> Work:
        """A work that is a call of its own."""
        return self._call((batch,), call)

    def _call(self, batches: Sequence[CircuitBatch], call: Callable[[], Coroutine[Any, Any, Any]]) -> Work:
        work = Work(None, batches[0], (), object(), None, 1, call=call)
        work.rows = work.left = _rows(batches)
        if self._follows_settings:
            work.context = copy_context()
        return work

    def together(
        self, batches: Sequence[CircuitBatch], priority: int, deadline: float | None,
        send: Callable[[Sequence[CircuitBatch]], Coroutine[Any, Any, Any]],
    ) -> Work:  # fmt: skip
        """A work whose result is the list of all results of some batches, in one call; raises as `take`."""
        _check(priority, deadline)
        works = [self._work(batch, pooled=False) for batch in batches]
        known = [self._known(work.key) if work.key is not None else None for work in works]
        if self._remembers and None not in known:

            async def remembered() -> list[BatchResult]:
                return [result for result in known if result is not None]

            return self._call(batches, remembered)

        async def sent() -> list[BatchResult]:
            results: list[BatchResult] = await send(batches)
            pairs = zip(works, results, strict=True)
            self._cache.cache_results(
                [
                    (work.key, result, sum(map(len, work.arrays)))
                    for work, result in pairs
                    if work.key is not None
                ]
            )
            return results

        return self._call(batches, sent)

    def _work(self, batch: CircuitBatch, pooled: bool) -> Work:
        if not isinstance(batch, CircuitBatch):
            raise OptionError(
                f"An executor takes what qs.CircuitBatch.of(...) makes, got {type(batch).__name__}."
            )
        kind = self._last
        if (
            kind is None
            or kind.circuit is not batch.circuit
            or kind.outputs is not batch.outputs
            or kind.shots != batch.shots
        ):
            kind = self._last = self._kind(batch)
        else:
            self._templates.hits += 1
        bindings = batch.bindings
        keep, least = self._keep, self._worth_keeping
        # The snapshot; arrays that were seen before are the same objects again.
        arrays = tuple(
            [keep(data) if len(data := bindings[name].tobytes()) >= least else data for name in kind.names]
        )
        # A batch of one row is the same whether its bindings have the batch axis or not.
        axes = batch.per_sample if batch.size > 1 else None
        key = pool_key = None
        if batch.shots is None:
            key = (kind, axes, *arrays)
        elif pooled:
            pool_key = (batch.circuit, batch.outputs, axes, arrays)
        group = group_of(kind, batch, arrays) if batch.size > 1 else (kind, batch.run)
        if group == self._last_group:
            group = self._last_group  # one object, which is compared faster
        else:
            self._last_group = group
        work = Work(kind, batch, arrays, group, key, kind.circuits, pool_key=pool_key)
        if self._follows_settings:
            # The context keeps the settings alive, so no others have the same id.
            work.context, work.scope = copy_context(), id(settings_told()[1])
            work.group = (group, work.scope)
        return work

    def _kind(self, batch: CircuitBatch) -> Kind:
        compiled = (batch.circuit, batch.outputs, batch.shots)
        kind: Kind | None = self._cache.get_compiled_circuit(compiled)
        if kind is None:
            kind = compiled_kind(batch, self._backend)
            operations = len(kind.circuit) + sum(map(len, kind.derived))
            self._cache.cache_circuit(compiled, kind, _OPERATION_BYTES * (1 + operations))
        return kind

    def _bind_together(self, works: list[Work]) -> None:
        """Works of one call share requests, whatever else waits, cut up in the same way every time."""
        leader, circuits, mates = works[0], works[0].rows * works[0].weight, list[Work]()
        for work in works[1:]:
            circuits += work.rows * work.weight
            if circuits > self._largest:
                leader.mates = tuple(mates)
                leader, circuits, mates = work, work.rows * work.weight, []
            else:
                mates.append(work)
        leader.mates = tuple(mates)


def _rows(batches: Sequence[CircuitBatch]) -> int:
    return sum(getattr(batch, "size", 0) for batch in batches)


def _queue_full(pending: int, circuits: int, room: int | None) -> QueueFull:
    return QueueFull(
        f"{pending} circuits wait or are under way, and {circuits} more would be more than max_pending={room}. Wait "
        "for some handles, use executor.map(...), which waits by itself, or give a larger max_pending."
    )


def _check(priority: object, deadline: object) -> None:
    if isinstance(priority, bool) or not isinstance(priority, (int, float)) or not math.isfinite(priority):
        raise OptionError(f"priority must be a number, higher goes first, got {priority!r}.")
    if deadline is None:
        return
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or not 0 < deadline < math.inf:
        raise OptionError(f"deadline must be seconds from now, above 0, got {deadline!r}.")


def checked_count(name: str, value: object, least: int = 1) -> int:
    """A number of things, if it is one.

    Raises:
        OptionError: it is not an integer from `least` up.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(f"{name} must be an integer from {least} up, got {value!r}.")
    return value
