# SPDX-License-Identifier: Apache-2.0
"""The kit examines itself: every planted fault has to be caught, and no good subject accused.

`python -m pytest --qstore-self-test` prints what this returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from qstore.testing.card import FAILED
from qstore.testing.check import Check
from qstore.testing.examine import judged
from qstore.testing.faults.altered import Fault

__all__ = [
    "Trial",
    "backend_trials",
    "compiler_trials",
    "converter_trials",
    "gradient_trials",
    "score",
    "store_trials",
    "trial",
]

TIMEOUT_S = 3.0
"""For a run of a faulty backend: one of the faults is to hang."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the kit found in one subject of the self-test.

    Attributes:
        name: of the fault, or of the good subject.
        planted: whether there is a fault.
        caught_by: the first check that failed; "" for none.
        why: what it said.
    """

    name: str
    planted: bool
    caught_by: str = ""
    why: str = ""

    @property
    def right(self) -> bool:
        """Whether a fault was caught, or a good subject left alone."""
        return bool(self.caught_by) == self.planted


def trial(name: str, make: Callable[[], Any], checks: Iterable[Check], *, planted: bool) -> Trial:
    """Examine one subject until the first failure."""
    try:
        exam = make()
    except Exception as exc:  # noqa: BLE001  # a subject that cannot even be made is caught
        return Trial(name, planted, "making it", f"{type(exc).__name__}: {exc}")
    for check in checks:
        verdict = judged(check, exam)
        if verdict.state == FAILED:
            return Trial(name, planted, check.name, verdict.why)
    return Trial(name, planted)


def backend_trials(faults: Iterable[Fault] | None = None) -> list[tuple[str, Callable[[], Trial]]]:
    """A function for each good backend and each faulty one, by name."""
    from qstore.testing.checks import BACKEND_CHECKS
    from qstore.testing.examine import KIT_BACKENDS, backend_exam
    from qstore.testing.faults.backend_faults import BACKEND_FAULTS

    def examined(name: str, subject: Any, planted: bool) -> Trial:
        timeout_s = TIMEOUT_S if planted else 60.0
        return trial(
            name, lambda: backend_exam(subject, timeout_s=timeout_s), BACKEND_CHECKS, planted=planted
        )

    good = [(name, lambda name=name: examined(name, name, False)) for name in KIT_BACKENDS]
    bad = [(fault.name, lambda fault=fault: examined(fault.name, fault.make, True))
           for fault in (BACKEND_FAULTS if faults is None else faults)]  # fmt: skip
    return [*good, *bad]


def converter_trials() -> list[tuple[str, Callable[[], Trial]]]:
    """As `backend_trials`."""
    from qstore.testing.converters import CHECKS
    from qstore.testing.faults.other_faults import CONVERTER_FAULTS, GOOD_CONVERTER

    return _trials("converter", GOOD_CONVERTER, CONVERTER_FAULTS, CHECKS)


def compiler_trials() -> list[tuple[str, Callable[[], Trial]]]:
    """As `backend_trials`."""
    from qstore.testing.compilers import CHECKS
    from qstore.testing.faults.other_faults import COMPILER_FAULTS, GOOD_COMPILER

    return _trials("compiler", GOOD_COMPILER, COMPILER_FAULTS, CHECKS)


def gradient_trials() -> list[tuple[str, Callable[[], Trial]]]:
    """As `backend_trials`."""
    from qstore.testing.faults.other_faults import GOOD_GRADIENT, GRADIENT_FAULTS
    from qstore.testing.gradient_methods import CHECKS

    return _trials("gradient method", GOOD_GRADIENT, GRADIENT_FAULTS, CHECKS)


def store_trials() -> list[tuple[str, Callable[[], Trial]]]:
    """As `backend_trials`; a good store of each kind."""
    from qstore.testing.faults.store_faults import GOOD_STORES, STORE_FAULTS
    from qstore.testing.stores import CHECKS

    good = [(f"a good store of {kind}", make, False) for kind, make in GOOD_STORES.items()]
    planted = [(fault.name, fault.make, True) for fault in STORE_FAULTS]
    return [
        (name, partial(trial, name, make, CHECKS, planted=is_planted))
        for name, make, is_planted in (*good, *planted)
    ]


def _trials(
    kind: str, good: Callable[[], Any], faults: Iterable[Fault], checks: Iterable[Check]
) -> list[tuple[str, Callable[[], Trial]]]:
    named = [
        (f"a good {kind}", good, False),
        *((f"{kind}: {fault.name}", fault.make, True) for fault in faults),
    ]
    return [(name, partial(trial, name, make, checks, planted=planted)) for name, make, planted in named]


def score(trials: Iterable[Trial]) -> str:
    """The mutation score, for people."""
    done = list(trials)
    planted = [each for each in done if each.planted]
    good = [each for each in done if not each.planted]
    width = max((len(each.name) for each in planted), default=0)
    lines = [f"  {each.name:<{width}}  {each.caught_by or 'NOT CAUGHT'}" for each in planted]
    lines += [
        f"  FALSE ALARM on {each.name}: {each.caught_by}: {each.why}" for each in good if not each.right
    ]
    caught = sum(each.right for each in planted)
    alarms = sum(not each.right for each in good)
    lines.append(
        f"Mutation score: {caught} of {len(planted)} planted faults caught, {alarms} false alarms on {len(good)} good subjects"
    )
    return "\n".join(lines)
