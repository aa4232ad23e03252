# SPDX-License-Identifier: Apache-2.0
"""The report card: what was claimed, what of it holds, and how much of the kit applied at all.

Coverage is the share of all checks that passed, but for those that are moot (a local backend names no jobs). A subject
that claims little skips much and scores little, whatever else it does right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Card", "Verdict"]

PASSED, FAILED, SKIPPED, EXPECTED, MOOT = "passed", "failed", "not claimed", "failed as expected", "moot"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one check.

    Attributes:
        check: its name.
        state: "passed", "failed", "not claimed", "moot" or "failed as expected".
        why: the reason, unless it passed.
        remarks: what is worth telling and breaks no contract.
    """

    check: str
    state: str
    why: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Card:
    """The verdicts on one subject.

    Example:
        >>> card = Card("backend 'coins'", [Verdict("shots/number", "passed"), Verdict("seeds/repeats", "not claimed", "no seed")])
        >>> card.passed, f"{card.coverage:.0%}"
        (True, '50%')
    """

    subject: str
    verdicts: list[Verdict] = field(default_factory=list)

    def count(self, state: str) -> int:
        """How many checks ended so."""
        return sum(verdict.state == state for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        """Whether no claim was broken."""
        return self.count(FAILED) == 0

    @property
    def coverage(self) -> float:
        """Passed checks by all checks that are not moot."""
        total = len(self.verdicts) - self.count(MOOT)
        return self.count(PASSED) / total if total else 0.0

    def text(self) -> str:
        """The card, for people."""
        lines = [f"Report card of {self.subject}"]
        groups: dict[str, list[Verdict]] = {}
        for verdict in self.verdicts:
            if verdict.state == MOOT:
                continue
            groups.setdefault(verdict.check.partition("/")[0], []).append(verdict)
        width = max((len(group) for group in groups), default=0)
        for group, verdicts in groups.items():
            good = sum(verdict.state == PASSED for verdict in verdicts)
            lines.append(
                f"  {group:<{width}}  {_bar(good, len(verdicts))} {good:>3} of {len(verdicts):<3} {_beside(verdicts)}".rstrip()
            )
        total = len(self.verdicts) - self.count(MOOT)
        lines.append(
            f"  {'all':<{width}}  {_bar(self.count(PASSED), total)} {self.count(PASSED):>3} of {total}: "
            f"coverage {self.coverage:.0%}, {self.count(FAILED)} broken, {self.count(SKIPPED)} not claimed"
        )
        for title, state in (("Broken", FAILED), ("Broken as expected", EXPECTED)):
            chosen = [verdict for verdict in self.verdicts if verdict.state == state]
            lines += [f"  {title}:"] * bool(chosen) + [f"    {each.check}: {each.why}" for each in chosen]
        reasons = _counted(verdict.why for verdict in self.verdicts if verdict.state == SKIPPED)
        lines += ["  Not claimed:"] * bool(reasons) + [
            f"    {reason} ({number})" for reason, number in reasons.items()
        ]
        remarks = _counted(remark for verdict in self.verdicts for remark in verdict.remarks)
        lines += ["  Remarks:"] * bool(remarks) + [f"    {remark}" for remark in remarks]
        return "\n".join(lines)


def _beside(verdicts: list[Verdict]) -> str:
    broken = sum(verdict.state == FAILED for verdict in verdicts)
    skipped = sum(verdict.state == SKIPPED for verdict in verdicts)
    return ", ".join([f"{broken} broken"] * bool(broken) + [f"{skipped} not claimed"] * bool(skipped))


def _bar(good: int, total: int, width: int = 20) -> str:
    full = width * good // max(1, total)
    return "[" + "#" * full + "." * (width - full) + "]"


def _counted(texts: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        found[text] = found.get(text, 0) + 1
    return found
