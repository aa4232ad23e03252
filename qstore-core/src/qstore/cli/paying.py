# SPDX-License-Identifier: Apache-2.0
"""Running from the command line within a budget: a paid backend without one is refused, a slip of the pen costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qstore.batch import BatchResult, CircuitBatch
from qstore.cli.words import dollars
from qstore.errors import BudgetExceeded
from qstore.execution import current_settings, execute, resolve_backend
from qstore.execution.plan import plan
from qstore.plugins import Backend, get_backend

__all__ = ["run_within_budget", "total_estimate"]


def run_within_budget(batch: CircuitBatch, name: str | None, options: Mapping[str, Any]) -> BatchResult:
    """Run a batch on a backend; where that costs money, within the budget of the settings.

    Args:
        batch: what to run.
        name: the backend's registered name; None for the default.
        options: what `get_backend` is to be told.

    Raises:
        BudgetExceeded: it costs money, and there is no budget or not enough left of it. Nothing was sent.
        QStoreError: it does not run.
    """
    settings = current_settings()
    name = name or settings.default_backend
    backend = get_backend(name, **options) if options else resolve_backend(name)
    if not backend.capabilities.paid or hasattr(backend, "explain"):
        return execute(batch, backend)  # free, or the router, which has the budget of the settings
    if settings.budget is None:
        usd = total_estimate(batch, backend)[0]
        msg = (
            f"Backend {name!r} costs money, {dollars(usd)} for this as it is estimated, and there is no budget. Nothing was "
            f"sent; allow it with --budget USD, which counts all that was spent under the name {settings.budget_name!r}."
        )
        raise BudgetExceeded(msg)
    # A router with one candidate: it keeps to the budget whether or not the backend does so by itself.
    from qstore.routing import BackendRouter

    router = BackendRouter(candidates=[backend], budget_limit=settings.budget, fallback_strategy="none")
    return execute(batch, router)


def total_estimate(batch: CircuitBatch, backend: Backend) -> tuple[Decimal, float, float, str]:
    """Dollars, seconds and error of a batch on a backend, in all the parts that it is run in, and who says so.

    Raises:
        CapabilityError: the backend cannot run it.
    """
    parts = [backend.estimate(part) for part in plan(batch, backend.capabilities, backend.name).batches]
    return (
        sum((part.usd for part in parts), Decimal(0)),
        sum(part.seconds for part in parts),
        max((part.error for part in parts), default=0.0),
        parts[0].model if parts else "nothing is measured",
    )
