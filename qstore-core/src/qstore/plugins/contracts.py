# SPDX-License-Identifier: Apache-2.0
"""Every Protocol a plugin may implement.

A backend implements `Backend`; each further ability is a Protocol of its own, found by its methods and never by a
flag that raises later. What the abilities can do for a given batch is data: `Capabilities`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeGuard, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, Capabilities, CircuitBatch, Estimate

__all__ = [
    "Backend",
    "DifferentiableBackend",
    "GradientMethod",
    "Gradients",
    "NativeGradientMethod",
    "RunsMany",
    "SyncBackend",
    "SyncDifferentiableBackend",
    "supports",
]

Contract = TypeVar("Contract")

Gradients = Mapping[str, NDArray[np.float64]]
"""By parameter name, each shaped like its binding: the parameter's shape, or (batch, ...) for a per-sample one."""


@runtime_checkable
class Backend(Protocol):
    """Runs batches. The minimum: `Counts` from shots; the core derives the rest."""

    @property
    def name(self) -> str:
        """The registered name."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, as data."""

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """Dollars, seconds and error expected for a batch; nothing is sent."""

    async def run(self, batch: CircuitBatch) -> BatchResult:
        """Run every row of a batch."""


@runtime_checkable
class RunsMany(Protocol):
    """A backend that takes several batches, of different circuits, in one go."""

    async def run_many(self, batches: Sequence[CircuitBatch]) -> Sequence[BatchResult]:
        """The results in the order of the batches."""


@runtime_checkable
class DifferentiableBackend(Protocol):
    """A backend that computes vector-Jacobian products itself."""

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Gradients]:
        """The values of a batch and the gradient of `sum(cotangent * values)` for the parameters in `wrt` (all)."""


@runtime_checkable
class SyncBackend(Protocol):
    """A local backend that sync callers use directly, without an event loop."""

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        """As `run`."""


@runtime_checkable
class SyncDifferentiableBackend(Protocol):
    """The synchronous twin of `DifferentiableBackend`."""

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Gradients]:
        """As `vjp`."""


@runtime_checkable
class GradientMethod(Protocol):
    """A pair of pure functions: which circuits to run, and how their results make a gradient.

    The first batch of `expand` is the batch itself, so that its values come along for free.
    """

    def expand(self, batch: CircuitBatch, *, wrt: Collection[str], step: int) -> tuple[CircuitBatch, ...]:
        """The batches to run; `step` counts training steps, for methods that change over time."""

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int,
    ) -> tuple[BatchResult, Gradients]:  # fmt: skip
        """The batch's own result and the gradients, from the results of `expand`'s batches in their order."""


@runtime_checkable
class NativeGradientMethod(Protocol):
    """A gradient method that the backend carries out by its own `vjp`."""

    def reason_against(self, batch: CircuitBatch, backend: Backend) -> str | None:
        """Why this backend cannot differentiate this batch by itself; None when it can."""


def supports(candidate: object, contract: type[Contract]) -> TypeGuard[Contract]:
    """Whether an object's class has the methods of one of the contracts above (those without attributes).

    As `isinstance`, but asked once per class: Python looks a Protocol up afresh each time, which takes longer than
    running a small circuit.
    """
    return _has_methods(type(candidate), contract)


@lru_cache(maxsize=1024)
def _has_methods(kind: type, contract: type) -> bool:
    return issubclass(kind, contract)
