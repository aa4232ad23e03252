# SPDX-License-Identifier: Apache-2.0
"""`CostOptimizer`: how a router spends money. What was spent is in the ledger, which all processes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qstore.accounting import Budget, CostReport, Ledger, dollars
from qstore.errors import OptionError, nearest_names
from qstore.plugins import Backend
from qstore.routing.scores import Weights

__all__ = ["ChainLink", "CostOptimizer"]

STRATEGIES: Mapping[str, str] = {
    "adaptive": "the preferences, and cost counts twice as much each time that what is left of the budget has halved",
    "fixed": "the preferences as they are",
    "cheapest": "dollars alone",
}
_MOST_PRESSURE = 4
_LINK_FIELDS = ("backend", "max_cost_per_batch")


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One backend of a fallback chain, and the most dollars that one call may cost there; None for no such limit."""

    backend: Backend | str
    max_cost_per_batch: Decimal | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any] | Backend | str) -> ChainLink:
        """A link as users write it: `{"backend": "ionq.aria-1", "max_cost_per_batch": 5}`, or a backend alone.

        Raises:
            OptionError: it has no backend, or another field.
        """
        if not isinstance(given, Mapping):
            return cls(given)
        for name in given:
            if name not in _LINK_FIELDS:
                hint = nearest_names(str(name), list(_LINK_FIELDS))
                raise OptionError(
                    f"A link of a fallback chain has no {name!r}.{hint} It has {', '.join(_LINK_FIELDS)}."
                )
        if "backend" not in given:
            raise OptionError(f"A link of a fallback chain needs a 'backend', got {dict(given)!r}.")
        most = given.get("max_cost_per_batch")
        return cls(given["backend"], None if most is None else dollars(most, "max_cost_per_batch"))


class CostOptimizer:
    """A policy for `BackendRouter(policy=...)`: a budget, how hard to save, and what to fall back to.

    Args:
        total_budget: dollars that may be spent under `name`, over its whole life in the ledger; or a `Budget`.
        daily_limit: dollars that may be spent on one day; None for no such limit.
        strategy: "adaptive" (cost counts twice as much each time that what is left has halved), "fixed" (the router's
            preferences as they are) or "cheapest" (dollars alone).
        fallback_chain: backends in the order in which they are tried, each `{"backend": ..., "max_cost_per_batch": ...}`
            or just a backend; then they alone are candidates, and their order decides instead of scores.
        name: what the money is counted under.
        time_zone: whose midnight ends a day.
        ledger: where it is counted; by default the user's own.

    Raises:
        OptionError: an amount, a strategy or a chain that cannot be.

    Example:
        >>> policy = CostOptimizer(25, daily_limit=5, fallback_chain=[
        ...     {"backend": "ionq.aria-1", "max_cost_per_batch": 2.50}, {"backend": "statevector"}])
        >>> policy.budget
        Budget(total_usd=Decimal('25'), daily_usd=Decimal('5'), name='default')
    """

    def __init__(
        self,
        total_budget: Budget | Decimal | float | str,
        daily_limit: Decimal | float | str | None = None,
        strategy: str = "adaptive",
        fallback_chain: Sequence[Mapping[str, Any] | Backend | str] = (),
        *,
        name: str = "default",
        time_zone: str = "UTC",
        ledger: Ledger | None = None,
    ) -> None:
        if isinstance(total_budget, Budget):
            if daily_limit is not None or name != "default" or time_zone != "UTC":
                raise OptionError(
                    "A Budget says its daily limit, name and time zone itself; give them there."
                )
            self.budget = total_budget
        else:
            self.budget = Budget(total_budget, daily_limit, name, time_zone)
        if strategy not in STRATEGIES:
            hint = nearest_names(str(strategy), list(STRATEGIES))
            raise OptionError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}.{hint}")
        if isinstance(fallback_chain, (str, Mapping)):
            raise OptionError(f"fallback_chain is a list of backends, got {fallback_chain!r}.")
        self.strategy = strategy
        self.chain = tuple(ChainLink.of(link) for link in fallback_chain)
        self.given_ledger = ledger
        self._own: Ledger | None = ledger
        self._others: dict[str, Ledger] = {}

    @property
    def ledger(self) -> Ledger:
        """Where the router's own reservations are counted."""
        if self._own is None:
            self._own = Ledger()
        return self._own

    def watch(self, ledger: object) -> None:
        """Count what a backend spends in a ledger of its own, such as the emulator's, in `left` and in reports too."""
        if isinstance(ledger, Ledger):
            self._others[str(ledger.path)] = ledger

    def left(self) -> Decimal:
        """Dollars that may still be spent; where several ledgers count, the least that one of them leaves.

        Raises:
            ExecutionError: a ledger cannot be read.
        """
        return min(ledger.left(self.budget) for ledger in self._ledgers())

    def pressure(self) -> int:
        """How often what is left of the budget has halved, up to 4; 0 unless the strategy is "adaptive".

        Raises:
            ExecutionError: a ledger cannot be read.
        """
        if self.strategy != "adaptive" or not self.budget.total_usd:
            return 0
        share, halvings = self.left() / self.budget.total_usd, 0
        while halvings < _MOST_PRESSURE and share <= Decimal(2) ** -(halvings + 1):
            halvings += 1
        return halvings

    def weights(self, preferences: Weights, pressure: int) -> Weights:
        """The weights that the strategy makes of the router's preferences."""
        if self.strategy == "cheapest":
            return Weights(cost=1.0, speed=0.0, accuracy=0.0)
        return preferences.with_cost(2.0**pressure) if pressure and preferences.cost else preferences

    def get_cost_report(self) -> CostReport:
        """What was spent under this budget, by day, backend and run; printing it shows the table.

        Raises:
            ExecutionError: a ledger cannot be read.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite") as ledger:
            ...     CostOptimizer(25, ledger=ledger).get_cost_report()
            Nothing was spent.
        """
        report = CostReport(())
        for ledger in self._ledgers():
            report += ledger.cost_report(self.budget.name, time_zone=self.budget.time_zone)
        return report

    def _ledgers(self) -> list[Ledger]:
        return list(({str(self.ledger.path): self.ledger} | self._others).values())

    def __getstate__(self) -> dict[str, Any]:
        # Files are opened by the process that uses them.
        path = None if self.given_ledger is None else str(self.given_ledger.path)
        return {"budget": self.budget, "strategy": self.strategy, "chain": self.chain, "path": path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ledger = None if state["path"] is None else Ledger(state["path"])
        self.budget, self.strategy, self.chain = state["budget"], state["strategy"], state["chain"]
        self.given_ledger = self._own = ledger
        self._others = {}

    def __repr__(self) -> str:
        chain = f", fallback_chain={[link.backend for link in self.chain]!r}" if self.chain else ""
        return f"CostOptimizer({self.budget!r}, strategy={self.strategy!r}{chain})"
