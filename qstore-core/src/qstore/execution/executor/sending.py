# SPDX-License-Identifier: Apache-2.0
"""One request: from batches to a backend's results, with what is safe to repeat repeated.

A batch is checked, split and derived as everywhere (`qstore.execution.plan`). A backend that takes several batches gets
all of a request at once; another one gets them side by side; a local one runs them in threads.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from qstore.batch import BatchResult, CircuitBatch
from qstore.circuit import Template
from qstore.errors import ExecutionError, QStoreError
from qstore.execution.clock import SYSTEM_CLOCK, Clock
from qstore.execution.executor.safety import may_repeat, nothing_sent
from qstore.execution.executor.threads import DaemonThreads
from qstore.execution.executor.work import Kind
from qstore.execution.plan import Plan, plan
from qstore.execution.retry import Backoff, RetryQuota
from qstore.execution.run import checked_results
from qstore.plugins import Backend, SyncBackend, is_sync, runs_many

__all__ = ["Sender", "compiled_kind"]

LOCAL_THREADS = 4
"""Requests that a local backend works on side by side; each of them uses the processors there are."""


class Sender:
    """Sends requests to one backend.

    Args:
        backend: where to.
        max_concurrent: most circuits at a time in one request.
        retries: how often a request is repeated at most.
        clock: what waits.
    """

    def __init__(
        self, backend: Backend, max_concurrent: int, retries: int, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._backend = backend
        self._max_concurrent = max_concurrent
        self._retries = retries
        self._backoff = Backoff()
        self._clock = clock
        self._chance = random.Random()  # noqa: S311  # jitter is no secret
        self._threads: DaemonThreads | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Threads of our own: a forked child has none of its parent's."""
        local = is_sync(self._backend) and not runs_many(self._backend)
        self._threads = DaemonThreads(LOCAL_THREADS) if local else None
        self._quota = RetryQuota()

    async def send(self, batches: Sequence[CircuitBatch], kinds: Sequence[Kind | None]) -> list[BatchResult]:
        """The results of some batches.

        Args:
            batches: of one request.
            kinds: what was compiled for each.

        Raises:
            QStoreError: or whatever the backend raises.
        """
        capabilities, name = self._backend.capabilities, self._backend.name
        plans = [plan(batch, capabilities, name) for batch in batches]
        parts = [
            part
            for each, batch, kind in zip(plans, batches, kinds, strict=True)
            for part in _with_known_circuits(each, batch, kind)
        ]
        results = iter(await self._repeated(self._waves(parts)))
        return [each.combine([next(results) for _ in each.batches]) for each in plans]

    async def send_together(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        """The results of batches that go to a backend that chooses, all of them in one call."""
        return await self._repeated([list(batches)])

    async def _repeated(self, waves: Sequence[Sequence[CircuitBatch]]) -> list[BatchResult]:
        paid = self._backend.capabilities.paid
        spent = attempt = 0
        while True:
            found: list[BatchResult] = []
            try:
                for wave in waves:
                    found += await self._once(wave)
            except Exception as exc:
                if isinstance(exc, QStoreError):
                    exc.perhaps_paid |= paid and bool(found)
                spent = self._quota.spend() if attempt < self._retries and may_repeat(exc, paid=paid) else 0
                if not spent:
                    raise
            else:
                self._quota.succeeded(spent)
                return found
            await self._clock.sleep(self._backoff.wait_s(attempt, self._chance))
            attempt += 1

    def _waves(self, parts: Sequence[CircuitBatch]) -> list[list[CircuitBatch]]:
        """Only a row that takes more circuits than may be under way at all needs more than one."""
        waves: list[list[CircuitBatch]] = []
        circuits = 0
        for part in parts:
            circuits += part.size
            if not waves or circuits > self._max_concurrent:
                waves.append([])
                circuits = part.size
            waves[-1].append(part)
        return waves

    async def _once(self, parts: Sequence[CircuitBatch]) -> Sequence[BatchResult]:
        backend = self._backend
        found: Sequence[BatchResult]
        if self._threads is not None and is_sync(backend):
            # One call for all: they would only get into each other's way.
            found = await self._threads.call(lambda: _in_turn(backend, parts))
        elif runs_many(backend):
            found = await backend.run_many(parts)
        elif len(parts) == 1:
            found = [await backend.run(parts[0])]
        else:
            found = await _side_by_side(backend, parts)
        return checked_results(found, parts, backend)


def _in_turn(backend: SyncBackend, parts: Sequence[CircuitBatch]) -> list[BatchResult]:
    found: list[BatchResult] = []
    try:
        for part in parts:
            found.append(backend.run_sync(part))  # noqa: PERF401  # what ran before a failure has to be known
    except QStoreError as exc:
        exc.perhaps_paid |= backend.capabilities.paid and bool(found)
        raise
    return found


async def _side_by_side(backend: Backend, parts: Sequence[CircuitBatch]) -> list[BatchResult]:
    """All of them at once; if one fails, the others are stopped before that is told."""
    tasks = [asyncio.ensure_future(_guarded(backend, part)) for part in parts]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException as exc:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(exc, QStoreError) and backend.capabilities.paid:
            # One that was cancelled may have been under way.
            exc.perhaps_paid |= not all(map(nothing_sent, ends))
        raise


async def _guarded(backend: Backend, part: CircuitBatch) -> BatchResult:
    try:
        return await backend.run(part)
    except (
        SystemExit,
        KeyboardInterrupt,
    ) as exc:  # would end the event loop, and everybody else's work with it
        raise ExecutionError(f"The backend {backend.name!r} stopped with {exc!r}.") from exc


def compiled_kind(batch: CircuitBatch, backend: Backend) -> Kind:
    """What a backend makes of a circuit, its outputs and its shots.

    Raises:
        CapabilityError: the backend cannot do it.
        OptionError: too few shots for the bases that have to be measured.
    """
    one = batch if batch.size == 1 else batch.rows(0, 1)
    parts = plan(one, backend.capabilities, backend.name).batches
    derived = tuple(part.circuit for part in parts if part.outputs is not batch.outputs)
    complexity = sum((1.0 + len(part.circuit) for part in parts), 0.0) or 1.0
    parameters = batch.circuit.parameters
    return Kind(
        circuit=batch.circuit, outputs=batch.outputs, shots=batch.shots, circuits=max(1, len(parts)), complexity=complexity,
        derived=derived, names=tuple(each.name for each in parameters), shapes=tuple(each.shape for each in parameters),
    )  # fmt: skip


def _with_known_circuits(made: Plan, batch: CircuitBatch, kind: Kind | None) -> Sequence[CircuitBatch]:
    """The batches of a plan with the circuits of the compiled kind in place of equal ones that were made afresh."""
    if kind is None or not kind.derived:
        return made.batches
    basis = rows = 0
    parts = []
    for part in made.batches:
        parts.append(_with_circuit(part, kind.derived[basis]))
        rows += part.size
        if rows == batch.size:  # one basis may be split by rows
            basis, rows = basis + 1, 0
    return parts


def _with_circuit(part: CircuitBatch, circuit: Template) -> CircuitBatch:
    if part.circuit is circuit:
        return part
    keys = part.stream_keys if part.shots is not None else None
    return CircuitBatch(circuit, part.bindings, part.outputs, part.shots, part.seed, part.size, part.per_sample,
                        keys, part.run)  # fmt: skip
