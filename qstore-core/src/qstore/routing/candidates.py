# SPDX-License-Identifier: Apache-2.0
"""Candidates: backends that a router may choose, made when they are first needed.

What a backend can do is read from its plugin's data, so that looking at candidates imports nothing of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeGuard

from qstore.batch import Capabilities
from qstore.errors import BackendUnavailable, OptionError, PluginError, QStoreError
from qstore.plugins import Backend, chooses, get_backend, loaded_plugins

if TYPE_CHECKING:
    from decimal import Decimal

    from qstore.accounting import Budget, Ledger

__all__ = ["Candidate", "KeepsBudget", "candidates_from", "keeps_budget"]

ROUTER = "qstore.routing."
"""Where the factories of routers are: a router is no candidate of another."""


class KeepsBudget(Backend, Protocol):
    """A paid backend that reserves what it sends from a budget by itself, before anything leaves.

    A paid backend without this works too: then the router reserves what `estimate` says.
    """

    @property
    def budget(self) -> Budget | None:
        """What it reserves from; None for no limit."""

    @property
    def ledger(self) -> Ledger:
        """Where it counts."""

    def with_budget(self, budget: Budget, ledger: Ledger | None = None) -> Backend:
        """The same backend, which reserves from this budget, counted in this ledger or in its own."""


def keeps_budget(backend: Backend) -> TypeGuard[KeepsBudget]:
    """Whether a backend has `with_budget`."""
    return hasattr(backend, "with_budget")


class Candidate:
    """A backend that may be chosen, and how it fared.

    Args:
        name: what it is called in explanations.
        make: makes the backend.
        capabilities: what it can do, as far as that is known before it is made.
        named: whether the user named it, which is leave to send something there.
        max_usd: the most dollars that one call may cost there; None for no such limit.
        loads: whether making it imports its libraries.

    Attributes:
        down_until: when it may be tried again (monotonic seconds); 0 while it is well.
        trouble: why it is down.
        failures: how often in a row it failed.
        refused_usd: what it last cost when the budget had too little left; None while it has enough.
    """

    __slots__ = ("_backend", "_capabilities", "_make", "down_until", "failures", "loads", "max_usd", "name", "named", "refused_usd",
                 "reserves", "trouble")  # fmt: skip

    def __init__(
        self,
        name: str,
        make: Callable[[], Backend],
        capabilities: Capabilities | None,
        *,
        named: bool,
        max_usd: Decimal | None = None,
        loads: bool = False,
    ) -> None:
        self.name = name
        self.loads = loads
        self.named = named
        self.max_usd = max_usd
        self._make = make
        self._capabilities = capabilities
        self._backend: Backend | None = None
        self.reserves = False
        """Whether the router has to reserve its money, because it does not by itself."""
        self.down_until = 0.0
        self.trouble = ""
        self.failures = 0
        self.refused_usd: Decimal | None = None

    @property
    def capabilities(self) -> Capabilities | None:
        """What it can do; None where only making it could tell."""
        return self._backend.capabilities if self._backend is not None else self._capabilities

    @property
    def is_made(self) -> bool:
        """Whether the backend exists already."""
        return self._backend is not None

    def backend(self, budget: Budget | None, ledger: Ledger | None) -> Backend:
        """The backend, made with the first call.

        Args:
            budget: what a paid one may spend.
            ledger: where it counts; None for where it counts by itself.

        Raises:
            OptionError: it has a budget of its own.
            QStoreError: it cannot be made.
        """
        if self._backend is None:
            self._backend = self._limited(self._make(), budget, ledger)
        return self._backend

    def _limited(self, made: Backend, budget: Budget | None, ledger: Ledger | None) -> Backend:
        if not made.capabilities.paid or budget is None:
            return made
        if not keeps_budget(made):
            self.reserves = True
            return made
        if made.budget is not None and made.budget != budget:
            raise OptionError(
                f"{self.name!r} has a budget of its own, {made.budget!r}. Make it without one: the router spends its own."
            )
        limited = made.with_budget(budget, ledger)
        if getattr(limited, "budget", None) != budget:
            raise PluginError(
                f"{self.name!r} made a backend {limited!r} whose budget is not the one it was given."
            )
        return limited

    def __repr__(self) -> str:
        return f"<Candidate {self.name!r}{f', down: {self.trouble}' if self.down_until else ''}>"


def candidates_from(
    given: Iterable[Backend | str | tuple[Backend | str, Decimal | None]] | None,
) -> list[Candidate]:
    """The candidates that a user named, or all that are installed.

    Args:
        given: registered names and backends, perhaps with the most that a call may cost; None for all that is installed.

    Returns:
        Those that the user named in their order; all that are installed with the most able first.

    Raises:
        BackendUnavailable: a name is not registered; says what is.
        OptionError: neither a name nor a backend, or a router.
    """
    if given is None:
        specs = [
            entry.spec for entry in loaded_plugins().backends if not entry.spec.factory.startswith(ROUTER)
        ]
        found = [_registered(spec.name, spec.capabilities, named=False) for spec in specs]
        return sorted(found, key=_most_able_first)
    if isinstance(given, str):
        raise OptionError(f"candidates is a list of backends, got {given!r}; write [{given!r}].")
    found = [_named(*each) if isinstance(each, tuple) else _named(each, None) for each in given]
    if not found:
        raise OptionError("candidates is an empty list; leave it out for all backends that are installed.")
    return _with_names_of_their_own(found)


def _named(given: Backend | str, max_usd: Decimal | None) -> Candidate:
    if isinstance(given, str):
        entry = loaded_plugins().backends.get(given)
        if entry is None:
            get_backend(given)  # says what is installed
            raise BackendUnavailable(f"No backend named {given!r}.")
        if entry.spec.factory.startswith(ROUTER):
            raise OptionError(
                f"{given!r} is a router itself and cannot be a candidate; name what it chooses from."
            )
        return _registered(entry.spec.name, entry.spec.capabilities, named=True, max_usd=max_usd)
    if not (hasattr(given, "run") and hasattr(given, "capabilities")):
        raise OptionError(f"A candidate is a registered name or a backend, got {given!r}.")
    if chooses(given):
        raise OptionError("A router cannot be a candidate of another; name what it chooses from.")
    return Candidate(given.name, lambda: given, given.capabilities, named=True, max_usd=max_usd)


def _registered(
    name: str, capabilities: Capabilities | None, *, named: bool, max_usd: Decimal | None = None
) -> Candidate:
    def make() -> Backend:
        try:
            return get_backend(name)
        except QStoreError:
            raise
        except Exception as exc:
            # A stranger's constructor may raise anything; the other candidates must not suffer.
            raise BackendUnavailable(f"{name!r} does not start: {type(exc).__name__}: {exc}") from exc

    return Candidate(name, make, capabilities, named=named, max_usd=max_usd, loads=True)


def _with_names_of_their_own(found: Sequence[Candidate]) -> list[Candidate]:
    seen: dict[str, int] = {}
    for each in found:
        number = seen[each.name] = seen.get(each.name, 0) + 1
        if number > 1:
            each.name = f"{each.name} ({number})"
    return list(found)


def _most_able_first(candidate: Candidate) -> tuple[object, ...]:
    """Free before paid, local before remote, then what can do most: the order in which candidates are looked at."""
    found = candidate.capabilities
    if found is None:
        return (2, 0, 0, 0, candidate.name)
    abilities = len(found.differentiable_outputs) + len(found.exact_outputs) + len(found.shot_outputs)
    abilities += found.noise + found.feedback + found.differentiates_noise
    return (int(found.paid), int(not found.local), -abilities, -found.max_qubits, candidate.name)
