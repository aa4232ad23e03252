# SPDX-License-Identifier: Apache-2.0
"""The ledger: what was reserved and spent, in one SQLite file that all processes of a user share.

Money is reserved before a request leaves and settled when the bill is known, so that no number of processes together
spends more than a budget. Amounts are kept as whole billionths of a dollar, so that sums are exact; a reservation is
rounded up. Every call is idempotent per tag: a job that is resumed after a crash is counted once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, NamedTuple, Self

from qstore.batch import state_home
from qstore.errors import BudgetExceeded, ExecutionError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from qstore.accounting.database import Database, Transaction

__all__ = ["Budget", "Ledger", "LedgerReport", "Spending"]

_NANO = Decimal(10) ** 9
_SCHEMA = (
    """CREATE TABLE entries (
        tag TEXT PRIMARY KEY, budget TEXT NOT NULL, day TEXT NOT NULL, state TEXT NOT NULL, nanodollars INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX by_budget ON entries (budget, day)",
)
_VERSION = 1
_SUM = "SELECT COALESCE(SUM(nanodollars), 0) FROM entries WHERE state != 'released' AND budget = ?"
UNLIMITED = "unlimited"
"""The name under which money is counted that no budget limits."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent under a name.

    Attributes:
        total_usd: over the whole life of the name in the ledger.
        daily_usd: on one day by UTC; None for no such limit.
        name: what the money is counted under; another name starts from zero.

    Raises:
        OptionError: a limit that is no amount of money, or no name.

    Example:
        >>> Budget("25", daily_usd=5, name="thesis")
        Budget(total_usd=Decimal('25'), daily_usd=Decimal('5'), name='thesis')
    """

    total_usd: Decimal
    daily_usd: Decimal | None = None
    name: str = "default"

    def __init__(
        self,
        total_usd: Decimal | float | str,
        daily_usd: Decimal | float | str | None = None,
        name: str = "default",
    ) -> None:
        object.__setattr__(self, "total_usd", _dollars(total_usd, "total_usd"))
        object.__setattr__(self, "daily_usd", None if daily_usd is None else _dollars(daily_usd, "daily_usd"))
        if not isinstance(name, str) or not name or name == UNLIMITED:
            raise OptionError(f"A budget's name is a string other than '' and {UNLIMITED!r}, got {name!r}.")
        object.__setattr__(self, "name", name)


class Spending(NamedTuple):
    """What was spent under one budget's name.

    Attributes:
        settled_usd: billed and known.
        reserved_usd: for jobs whose bill is not known yet.
        today_usd: both together, of jobs reserved today by UTC.
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

        self.path = Path(path) if path is not None else state_home() / "ledger.sqlite"
        self._database: Database | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def reserve(self, tag: str, usd: Decimal, budget: Budget | None = None) -> None:
        """Set money aside for a job; a tag that has its reservation or its bill already is not counted again.

        Raises:
            BudgetExceeded: more than is left; nothing is reserved.
            ExecutionError: the ledger cannot be written.
        """
        self.reserve_all({tag: usd}, budget)

    def reserve_all(self, amounts: Mapping[str, Decimal], budget: Budget | None = None) -> None:
        """Set money aside for several jobs: for all of them, or for none.

        Raises:
            BudgetExceeded: more than is left; nothing is reserved.
            ExecutionError: the ledger cannot be written.
        """
        wanted = {tag: _nano(usd, ROUND_CEILING) for tag, usd in amounts.items()}
        name = budget.name if budget is not None else UNLIMITED
        day = _today()

        def reserve(transaction: Transaction) -> None:
            connection = transaction.connection
            states = {tag: _state(transaction, tag) for tag in wanted}
            fresh = {tag: nano for tag, nano in wanted.items() if states[tag] in (None, "released")}
            if budget is not None and fresh:
                spent = connection.execute(_SUM, (name,)).fetchone()[0]
                today = connection.execute(f"{_SUM} AND day = ?", (name, day)).fetchone()[0]
                _check(budget, sum(fresh.values()), spent, today, self.path)
            connection.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, 'reserved', ?)",
                [(tag, name, day, nano) for tag, nano in fresh.items()],
            )

        self._open().write(reserve)

    def settle(self, tag: str, billed: Decimal | None, budget: Budget | None = None) -> None:
        """Put the bill in the place of the reservation; the first bill counts.

        Args:
            tag: the job. A tag that was never reserved is entered with its bill.
            billed: dollars; None where the service does not say, then the reservation counts as spent.
            budget: what it is counted under if it was never reserved.

        Raises:
            ExecutionError: the ledger cannot be written.
        """

        def settle(transaction: Transaction) -> None:
            state = _state(transaction, tag)
            connection = transaction.connection
            if state == "settled":
                return
            if state is None:
                name = budget.name if budget is not None else UNLIMITED
                nano = _nano(billed or Decimal(0), ROUND_HALF_EVEN)
                connection.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, 'settled', ?)", (tag, name, _today(), nano)
                )
            elif billed is None:
                connection.execute("UPDATE entries SET state = 'settled' WHERE tag = ?", (tag,))
            else:
                nano = _nano(billed, ROUND_HALF_EVEN)
                connection.execute(
                    "UPDATE entries SET state = 'settled', nanodollars = ? WHERE tag = ?", (nano, tag)
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

    def report(self) -> LedgerReport:
        """What was spent, by name of the budget.

        Raises:
            ExecutionError: the ledger cannot be read.
        """

        def read(transaction: Transaction) -> dict[str, Spending]:
            rows = transaction.connection.execute(
                """SELECT budget, COALESCE(SUM(nanodollars) FILTER (WHERE state = 'settled'), 0),
                          COALESCE(SUM(nanodollars) FILTER (WHERE state = 'reserved'), 0),
                          COALESCE(SUM(nanodollars) FILTER (WHERE day = ?), 0), COUNT(*)
                   FROM entries WHERE state != 'released' GROUP BY budget ORDER BY budget""",
                (_today(),),
            )
            return {
                name: Spending(
                    settled_usd=_usd(settled), reserved_usd=_usd(reserved), today_usd=_usd(today), jobs=jobs
                )
                for name, settled, reserved, today, jobs in rows
            }

        return self._open().write(read)

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
                    self.path, schema=_SCHEMA, version=_VERSION, what="ledger", durable=True
                )
            return self._database


def _check(budget: Budget, wanted: int, spent: int, today: int, path: Path) -> None:
    limits = [("", budget.total_usd, spent)]
    if budget.daily_usd is not None:
        limits.append((" today", budget.daily_usd, today))
    for when, limit, gone in limits:
        if gone + wanted > _nano(limit, ROUND_HALF_EVEN):
            left = max(limit - _usd(gone), Decimal(0))
            msg = (
                f"This needs ${_usd(wanted)}, but of the ${limit} of budget {budget.name!r} ${left} are left{when} "
                f"(${_usd(gone)} are spent or reserved, says {path}). Nothing was sent; ask for less, raise the budget, or "
                "count under another name: Budget(..., name=...)."
            )
            raise BudgetExceeded(msg)


def _state(transaction: Transaction, tag: str) -> str | None:
    row = transaction.connection.execute("SELECT state FROM entries WHERE tag = ?", (tag,)).fetchone()
    return row[0] if row is not None else None


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def _dollars(given: Decimal | float | str, what: str) -> Decimal:
    try:
        dollars = Decimal(str(given))
    except ArithmeticError:
        dollars = Decimal("NaN")
    if not dollars.is_finite() or dollars < 0:
        raise OptionError(f"{what} must be an amount of dollars from 0 up, got {given!r}.")
    return dollars


def _nano(usd: Decimal, rounding: str) -> int:
    dollars = _dollars(usd, "An amount")
    try:
        nano = int((dollars * _NANO).to_integral_value(rounding=rounding))
    except ArithmeticError:
        nano = 1 << 63
    if nano >= 1 << 62:
        raise OptionError(f"An amount must be below four billion dollars, got {usd!r}.")
    return nano


def _usd(nano: int) -> Decimal:
    return (Decimal(nano) / _NANO).normalize() + Decimal(0) if nano else Decimal(0)
