# SPDX-License-Identifier: Apache-2.0
"""The backend `dask`: shards of a batch on the workers of a Dask cluster, each on any inner backend.

A row's result does not depend on the shard it is in: shots are drawn from the rows' own stream keys, and exact values
differ by no more than the inner backend's own rounding. A shard is pure work, so one that a lost worker had is run again by
another. Workers need qstore-sim and the inner backend's library installed.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qstore.batch import (
    BatchResult,
    Capabilities,
    CircuitBatch,
    Counts,
    DensityMatrix,
    Estimate,
    Expectations,
    Samples,
    Variance,
)
from qstore.errors import CapabilityError, OptionError, QStoreError
from qstore.execution.plan import joined
from qstore.plugins import Backend
from qstore_sim.backends.dask_cluster import Cluster
from qstore_sim.backends.dask_worker import Inner, Shard, Swept, run_shard
from qstore_sim.backends.gradients import cotangent_rows, wanted_parameters
from qstore_sim.backends.libraries import library
from qstore_sim.backends.options import count
from qstore_sim.backends.pieces import ends, summed

__all__ = ["DaskBackend"]

Floats = NDArray[np.float64]
_SHARDS_PER_WORKER = 4
"""So that a slow or lost worker holds up a quarter of its share, not all of it."""
_MOST_BYTES = 1 << 22
"""Of a shard's bindings or values: Dask warns of larger messages, and keeps them all at its scheduler."""
_OVERHEAD_S = 0.01
"""Of sending a shard and its result, as seen on one machine; rough, for estimates only."""


class DaskBackend:
    """Shards batches over the workers of a Dask cluster.

    Args:
        address: of a scheduler that runs already, such as "tcp://10.0.0.1:8786"; without one, a cluster of processes is
            started on this machine by the first run (a script needs its `if __name__ == "__main__":` for that).
        inner: the registered name of the backend that runs the shards, or a backend that can be pickled.
        inner_options: options of the inner backend, for instance {"precision": "single"}. One that takes `threads` gets 1
            unless they say otherwise: a worker runs one shard on each of its own threads.
        n_workers: processes of a cluster that is started here; by default one per processor.
        rows_per_shard: by default so many that each worker gets about four shards.
        retries: how often a shard that failed by anything but qstore's own errors is tried again.
        client: a `distributed.Client` to use, which stays open; instead of an address.

    Raises:
        BackendUnavailable: distributed is not installed, or the inner backend cannot be made here.
        OptionError: an option out of its range, or an inner backend that costs money: a shard may run twice.
    """

    def __init__(
        self,
        address: str | None = None,
        inner: str | Backend = "statevector",
        n_workers: int | None = None,
        *,
        inner_options: Mapping[str, Any] | None = None,
        rows_per_shard: int | None = None,
        retries: int = 2,
        client: Any = None,
    ) -> None:
        library("distributed", backend="dask", extra="dask")
        if n_workers is not None and (address is not None or client is not None):
            raise OptionError("n_workers is for a cluster that is started here; leave it or the address out.")
        if address is not None and client is not None:
            raise OptionError("Give an address or a client, not both.")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise OptionError(f"retries must be an integer from 0 up, got {retries!r}.")
        self._rows = None if rows_per_shard is None else count("rows_per_shard", rows_per_shard)
        self._retries = retries
        self._inner = _described(inner, inner_options or {})
        self._local = self._inner.make()  # says what it can do, and runs nothing
        if self._local.capabilities.paid:
            raise OptionError(
                f"{self._local.name!r} costs money, and a shard that is run again is paid again."
            )
        self._cluster = Cluster(address, None if n_workers is None else count("n_workers", n_workers), client)

    @property
    def name(self) -> str:
        return "dask"

    @property
    def capabilities(self) -> Capabilities:
        return self._local.capabilities.with_changes(local=False, max_batch=None)

    def estimate(self, batch: CircuitBatch) -> Estimate:
        alone = self._local.estimate(batch)
        workers = self._cluster.n_workers()
        seconds = alone.seconds / workers + _OVERHEAD_S * (1 + _SHARDS_PER_WORKER)
        return Estimate(
            usd=Decimal(0), seconds=seconds, error=alone.error, model=f"{alone.model}, on {workers} workers"
        )

    async def run(self, batch: CircuitBatch) -> BatchResult:
        return (await self.run_many((batch,)))[0]

    async def run_many(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        """The results in the order of the batches, whose shards all run at once."""
        begin = time.perf_counter()
        shards = [self._cut(batch) for batch in batches]
        found = iter(await self._awaited([shard for each in shards for shard in each]))
        return [self._joined([next(found) for _ in each], begin) for each in shards]

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        begin = time.perf_counter()
        return self._joined(self._waited(self._cut(batch)), begin)

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, Floats]]:
        begin = time.perf_counter()
        return self._summed(batch, await self._awaited(self._cut_sweep(batch, cotangent, wrt)), begin)

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, Floats]]:
        begin = time.perf_counter()
        return self._summed(batch, self._waited(self._cut_sweep(batch, cotangent, wrt)), begin)

    def close(self) -> None:
        """Close the connection, and the cluster if it was started here; the next run opens them again."""
        self._cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DaskBackend(inner={self._local!r}, on {self._cluster!r})"

    # ---- cutting and sending ---------------------------------------------------------------------------------------

    def _cut(self, batch: CircuitBatch) -> list[Shard]:
        return [Shard(batch.rows(*ends)) for ends in self._ends(batch)]

    def _cut_sweep(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None
    ) -> list[Shard]:
        if (
            type(batch.outputs).__name__ not in self.capabilities.differentiable_outputs
            or batch.shots is not None
        ):
            raise CapabilityError(
                f"{self._local.name!r} on Dask does not differentiate this; use gradient_method='parameter_shift'."
            )
        wanted, given = wanted_parameters(batch, wrt), cotangent_rows(batch, cotangent)
        return [
            Shard(batch.rows(start, stop), given[start:stop], wanted) for start, stop in self._ends(batch)
        ]

    def _ends(self, batch: CircuitBatch) -> list[tuple[int, int]]:
        """First row and end of each shard."""
        rows = self._rows
        if rows is None:
            rows = -(-batch.size // (_SHARDS_PER_WORKER * self._cluster.n_workers()))
            rows = max(1, min(rows, _MOST_BYTES // _row_bytes(batch)))
        return ends(batch.size, rows)

    def _sent(self, shards: Sequence[Shard]) -> list[Any]:
        return self._cluster.submit(run_shard, [(self._inner, shard) for shard in shards], self._retries)

    def _waited(self, shards: Sequence[Shard]) -> list[Any]:
        futures = self._sent(shards)
        try:
            return _named(futures, self._cluster.gathered(futures))
        except BaseException:
            self._cluster.cancel(futures)
            raise

    async def _awaited(self, shards: Sequence[Shard]) -> list[Any]:
        futures = await asyncio.to_thread(self._sent, shards)
        try:
            return _named(futures, await asyncio.to_thread(self._cluster.gathered, futures))
        except BaseException:
            # Cancelled here, or failed there: either way nobody wants the rest. This ends the waiting thread as well.
            self._cluster.cancel(futures)
            raise

    # ---- putting together ------------------------------------------------------------------------------------------

    def _joined(self, results: Sequence[BatchResult], begin: float) -> BatchResult:
        whole = joined(results) if len(results) > 1 else results[0]
        return replace(whole, backend=self.name, run_s=time.perf_counter() - begin)

    def _summed(
        self, batch: CircuitBatch, swept: Sequence[Swept], begin: float
    ) -> tuple[BatchResult, dict[str, Floats]]:
        result = self._joined([each.result for each in swept], begin)
        return result, summed(batch, [each.gradients for each in swept])


def _described(inner: str | Backend, options: Mapping[str, Any]) -> Inner:
    if isinstance(inner, str):
        if inner == "dask":
            raise OptionError(
                "inner='dask' would put a cluster behind every worker; name the backend they are to run."
            )
        return Inner(f"{inner} {sorted(options.items())!r}", inner, dict(options))
    if not isinstance(inner, Backend):
        raise OptionError(f"inner is the name of a backend or a backend, got {inner!r}.")
    if options:
        raise OptionError("inner_options are for an inner backend that is named; this one is made already.")
    return Inner(uuid.uuid4().hex, backend=inner)


def _named(futures: Sequence[Any], found: Sequence[BatchResult | Swept | QStoreError]) -> list[Any]:
    """The answers with the names of their tasks for job ids; the first refusal is raised."""
    named: list[BatchResult | Swept] = []
    for future, each in zip(futures, found, strict=True):
        if isinstance(each, QStoreError):
            raise each
        if isinstance(each, Swept):
            named.append(replace(each, result=replace(each.result, job_ids=(future.key,))))
        else:
            named.append(replace(each, job_ids=(future.key,)))
    return named


def _row_bytes(batch: CircuitBatch) -> int:
    """About how large a row is on the way there or back, whichever is larger."""
    there = sum(batch.bindings[name].nbytes // batch.size for name in batch.per_sample)
    n = batch.circuit.n_qubits
    outputs = batch.outputs
    if isinstance(outputs, Samples):
        back = n * (batch.shots or 0)
    elif isinstance(outputs, (Expectations, Variance)):
        back = 8 * len(outputs.observables)
    elif isinstance(outputs, Counts):
        back = 64 * min(batch.shots or 0, 1 << n)
    else:
        qubits = getattr(outputs, "qubits", None)
        k = n if qubits is None else len(qubits)
        back = 16 << (2 * k if isinstance(outputs, DensityMatrix) else k)
    return max(1, there, back)
