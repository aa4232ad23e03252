# SPDX-License-Identifier: Apache-2.0
"""The ledger: no number of processes together spends more than a budget."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import qstore as qs
from qstore.accounting import Budget, Ledger
from qstore.accounting import ledger as ledger_module
from qstore.errors import BudgetExceeded, ExecutionError, OptionError


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "folder" / "ledger.sqlite") as made:
        yield made


def figures(ledger, name="default"):
    found = ledger.report()[name]
    return (found.reserved_usd, found.settled_usd, found.today_usd, found.jobs)


def test_reserve_settle_and_release(ledger):
    ledger.reserve("a", Decimal("1.50"), Budget(10))
    ledger.reserve("b", Decimal(2), Budget(10))
    assert figures(ledger) == (Decimal("3.5"), 0, Decimal("3.5"), 2)
    ledger.settle("a", Decimal("1.25"))
    ledger.release("b")
    assert figures(ledger) == (0, Decimal("1.25"), Decimal("1.25"), 1)


def test_every_call_counts_once_per_tag(ledger):
    for _ in range(3):
        ledger.reserve("a", Decimal(4), Budget(5))
    assert figures(ledger) == (4, 0, 4, 1)
    for bill in (3, 4, None):
        ledger.settle("a", None if bill is None else Decimal(bill))
    ledger.release("a")
    ledger.reserve("a", Decimal(4), Budget(5))
    assert figures(ledger) == (0, 3, 3, 1)
    ledger.reserve("b", Decimal(2), Budget(5))
    ledger.release("b")
    ledger.release("b")
    ledger.reserve("b", Decimal(2), Budget(5))
    assert figures(ledger)[0] == 2


def test_a_bill_that_nobody_knows_counts_as_reserved(ledger):
    ledger.reserve("a", Decimal(4), Budget(5))
    ledger.settle("a", None)
    assert figures(ledger) == (0, 4, 4, 1)


def test_a_bill_without_a_reservation_is_entered(ledger):
    ledger.settle("a", Decimal(4), Budget(5))
    ledger.settle("b", Decimal(1))
    assert figures(ledger) == (0, 4, 4, 1)
    assert figures(ledger, "unlimited") == (0, 1, 1, 1)


def test_more_than_is_left_is_refused_with_the_figures(ledger):
    ledger.reserve("a", Decimal("7.25"), Budget(10, name="thesis"))
    with pytest.raises(BudgetExceeded, match=re.escape(
        f"This needs $3, but of the $10 of budget 'thesis' $2.75 are left ($7.25 are spent or reserved, says {ledger.path}). "
        "Nothing was sent; ask for less, raise the budget, or count under another name: Budget(..., name=...)."
    )):  # fmt: skip
        ledger.reserve("b", Decimal(3), Budget(10, name="thesis"))
    ledger.reserve("b", Decimal("2.75"), Budget(10, name="thesis"))
    ledger.reserve("c", Decimal(3), Budget(10, name="other"))


def test_all_or_none(ledger):
    with pytest.raises(BudgetExceeded):
        ledger.reserve_all({"a": Decimal(3), "b": Decimal(3)}, Budget(5))
    assert ledger.report() == {}
    ledger.reserve("a", Decimal(3), Budget(5))
    ledger.reserve_all({"a": Decimal(3), "b": Decimal(2)}, Budget(5))
    assert figures(ledger)[0] == 5


def at(text, zone="UTC"):
    """A wall time as seconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.fixture
def clock(monkeypatch):
    """Sets the ledger's clock."""

    def set_to(text, zone="UTC"):
        monkeypatch.setattr(ledger_module, "_now", lambda: at(text, zone))

    return set_to


def test_a_day_has_its_own_limit(ledger, clock):
    budget = Budget(10, daily_usd=3)
    clock("2026-11-20T23:59:59")
    ledger.reserve("a", Decimal(2), budget)
    assert ledger.left(budget) == 1
    with pytest.raises(BudgetExceeded, match=r"of the \$3 of budget 'default' \$1 are left today"):
        ledger.reserve("b", Decimal(2), budget)
    clock("2026-11-21T00:00:00")
    assert ledger.left(budget) == 3
    ledger.reserve("b", Decimal(2), budget)
    assert figures(ledger) == (4, 0, 2, 2)


# What was reserved, when, and what is left of the day at a later moment; the first three are one moment.
MIDNIGHTS = [
    ("UTC", "2026-11-20T22:30:00", "UTC", "2026-11-20T23:30:00", 1),
    ("Europe/Berlin", "2026-11-20T22:30:00", "UTC", "2026-11-20T23:30:00", 3),
    ("America/New_York", "2026-11-20T22:30:00", "UTC", "2026-11-20T23:30:00", 1),
    ("America/New_York", "2026-11-20T22:30:00", "UTC", "2026-11-21T04:59:59", 1),
    ("America/New_York", "2026-11-20T22:30:00", "UTC", "2026-11-21T05:00:00", 3),
    ("Asia/Kathmandu", "2026-11-20T18:14:59", "UTC", "2026-11-20T18:15:00", 3),
    # Summer time begins and ends: days of 23 and of 25 hours.
    ("Europe/Berlin", "2026-03-29T00:00:00", "Europe/Berlin", "2026-03-29T23:59:59", 1),
    ("Europe/Berlin", "2026-03-29T23:59:59", "Europe/Berlin", "2026-03-30T00:00:00", 3),
    ("Europe/Berlin", "2026-10-25T00:00:00", "Europe/Berlin", "2026-10-25T23:59:59", 1),
    # In Chile the clock jumps from midnight to one, so the day begins at one.
    ("America/Santiago", "2026-09-05T23:59:59", "America/Santiago", "2026-09-06T01:00:00", 3),
    ("America/Santiago", "2026-09-06T01:00:00", "America/Santiago", "2026-09-06T23:00:00", 1),
]


@pytest.mark.parametrize(("zone", "reserved", "reserved_in", "later", "left"), MIDNIGHTS)
def test_a_day_ends_at_midnight_in_the_budgets_own_time_zone(
    ledger, clock, zone, reserved, reserved_in, later, left
):
    budget = Budget(10, daily_usd=3, time_zone=zone)
    clock(reserved, reserved_in)
    ledger.reserve("a", Decimal(2), budget)
    clock(later, reserved_in)
    assert ledger.left(budget) == left


def test_a_clock_that_is_set_back_does_not_free_money(ledger, clock):
    budget = Budget(10, daily_usd=3)
    clock("2026-11-21T08:00:00")
    ledger.reserve("a", Decimal(2), budget)
    clock("2026-11-20T08:00:00")
    with pytest.raises(BudgetExceeded, match="left today"):
        ledger.reserve("b", Decimal(2), budget)


@pytest.mark.parametrize("zone", ["Nowhere/Atall", "", "../etc/passwd", 5])
def test_a_time_zone_is_one_that_exists(zone):
    with pytest.raises(OptionError, match="time_zone must be a name such as 'Europe/Berlin' or 'UTC', got"):
        Budget(1, time_zone=zone)


def test_reports_are_by_budget_day_backend_and_run(ledger, clock):
    clock("2026-11-20T23:30:00")
    ledger.reserve("a", Decimal("1.50"), Budget(10), backend="ionq.aria-1", run="digits")
    ledger.settle("a", Decimal("1.25"))
    ledger.reserve("b", Decimal(2), Budget(10), backend="ionq.forte-1", run="digits")
    ledger.settle("c", Decimal("0.125"), backend="ionq.aria-1", run="other")
    clock("2026-11-21T00:30:00")
    ledger.reserve_all({"d": Decimal(1), "e": Decimal(1)}, Budget(10), backend="ionq.aria-1", run="digits")
    ledger.release("e")
    report = ledger.cost_report()
    assert str(report) == repr(report)
    assert str(report).splitlines() == [
        "budget     day         backend       run     jobs  settled  reserved",
        "default    2026-11-20  ionq.aria-1   digits     1    $1.25     $0.00",
        "default    2026-11-20  ionq.forte-1  digits     1    $0.00     $2.00",
        "default    2026-11-21  ionq.aria-1   digits     1    $0.00     $1.00",
        "unlimited  2026-11-20  ionq.aria-1   other      1   $0.125     $0.00",
        "total                                           4   $1.375     $3.00",
    ]
    assert report.by("backend") == {"ionq.aria-1": Decimal("2.375"), "ionq.forte-1": 2}
    assert report.by("day", "budget")[date(2026, 11, 21), "default"] == 1
    assert report.total_usd == Decimal("4.375")
    assert len(ledger.cost_report("unlimited").rows) == 1
    assert ledger.cost_report(time_zone="Asia/Tokyo").by("day") == {date(2026, 11, 21): Decimal("4.375")}
    assert (report + report).total_usd == 2 * report.total_usd
    assert report.to_dict()["rows"][0] == {
        "budget": "default", "day": "2026-11-20", "backend": "ionq.aria-1", "run": "digits", "jobs": 1,
        "settled_usd": "1.25", "reserved_usd": "0",
    }  # fmt: skip
    with pytest.raises(OptionError, match="split by budget, day, backend, run, got"):
        report.by("year")
    assert str(ledger.cost_report("none of that name")) == "Nothing was spent."


OLD = """
CREATE TABLE entries (
    tag TEXT PRIMARY KEY, budget TEXT NOT NULL, day TEXT NOT NULL, state TEXT NOT NULL, nanodollars INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_budget ON entries (budget, day);
INSERT INTO entries VALUES ('a', 'default', '2026-11-19', 'settled', 3000000000);
INSERT INTO entries VALUES ('b', 'default', '2026-11-20', 'reserved', 2500000000);
INSERT INTO entries VALUES ('c', 'thesis', '2026-11-20', 'released', 1000000000);
PRAGMA user_version=1;
"""


def old_ledger(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD)
    return path


def test_a_ledger_of_the_first_format_is_taken_over(tmp_path, clock):
    clock("2026-11-20T12:00:00")
    with Ledger(old_ledger(tmp_path / "ledger.sqlite")) as ledger:
        assert figures(ledger) == (Decimal("2.5"), 3, Decimal("2.5"), 2)
        assert ledger.left(Budget(10, daily_usd=3)) == Decimal("0.5")
        assert ledger.left(Budget(10, name="thesis")) == 10
        ledger.settle("b", Decimal(2))
        ledger.reserve("c", Decimal(1), Budget(2, name="thesis"), backend="ionq.aria-1", run="digits")
        assert ledger.cost_report().by("budget", "backend", "run") == {
            ("default", "", ""): 5, ("thesis", "ionq.aria-1", "digits"): 1,
        }  # fmt: skip
        assert "-        -" not in str(ledger.cost_report("thesis"))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert figures(ledger) == (0, 5, 2, 2)


def test_two_processes_may_take_an_old_ledger_over_at_once(tmp_path):
    path = str(old_ledger(tmp_path / "ledger.sqlite"))
    children = [subprocess.Popen([sys.executable, "-c", CHILD, path, str(n)], stdout=subprocess.PIPE, text=True)
                for n in range(3)]  # fmt: skip
    # 5.50 of the 11.10 are gone already.
    assert sum(int(child.communicate()[0]) for child in children) == 18


def test_a_failed_upgrade_leaves_the_file_as_it_was(tmp_path):
    path = old_ledger(tmp_path / "ledger.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entries_1 (x)")
    with pytest.raises(ExecutionError, match="entries_1"):
        Ledger(path).report()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
        assert connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0] == 3


def test_sums_are_exact(ledger):
    for n in range(100):
        ledger.reserve(f"job-{n}", Decimal("0.1"), Budget(10))
    with pytest.raises(BudgetExceeded):
        ledger.reserve("one more", Decimal("0.000000001"), Budget(10))
    assert figures(ledger)[0] == 10


def test_a_reservation_is_rounded_up(ledger):
    ledger.reserve("a", Decimal("1e-12"), Budget(1))
    assert figures(ledger)[0] == Decimal("1e-9")


def test_threads_together_keep_to_the_budget(ledger):
    def reserve(n):
        try:
            ledger.reserve(f"job-{n}", Decimal("0.30"), Budget("11.10"))
        except BudgetExceeded:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(reserve, range(100))) == 37


CHILD = """
import sys
from decimal import Decimal
from qstore.accounting import Budget, Ledger
from qstore.errors import BudgetExceeded
done = 0
with Ledger(sys.argv[1]) as ledger:
    for n in range(40):
        try:
            ledger.reserve(f"{sys.argv[2]}-{n}", Decimal("0.30"), Budget("11.10"))
            done += 1
        except BudgetExceeded:
            pass
print(done)
"""


def test_processes_together_keep_to_the_budget(tmp_path):
    path = str(tmp_path / "ledger.sqlite")
    children = [subprocess.Popen([sys.executable, "-c", CHILD, path, str(n)], stdout=subprocess.PIPE, text=True)
                for n in range(3)]  # fmt: skip
    assert sum(int(child.communicate()[0]) for child in children) == 37


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_opens_its_own_handle(ledger):
    ledger.reserve("parent", Decimal(1), Budget(10))
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # a child that hangs must not outlive the test
        status = 1
        try:
            ledger.reserve("child", Decimal(2), Budget(10))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    ledger.reserve("later", Decimal(4), Budget(10))
    assert figures(ledger)[0] == 7


def test_a_ledger_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExecutionError, match=r"The ledger .* cannot be made: .* Set QSTORE_HOME\."):
        Ledger(tmp_path / "file" / "ledger.sqlite").reserve("a", Decimal(1))
    (tmp_path / "ledger.sqlite").write_text("no database, but long enough to be looked at " * 100)
    with pytest.raises(
        ExecutionError, match=r"The ledger .* cannot be used: it is no database; move it away"
    ):
        Ledger(tmp_path / "ledger.sqlite").reserve("a", Decimal(1))


def test_a_ledger_of_a_later_release_is_left_alone(ledger):
    ledger.reserve("a", Decimal(1))
    ledger._open().write(lambda t: t.connection.execute("PRAGMA user_version=99"))
    ledger.close()
    with pytest.raises(ExecutionError, match=r"written by a later qstore \(format 99, this one has 2\)"):
        ledger.reserve("b", Decimal(1))


def test_a_full_disk_reserves_nothing_and_is_survived(ledger):
    ledger.reserve("a", Decimal(1), Budget(10))
    database = ledger._open()
    pages = database.write(lambda t: t.connection.execute("PRAGMA page_count").fetchone()[0])
    database.submit(lambda t: t.connection.execute(f"PRAGMA max_page_count={pages}")).result()
    with pytest.raises(ExecutionError, match="the disk is full; free some space"):
        ledger.reserve_all({f"job-{n}" * 50: Decimal("0.001") for n in range(1000)}, Budget(10))
    database.submit(lambda t: t.connection.execute("PRAGMA max_page_count=1000000")).result()
    assert figures(ledger) == (1, 0, 1, 1)
    ledger.reserve("b", Decimal(1), Budget(10))


def test_one_commit_serves_many_callers_and_a_mistake_only_its_own(ledger):
    database = ledger._open()
    gate = threading.Event()
    first = database.submit(lambda _: gate.wait(10))
    good = [database.submit(lambda _, n=n: n) for n in range(50)]
    bad = database.submit(lambda _: 1 / 0)
    table = database.submit(lambda t: t.connection.execute("INSERT INTO nowhere VALUES (1)"))
    gate.set()
    assert first.result()
    assert [each.result() for each in good] == list(range(50))
    with pytest.raises(ZeroDivisionError):
        bad.result()
    with pytest.raises(ExecutionError, match="no such table: nowhere"):
        table.result()
    ledger.close()
    with pytest.raises(ExecutionError, match="is closed; nothing was written"):
        database.write(lambda _: None)


@pytest.mark.parametrize("amount", [-1, "NaN", "inf", "many", None, [], True - 2])
def test_budgets_are_amounts_of_money(amount):
    with pytest.raises(OptionError, match="total_usd must be an amount of dollars from 0 up"):
        Budget(amount)


def test_budgets_are_values():
    assert Budget(5) == Budget("5.00") == qs.Budget(Decimal(5), None, "default")
    assert Budget(0.1).total_usd == Decimal("0.1")
    assert repr(Budget(5, 1, "x")) == "Budget(total_usd=Decimal('5'), daily_usd=Decimal('1'), name='x')"
    for name in ("", "unlimited", 5):
        with pytest.raises(OptionError, match="A budget's name is a string other than"):
            Budget(5, name=name)
    with pytest.raises(OptionError, match="An amount must be below four billion dollars"):
        Ledger("unused").reserve("a", Decimal("1e12"))


def test_the_ledger_lies_in_the_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path))
    assert Ledger().path == tmp_path / "ledger.sqlite"
    assert not Ledger().path.exists()
    assert (
        repr(Ledger("x.sqlite")) == f"Ledger({str(Path('x.sqlite').absolute())!r})"
    )  # the program may change its folder
