# SPDX-License-Identifier: Apache-2.0
"""Running checks, without pytest too: `examine_backend("statevector").text()` is the whole report card."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from qstore.plugins import Backend, get_backend, load_factory
from qstore.testing.card import EXPECTED, FAILED, MOOT, PASSED, SKIPPED, Card, Verdict
from qstore.testing.check import Check, Moot, NotClaimed, Violation
from qstore.testing.exam import BackendExam

__all__ = ["backend_exam", "examine", "examine_backend", "judged"]

KIT_BACKENDS = {
    "strict": "qstore.testing.strict:StrictBackend",
    "loopback": "qstore.testing.loopback:LoopbackBackend",
}
"""The kit's own. They are not registered: nobody should be routed to a test backend."""


def backend_exam(
    subject: str | Callable[..., Backend], *, options: Mapping[str, Any] | None = None, **settings: Any
) -> BackendExam:
    """Prepare the examination of a backend.

    Args:
        subject: a registered name, "strict" or "loopback" of the kit, "package.module:callable", or a function that
            makes one.
        options: what the backend is made with.
        settings: `tolerance`, `budget_usd`, `timeout_s`, `seed`; see `BackendExam`.

    Raises:
        BackendUnavailable: there is no such backend.
        OptionError: it does not take the options.
    """
    given = dict(options or {})
    if not isinstance(subject, str):
        return BackendExam("", lambda: subject(**given), **settings)
    if subject in KIT_BACKENDS or ":" in subject:
        factory = load_factory(KIT_BACKENDS.get(subject, subject))
        return BackendExam("", lambda: factory(**given), **settings)
    return BackendExam(subject, lambda: get_backend(subject, **given), by_default=not given, **settings)


def examine_backend(
    subject: str | Callable[..., Backend],
    *,
    options: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    **settings: Any,
) -> Card:
    """Examine a backend.

    Args:
        subject: as for `backend_exam`.
        options: likewise.
        settings: likewise.
        only: subjects ("gates", "shots" ...) or names of checks; by default all.
        expected_failures: reasons by name of the check. These are run, and one that passes after all is a failure.

    Example:
        >>> card = examine_backend("strict", only=["small things", "bit order/strings"])
        >>> card.passed, len(card.verdicts)
        (True, 8)
    """
    from qstore.testing.checks import BACKEND_CHECKS

    chosen = [check for check in BACKEND_CHECKS if only is None or {check.name, check.subject} & set(only)]
    exam = backend_exam(subject, options=options, **settings)
    return examine(f"backend {exam.backend.name!r}", chosen, exam, expected_failures)


def examine(
    subject: str, checks: Iterable[Check], exam: Any, expected_failures: Mapping[str, str] | None = None
) -> Card:
    """Run checks on any subject."""
    return Card(subject, [judged(check, exam, expected_failures) for check in checks])


def judged(check: Check, exam: Any, expected_failures: Mapping[str, str] | None = None) -> Verdict:
    """Run one check and say what became of it; whatever it raises is a verdict."""
    before = len(exam.remarks)
    try:
        check(exam)
        state, why = PASSED, ""
    except Moot as exc:
        state, why = MOOT, str(exc)
    except NotClaimed as exc:
        state, why = SKIPPED, str(exc)
    except Violation as exc:
        state, why = FAILED, f"{check.about}. {exc}"
    except Exception as exc:  # noqa: BLE001  # the subject's exception is the finding
        state, why = FAILED, f"{check.about}. It raised {type(exc).__name__}: {exc}"
    known = (expected_failures or {}).get(check.name)
    if known is not None and state == FAILED:
        state, why = EXPECTED, f"{known} ({why})"
    elif known is not None:
        state, why = FAILED, f"expected to fail ({known}) and {state}: take it off the list"
    return Verdict(check.name, state, why, tuple(exam.remarks[before:]))
