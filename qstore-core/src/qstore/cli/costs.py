# SPDX-License-Identifier: Apache-2.0
"""`qstore costs`: what was spent, by budget, day, backend and run, and what is left."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.cli.words import dollars
from qstore.errors import OptionError

if TYPE_CHECKING:
    from qstore.accounting import Budget, CostReport, Ledger

__all__ = ["add"]

_KEYS = ("budget", "day", "backend", "run")
_EPILOG = """\
examples:
  qstore costs
  qstore costs --by backend
  qstore costs --by day --by backend --since 2026-11-01
  qstore costs --budget thesis --json

"settled" is billed and known, "reserved" is for jobs whose bill is not known yet; both count against a budget.
exit codes: 0 shown, 1 the ledger cannot be read
"""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("--by", action="append", choices=_KEYS,
                        help="add up by this; may be given several times; by default by all")  # fmt: skip
    parser.add_argument("--budget", metavar="NAME", help="only what was counted under this name")
    parser.add_argument("--since", metavar="YYYY-MM-DD", help="only from this day on")
    parser.add_argument("--time-zone", metavar="ZONE",
                        help="whose midnight ends a day, such as Europe/Berlin (the budget's)")  # fmt: skip
    parser.add_argument("--ledger", metavar="FILE", help="another ledger than the user's own")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.epilog = _EPILOG
    return _run


def _run(args: argparse.Namespace) -> int:
    from qstore.accounting import CostReport, Ledger
    from qstore.execution import current_settings

    settings = current_settings()
    since = _day(args.since)
    with Ledger(args.ledger) as ledger:
        if not ledger.path.exists():
            # Opening it would make it.
            if args.ledger is not None:
                raise OptionError(f"--ledger {args.ledger}: there is no such file.")
            report, left = CostReport(()), None
        else:
            report = ledger.cost_report(args.budget, time_zone=args.time_zone or settings.budget_time_zone)
            left = _left(ledger, settings.budget, args.budget)
    if since is not None:
        report = CostReport(tuple(row for row in report.rows if row.day >= since))
    if args.json:
        record: dict[str, Any] = {**report.to_dict(), "left": left}
        if args.by:
            record["by"] = [
                {**dict(zip(args.by, key, strict=True)), "usd": str(usd)}
                for key, usd in _sums(report, args.by)
            ]
        print(json_text(record))
        return 0
    print(_split(report, args.by) if args.by and report.rows else report)
    others = sorted(path for path in ledger.path.parent.glob("ledger*.sqlite") if path != ledger.path)
    if others and args.ledger is None:
        # Backends may keep money that is not real apart, as the emulator's is.
        print(f"\nOther ledgers here, for --ledger: {', '.join(map(str, others))}")
    if left is not None:
        print(
            f"\nOf budget {left['budget']!r} {dollars(left['left_usd']) if left['left_usd'] else '$0.00'} are left."
        )
    return 0


def _left(ledger: Ledger, budget: Budget | None, asked: str | None) -> dict[str, Any] | None:
    if budget is None or asked not in {None, budget.name}:
        return None
    return {"budget": budget.name, "left_usd": ledger.left(budget)}


def _sums(report: CostReport, keys: list[str]) -> list[tuple[tuple[Any, ...], Any]]:
    found = report.by(*keys)
    return [((key,) if len(keys) == 1 else key, usd) for key, usd in found.items()]


def _split(report: CostReport, keys: list[str]) -> str:
    rows = [[*(str(each) or "-" for each in key), dollars(usd)] for key, usd in sorted(_sums(report, keys))]
    rows.append(["total", *[""] * (len(keys) - 1), dollars(report.total_usd)])
    return table([*keys, "spent"], rows, right={"spent"})


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OptionError(f"--since takes a day such as 2026-11-21, got {text[:40]!r}.") from None
