# SPDX-License-Identifier: Apache-2.0
"""`LoopbackBackend`: behaves like a machine behind a network that only counts, with jobs, latency and limits.

For tests of code that waits: nothing is computed in the caller's event loop before the job was accepted, and results
come when the job is done, never earlier.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from qstore.batch import ALL_GATES, BatchResult, Capabilities, CircuitBatch, Counts, Estimate
from qstore.circuit import GATES, GateKind
from qstore.errors import CapabilityError, OptionError
from qstore.execution.plan import check
from qstore.testing.sampling import final_states, row_counts

__all__ = ["LoopbackBackend"]

_UNITARIES = frozenset(
    name for name in ALL_GATES if GATES[name].kind is GateKind.UNITARY and GATES[name].n_qubits
)
_PACE_S = 0.0005


@dataclass(slots=True)
class Job:
    """A job at the service: rows are measured one after the other."""

    id: str
    batches: Sequence[CircuitBatch]
    done: list[list[dict[int, int]]] = field(default_factory=list)
    completed: bool = False


class LoopbackBackend:
    """A service in this process: counts only, asynchronous, 60 rows a request.

    Args:
        latency_s: between a request and its answer, and between two looks at a job.

    Raises:
        OptionError: a negative latency.

    Example:
        >>> import qstore as qs
        >>> result = qs.run(qs.QuantumCircuit(1).x(0), shots=10, backend=LoopbackBackend())
        >>> result.counts, result.job_ids
        (({1: 10},), ('loopback-1',))
    """

    name = "loopback"
    capabilities = Capabilities(max_qubits=8, gates=_UNITARIES, max_shots=100_000, max_batch=60, local=False)

    def __init__(self, latency_s: float = 0.001) -> None:
        if not 0 <= latency_s < float("inf"):
            raise OptionError(f"latency_s must be a number of seconds from 0 up, got {latency_s!r}.")
        self.latency_s = latency_s
        self._numbers = itertools.count(1)

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """Free; the latency and a microsecond per shot."""
        shots = batch.shots or 1
        seconds = 2 * self.latency_s + 1e-6 * shots * batch.size
        return Estimate(
            usd=Decimal(0), seconds=seconds, error=shots**-0.5, model="qstore.testing: latency and shots"
        )

    async def run(self, batch: CircuitBatch) -> BatchResult:
        """Run every row in a job of its own."""
        return (await self.run_many((batch,)))[0]

    async def run_many(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        """Run several batches in one job.

        Raises:
            CapabilityError: more than is declared; no job was made.
        """
        for batch in batches:
            self.refuse(batch)
        if not batches:
            return []
        job = await self.submit(batches)
        await self.finished(job)
        return [
            BatchResult(counts=tuple(counts), n_qubits=batch.circuit.n_qubits, backend=self.name, shots=batch.shots,
                        seed=batch.seed, job_ids=(job.id,))
            for batch, counts in zip(batches, job.done, strict=True)
        ]  # fmt: skip

    def refuse(self, batch: CircuitBatch) -> None:
        """Raise `CapabilityError` for what this service does not take."""
        check(batch, self.capabilities, self.name)
        if batch.shots is None or not isinstance(batch.outputs, Counts):
            raise CapabilityError(f"'loopback' gives Counts from shots, not {type(batch.outputs).__name__}.")
        limit = self.capabilities.max_batch
        if limit is not None and batch.size > limit:
            raise CapabilityError(f"'loopback' takes {limit} rows at once, got {batch.size}.")

    async def submit(self, batches: Sequence[CircuitBatch]) -> Job:
        """Hand a job in; the service starts on it."""
        await asyncio.sleep(self.latency_s)
        job = Job(f"loopback-{next(self._numbers)}", batches, [[] for _ in batches])
        self._working = asyncio.ensure_future(self.work(job))  # held, or the loop may drop it
        return job

    async def work(self, job: Job) -> None:
        """What the service does meanwhile."""
        for batch, counts in zip(job.batches, job.done, strict=True):
            assert batch.shots is not None
            for row in range(batch.size):
                (state,) = final_states(batch.rows(row, row + 1))
                counts.append(row_counts(abs(state) ** 2, batch.stream_keys[row], batch.shots))
                if row % 10 == 9:
                    await asyncio.sleep(_PACE_S)
        await asyncio.sleep(self.latency_s)
        job.completed = True

    async def finished(self, job: Job) -> None:
        """Ask until the job is done."""
        while not job.completed:  # noqa: ASYNC110  # a client of a service can only ask
            await asyncio.sleep(self.latency_s)
