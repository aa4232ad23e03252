# SPDX-License-Identifier: Apache-2.0
"""From a selection to its explanation."""

from __future__ import annotations

from decimal import Decimal

from qstore.errors import ExecutionError
from qstore.routing.explanation import Explanation, Row
from qstore.routing.fallback import Rules
from qstore.routing.selection import Choice, Selection, Terms, Work

__all__ = ["explained"]


def explained(work: Work, selection: Selection, rules: Rules, terms: Terms) -> Explanation:
    """Put a selection into words and figures, as it would come out now.

    Args:
        work: what is to be done.
        selection: who can do it.
        rules: who is down, and what follows then.
        terms: under which the candidates were compared.
    """
    left = _left(selection, terms)
    chosen, rows = None, []
    for place, choice in enumerate(selection.choices):
        against = _against(choice, rules, left)
        is_chosen = chosen is None and against is None
        if is_chosen:
            chosen = choice
        rows.append(_row(choice, place, terms, is_chosen, against))
    rows.sort(key=lambda row: not row.chosen)
    bound = (
        f"could hardly beat {selection.choices[0].candidate.name!r}; not asked" if selection.choices else ""
    )
    rows += [Row(backend=each.name, reason=bound) for each in selection.not_asked]
    rows += [Row(backend=each.candidate.name, reason=str(each.reason)) for each in selection.left_out]
    return Explanation(
        batch=_described(work),
        chosen=None if chosen is None else chosen.candidate.name,
        rows=tuple(rows),
        weights=terms.weights,
        budget=_budget(terms, left),
    )


def _row(choice: Choice, place: int, terms: Terms, is_chosen: bool, against: str | None) -> Row:
    factor = choice.seconds / choice.estimated_s
    basis = "estimated" if factor == 1 else f"estimated x {factor:.3g}, as measured"
    order = "first in the chain" if place == 0 else "next in the chain"
    rank = order if terms.ordered else "best score" if place == 0 else "a lower score"
    return Row(
        backend=choice.candidate.name, chosen=is_chosen, usd=choice.usd, seconds=choice.seconds, error=choice.error,
        score=choice.score, reason=against or f"{rank}; time {basis}", basis=basis,
    )  # fmt: skip


def _against(choice: Choice, rules: Rules, left: Decimal | None) -> str | None:
    if choice.paid and left is not None and choice.usd > left:
        return f"the budget has ${left:.2f} left"
    trouble = rules.against(choice)
    if trouble is None:
        return None
    return f"tried again in {choice.candidate.down_until - rules.clock.monotonic():.0f} s: {trouble}"


def _left(selection: Selection, terms: Terms) -> Decimal | None:
    if terms.policy is None or not any(choice.paid for choice in selection.choices):
        return None
    try:
        return terms.policy.left()
    except ExecutionError:
        return None  # whoever spends something hears of it


def _budget(terms: Terms, left: Decimal | None) -> str:
    if terms.policy is None:
        return "No budget: nothing paid is chosen."
    budget = terms.policy.budget
    rest = "" if left is None else f", ${left:.2f} of it left"
    daily = "" if budget.daily_usd is None else f", ${budget.daily_usd} a day"
    return f"Budget {budget.name!r}: ${budget.total_usd}{daily}{rest}."


def _described(work: Work) -> str:
    first = work.batches[0]
    rows = sum(batch.size for batch in work.batches)
    shots = "exact" if first.shots is None else f"{first.shots} shots"
    several = f" in {len(work.batches)} batches" if len(work.batches) > 1 else ""
    what = f"{type(first.outputs).__name__}{' with gradients' if work.vjp else ''}"
    return (
        f"{rows} row{'s' if rows != 1 else ''}{several} of {first.circuit.n_qubits} qubits, {what}, {shots}"
    )
