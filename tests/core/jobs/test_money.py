# SPDX-License-Identifier: Apache-2.0
"""Money is reserved before a job is sent and settled after it, whatever happens on the way."""

import asyncio
from decimal import Decimal

import pytest
from job_bench import job

from faults.core.server import PRICE
from qstore.accounting import Budget, Ledger
from qstore.errors import (
    AuthenticationError,
    BudgetExceeded,
    JobAmbiguous,
    JobFailed,
    OptionError,
    TransportError,
)
from qstore.execution.job_rows import JobState


def spending(ledger, name="default"):
    return ledger.report()[name]


def test_money_is_reserved_before_and_settled_after(bench):
    b = bench()
    with Ledger(b.home / "ledger.sqlite") as ledger:
        seen = []
        b.service.before["submit"] = lambda: seen.append(spending(ledger).reserved_usd)
        b.run(job(usd="2.00"), ledger=ledger, budget=Budget(3))
        assert seen == [Decimal(2)]
        assert (spending(ledger).settled_usd, spending(ledger).reserved_usd) == (PRICE, 0)


def test_jobs_that_cannot_all_be_paid_are_not_sent_at_all(bench):
    b = bench()
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises(
            BudgetExceeded, match=r"needs \$5, but of the \$3 of budget 'default' \$3 are left"
        ):
            b.run(*(job(n) for n in range(10)), ledger=ledger, budget=Budget(3))
        assert b.server.billed() == {}
        assert ledger.report() == {}
    assert b.journal.rows().result() == []


def test_of_a_hundred_concurrent_calls_those_are_sent_that_the_budget_pays_for(bench):
    b = bench()
    ledger = Ledger(b.home / "ledger.sqlite")
    runner = b.runner(ledger=ledger, budget=Budget(PRICE * 37))

    async def all_at_once():
        return await asyncio.gather(*(runner.run([job(n)]) for n in range(100)), return_exceptions=True)

    results = asyncio.run(all_at_once())
    assert sum(isinstance(each, list) for each in results) == 37
    assert sum(isinstance(each, BudgetExceeded) for each in results) == 63
    assert b.service.calls["submit"] == 37
    assert spending(ledger).settled_usd == PRICE * 37
    ledger.close()


@pytest.mark.parametrize("word", ["rejected", "not accepted", "always:refused"])
def test_what_was_not_accepted_gives_its_money_back(bench, word):
    b = bench(submit=[word])
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises((OptionError, TransportError)):
            b.run(job(), ledger=ledger, budget=Budget(3))
        assert ledger.report() == {}


def test_a_job_that_is_held_keeps_its_money(bench):
    b = bench(submit=["lost"])
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises(JobAmbiguous):
            b.run(job(), ledger=ledger, budget=Budget(3))
        assert spending(ledger).reserved_usd == PRICE


def test_jobs_that_were_not_sent_when_a_call_ended_give_their_money_back(bench):
    b = bench(submit=["", "", "wrong key"])
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises(AuthenticationError):
            b.run(*(job(n) for n in range(10)), max_in_flight=1, ledger=ledger, budget=Budget(30))
        assert (spending(ledger).reserved_usd, spending(ledger).settled_usd) == (0, 2 * PRICE)
        b.service.faults.clear()
        b.run(*(job(n) for n in range(10)), ledger=ledger, budget=Budget(30))
        assert spending(ledger).settled_usd == 10 * PRICE


def test_a_dead_process_that_sent_nothing_leaves_no_reservation(bench):
    b = bench()
    with Ledger(b.home / "ledger.sqlite") as ledger:
        b.journal.claim([job()], ledger=str(ledger.path)).result()
        ledger.reserve(job().tag, PRICE, Budget(3))
        b.journal.record(job().tag, JobState.RESERVED).result()
        b.restart()
        assert ledger.report() == {}
        assert b.row(job()).state is JobState.NEW


def test_a_bill_that_a_crash_kept_out_of_the_ledger_is_entered_later(bench):
    b = bench()
    with Ledger(b.home / "ledger.sqlite") as ledger:
        ledger.reserve(job().tag, Decimal(2), Budget(3))
        b.run(job())
        assert spending(ledger).reserved_usd == 2
        b.restart()
        b.run(job(), ledger=ledger, budget=Budget(3))
        assert (spending(ledger).reserved_usd, spending(ledger).settled_usd) == (0, PRICE)


def test_a_failed_job_whose_bill_is_unknown_counts_as_spent(bench):
    b = bench(course="fails")
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises(JobFailed):
            b.run(job(), ledger=ledger, budget=Budget(3))
        assert spending(ledger).settled_usd == PRICE
