# SPDX-License-Identifier: Apache-2.0
"""What a router has decided: selections by what they depend on, kept until something changes that they rest on."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from qstore.batch import ANYTHING, Capabilities, current_run
from qstore.errors import ExecutionError, OptionError
from qstore.routing.candidates import Candidate
from qstore.routing.fallback import Course, Rules, no_backend
from qstore.routing.policy import CostOptimizer
from qstore.routing.scores import Weights
from qstore.routing.selection import Choice, Selection, Terms, Work, select
from qstore.routing.throughput import NoMemory, Throughput, shared_memory

__all__ = ["Decisions", "checked_memory", "checked_policy"]

log = logging.getLogger("qstore.routing")

_MOST = 1024


class Decisions:
    """Selections among fixed candidates.

    Args:
        candidates: in the order in which they are looked at.
        weights: the user's preferences.
        rules: what all courses share.
        remote: whether services that the user did not name may be used.
        ordered: whether the candidates' order decides, not their scores.
        memory: how long backends really took.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        weights: Weights,
        rules: Rules,
        *,
        remote: bool,
        ordered: bool,
        memory: NoMemory,
    ) -> None:
        self.candidates, self.rules, self.memory = tuple(candidates), rules, memory
        self._weights, self._remote, self._ordered = weights, remote, ordered
        self._pressure: int | None = None
        self._made: dict[object, Selection] = {}

    def course(self, work: Work) -> Course:
        """The course of one call."""

        def ask_all() -> Selection:
            return self.selected(work, thorough=True)

        return Course(work, self.ready(work), self.rules, ask_all, current_run().name)

    def is_known(self, work: Work) -> bool:
        """Whether a course of such work takes no selection, which may import libraries."""
        return (False, work.key) in self._made

    def ready(self, work: Work) -> Selection:
        """The selection, of all candidates if those that were asked are down."""
        found = self.selected(work)
        if found.not_asked and all(self.rules.against(choice) for choice in found.choices):
            return self.selected(work, thorough=True)
        return found

    def selected(self, work: Work, *, thorough: bool = False) -> Selection:
        """The selection for some work, made when it is first asked for."""
        if self._pressure is None:
            self._pressure = self._felt()
        key = (thorough, work.key)
        found = self._made.get(key)
        if found is None:
            found = select(work, self.candidates, self.terms(), thorough=thorough)
            if len(self._made) >= _MOST:
                self._made.clear()
            if found.choices:  # a backend that does not start today may do so tomorrow
                self._made[key] = found
        return found

    def first(self, work: Work) -> Choice:
        """The best choice.

        Raises:
            QStoreError: there is none; says why.
        """
        found = self.selected(work)
        if not found.choices:
            raise no_backend(found)
        return found.choices[0]

    def terms(self) -> Terms:
        """Under which candidates are compared now."""
        weights, policy = self._weights, self.rules.policy
        if policy is not None:
            weights = policy.weights(weights, self._pressure or 0)
        return Terms(weights, policy, self._remote, self._ordered, self.memory)

    def paid(self, choice: Choice) -> bool:
        """Take note that money was spent; whether decisions have changed by it."""
        if not choice.paid or self._ordered:
            return False
        pressure, self._pressure = self._pressure, self._felt()
        if pressure == self._pressure:
            return False
        self.forget()
        return True

    def is_best(self, work: Work, choice: Choice) -> bool:
        """Whether a choice is the one that is tried first."""
        found = self._made.get((False, work.key))
        return found is not None and bool(found.choices) and found.choices[0] is choice

    def note_time(self, work: Work, choice: Choice, taken_s: float) -> None:
        """Remember how long it took."""
        size = max(batch.circuit.n_qubits for batch in work.batches)
        self.memory.note(
            choice.candidate.name, work.kind, size, estimated_s=choice.estimated_s, measured_s=taken_s
        )

    def capabilities(self) -> Capabilities:
        """Anything, with the gradients of the candidates that may be used."""
        known = [each.capabilities for each in self.candidates if self._may_be_used(each)]
        able = [each for each in known if each is not None]
        return ANYTHING.with_changes(
            differentiable_outputs=frozenset(name for each in able for name in each.differentiable_outputs),
            differentiates_noise=any(each.differentiates_noise for each in able),
            paid=any(each.paid for each in able),
            local=all(each.local for each in able),
        )

    def forget(self) -> None:
        """Decide anew."""
        self._made.clear()

    def _felt(self) -> int:
        policy = self.rules.policy
        if policy is None or self._ordered or not any(_is_paid(each) for each in self.candidates):
            return 0
        try:
            return policy.pressure()
        except ExecutionError as exc:
            log.warning(
                "How much of the budget is left is not known, so saving does not change decisions: %s", exc
            )
            return 0  # whoever wants to spend something must reserve it, and hears of it

    def _may_be_used(self, candidate: Candidate) -> bool:
        found = candidate.capabilities
        if found is None or (found.paid and self.rules.policy is None):
            return False
        return found.local or candidate.named or self._remote


def checked_policy(budget_limit: Any, policy: CostOptimizer | None) -> CostOptimizer | None:
    """The policy that a router's arguments mean.

    Raises:
        OptionError: both are given, or one of them cannot be.
    """
    if policy is not None:
        if budget_limit is not None:
            raise OptionError("Give budget_limit or policy, not both: a policy has its own budget.")
        if not isinstance(policy, CostOptimizer):
            raise OptionError(f"policy must be a CostOptimizer, got {policy!r}.")
        return policy
    if budget_limit is None or isinstance(budget_limit, CostOptimizer):
        return budget_limit
    return CostOptimizer(budget_limit, strategy="fixed")


def checked_memory(given: bool | str | os.PathLike[str] | Throughput) -> NoMemory:
    """The memory that a router's argument means."""
    if isinstance(given, bool):
        return shared_memory() if given else NoMemory()
    return given if isinstance(given, Throughput) else Throughput(given)


def _is_paid(candidate: Candidate) -> bool:
    return candidate.capabilities is not None and candidate.capabilities.paid
