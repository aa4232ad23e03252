# SPDX-License-Identifier: Apache-2.0
"""The kit as a pytest plugin: checks become items, verdicts become outcomes, and report cards end the run.

`pytest --qstore-backend NAME` runs the kit alone; with paths, `pytest --pyargs qstore.testing ...`, it runs where its
own path is among them. Verdicts travel in the reports' `user_properties`, so that pytest-xdist's workers can report.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qstore.testing.card import EXPECTED, FAILED, MOOT, SKIPPED, Card, Verdict
from qstore.testing.check import Check
from qstore.testing.examine import judged
from qstore.testing.selfcheck import Trial, score
from qstore.testing.subjects import SUBJECTS, TRIALS, Subject

__all__ = ["Kit"]

_HERE = Path(__file__).resolve()
_VERDICT, _TRIAL = "qstore_verdict", "qstore_trial"


class Kit:
    """Collects, runs and reports what the options ask for."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args[:] = [str(_HERE)]  # the user named no paths: the kit alone

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """This very file stands for the kit."""
        if file_path.resolve() != _HERE:
            return None
        return _KitFile.from_parent(parent, path=file_path, name="qstore")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The report cards, and the score of a self-test."""
        cards: dict[str, Card] = {}
        trials: list[Trial] = []
        for reports in list(terminalreporter.stats.values()):
            for report in reports:
                if getattr(report, "when", "") != "call":
                    continue  # the reports of set-up and tear-down carry the same properties
                for key, value in getattr(report, "user_properties", ()):
                    if key == _VERDICT:
                        subject, name, state, why, remarks = json.loads(value)
                        cards.setdefault(subject, Card(subject)).verdicts.append(
                            Verdict(name, state, why, tuple(remarks))
                        )
                    elif key == _TRIAL:
                        trials.append(Trial(*json.loads(value)))
        for card in cards.values():
            terminalreporter.section("qstore")
            terminalreporter.write_line(card.text())
        if trials:
            terminalreporter.section("qstore self-test")
            terminalreporter.write_line(score(trials))


class _KitFile(pytest.File):
    """Everything that was asked for."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        option = self.config.getoption
        for kind, subject in SUBJECTS.items():
            for name in option(f"qstore_{kind}"):
                yield _SubjectNode.from_parent(
                    self, name=f"{kind} {name}", make=partial(_made, self.config, subject, name)
                )
        if option("qstore_self_test"):
            for kind, trials in TRIALS.items():
                for name, run in trials():
                    yield _TrialItem.from_parent(self, name=f"self-test of {kind}: {name}", run=run)


class _SubjectNode(pytest.Collector):
    """One backend, converter, compiler or gradient method; made once."""

    def __init__(self, *, make: Callable[[], tuple[Any, Iterable[Check]]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._make = make

    def collect(self) -> Iterator[pytest.Item]:
        exam, checks = self._make()
        only = set(self.config.getoption("qstore_only"))
        expected = _expected_failures(self.config.getoption("qstore_expected_failures"))
        for check in checks:
            if not only or {check.name, check.subject} & only:
                yield _CheckItem.from_parent(self, name=check.name, check=check, exam=exam, expected=expected)


class _CheckItem(pytest.Item):
    """One check of one subject."""

    def __init__(self, *, check: Check, exam: Any, expected: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._check, self._exam, self._expected = check, exam, expected

    def runtest(self) -> None:
        verdict = judged(self._check, self._exam, self._expected)
        told = [
            self.parent.name if self.parent else "",
            verdict.check,
            verdict.state,
            verdict.why,
            verdict.remarks,
        ]
        self.user_properties.append((_VERDICT, json.dumps(told)))
        if verdict.state in {SKIPPED, MOOT}:
            pytest.skip(verdict.why)
        if verdict.state == EXPECTED:
            pytest.xfail(verdict.why)
        if verdict.state == FAILED:
            pytest.fail(verdict.why, pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.parent.name if self.parent else ''}: {self.name}"


class _TrialItem(pytest.Item):
    """One planted fault, or one good subject."""

    def __init__(self, *, run: Callable[[], Trial], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._run = run

    def runtest(self) -> None:
        found = self._run()
        self.user_properties.append(
            (_TRIAL, json.dumps([found.name, found.planted, found.caught_by, found.why]))
        )
        if not found.right:
            said = (
                f"false alarm: {found.caught_by}: {found.why}"
                if found.caught_by
                else "the planted fault was not caught"
            )
            pytest.fail(said, pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


def _made(config: pytest.Config, subject: Subject, name: str) -> tuple[Any, Iterable[Check]]:
    option = config.getoption
    options = dict(_parsed(each) for each in option("qstore_options"))
    settings: dict[str, Any] = {"budget_usd": option("qstore_budget"), "judge": option("qstore_judge"),
                                "tolerance": option("qstore_tolerance")}  # fmt: skip
    given = {key: value for key, value in settings.items() if key in subject.settings and value is not None}
    return subject.prepare(name, options=options, **given), subject.checks()


def _parsed(text: str) -> tuple[str, Any]:
    """`shots=100` and `device=simulator`: a Python literal, else text."""
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise pytest.UsageError(f"--qstore-options takes KEY=VALUE, got {text!r}")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value


def _expected_failures(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    pairs = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {name: reason or "no reason given" for name, _, reason in pairs}
