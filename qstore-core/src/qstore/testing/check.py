# SPDX-License-Identifier: Apache-2.0
"""What a check is: a named function that raises `Violation` when a contract is broken, `NotClaimed` when it was not made.

Checks stand in tables, one module per subject, filled by the decorator `Table.check`. A check that holds for each of
several things (each gate, each output) is written once and becomes one check per thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Check", "Moot", "NotClaimed", "Table", "Violation", "require"]


class Violation(AssertionError):
    """A contract is broken; the message says what was found and what was expected."""


class NotClaimed(Exception):
    """The check does not apply: the subject does not claim what it tests."""


class Moot(NotClaimed):
    """The check has no object, for a reason that is no lack: it is left out of the coverage."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: "subject/what", unique in the kit.
        about: the contract in one sentence.
        function: takes the exam (and what it is about, for a check made for each of several things).
        about_what: the thing, if it is one of several.
    """

    name: str
    about: str
    function: Callable[..., None]
    about_what: tuple[Any, ...] = ()

    @property
    def subject(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    def __call__(self, exam: Any) -> None:
        """Run it.

        Raises:
            Violation: the contract is broken.
            NotClaimed: it does not apply.
        """
        self.function(exam, *self.about_what)


@dataclass(slots=True)
class Table:
    """The checks of one subject.

    Example:
        >>> table = Table("money")
        >>> @table.check("nothing costs nothing")
        ... def free(exam):
        ...     require(exam == 0, f"it cost {exam}")
        >>> [each.name for each in table]
        ['money/free']
    """

    subject: str
    checks: list[Check] = field(default_factory=list)

    def check(
        self, about: str, *, each: Sequence[Any] | None = None
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Enter a function; with `each`, once per thing in it, "{}" in `about` standing for the thing."""

        def enter(function: Callable[..., None]) -> Callable[..., None]:
            name = f"{self.subject}/{function.__name__}"
            if each is None:
                self.checks.append(Check(name, about, function))
            else:
                self.checks += [
                    Check(f"{name}[{thing}]", about.format(thing), function, (thing,)) for thing in each
                ]
            return function

        return enter

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)


def require(condition: object, message: str) -> None:
    """Raise `Violation` unless the condition holds."""
    if not condition:
        raise Violation(message)
