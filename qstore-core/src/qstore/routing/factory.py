# SPDX-License-Identifier: Apache-2.0
"""What the registered name "auto" makes: a router that goes by the settings, whatever they are at each call."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from qstore.accounting import CostReport
from qstore.batch import BatchResult, Capabilities, CircuitBatch, Estimate
from qstore.execution.settings import Settings, current_settings, settings_told
from qstore.plugins import Gradients, Pullback
from qstore.routing.explanation import Explanation
from qstore.routing.policy import CostOptimizer
from qstore.routing.router import BackendRouter

__all__ = ["AutoRouter", "auto"]


class AutoRouter:
    """A `BackendRouter` with the preferences, the budget and the fallback of `qstore.execution.current_settings`.

    Blocking calls follow `configure` and `configured` at once, and the environment too where there is a budget; looking at
    it takes longer than a small circuit, and without a budget nothing can be spent. Everything else follows all of it.

    Example:
        >>> AutoRouter().policy is None
        True
    """

    name = "auto"

    def __init__(self) -> None:
        self._routers: dict[object, BackendRouter] = {}
        self._latest: tuple[object, object, BackendRouter | None] = (None, None, None)

    def router(self) -> BackendRouter:
        """The router of the settings as they are now."""
        said, scope = settings_told()
        found = self._made(current_settings())
        self._latest = (said, scope, found)
        return found

    def _quick(self) -> BackendRouter:
        """As `router`, in a fraction of a microsecond where it can."""
        said, scope = settings_told()
        latest = self._latest
        found = latest[2]
        if found is not None and latest[0] is said and latest[1] is scope and found.spends_nothing:
            return found
        return self.router()

    def _made(self, now: Settings) -> BackendRouter:
        key = (tuple(now.preferences.items()), now.budget, now.fallback)
        found = self._routers.get(key)
        if found is None:
            made = BackendRouter(now.preferences, now.budget, now.fallback)
            found = self._routers.setdefault(key, made)
        return found

    @property
    def capabilities(self) -> Capabilities:
        # Of the router that was asked last, if any: they differ in gradients only, and `reason_against_vjp` is asked first.
        return (self._latest[2] or self.router()).capabilities

    @property
    def policy(self) -> CostOptimizer | None:
        """How money is spent; None where the settings name no budget."""
        return self.router().policy

    def estimate(self, batch: CircuitBatch) -> Estimate:
        return self.router().estimate(batch)

    def explain(self, batch: CircuitBatch | Sequence[CircuitBatch], *, gradient: bool = False) -> Explanation:
        """As `BackendRouter.explain`."""
        return self.router().explain(batch, gradient=gradient)

    def get_cost_report(self) -> CostReport:
        """As `BackendRouter.get_cost_report`."""
        return self.router().get_cost_report()

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        return self._quick().run_sync(batch)

    def run_many_sync(self, batches: Sequence[CircuitBatch]) -> tuple[BatchResult, ...]:
        return self._quick().run_many_sync(batches)

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Gradients]:
        return self._quick().vjp_sync(batch, cotangent, wrt)

    def pullback_sync(
        self, batch: CircuitBatch, wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Pullback] | None:
        """As `BackendRouter.pullback_sync`."""
        return self._quick().pullback_sync(batch, wrt)

    async def run(self, batch: CircuitBatch) -> BatchResult:
        return await self.router().run(batch)

    async def run_many(self, batches: Sequence[CircuitBatch]) -> tuple[BatchResult, ...]:
        return await self.router().run_many(batches)

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Gradients]:
        return await self.router().vjp(batch, cotangent, wrt)

    def reason_against_vjp(self, batch: CircuitBatch) -> str | None:
        """As `BackendRouter.reason_against_vjp`."""
        return self._quick().reason_against_vjp(batch)

    def forget(self) -> None:
        """As `BackendRouter.forget`."""
        for router in list(self._routers.values()):
            router.forget()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # another process has settings of its own

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]  # as in a new process

    def __deepcopy__(self, memo: dict[int, Any]) -> AutoRouter:
        return self

    def __repr__(self) -> str:
        return f"<the router of the settings: {self.router()!r}>"


def auto(**options: Any) -> AutoRouter | BackendRouter:
    """The router of the settings, or with options of `BackendRouter` in their place.

    Example:
        >>> auto(preferences={"speed": 1}).name
        'auto'
    """
    if not options:
        return AutoRouter()
    now = current_settings()
    from_settings: dict[str, Any] = {"preferences": now.preferences, "fallback_strategy": now.fallback}
    if options.get("policy") is None:
        from_settings["budget_limit"] = now.budget
    return BackendRouter(**from_settings | options)
