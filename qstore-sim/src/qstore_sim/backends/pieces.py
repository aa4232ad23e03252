# SPDX-License-Identifier: Apache-2.0
"""A batch in pieces of some rows: where they end, how their gradients add up, and a backend that never takes more at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, Capabilities, CircuitBatch, Estimate
from qstore.errors import CapabilityError
from qstore.execution.plan import joined
from qstore.plugins import Backend, SyncBackend, is_sync_differentiable
from qstore_sim.backends.gradients import cotangent_rows

__all__ = ["InPieces", "ends", "summed"]

Floats = NDArray[np.float64]


def ends(size: int, rows: int) -> list[tuple[int, int]]:
    """First row and end of each piece.

    Example:
        >>> ends(5, 2)
        [(0, 2), (2, 4), (4, 5)]
    """
    return [(start, min(start + rows, size)) for start in range(0, size, rows)]


def summed(batch: CircuitBatch, parts: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """The gradients of a batch from those of its pieces, added up in their order."""
    gradients = {}
    for name in parts[0]:
        of_name = [part[name] for part in parts]
        gradients[name] = (
            np.concatenate(of_name)
            if name in batch.per_sample
            else np.asarray(np.sum(of_name, axis=0))  # a sum of scalars is no array by itself
        )
    return gradients


class InPieces:
    """A local backend that gets at most so many rows at a time, in values and gradients.

    Args:
        backend: what runs the pieces.
        rows: most rows at a time.
    """

    def __init__(self, backend: SyncBackend, rows: int) -> None:
        self._backend, self._rows = backend, rows

    @property
    def name(self) -> str:
        return self._backend.name

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    def estimate(self, batch: CircuitBatch) -> Estimate:
        return self._backend.estimate(batch)

    async def run(self, batch: CircuitBatch) -> BatchResult:
        return await asyncio.to_thread(self.run_sync, batch)

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        results = [self._backend.run_sync(piece) for piece, _ in self._pieces(batch)]
        return joined(results) if len(results) > 1 else results[0]

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, Floats]]:
        return await asyncio.to_thread(self.vjp_sync, batch, cotangent, wrt)

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, Floats]]:
        backend: Backend = self._backend
        if not is_sync_differentiable(backend):
            raise CapabilityError(
                f"{self.name!r} has no gradient of its own; use gradient_method='parameter_shift'."
            )
        given = cotangent_rows(batch, cotangent)
        found = [backend.vjp_sync(piece, given[rows], wrt) for piece, rows in self._pieces(batch)]
        results = [result for result, _ in found]
        return joined(results), summed(batch, [dict(gradients) for _, gradients in found])

    def _pieces(self, batch: CircuitBatch) -> Iterator[tuple[CircuitBatch, slice]]:
        if batch.size <= self._rows:
            yield batch, slice(None)
            return
        for start, stop in ends(batch.size, self._rows):
            yield batch.rows(start, stop), slice(start, stop)

    def __repr__(self) -> str:
        return f"InPieces({self._backend!r}, rows={self._rows})"
