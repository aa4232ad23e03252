# SPDX-License-Identifier: Apache-2.0
"""The ledger: what was reserved and spent, in one SQLite file that all processes of a user share.

Money is reserved before a request leaves and settled when the bill is known, so that no number of processes together
spends more than a budget. Amounts are kept as whole billionths of a dollar, so that sums are exact; a reservation is
rounded up. Every call is idempotent per tag: a job that is resumed after a crash is counted once. Each entry knows when
it was reserved, for which backend and in which run; its day follows from the time zone of whoever asks.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, NamedTuple, Self

from qstore.accounting.budget import UNLIMITED, Budget, start_of_day
from qstore.accounting.money import from_nano, nano
from qstore.batch import state_home
from qstore.errors import BudgetExceeded, ExecutionError

if TYPE_CHECKING:
    from pathlib import Path

    from qstore.accounting.database import Database, Transaction
    from qstore.accounting.report import CostReport

__all__ = ["Ledger", "LedgerReport", "Spending"]

_TABLE = """CREATE TABLE entries (
        tag TEXT PRIMARY KEY, budget TEXT NOT NULL, at_s INTEGER NOT NULL, state TEXT NOT NULL,
        nanodollars INTEGER NOT NULL, backend TEXT NOT NULL, run TEXT NOT NULL
    ) WITHOUT ROWID"""
_INDEX = "CREATE INDEX by_budget ON entries (budget, at_s)"
_SCHEMA = (_TABLE, _INDEX)
_VERSION = 2
_FROM_1 = (
    "ALTER TABLE entries RENAME TO entries_1",
    "DROP INDEX by_budget",
    *_SCHEMA,
    # Of an old entry the day is known and not the second: its last one, so that no day's limit counts too little.
    """INSERT INTO entries SELECT tag, budget, CAST(strftime('%s', day) AS INTEGER) + 86399, state, nanodollars, '', ''
       FROM entries_1""",
    "DROP TABLE entries_1",
)
_SUM = "SELECT COALESCE(SUM(nanodollars), 0) FROM entries WHERE state != 'released' AND budget = ?"
_QUARTER_S = 900
"""Every time zone is off by whole quarters of an hour: reports add up quarters first and days of any zone from them."""


class Spending(NamedTuple):
    """What was spent under one budget's name.

    Attributes:
        settled_usd: billed and known.
        reserved_usd: for jobs whose bill is not known yet.
        today_usd: both together, of jobs reserved since UTC's midnight.
        jobs: how many.

    Example:
        >>> Spending(settled_usd=Decimal(3), reserved_usd=Decimal(1), today_usd=Decimal(4), jobs=2).jobs
        2
    """

    settled_usd: Decimal
    reserved_usd: Decimal
    today_usd: Decimal
    jobs: int


LedgerReport = Mapping[str, Spending]
"""By name of the budget; what no budget limited is under "unlimited"."""


class Ledger:
    """The ledger in a file, by default `ledger.sqlite` in the state folder; opened when it is first used.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite") as ledger:
        ...     ledger.reserve("job-1", Decimal("3.50"), Budget(10))
        ...     ledger.settle("job-1", Decimal("3.25"))
        ...     ledger.report()["default"].settled_usd
        Decimal('3.25')
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        from pathlib import Path  # 4 ms that most imports of qstore never need

        self.path = Path(path).absolute() if path is not None else state_home() / "ledger.sqlite"
        self._database: Database | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def reserve(
        self, tag: str, usd: Decimal, budget: Budget | None = None, *, backend: str = "", run: str = ""
    ) -> None:
        """Set money aside for a job; a tag that has its reservation or its bill already is not counted again.

        Args:
            tag: the job; further entries of the same job are called `TAG#more`.
            usd: what it is expected to cost.
            budget: what it must stay within; None for no limit, it is counted where the job's first entry is.
            backend: where the job goes, for reports.
            run: whose job it is, for reports.

        Raises:
            BudgetExceeded: more than is left; nothing is reserved.
            ExecutionError: the ledger cannot be written.
        """
        self.reserve_all({tag: usd}, budget, backend=backend, run=run)

    def reserve_all(
        self,
        amounts: Mapping[str, Decimal],
        budget: Budget | None = None,
        *,
        backend: str = "",
        run: str = "",
    ) -> None:
        """Set money aside for several jobs: for all of them, or for none; arguments as for `reserve`.

        Raises:
            BudgetExceeded: more than is left; nothing is reserved.
            ExecutionError: the ledger cannot be written.
        """
        wanted = {tag: nano(usd, ROUND_CEILING) for tag, usd in amounts.items()}
        now = _now()

        def reserve(transaction: Transaction) -> None:
            connection = transaction.connection
            states = {tag: _state(transaction, tag) for tag in wanted}
            fresh = {tag: units for tag, units in wanted.items() if states[tag] in (None, "released")}
            if budget is not None and fresh:
                _check(budget, sum(fresh.values()), _gone(transaction, budget, now), self.path)
            connection.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, 'reserved', ?, ?, ?)",
                [
                    (tag, _name(transaction, budget, tag), now, units, backend, run)
                    for tag, units in fresh.items()
                ],
            )

        self._open().write(reserve)

    def settle(
        self,
        tag: str,
        billed: Decimal | None,
        budget: Budget | None = None,
        *,
        backend: str = "",
        run: str = "",
    ) -> None:
        """Put the bill in the place of the reservation; the first bill counts.

        Args:
            tag: the job. A tag that was never reserved is entered with its bill.
            billed: dollars; None where the service does not say, then the reservation counts as spent, if there is one.
            budget: what it is counted under if it was never reserved.
            backend: where it went, likewise.
            run: whose it was, likewise.

        Raises:
            ExecutionError: the ledger cannot be written.
        """

        def settle(transaction: Transaction) -> None:
            state = _state(transaction, tag)
            connection = transaction.connection
            if state == "settled" or (state == "released" and billed is None):
                return
            if state is None:
                name = _name(transaction, budget, tag)
                units = nano(billed or Decimal(0), ROUND_HALF_EVEN)
                connection.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, 'settled', ?, ?, ?)",
                    (tag, name, _now(), units, backend, run),
                )
            elif billed is None:
                connection.execute("UPDATE entries SET state = 'settled' WHERE tag = ?", (tag,))
            else:
                units = nano(billed, ROUND_HALF_EVEN)
                connection.execute(
                    "UPDATE entries SET state = 'settled', nanodollars = ? WHERE tag = ?", (units, tag)
                )

        self._open().write(settle)

    def release(self, tag: str) -> None:
        """Give back the reservation of a job that was not sent; one that is settled stays.

        Raises:
            ExecutionError: the ledger cannot be written.
        """
        self.release_all((tag,))

    def release_all(self, tags: Iterable[str]) -> None:
        """Give back several reservations at once.

        Raises:
            ExecutionError: the ledger cannot be written.
        """
        given_back = [(tag,) for tag in tags]

        def release(transaction: Transaction) -> None:
            transaction.connection.executemany(
                "UPDATE entries SET state = 'released' WHERE tag = ? AND state = 'reserved'", given_back
            )

        self._open().write(release)

    def left(self, budget: Budget) -> Decimal:
        """Dollars that may still be reserved under a budget: the smaller of what its total and its day leave.

        Raises:
            ExecutionError: the ledger cannot be read.
        """

        def read(transaction: Transaction) -> Decimal:
            total, today = _gone(transaction, budget, _now())
            left = budget.total_usd - from_nano(total)
            if budget.daily_usd is not None:
                left = min(left, budget.daily_usd - from_nano(today))
            return max(left, Decimal(0))

        return self._open().write(read)

    def report(self) -> LedgerReport:
        """What was spent, by name of the budget.

        Raises:
            ExecutionError: the ledger cannot be read.
        """

        def read(transaction: Transaction) -> dict[str, Spending]:
            rows = transaction.connection.execute(
                """SELECT budget, COALESCE(SUM(nanodollars) FILTER (WHERE state = 'settled'), 0),
                          COALESCE(SUM(nanodollars) FILTER (WHERE state = 'reserved'), 0),
                          COALESCE(SUM(nanodollars) FILTER (WHERE at_s >= ?), 0), COUNT(*)
                   FROM entries WHERE state != 'released' GROUP BY budget ORDER BY budget""",
                (start_of_day(_now(), "UTC"),),
            )
            return {
                name: Spending(
                    settled_usd=from_nano(settled), reserved_usd=from_nano(reserved), today_usd=from_nano(today),
                    jobs=jobs,
                )
                for name, settled, reserved, today, jobs in rows
            }  # fmt: skip

        return self._open().write(read)

    def cost_report(self, budget: str | None = None, *, time_zone: str = "UTC") -> CostReport:
        """What was spent, by budget, day, backend and run; printing it shows the table.

        Args:
            budget: the name of one budget; None for all.
            time_zone: whose midnight ends a day.

        Raises:
            OptionError: no such time zone.
            ExecutionError: the ledger cannot be read.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite") as ledger:
            ...     ledger.settle("job-1", Decimal("3.25"), Budget(10), backend="ionq.aria-1", run="digits")
            ...     ledger.cost_report().by("backend")
            {'ionq.aria-1': Decimal('3.25')}
        """
        from qstore.accounting.report import CostRow, report_of

        def read(transaction: Transaction) -> list[tuple[str, int, str, str, int, int, int]]:
            return [tuple(row) for row in transaction.connection.execute(
                """SELECT budget, at_s / ?1, backend, run,
                          COALESCE(SUM(nanodollars) FILTER (WHERE state = 'settled'), 0),
                          COALESCE(SUM(nanodollars) FILTER (WHERE state = 'reserved'), 0), COUNT(*)
                   FROM entries WHERE state != 'released' AND (?2 IS NULL OR budget = ?2)
                   GROUP BY budget, at_s / ?1, backend, run""",
                (_QUARTER_S, budget),
            )]  # fmt: skip

        return report_of(
            CostRow.of(name, quarter * _QUARTER_S, time_zone, backend, run, settled, reserved, jobs)
            for name, quarter, backend, run, settled, reserved, jobs in self._open().write(read)
        )

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"

    def _open(self) -> Database:
        if self._pid != os.getpid():
            # A fork: the lock may have been held, and the handle is the parent's.
            self._pid, self._lock = os.getpid(), threading.Lock()
            self.close()
        database = self._database
        if database is not None:
            return database
        from qstore.accounting.database import Database  # SQLite is only needed where money is

        with self._lock:
            if self._database is None:
                try:
                    self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                except OSError as exc:
                    raise ExecutionError(
                        f"The ledger {self.path} cannot be made: {exc}. Set QSTORE_HOME."
                    ) from exc
                self._database = Database(
                    self.path,
                    schema=_SCHEMA,
                    version=_VERSION,
                    what="ledger",
                    durable=True,
                    upgrades={1: _FROM_1},
                )
            return self._database


def _gone(transaction: Transaction, budget: Budget, now: float) -> tuple[int, int]:
    """Billionths that are spent or reserved under a budget's name, in all and since its day began."""
    connection = transaction.connection
    total = connection.execute(_SUM, (budget.name,)).fetchone()[0]
    if budget.daily_usd is None:
        return total, 0
    # No upper bound: an entry from the future, of a clock that was set back since, counts too.
    since = (budget.name, start_of_day(now, budget.time_zone))
    return total, connection.execute(f"{_SUM} AND at_s >= ?", since).fetchone()[0]


def _check(budget: Budget, wanted: int, gone: tuple[int, int], path: Path) -> None:
    limits = [("", budget.total_usd, gone[0])]
    if budget.daily_usd is not None:
        limits.append((" today", budget.daily_usd, gone[1]))
    for when, limit, spent in limits:
        if spent + wanted > nano(limit, ROUND_HALF_EVEN):
            left = max(limit - from_nano(spent), Decimal(0))
            msg = (
                f"This needs ${from_nano(wanted)}, but of the ${limit} of budget {budget.name!r} ${left} are left{when} "
                f"(${from_nano(spent)} are spent or reserved, says {path}). Nothing was sent; ask for less, raise the budget, "
                "or count under another name: Budget(..., name=...)."
            )
            raise BudgetExceeded(msg)


def _name(transaction: Transaction, budget: Budget | None, tag: str) -> str:
    """Under which name a new entry is counted; without a budget, where the job's first one is: `TAG` of `TAG#more`."""
    if budget is not None:
        return budget.name
    query = "SELECT budget FROM entries WHERE tag = ?"
    found = transaction.connection.execute(query, (tag.partition("#")[0],)).fetchone()
    return UNLIMITED if found is None else str(found[0])


def _state(transaction: Transaction, tag: str) -> str | None:
    row = transaction.connection.execute("SELECT state FROM entries WHERE tag = ?", (tag,)).fetchone()
    return row[0] if row is not None else None


def _now() -> int:
    return int(time.time())
