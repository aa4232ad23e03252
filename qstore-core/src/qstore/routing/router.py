# SPDX-License-Identifier: Apache-2.0
"""`BackendRouter`: a backend that chooses the backend.

Whatever takes a backend takes a router. It hands batches on as they are; the plan is made with the chosen backend's
capabilities. All batches of one call go to one backend. Decisions are kept, so that a training loop stays where it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from numpy.typing import NDArray

from qstore.accounting import Budget, CostReport
from qstore.batch import BatchResult, Capabilities, CircuitBatch, Estimate
from qstore.errors import OptionError, nearest_names
from qstore.execution import execute_many, execute_many_async
from qstore.execution.clock import SYSTEM_CLOCK, Clock
from qstore.plugins import Backend, Pullback, pulls_back_sync
from qstore.routing.calls import Differentiated, differentiated, opened
from qstore.routing.candidates import candidates_from
from qstore.routing.decisions import Decisions, checked_memory, checked_policy
from qstore.routing.explanation import Explanation
from qstore.routing.fallback import STRATEGIES, Course, Rules, no_backend
from qstore.routing.policy import CostOptimizer
from qstore.routing.scores import Weights
from qstore.routing.selection import Choice, Work, native_reason
from qstore.routing.throughput import Throughput

__all__ = ["BackendRouter"]

_MOST_WARM = 1024
_LOOK_EVERY = 15
"""One call of sixteen is timed, and the third: the first ones compile."""


class _Warm:
    """A decision that the next call may use as it is: a free local backend that takes the batch directly."""

    __slots__ = ("call", "calls", "candidate", "choice")

    def __init__(self, choice: Choice, call: Callable[..., Any]) -> None:
        self.choice = choice
        self.candidate = choice.candidate
        self.call = call
        self.calls = 0


class BackendRouter:
    """Chooses a backend for each batch by cost, speed and accuracy, within a budget, and falls back when one fails.

    Args:
        preferences: weights of "cost", "speed" and "accuracy".
        budget_limit: the most that may be spent, dollars or a `Budget`; None means not one paid dollar.
        fallback_strategy: what follows when a backend is down or the budget is spent: "simulation" (a free backend),
            "next" (the next best, even if it is paid) or "none", also None (the error).
        candidates: registered names and backends to choose from; by default all that are installed and local.
        policy: a `CostOptimizer` in the place of `budget_limit`.
        remote: whether services may be chosen that `candidates` does not name; by default only with a budget.
        memory: whether to remember how long backends really took: True, False, or a file of its own.
        cool_down_s: how long a backend that failed is left alone; twice as long after each further failure, 15 minutes at
            most.
        clock: tells the time for that.

    Raises:
        BackendUnavailable: a candidate is not registered.
        OptionError: an argument out of its range, or a router among the candidates.

    Example:
        >>> import qstore as qs
        >>> router = BackendRouter(candidates=["statevector"])
        >>> qs.run(qs.QuantumCircuit(2).h(0).cx(0, 1), backend=router).backend
        'statevector'
    """

    name = "auto"

    def __init__(
        self,
        preferences: Mapping[str, float] | None = None,
        budget_limit: Budget | Decimal | float | str | None = None,
        fallback_strategy: str | None = "simulation",
        candidates: Iterable[Backend | str] | None = None,
        *,
        policy: CostOptimizer | None = None,
        remote: bool | None = None,
        memory: bool | str | os.PathLike[str] | Throughput = True,
        cool_down_s: float = 60.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._given = {
            "preferences": preferences, "budget_limit": budget_limit, "fallback_strategy": fallback_strategy,
            "candidates": candidates if candidates is None or isinstance(candidates, str) else list(candidates),
            "policy": policy, "remote": remote, "memory": memory if isinstance(memory, bool) else str(getattr(memory, "path", memory)),
            "cool_down_s": cool_down_s,
        }  # fmt: skip
        weights = Weights.of(preferences)
        self._policy = checked_policy(budget_limit, policy)
        self.spends_nothing = self._policy is None
        chain = self._policy.chain if self._policy is not None else ()
        if chain and candidates is not None:
            raise OptionError("The policy's fallback_chain names the candidates; leave candidates=... out.")
        fallback_strategy = "none" if fallback_strategy is None else fallback_strategy
        if fallback_strategy not in STRATEGIES:
            hint = nearest_names(str(fallback_strategy), list(STRATEGIES))
            raise OptionError(
                f"fallback_strategy must be one of {', '.join(STRATEGIES)}, got {fallback_strategy!r}.{hint}"
            )
        if chain and fallback_strategy == "none":
            raise OptionError(
                "fallback_strategy='none' and a fallback_chain contradict each other; leave one out."
            )
        if isinstance(cool_down_s, bool) or not isinstance(cool_down_s, (int, float)) or not cool_down_s >= 0:
            raise OptionError(f"cool_down_s must be seconds from 0 up, got {cool_down_s!r}.")
        named = (
            [(link.backend, link.max_cost_per_batch) for link in chain]
            if chain
            else self._given["candidates"]
        )
        self._decisions = Decisions(
            candidates_from(named),  # type: ignore[arg-type]  # what users pass is looked at there
            weights,
            Rules("next" if chain else fallback_strategy, float(cool_down_s), clock, self._policy, set()),
            remote=bool(remote) if remote is not None else self._policy is not None,
            ordered=bool(chain),
            memory=checked_memory(memory),
        )
        self._warm: dict[object, _Warm] = {}
        self._capabilities: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Any batch is taken and, if nobody can run it, refused with a reason; gradients are those of the candidates."""
        found = self._capabilities
        if found is None:
            found = self._capabilities = self._decisions.capabilities()
        return found

    @property
    def policy(self) -> CostOptimizer | None:
        """How money is spent; None where none may be."""
        return self._policy

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """What the chosen backend expects.

        Raises:
            CapabilityError: no candidate can run it.
        """
        choice = self._decisions.first(Work((batch,)))
        return Estimate(
            usd=choice.usd,
            seconds=choice.seconds,
            error=choice.error,
            model=f"{choice.candidate.name}, as chosen",
        )

    def explain(self, batch: CircuitBatch | Sequence[CircuitBatch], *, gradient: bool = False) -> Explanation:
        """The candidates for a batch with their figures, scores and reasons; printing it shows a table.

        Args:
            batch: a batch, or several that would go out in one call.
            gradient: whether a backend is to differentiate it by itself.

        Example:
            >>> import qstore as qs
            >>> router = BackendRouter(candidates=["statevector"], memory=False)
            >>> explanation = router.explain(qs.CircuitBatch.of(qs.QuantumCircuit(2).h(0)))
            >>> explanation.chosen, explanation.rows[0].score.total > 0.9
            ('statevector', True)
        """
        from qstore.routing.explaining import explained

        work = Work((batch,) if isinstance(batch, CircuitBatch) else tuple(batch), gradient)
        return explained(work, self._decisions.ready(work), self._decisions.rules, self._decisions.terms())

    def get_cost_report(self) -> CostReport:
        """What was spent under the router's budget, by day, backend and run.

        Raises:
            OptionError: it has no budget.
        """
        if self._policy is None:
            raise OptionError(
                "This router has no budget, so nothing was spent; give it one with budget_limit=...."
            )
        return self._policy.get_cost_report()

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        """Run a batch on the best backend; raises as that backend does, when no other may take its place."""
        warm = self._warm.get((batch.circuit, type(batch.outputs), batch.shots, batch.size))
        if warm is None or warm.candidate.down_until:
            return self._run_all_sync(Work((batch,)))[0]
        try:
            warm.calls += 1
            if warm.calls & _LOOK_EVERY != 2:
                return warm.call(batch)  # type: ignore[no-any-return]  # a bound method, looked up once
            start = time.perf_counter()
            result: BatchResult = warm.call(batch)
        except Exception as exc:  # noqa: BLE001  # the course says whether another backend may mend it
            return self._run_all_sync(Work((batch,)), exc)[0]
        self._decisions.note_time(Work((batch,)), warm.choice, time.perf_counter() - start)
        return result

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> Differentiated:
        """Value and gradient by the best backend that differentiates natively."""
        warm = self._warm.get((batch.circuit, type(batch.outputs), "vjp", batch.size))
        if warm is None or warm.candidate.down_until:
            return self._vjp_sync(batch, cotangent, wrt)
        try:
            warm.calls += 1
            if warm.calls & _LOOK_EVERY != 2:
                return warm.call(batch, cotangent, wrt)  # type: ignore[no-any-return]  # as above
            start = time.perf_counter()
            found: Differentiated = warm.call(batch, cotangent, wrt)
        except Exception as exc:  # noqa: BLE001  # as above
            return self._vjp_sync(batch, cotangent, wrt, exc)
        self._decisions.note_time(Work((batch,), vjp=True), warm.choice, time.perf_counter() - start)
        return found

    def pullback_sync(
        self, batch: CircuitBatch, wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Pullback] | None:
        """By the backend of the last `vjp_sync`; None before there was one and where it keeps nothing or fails."""
        warm = self._warm.get((batch.circuit, type(batch.outputs), "vjp", batch.size))
        if warm is None or warm.candidate.down_until or not pulls_back_sync(warm.choice.backend):
            return None
        if warm.calls + 1 & _LOOK_EVERY == 2:
            return None  # the next one is timed
        warm.calls += 1
        try:
            return warm.choice.backend.pullback_sync(batch, wrt)
        except Exception:  # noqa: BLE001  # as above: it shows again, and is dealt with, where the batch is run
            return None

    def run_many_sync(self, batches: Sequence[CircuitBatch]) -> tuple[BatchResult, ...]:
        """Run several batches, all of them on one backend."""
        return self._run_all_sync(Work(tuple(batches))) if batches else ()

    async def run(self, batch: CircuitBatch) -> BatchResult:
        """The twin of `run_sync`."""
        return (await self.run_many((batch,)))[0]

    async def run_many(self, batches: Sequence[CircuitBatch]) -> tuple[BatchResult, ...]:
        """The twin of `run_many_sync`."""
        work = Work(tuple(batches))
        if not batches:
            return ()
        course = await self._course(work)
        for choice in course:
            try:
                await opened(course, choice)
                start = time.perf_counter()
                results = await execute_many_async(work.batches, choice.backend)
                taken_s = time.perf_counter() - start
            except Exception as exc:  # noqa: BLE001  # `failed` raises what is not for another backend to mend
                course.failed(choice, exc)
            else:
                return await self._settled(course, work, choice, results, taken_s)
        raise AssertionError("a course ends with a result or an error")

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> Differentiated:
        """The twin of `vjp_sync`."""
        work = Work((batch,), vjp=True)
        course = await self._course(work)
        for choice in course:
            try:
                await opened(course, choice)
                start = time.perf_counter()
                result, gradients = await choice.backend.vjp(batch, cotangent, wrt)  # type: ignore[attr-defined]  # selected for it
                taken_s = time.perf_counter() - start
            except Exception as exc:  # noqa: BLE001  # as above
                course.failed(choice, exc)
            else:
                return (await self._settled(course, work, choice, (result,), taken_s))[0], gradients
        raise AssertionError("a course ends with a result or an error")

    def reason_against_vjp(self, batch: CircuitBatch) -> str | None:
        """Why no candidate differentiates a batch by itself; None when one does."""
        if (batch.circuit, type(batch.outputs), "vjp", batch.size) in self._warm and batch.shots is None:
            return None
        work = Work((batch,), vjp=True)
        if batch.shots is not None:
            return native_reason(batch, self.capabilities, self.name)
        selection = self._decisions.selected(work)
        return None if selection.choices else str(no_backend(selection))

    def _run_all_sync(self, work: Work, first: Exception | None = None) -> tuple[BatchResult, ...]:
        """Run on one choice after the other; `first` is what the first one has just raised."""
        course = self._decisions.course(work)
        for choice in course:
            try:
                if first is not None:
                    failure, first = first, None
                    raise failure
                course.open(choice)
                start = time.perf_counter()
                results = execute_many(work.batches, choice.backend)
                taken_s = time.perf_counter() - start
            except Exception as exc:  # noqa: BLE001  # as above
                course.failed(choice, exc)
            else:
                results = course.finished(choice, results)
                self._done(work, choice, taken_s)
                return results
        raise AssertionError("a course ends with a result or an error")

    def _vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None,
        first: Exception | None = None,
    ) -> Differentiated:  # fmt: skip
        work = Work((batch,), vjp=True)
        course = self._decisions.course(work)
        for choice in course:
            try:
                if first is not None:
                    failure, first = first, None
                    raise failure
                course.open(choice)
                start = time.perf_counter()
                result, gradients = differentiated(choice.backend, batch, cotangent, wrt)
                taken_s = time.perf_counter() - start
            except Exception as exc:  # noqa: BLE001  # as above
                course.failed(choice, exc)
            else:
                (result,) = course.finished(choice, (result,))
                self._done(work, choice, taken_s)
                return result, gradients
        raise AssertionError("a course ends with a result or an error")

    async def _course(self, work: Work) -> Course:
        if self._decisions.is_known(work):
            return self._decisions.course(work)
        from asyncio import to_thread  # who awaits this has it

        return await to_thread(self._decisions.course, work)  # making backends imports libraries

    async def _settled(
        self, course: Course, work: Work, choice: Choice, results: Sequence[BatchResult], taken_s: float
    ) -> tuple[BatchResult, ...]:
        def settled() -> tuple[BatchResult, ...]:
            told = course.finished(choice, results)
            self._done(work, choice, taken_s)
            return told

        if not choice.paid:
            return settled()
        from asyncio import to_thread  # who awaits this has it

        return await to_thread(settled)  # ledgers wait for the disk

    def _done(self, work: Work, choice: Choice, taken_s: float) -> None:
        """Learn from a call: money, time, and whether the next one like it may go the short way."""
        if self._decisions.paid(choice):
            self._warm.clear()
        found = choice.backend.capabilities
        call = getattr(choice.backend, "vjp_sync" if work.vjp else "run_sync", None)
        is_simple = choice.direct and found.local and not found.paid and len(work.batches) == 1
        if is_simple and call is not None and self._decisions.is_best(work, choice):
            batch = work.batches[0]
            key = (batch.circuit, type(batch.outputs), "vjp" if work.vjp else batch.shots, batch.size)
            if len(self._warm) >= _MOST_WARM:
                self._warm.clear()
            self._warm.setdefault(key, _Warm(choice, call))
        elif not found.local:
            self._decisions.note_time(work, choice, taken_s)

    def forget(self) -> None:
        """Decide anew with the next call, for instance after an installation in a notebook.

        Example:
            >>> BackendRouter().forget()
        """
        self._decisions.forget()
        self._warm.clear()

    def __getstate__(self) -> dict[str, Any]:
        return self._given  # another process makes its own backends and decisions

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # the constructor is the only way to a consistent router

    def __deepcopy__(self, memo: dict[int, Any]) -> BackendRouter:
        return self  # a model that is copied goes on with the same budget, decisions and connections

    def __repr__(self) -> str:
        names = ", ".join(repr(each.name) for each in self._decisions.candidates)
        money = f", {self._policy!r}" if self._policy is not None else ""
        return f"BackendRouter(candidates=[{names}]{money})"
