# SPDX-License-Identifier: Apache-2.0
"""Falling back: what a failure says about a backend, and the course of one call from choice to choice.

A course is about all batches of a call at once, so that what belongs together, such as the shifted circuits of a
gradient, comes from one backend. What may have been paid for is never paid for again somewhere else: after such a failure
only free backends follow, and a job that is held or still runs ends the call. A failure that says that nothing was sent
says so of what failed; of the rest of the call, its `perhaps_paid` tells.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from qstore.accounting import Ledger, dollars
from qstore.batch import BatchResult
from qstore.errors import (
    AuthenticationError,
    BackendUnavailable,
    BudgetExceeded,
    CapabilityError,
    CompilationError,
    ExecutionError,
    JobAmbiguous,
    JobCancelled,
    OptionError,
    PluginError,
    QStoreError,
    StillRunning,
    TransportError,
)
from qstore.execution.clock import Clock
from qstore.routing.candidates import Candidate
from qstore.routing.policy import CostOptimizer
from qstore.routing.selection import Choice, Selection, Stage, Work

__all__ = ["STRATEGIES", "Course", "Meaning", "Rules", "meaning_of"]

log = logging.getLogger("qstore.routing")

STRATEGIES = ("simulation", "next", "none")
"""After a failure: a free backend, the next best one even if it is paid, or nothing but the error."""
_LONGEST_COOL_DOWN_S = 900.0


class Meaning(Enum):
    """What a failure says."""

    NOT_ABLE = "cannot do this work; nothing was sent"
    DOWN = "is down; nothing was sent"
    SPENT = "the budget does not suffice; nothing was sent"
    UNCLEAR = "failed, perhaps after it was paid"
    FINAL = "is for the caller to see"


MEANINGS: tuple[tuple[type[BaseException], Meaning], ...] = (
    (JobAmbiguous, Meaning.FINAL),  # held, so that it is not paid twice
    (StillRunning, Meaning.FINAL),  # the same run name resumes it
    (JobCancelled, Meaning.FINAL),  # somebody wanted it
    (BudgetExceeded, Meaning.SPENT),
    (AuthenticationError, Meaning.DOWN),
    (BackendUnavailable, Meaning.DOWN),
    (CapabilityError, Meaning.NOT_ABLE),
    (CompilationError, Meaning.NOT_ABLE),
    (PluginError, Meaning.UNCLEAR),
    (TransportError, Meaning.UNCLEAR),
    (ExecutionError, Meaning.UNCLEAR),
    (QStoreError, Meaning.FINAL),  # about the request: another backend would say the same
    (OSError, Meaning.UNCLEAR),  # with TimeoutError and ConnectionError
)
"""The first that fits. Anything else is a mistake in the code if it comes from this process, trouble if from a service."""


def meaning_of(exc: BaseException, *, local: bool) -> Meaning:
    """What a failure says about the backend.

    Example:
        >>> meaning_of(TransportError("no route to host"), local=False)
        <Meaning.UNCLEAR: 'failed, perhaps after it was paid'>
    """
    for kind, meaning in MEANINGS:
        if isinstance(exc, kind):
            return meaning
    return Meaning.FINAL if local else Meaning.UNCLEAR


@dataclass(slots=True)
class Rules:
    """What all courses of a router share.

    Attributes:
        strategy: one of `STRATEGIES`.
        cool_down_s: how long a backend is left alone after its first failure; twice as long after each further one.
        clock: monotonic, so that no change of the wall clock matters.
        policy: how money is spent.
        said: what was warned of already.
    """

    strategy: str
    cool_down_s: float
    clock: Clock
    policy: CostOptimizer | None
    said: set[tuple[str, str]]

    def against(self, choice: Choice) -> str | None:
        """Why a choice is not tried now; None when it is."""
        candidate = choice.candidate
        if not candidate.down_until or self.clock.monotonic() >= candidate.down_until:
            return None
        # Looked at once: a call that ends in another thread takes it back.
        refused_usd = candidate.refused_usd
        if refused_usd is not None and choice.usd < refused_usd:
            return None  # the budget had too little left for something dearer
        return candidate.trouble


class Course:
    """One call: iterate over the choices to try, saying `failed` or `finished` for each.

    Args:
        work: what is to be done.
        selection: who can do it.
        rules: the router's.
        ask_all: the same selection with every candidate asked; called when nobody else is left.
        run: the name of the run, for the ledger.
    """

    def __init__(
        self, work: Work, selection: Selection, rules: Rules, ask_all: Callable[[], Selection], run: str
    ) -> None:
        self._work, self._selection, self._rules, self._ask_all, self._run = (
            work,
            selection,
            rules,
            ask_all,
            run,
        )
        self._notes: dict[tuple[str, str], str] = {}
        self._tried: set[Candidate] = set()
        self._last: Exception | None = None
        self._only_free = self._perhaps_paid = False
        self._tag = ""

    def __iter__(self) -> Iterator[Choice]:
        yield from self._from(self._selection)
        if self._selection.not_asked:
            self._selection = self._ask_all()
            yield from self._from(self._selection)
        if self._last is None:
            raise no_backend(self._selection)
        others = [
            f"{each.candidate.name!r}: {_closed(str(each.reason))}" for each in self._selection.left_out
        ]
        if others:
            self._last.add_note(f"No other backend could take over. {' '.join(others[:3])}")
        raise self._last

    def _from(self, selection: Selection) -> Iterator[Choice]:
        left = [choice for choice in selection.choices if choice.candidate not in self._tried]
        ready = [choice for choice in left if self._rules.against(choice) is None]
        if self._rules.strategy == "none" or not ready:
            ready = left[:1] if self._rules.strategy == "none" else left  # all are down: perhaps no longer
        for choice in ready:
            self._note_passed_over(selection, choice)
            if choice.paid and self._only_free:
                continue
            self._tried.add(choice.candidate)
            yield choice

    def _note_passed_over(self, selection: Selection, chosen: Choice) -> None:
        """Write down who would have come before."""
        dear = {each.candidate: each.reason for each in selection.left_out if each.stage == Stage.TOO_DEAR}
        for candidate in selection.before(chosen):
            if candidate in dear and candidate not in self._tried:
                self._tried.add(candidate)
                self._say(candidate, str(dear[candidate]))
        for choice in selection.choices:
            if choice is chosen:
                return
            trouble = self._rules.against(choice)
            if trouble is not None and choice.candidate not in self._tried:
                self._tried.add(choice.candidate)
                self._only_free |= self._rules.strategy == "simulation"
                self._say(choice.candidate, trouble)

    def open(self, choice: Choice) -> None:
        """Reserve the money of a paid backend that does not do so by itself.

        Raises:
            BudgetExceeded: it costs more than is left.
            ExecutionError: the ledger cannot be written.
        """
        policy = self._rules.policy
        if choice.candidate.reserves and policy is not None:
            tag = f"router-{os.urandom(16).hex()}"
            policy.ledger.reserve(tag, choice.usd, policy.budget, backend=choice.backend.name, run=self._run)
            self._tag = tag

    def cancelled(self) -> None:
        """Give back what was reserved for something that was not sent."""
        if self._tag:
            self._settled(lambda ledger: ledger.release(self._tag))
            self._tag = ""

    def failed(self, choice: Choice, exc: Exception) -> None:
        """Take note of a failure.

        Raises:
            Exception: the failure itself, where no other backend may mend it.
        """
        rules, candidate = self._rules, choice.candidate
        meaning = meaning_of(exc, local=choice.backend.capabilities.local)
        unclear = (
            meaning is Meaning.UNCLEAR
            or isinstance(exc, ExecutionError)
            or not isinstance(exc, QStoreError)
            or exc.perhaps_paid
        )
        self._perhaps_paid |= unclear and choice.paid
        if self._perhaps_paid and isinstance(exc, QStoreError):
            # For whoever called the router: what fails last need not be what was paid for.
            exc.perhaps_paid = True
        if self._tag and not unclear:
            self._settled(lambda ledger: ledger.release(self._tag))
        self._tag = ""  # else it stays reserved: rather too much counts as spent than too little
        if meaning is Meaning.FINAL:
            raise exc
        if meaning is not Meaning.NOT_ABLE:
            candidate.failures += 1
            wait_s = min(rules.cool_down_s * 2.0 ** min(candidate.failures - 1, 20), _LONGEST_COOL_DOWN_S)
            candidate.down_until = rules.clock.monotonic() + wait_s
            candidate.trouble = f"{type(exc).__name__}: {exc}"
            candidate.refused_usd = choice.usd if meaning is Meaning.SPENT else None
        if rules.strategy == "none":
            raise exc
        self._only_free |= rules.strategy == "simulation" or self._perhaps_paid
        self._last = exc
        self._say(candidate, f"{type(exc).__name__}: {exc}")

    def finished(self, choice: Choice, results: Sequence[BatchResult]) -> tuple[BatchResult, ...]:
        """Settle what was reserved; the results, with notes if they come from another backend than the first choice."""
        candidate = choice.candidate
        if candidate.failures:
            log.info("%r works again.", candidate.name)
            candidate.failures, candidate.down_until, candidate.refused_usd = 0, 0.0, None
        if self._tag:
            billed = _bill(results, candidate.name)
            self._settled(lambda ledger: ledger.settle(self._tag, billed))
            if billed is not None and billed > choice.usd:
                more = f"{candidate.name!r} billed ${billed} for what it had estimated at ${choice.usd}."
                log.warning(more)
                results = [replace(result, notes=(*result.notes, more)) for result in results]
            results = [
                result if result.estimated_usd is not None else replace(result, estimated_usd=usd)
                for result, usd in zip(results, choice.usd_each, strict=True)
            ]
        if not self._notes:
            return tuple(results)
        self._warn(repr(candidate.name))
        notes = (*self._notes.values(), f"{candidate.name!r} ran instead.")
        return tuple(replace(result, notes=(*notes, *result.notes)) for result in results)

    def _settled(self, write: Callable[[Ledger], None]) -> None:
        policy = self._rules.policy
        assert policy is not None
        try:
            write(policy.ledger)
        except QStoreError:
            # Such as a full disk, or a bill of billions. The reservation stays, so that too much counts as spent rather than too little.
            log.warning("What became of %s is not in the ledger.", self._tag, exc_info=True)

    def _say(self, candidate: Candidate, why: str) -> None:
        # Once for each kind of trouble, whatever its figures.
        self._notes[candidate.name, why.partition(":")[0]] = (
            f"{candidate.name!r} was not used: {_closed(why)}"
        )

    def _warn(self, taker: str) -> None:
        for said, note in self._notes.items():
            if said not in self._rules.said:
                self._rules.said.add(said)
                log.warning("%s %s takes over; results say so in their notes.", note, taker)


def _bill(results: Sequence[BatchResult], name: str) -> Decimal | None:
    """What all results cost together; None where that is not known."""
    bills = [result.billed_usd for result in results]
    if any(bill is None for bill in bills):
        return None
    try:
        return sum((dollars(bill, "A bill") for bill in bills if bill is not None), Decimal(0))
    except OptionError:
        # The results are paid for and good.
        log.warning("%r billed %s, which is no amount of money; it counts as estimated.", name, bills)
        return None


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def no_backend(selection: Selection) -> QStoreError:
    """The error of a call that no candidate can do: the reason of the one that came nearest, and who could if allowed."""
    left_out = [each for each in selection.left_out if each.stage != Stage.UNKNOWN]
    able = [each for each in left_out if each.stage == Stage.NOT_ALLOWED]
    others = [each for each in left_out if each.stage != Stage.NOT_ALLOWED]
    if others:
        nearest = max(others, key=lambda each: each.stage)  # of equals the first
        offers = " ".join(f"{each.candidate.name!r} could run it. {each.reason}" for each in able[:1])
        text = f"{nearest.reason}{' ' if offers else ''}{offers}"
        return _again(nearest.reason, text)
    if able:
        return _again(able[0].reason, f"No free backend is installed that could run this. {able[0].reason}")
    return BackendUnavailable(
        "No backend is installed that could be chosen. The embedded simulator comes with: pip install qstore-sim"
    )


def _again(reason: QStoreError, text: str) -> QStoreError:
    """The same kind of error with another text."""
    made = type(reason)(text)
    made.__cause__ = reason
    return made
