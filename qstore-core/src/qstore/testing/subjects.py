# SPDX-License-Identifier: Apache-2.0
"""What the kit can examine: backends, converters, compilers, gradient methods and stores, each with its checks and its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qstore.testing.check import Check
from qstore.testing.selfcheck import (
    Trial,
    backend_trials,
    compiler_trials,
    converter_trials,
    gradient_trials,
    store_trials,
)

__all__ = ["SUBJECTS", "TRIALS", "Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of thing that can be examined.

    Attributes:
        prepare: from a name, `options=` and the settings to an exam.
        checks: all checks of this kind.
        settings: names of the settings that `prepare` takes.
    """

    prepare: Callable[..., Any]
    checks: Callable[[], Iterable[Check]]
    settings: frozenset[str] = frozenset()


def _backend_exam(name: str, **settings: Any) -> Any:
    from qstore.testing.examine import backend_exam

    return backend_exam(name, **settings)


def _backend_checks() -> Iterable[Check]:
    from qstore.testing.checks import BACKEND_CHECKS

    return BACKEND_CHECKS


def _converter_exam(name: str, **settings: Any) -> Any:
    from qstore.testing.converters import ConverterExam

    return ConverterExam.of(name, **settings)


def _converter_checks() -> Iterable[Check]:
    from qstore.testing.converters import CHECKS

    return CHECKS


def _compiler_exam(name: str, **settings: Any) -> Any:
    from qstore.testing.compilers import CompilerExam

    return CompilerExam.of(name, **settings)


def _compiler_checks() -> Iterable[Check]:
    from qstore.testing.compilers import CHECKS

    return CHECKS


def _gradient_exam(name: str, **settings: Any) -> Any:
    from qstore.testing.gradient_methods import GradientExam

    return GradientExam.of(name, **settings)


def _gradient_checks() -> Iterable[Check]:
    from qstore.testing.gradient_methods import CHECKS

    return CHECKS


def _store_exam(name: str, **settings: Any) -> Any:
    from qstore.testing.stores import StoreExam

    return StoreExam.of(name, **settings)


def _store_checks() -> Iterable[Check]:
    from qstore.testing.stores import CHECKS

    return CHECKS


SUBJECTS: Mapping[str, Subject] = {
    "backend": Subject(_backend_exam, _backend_checks, frozenset({"tolerance", "budget_usd"})),
    "converter": Subject(_converter_exam, _converter_checks, frozenset({"tolerance", "judge"})),
    "compiler": Subject(_compiler_exam, _compiler_checks, frozenset({"tolerance"})),
    "gradient": Subject(_gradient_exam, _gradient_checks, frozenset({"tolerance"})),
    "store": Subject(_store_exam, _store_checks),
}
TRIALS: Mapping[str, Callable[[], Iterable[tuple[str, Callable[[], Trial]]]]] = {
    "backends": backend_trials,
    "converters": converter_trials,
    "compilers": compiler_trials,
    "gradient methods": gradient_trials,
    "stores": store_trials,
}
