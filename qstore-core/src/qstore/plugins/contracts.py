# SPDX-License-Identifier: Apache-2.0
"""Every Protocol a plugin may implement.

A backend implements `Backend`; each further ability is a Protocol of its own, found by its method and never by a
flag that raises later. What the abilities can do for a given batch is data: `Capabilities`. The functions below the
Protocols ask for one method by name: `isinstance` against a Protocol takes longer than running a small circuit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, Capabilities, CircuitBatch, Estimate

__all__ = [
    "Backend",
    "ChecksBatches",
    "ChoosesBackend",
    "DifferentiableBackend",
    "GradientMethod",
    "GradientResult",
    "Gradients",
    "NativeGradientMethod",
    "Pullback",
    "RunsMany",
    "SyncBackend",
    "SyncDifferentiableBackend",
    "SyncPullbackBackend",
    "SyncRunsMany",
    "checks_batches",
    "chooses",
    "expands",
    "is_differentiable",
    "is_native",
    "is_sync",
    "is_sync_differentiable",
    "pulls_back_sync",
    "runs_many",
    "runs_many_sync",
]

Gradients = Mapping[str, NDArray[np.float64]]
"""By parameter name, each shaped like its binding: the parameter's shape, or (batch, ...) for a per-sample one."""

Pullback = Callable[[NDArray[Any]], Gradients]
"""From the cotangent of a batch's values to its gradients. It may be called more than once and from any thread."""


@dataclass(frozen=True, slots=True, eq=False)
class GradientResult:
    """What a gradient method makes of its circuits.

    Attributes:
        result: the batch's own result; its values belong to the gradients.
        gradients: of `sum(cotangent * values)`, by parameter name.
        standard_errors: shaped like the gradients: one standard deviation of each entry's estimate, by shots and by
            random directions; without the bias of approximate methods. None where nothing is random.
        notes: what a reader must know, for instance why a standard error is NaN.
        billed_usd: dollars for all circuits that were run for it; None where nothing is known. Filled in for the method.
    """

    result: BatchResult
    gradients: Gradients
    standard_errors: Gradients | None = None
    notes: tuple[str, ...] = ()
    billed_usd: Decimal | None = None


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


class RunsMany(Backend, Protocol):
    """A backend that takes several batches, of different circuits, in one go."""

    async def run_many(self, batches: Sequence[CircuitBatch]) -> Sequence[BatchResult]:
        """The results in the order of the batches."""


class DifferentiableBackend(Backend, Protocol):
    """A backend that computes vector-Jacobian products itself."""

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Gradients]:
        """The values of a batch and the gradient of `sum(cotangent * values)` for the parameters in `wrt` (all)."""


class SyncBackend(Backend, Protocol):
    """A local backend that sync callers use directly, without an event loop."""

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        """As `run`."""


class SyncRunsMany(SyncBackend, Protocol):
    """A backend that sync callers hand several batches in one go, such as a router that keeps them together."""

    def run_many_sync(self, batches: Sequence[CircuitBatch]) -> Sequence[BatchResult]:
        """As `RunsMany.run_many`."""


class SyncDifferentiableBackend(Backend, Protocol):
    """The synchronous twin of `DifferentiableBackend`."""

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Gradients]:
        """As `vjp`."""


class SyncPullbackBackend(SyncDifferentiableBackend, Protocol):
    """A backend that keeps of a forward pass what its backward pass needs, so that no circuit is run twice for a gradient."""

    def pullback_sync(
        self, batch: CircuitBatch, wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Pullback] | None:
        """The values of a batch, and what makes gradients for the parameters in `wrt` (all) of their cotangent.

        None where nothing can be kept of this batch, for instance because it is too large: then the caller runs it now
        and takes `vjp_sync` later. Whatever is kept is given back when the pullback is dropped.
        """


class ChoosesBackend(RunsMany, Protocol):
    """A backend that hands each call on to one of several: a router, or what stands in front of one.

    All batches of one `run_many` go to the same one of them, so what belongs together must come in one call.
    """

    def reason_against_vjp(self, batch: CircuitBatch) -> str | None:
        """Why none of them differentiates this batch by itself; None when one does."""


class GradientMethod(Protocol):
    """A pair of pure functions: which circuits to run, and how their results make a gradient.

    The first batch of `expand` is the batch itself, so that its values come along for free.
    """

    def expand(self, batch: CircuitBatch, *, wrt: Collection[str], step: int) -> tuple[CircuitBatch, ...]:
        """The batches to run; `step` counts training steps, for methods that change over time."""

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int,
    ) -> GradientResult:  # fmt: skip
        """The batch's own result, the gradients and their errors, from the results of `expand`'s batches in order."""


class ChecksBatches(GradientMethod, Protocol):
    """A gradient method that can refuse a batch before it is run at all."""

    def check(self, batch: CircuitBatch) -> None:
        """Raise what `expand` would raise for this batch, without making its circuits."""


class NativeGradientMethod(Protocol):
    """A gradient method that the backend carries out by its own `vjp`."""

    def reason_against(self, batch: CircuitBatch, backend: Backend) -> str | None:
        """Why this backend cannot differentiate this batch by itself; None when it can."""


def runs_many(backend: Backend) -> TypeGuard[RunsMany]:
    """Whether a backend has `run_many`."""
    return hasattr(backend, "run_many")


def runs_many_sync(backend: Backend) -> TypeGuard[SyncRunsMany]:
    """Whether a backend has `run_many_sync`."""
    return hasattr(backend, "run_many_sync")


def is_differentiable(backend: Backend) -> TypeGuard[DifferentiableBackend]:
    """Whether a backend has `vjp`."""
    return hasattr(backend, "vjp")


def is_sync(backend: Backend) -> TypeGuard[SyncBackend]:
    """Whether a backend has `run_sync`."""
    return hasattr(backend, "run_sync")


def is_sync_differentiable(backend: Backend) -> TypeGuard[SyncDifferentiableBackend]:
    """Whether a backend has `vjp_sync`."""
    return hasattr(backend, "vjp_sync")


def pulls_back_sync(backend: Backend) -> TypeGuard[SyncPullbackBackend]:
    """Whether a backend has `pullback_sync`."""
    return hasattr(backend, "pullback_sync")


def chooses(backend: Backend) -> TypeGuard[ChoosesBackend]:
    """Whether a backend has `reason_against_vjp`."""
    return hasattr(backend, "reason_against_vjp")


def expands(method: object) -> TypeGuard[GradientMethod]:
    """Whether a gradient method runs circuits of its own making."""
    return hasattr(method, "expand") and hasattr(method, "combine")


def checks_batches(method: object) -> TypeGuard[ChecksBatches]:
    """Whether a gradient method can refuse a batch before it is run."""
    return hasattr(method, "check")


def is_native(method: object) -> TypeGuard[NativeGradientMethod]:
    """Whether a gradient method is carried out by the backend."""
    return hasattr(method, "reason_against")
