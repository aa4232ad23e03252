# SPDX-License-Identifier: Apache-2.0
"""`CostReport`: what was spent, by budget, day, backend and run, as a table for people and as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from qstore.accounting.budget import day_of
from qstore.accounting.money import from_nano
from qstore.errors import OptionError

__all__ = ["CostReport", "CostRow", "report_of"]

_KEYS = ("budget", "day", "backend", "run")
_HEADS = ("budget", "day", "backend", "run", "jobs", "settled", "reserved")
_NUMBERS = 3
"""The last columns are numbers and stand at the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """What one run spent on one backend on one day.

    Attributes:
        budget: the name that it is counted under.
        day: when it was reserved.
        backend: where it went; "" where that was not written down.
        run: whose it was; "" where that was not written down.
        jobs: how many.
        settled_usd: billed and known.
        reserved_usd: for jobs whose bill is not known yet.
    """

    budget: str
    day: date
    backend: str
    run: str
    jobs: int
    settled_usd: Decimal
    reserved_usd: Decimal

    @classmethod
    def of(
        cls, budget: str, at_s: float, time_zone: str, backend: str, run: str, settled: int, reserved: int, jobs: int
    ) -> CostRow:  # fmt: skip
        """A row of the ledger's own figures, billionths of a dollar."""
        return cls(
            budget=budget, day=day_of(at_s, time_zone), backend=backend, run=run, jobs=jobs,
            settled_usd=from_nano(settled), reserved_usd=from_nano(reserved),
        )  # fmt: skip

    @property
    def usd(self) -> Decimal:
        """Settled and reserved together."""
        return self.settled_usd + self.reserved_usd

    def to_dict(self) -> dict[str, Any]:
        """For JSON; dollars as text, because a float is not exact."""
        return {
            **{name: str(getattr(self, name)) for name in _KEYS},
            "jobs": self.jobs,
            "settled_usd": str(self.settled_usd),
            "reserved_usd": str(self.reserved_usd),
        }


@dataclass(frozen=True, slots=True, repr=False)
class CostReport:
    """Rows by budget, day, backend and run, the newest day last; `str` and `repr` are the table.

    Example:
        >>> print(CostReport(()))
        Nothing was spent.
    """

    rows: tuple[CostRow, ...]

    @property
    def total_usd(self) -> Decimal:
        """Everything together, settled and reserved."""
        return sum((row.usd for row in self.rows), Decimal(0))

    def by(self, *keys: str) -> dict[Any, Decimal]:
        """Dollars, settled and reserved, by one or several of "budget", "day", "backend", "run".

        Raises:
            OptionError: another key.
        """
        if not keys or not set(keys) <= set(_KEYS):
            raise OptionError(f"A cost report is split by {', '.join(_KEYS)}, got {keys!r}.")
        found: dict[Any, Decimal] = {}
        for row in self.rows:
            values = tuple(getattr(row, key) for key in keys)
            key = values[0] if len(keys) == 1 else values
            found[key] = found.get(key, Decimal(0)) + row.usd
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"total_usd": str(self.total_usd), "rows": [row.to_dict() for row in self.rows]}

    def __add__(self, other: CostReport) -> CostReport:
        return report_of((*self.rows, *other.rows))

    def __str__(self) -> str:
        if not self.rows:
            return "Nothing was spent."
        lines = [_HEADS, *(_cells(row) for row in self.rows)]
        settled = sum((row.settled_usd for row in self.rows), Decimal(0))
        reserved = sum((row.reserved_usd for row in self.rows), Decimal(0))
        jobs = sum(row.jobs for row in self.rows)
        lines.append(("total", "", "", "", str(jobs), _money(settled), _money(reserved)))
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < len(_HEADS) - _NUMBERS else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def __repr__(self) -> str:
        return str(self)


def report_of(rows: Iterable[CostRow]) -> CostReport:
    """Add up rows of the same budget, day, backend and run, and sort them."""
    found: dict[tuple[Any, ...], CostRow] = {}
    for row in rows:
        key = (row.budget, row.day, row.backend, row.run)
        known = found.get(key)
        found[key] = row if known is None else CostRow(
            budget=row.budget, day=row.day, backend=row.backend, run=row.run, jobs=known.jobs + row.jobs,
            settled_usd=known.settled_usd + row.settled_usd, reserved_usd=known.reserved_usd + row.reserved_usd,
        )  # fmt: skip
    return CostReport(tuple(found[key] for key in sorted(found)))


def _cells(row: CostRow) -> tuple[str, ...]:
    # Nobody wrote down where it went in ledgers of the first format.
    names = (row.budget, row.day.isoformat(), row.backend or "-", row.run or "-")
    return (*names, str(row.jobs), _money(row.settled_usd), _money(row.reserved_usd))


def _money(usd: Decimal) -> str:
    """Dollars and cents, with more digits where there are any."""
    places = max(2, -int(usd.as_tuple().exponent)) if usd else 2
    return f"${usd:,.{places}f}"
