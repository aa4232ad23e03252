# SPDX-License-Identifier: Apache-2.0
"""Selection: which candidates can run some batches, what that is expected to take, and in which order they are tried.

Pure but for making backends: the same candidates, batches, terms and memory give the same selection. Whether a backend can run
a batch is asked of the same `plan` that runs it, so a reason is the one that the user would get.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from qstore.accounting import dollars
from qstore.batch import Capabilities, CircuitBatch
from qstore.circuit import GateKind, Template
from qstore.errors import BackendUnavailable, BudgetExceeded, CapabilityError, PluginError, QStoreError
from qstore.execution.plan import plan
from qstore.plugins import Backend, is_differentiable
from qstore.routing.candidates import Candidate
from qstore.routing.policy import CostOptimizer
from qstore.routing.scores import Score, Weights, score
from qstore.routing.throughput import NoMemory

__all__ = ["Choice", "LeftOut", "Selection", "Stage", "Terms", "Work", "native_reason", "select"]

ENOUGH = 0.9
"""A candidate that could at best be this much better is not asked, which would import its libraries."""
REMOTE_S = 0.1
"""No service answers faster."""
LOADING_S = 1.0
"""What loading another simulator's libraries takes at least: not worth it for work that is done by then."""
SWEEPS = 3.0
"""A value and its gradient by a reverse sweep take about three runs."""
_PRIOR_S = 1e-9
"""Per amplitude and gate, of a backend that does not estimate its time."""


class Stage:
    """How far a candidate came before it was left out."""

    UNKNOWN = 0
    CANNOT = 1
    DOES_NOT_START = 2
    TOO_DEAR = 3
    NOT_ALLOWED = 4


class Work(NamedTuple):
    """What is to be done in one go, on one backend: some batches, run or, if it is one, differentiated natively."""

    batches: tuple[CircuitBatch, ...]
    vjp: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """What a selection depends on: not the values of bindings."""
        return (self.vjp, *((each.circuit, each.outputs, each.shots, each.size) for each in self.batches))

    @property
    def kind(self) -> str:
        """What measurements of time are kept under."""
        return "vjp" if self.vjp else "exact" if self.batches[0].shots is None else "shots"


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which candidates are compared.

    Attributes:
        weights: how much cost, speed and accuracy count.
        policy: how money is spent; None where none may be.
        remote: whether services that the user did not name may be used.
        ordered: whether the order of the candidates decides, not their scores.
        memory: how long backends really took.
    """

    weights: Weights
    policy: CostOptimizer | None
    remote: bool
    ordered: bool
    memory: NoMemory


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate that can do the work, with what is expected of it.

    Attributes:
        candidate, backend: who.
        usd_each: dollars for each of the batches.
        seconds: for all of it, as measured where it was.
        estimated_s: for all of it, by the backend's own word.
        error: of an expectation value of norm 1.
        score: from 0 to 1.
        direct: whether it takes the batches as they are, nothing split or derived.
    """

    candidate: Candidate
    backend: Backend
    usd_each: tuple[Decimal, ...]
    seconds: float
    estimated_s: float
    error: float
    score: Score
    direct: bool

    @property
    def usd(self) -> Decimal:
        """Dollars for all of it."""
        return sum(self.usd_each, Decimal(0))

    @property
    def paid(self) -> bool:
        """Whether it costs money."""
        return self.backend.capabilities.paid


class LeftOut(NamedTuple):
    """A candidate that does not do the work, how far it came, and why."""

    candidate: Candidate
    stage: int
    reason: QStoreError


@dataclass(frozen=True, slots=True)
class Selection:
    """The choices, best first; who is left out; who was not asked since nothing was to be gained; all in the order given."""

    choices: tuple[Choice, ...]
    left_out: tuple[LeftOut, ...]
    not_asked: tuple[Candidate, ...]
    order: tuple[Candidate, ...]

    def before(self, choice: Choice) -> tuple[Candidate, ...]:
        """The candidates that were given before one of the choices."""
        return self.order[: self.order.index(choice.candidate)]


def select(work: Work, candidates: Sequence[Candidate], terms: Terms, *, thorough: bool = False) -> Selection:
    """Compare the candidates.

    Args:
        work: what is to be done.
        candidates: in the order in which they are looked at; of equals the first wins.
        terms: under which they are compared.
        thorough: whether those are asked too that could hardly be better than the best so far.
    """
    choices: list[Choice] = []
    left_out: list[LeftOut] = []
    not_asked: list[Candidate] = []
    for candidate in candidates:
        stage = Stage.CANNOT
        try:
            if candidate.capabilities is not None:
                _check_able(work, candidate.capabilities, candidate.name)
            elif not candidate.named:
                stage = Stage.UNKNOWN
                raise BackendUnavailable(
                    f"What {candidate.name!r} can do is not known before it is made; name it in candidates=[...]."
                )
            stage = Stage.NOT_ALLOWED
            if candidate.capabilities is not None:
                _check_allowed(candidate, candidate.capabilities, terms)
                if not thorough and _could_not_do_better(
                    work, candidate, candidate.capabilities, choices, terms
                ):
                    not_asked.append(candidate)
                    continue
            stage = Stage.DOES_NOT_START
            backend = _made(candidate, terms)
            stage = Stage.NOT_ALLOWED
            _check_allowed(candidate, backend.capabilities, terms)
            stage = Stage.CANNOT
            _check_able(work, backend.capabilities, candidate.name, backend)
            stage = Stage.TOO_DEAR
            choices.append(_appraised(work, candidate, backend, terms))
        except QStoreError as exc:
            left_out.append(LeftOut(candidate, stage, exc))
    if not terms.ordered:
        choices.sort(key=lambda choice: -choice.score.total)  # stable: of equals the first stays first
    return Selection(tuple(choices), tuple(left_out), tuple(not_asked), tuple(candidates))


def native_reason(batch: CircuitBatch, found: Capabilities, name: str) -> str | None:
    """Why a backend of these capabilities does not differentiate a batch by itself; None when it does."""
    kind = type(batch.outputs).__name__
    if batch.shots is not None:
        return "shots leave no state to sweep back through"
    if kind not in found.differentiable_outputs:
        return f"{name!r} does not differentiate {kind}"
    if (batch.circuit.is_noisy or batch.circuit.has_feedback) and not found.differentiates_noise:
        return f"{name!r} does not differentiate circuits with noise, reset or measurements"
    return None


def _check_able(work: Work, found: Capabilities, name: str, backend: Backend | None = None) -> None:
    for batch in _distinct(work.batches):
        plan(batch, found, name)
        reason = native_reason(batch, found, name) if work.vjp else None
        if work.vjp and reason is None and backend is not None and not is_differentiable(backend):
            reason = f"{name!r} has no vjp"
        if reason is not None:
            raise CapabilityError(
                f"No native gradient here: {reason}. Use gradient_method='parameter_shift' or another backend."
            )


def _check_allowed(candidate: Candidate, found: Capabilities, terms: Terms) -> None:
    if found.paid and terms.policy is None:
        raise BudgetExceeded(
            f"{candidate.name!r} is paid, and without a budget not one dollar is spent. Give one, "
            "BackendRouter(budget_limit=10) or qs.configure(budget_usd=10), or name the backend: "
            f"backend={candidate.name!r}."
        )
    if not found.local and not candidate.named and not terms.remote:
        raise BackendUnavailable(
            f"{candidate.name!r} is a service, and circuits are sent to one only where you say so: "
            f"backend={candidate.name!r}, or BackendRouter(remote=True)."
        )


def _made(candidate: Candidate, terms: Terms) -> Backend:
    policy = terms.policy
    if policy is None:
        return candidate.backend(None, None)
    was_made = candidate.is_made
    backend = candidate.backend(policy.budget, policy.given_ledger)
    if not was_made and backend.capabilities.paid and not candidate.reserves:
        policy.watch(getattr(backend, "ledger", None))
    return backend


def _could_not_do_better(
    work: Work, candidate: Candidate, found: Capabilities, choices: Sequence[Choice], terms: Terms
) -> bool:
    if not choices or terms.ordered:
        return False
    error = max(expected_error(batch, found) for batch in _distinct(work.batches))
    best = max(choices, key=lambda choice: choice.score.total)
    # By how it was named and not by whether it is loaded: decisions must not depend on what came before.
    least_s = LOADING_S if candidate.loads and best.backend.capabilities.local else 0.0
    bound = score(terms.weights, Decimal(0), least_s if found.local else REMOTE_S, error)
    return best.score.total >= ENOUGH * bound.total


def _appraised(work: Work, candidate: Candidate, backend: Backend, terms: Terms) -> Choice:
    found = backend.capabilities
    known: dict[object, tuple[Decimal, float, float, bool]] = {}
    for batch in _distinct(work.batches):
        known[_key(batch)] = _estimated(batch, backend, found, candidate.name)
    each = [known[_key(batch)] for batch in work.batches]
    usd = sum((one[0] for one in each), Decimal(0))
    if usd and not found.paid:
        raise PluginError(
            f"{candidate.name!r} says that it is free, and that this costs ${usd}; it is not used."
        )
    if candidate.max_usd is not None and usd > candidate.max_usd:
        raise BudgetExceeded(
            f"{candidate.name!r} would take ${usd:.2f} for this, more than the ${candidate.max_usd} that one call may cost "
            "there (max_cost_per_batch)."
        )
    seconds = sum(one[1] for one in each) * (SWEEPS if work.vjp else 1.0)
    seconds = seconds if 0 < seconds < math.inf else _prior_s(work.batches)
    size = max(batch.circuit.n_qubits for batch in work.batches)
    # Counts are a simulator's own for a given seed: what was measured today must not change who gives them tomorrow.
    repeats = found.local and work.kind == "shots"
    likely = seconds * (1.0 if repeats else terms.memory.factor(candidate.name, work.kind, size))
    likely = likely if found.local else max(likely, REMOTE_S)
    error = max(one[2] for one in each)
    marks = score(terms.weights, usd, likely, error)
    return Choice(
        candidate,
        backend,
        tuple(one[0] for one in each),
        likely,
        seconds,
        error,
        marks,
        all(one[3] for one in each),
    )


def _estimated(
    batch: CircuitBatch, backend: Backend, found: Capabilities, name: str
) -> tuple[Decimal, float, float, bool]:
    parts = plan(batch, found, name).batches
    usd, seconds, error = Decimal(0), 0.0, expected_error(batch, found)
    for part in parts:
        try:
            estimate = backend.estimate(part)
            usd += dollars(estimate.usd, f"The estimate of {name!r}")
            seconds += float(estimate.seconds)
            error = max(error, float(estimate.error))
        except QStoreError:
            raise
        except Exception as exc:
            # A stranger's estimate may raise anything; without one it cannot be compared, and a paid one not reserved.
            raise PluginError(f"{name!r} gives no estimate: {type(exc).__name__}: {exc}.") from exc
    if not (seconds >= 0 and error >= 0):
        raise PluginError(f"{name!r} estimates {seconds!r} seconds and an error of {error!r}.")
    return usd, seconds, error, len(parts) == 1 and parts[0] is batch


def expected_error(batch: CircuitBatch, found: Capabilities) -> float:
    """Of an expectation value of norm 1: chance and infidelity, added in squares.

    Formula: sqrt(1/shots + (1 - F)**2), F the product of the fidelities of all gates and of reading every qubit.
    """
    chance = 0.0 if batch.shots is None else 1.0 / batch.shots
    if found.fidelity_1q is None and found.fidelity_2q is None and found.fidelity_readout is None:
        return math.sqrt(chance)
    one, more = _gate_counts(batch.circuit)
    fidelity = 1.0
    for each, number in (
        (found.fidelity_1q, one),
        (found.fidelity_2q, more),
        (found.fidelity_readout, batch.circuit.n_qubits),
    ):
        fidelity *= 1.0 if each is None else each**number
    return math.sqrt(chance + (1.0 - fidelity) ** 2)


def _gate_counts(circuit: Template) -> tuple[int, int]:
    gates = [op for op in circuit.operations if op.spec.kind is not GateKind.CHANNEL]
    more = sum(len(op.qubits) > 1 for op in gates)
    return len(gates) - more, more


def _prior_s(batches: Iterable[CircuitBatch]) -> float:
    work = (
        float(each.size) * (len(each.circuit) + 1) * 2.0 ** min(each.circuit.n_qubits, 64) for each in batches
    )
    return _PRIOR_S * sum(work)


def _key(batch: CircuitBatch) -> tuple[object, ...]:
    return (batch.circuit, batch.outputs, batch.shots, batch.size)


def _distinct(batches: Sequence[CircuitBatch]) -> Iterable[CircuitBatch]:
    return batches if len(batches) == 1 else {_key(batch): batch for batch in batches}.values()
