# SPDX-License-Identifier: Apache-2.0
"""What the ledger says when a call is cancelled, a process dies or a service repeats itself: never too little."""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from job_bench import job, until

from faults.core.server import PRICE
from qstore.accounting import Budget, Ledger
from qstore.errors import BudgetExceeded, ExecutionError, JobCancelled, JobFailed, OptionError, StillRunning
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import RemoteState


def spending(ledger):
    return ledger.report()["default"]


class Slow:
    """A method that begins, and goes on when it is told."""

    def __init__(self, method):
        self.method, self.started, self.go = method, threading.Event(), threading.Event()

    def __call__(self, *arguments, **options):
        self.started.set()
        assert self.go.wait(10)
        return self.method(*arguments, **options)


def free_of_charge(service, state):
    """The service says that a job which ended so cost nothing."""
    told = service._job

    def job_at(*arguments, **options):
        found = told(*arguments, **options)
        return replace(found, billed_usd=Decimal(0)) if found.state is state else found

    service._job = job_at


def without_bills_in_lists(service):
    """The service's list of jobs does not say what they cost."""
    told = service._job

    def job_at(*arguments, look=False):
        found = told(*arguments, look=look)
        return replace(found, billed_usd=None) if look else found

    service._job = job_at


def test_a_job_that_was_over_when_it_was_found_is_asked_what_it_cost(bench):
    b = bench(submit=["accepted, lost"])
    without_bills_in_lists(b.service)
    with Ledger(b.home / "ledger.sqlite") as ledger:
        (done,) = b.run(job(usd="2.00"), ledger=ledger, budget=Budget(3))
        assert done.billed_usd == PRICE
        assert spending(ledger).settled_usd == PRICE


def test_a_duplicate_that_is_over_is_paid_for_too(bench):
    b = bench(submit=["accepted, lost"])
    without_bills_in_lists(b.service)
    b.server.accept(job().tag, job().content, "quick")  # a proxy has repeated the request
    with Ledger(b.home / "ledger.sqlite") as ledger:
        b.run(job(), ledger=ledger, budget=Budget(3))
        assert b.billed(job()) == 2
        assert spending(ledger).settled_usd == 2 * PRICE


def test_a_duplicate_that_cannot_be_cancelled_counts_and_is_cancelled_at_the_end(bench):
    b = bench(course="", submit=["accepted, lost"], cancel=["lost"])
    b.server.accept(job().tag, job().content, "")
    with Ledger(b.home / "ledger.sqlite") as ledger:
        b.run(job(), ledger=ledger, budget=Budget(3))
        assert spending(ledger).settled_usd == 2 * PRICE
    assert sorted(b.server.state(each, look=True) for each in b.server.ids()) == ["cancelled", "completed"]
    assert len(b.journal.others(job().tag).result()) == 1


def test_a_second_cancellation_lets_nothing_be_sent_without_its_money(bench):
    b = bench()
    ledger = Ledger(b.home / "ledger.sqlite")
    budget = Budget("1.00")
    poll, b.service.poll = b.service.poll, lambda _job_id: asyncio.Event().wait()
    slow, ledger.release_all = Slow(ledger.release_all), ledger.release_all
    release_all, ledger.release_all = ledger.release_all, slow

    async def cancelled_twice():
        runner = b.runner(ledger=ledger, budget=budget, max_in_flight=1)
        task = asyncio.create_task(runner.run([job(3), job(1)]))
        await until(lambda: b.row(job(3)) and b.row(job(3)).job_id)
        task.cancel()
        await until(slow.started.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.go.set()
        await until(lambda: spending(ledger).reserved_usd == PRICE)

    asyncio.run(cancelled_twice())
    b.service.poll, ledger.release_all = poll, release_all
    b.run(job(2), ledger=ledger, budget=budget)  # takes the money that is free again
    with pytest.raises(BudgetExceeded):
        b.run(job(3), job(1), ledger=ledger, budget=budget)
    assert b.server.billed().keys() == {job(3).tag, job(2).tag}
    ledger.close()


def test_a_row_that_says_sent_without_its_money_is_sent_with_it(bench):
    b = bench(submit=["rejected"])
    record = b.journal.record

    def full(tag, state, *arguments, **facts):
        if state is not JobState.NEW:
            return record(tag, state, *arguments, **facts)
        failed = Future()
        failed.set_exception(ExecutionError("the disk is full"))
        return failed

    b.journal.record = full
    with Ledger(b.home / "ledger.sqlite") as ledger:
        budget = Budget(PRICE)
        with pytest.raises(ExecutionError, match="the disk is full"):
            b.run(job(1), ledger=ledger, budget=budget)
        b.restart()
        assert b.row(job(1)).state is JobState.SENT
        b.run(job(2), ledger=ledger, budget=budget)
        with pytest.raises(BudgetExceeded):
            b.run(job(1), ledger=ledger, budget=budget, on_ambiguous="resubmit")
    assert b.server.billed().keys() == {job(2).tag}


def test_a_caller_that_is_cancelled_while_money_is_set_aside_leaves_none_of_it(bench):
    b = bench()
    ledger = Ledger(b.home / "ledger.sqlite")
    slow = ledger.reserve_all = Slow(ledger.reserve_all)

    async def cancelled():
        task = asyncio.create_task(b.runner(ledger=ledger, budget=Budget(10)).run([job(1), job(2)]))
        await until(slow.started.is_set)
        task.cancel()
        await asyncio.sleep(0.01)
        slow.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert ledger.report() == {}
    assert {row.state for row in b.journal.rows().result()} == {JobState.NEW}
    ledger.close()


def test_a_job_that_failed_free_of_charge_holds_no_money_when_its_process_died_there(bench, monkeypatch):
    """Between the journal and the ledger, whichever comes first."""
    b = bench(course="fails")
    free_of_charge(b.service, RemoteState.FAILED)
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "settle", lambda *_arguments, **_options: _killed())
            with pytest.raises(Killed):
                b.run(job(), ledger=ledger, budget=Budget("1.20"))
        for course in ("fails", "quick"):
            b.restart()
            b.server.course = course
            free_of_charge(b.service, RemoteState.FAILED)
            with suppress(JobFailed):
                b.run(job(), ledger=ledger, budget=Budget("1.20"))
        b.restart()
        b.run(job(), ledger=ledger, budget=Budget("1.20"))
        assert (spending(ledger).reserved_usd, spending(ledger).settled_usd) == (0, PRICE)


class Killed(BaseException):
    """What no code expects."""


def _killed():
    raise Killed


def test_a_call_without_money_leaves_another_calls_job_alone(bench):
    b = bench()
    ledger = Ledger(b.home / "ledger.sqlite")
    runner = b.runner(ledger=ledger, budget=Budget("0.70"), max_in_flight=1)
    reserve_all, reserved = ledger.reserve_all, threading.Event()
    read = runner._row

    def in_order(amounts, *arguments, **options):
        if len(amounts) > 1:
            assert reserved.wait(10)
        return reserve_all(amounts, *arguments, **options)

    ledger.reserve_all = in_order

    async def about_to_send(request):
        row = await read(request)
        reserved.set()
        await asyncio.sleep(0.2)
        return row

    runner._row = about_to_send

    async def both():
        calls = (runner.run([job(1)]), runner.run([job(1), job(2)]))
        return await asyncio.gather(*calls, return_exceptions=True)

    small, big = asyncio.run(both())
    assert [each.tag for each in small] == [job(1).tag]
    assert isinstance(big, BudgetExceeded)
    assert (spending(ledger).reserved_usd, spending(ledger).settled_usd) == (0, PRICE)
    ledger.close()


def test_a_job_that_was_cancelled_before_it_was_sent_cost_nothing(bench):
    b = bench(submit=["always:refused"])
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises(StillRunning):
            b.run(job(), ledger=ledger, budget=Budget(5), deadline_s=5)
        b.restart()
        runner = b.runner(ledger=ledger, budget=Budget(5))
        assert asyncio.run(runner.cancel(job())).state is JobState.CANCELLED
        assert spending(ledger).settled_usd + spending(ledger).reserved_usd == 0 if ledger.report() else True
        b.restart()
        b.run(job(), ledger=ledger, budget=Budget(5))  # and is sent when it is asked for again
        assert (spending(ledger).reserved_usd, spending(ledger).settled_usd) == (0, PRICE)


def test_the_bill_goes_to_the_ledger_that_has_the_reservation(bench):
    b = bench(course="")
    first, second = (Ledger(b.home / f"{name}.sqlite") for name in ("first", "second"))
    with first, second:
        with pytest.raises(StillRunning):
            b.run(job(), ledger=first, budget=Budget(5), deadline_s=0.1)
        b.restart()
        b.run(job(), ledger=second, budget=Budget(5))
        assert (spending(first).reserved_usd, spending(first).settled_usd) == (0, PRICE)
        assert second.report() == {}


def test_a_duplicate_that_goes_on_in_spite_of_its_cancellation_counts_and_is_looked_at_again(bench):
    """As a machine that finishes what it is running."""
    b = bench(submit=["accepted, lost"])
    b.service.after["accept"] = lambda: b.server.accept(job().tag, job().content, "stuck") and None
    b.service.cancel = lambda _job_id: asyncio.sleep(0)
    with Ledger(b.home / "ledger.sqlite") as ledger:
        b.run(job(), ledger=ledger, budget=Budget(3))
        assert (spending(ledger).settled_usd, spending(ledger).reserved_usd) == (PRICE, PRICE)
    assert b.journal.others(job().tag).result() == []


def test_a_duplicate_that_could_not_be_cancelled_is_cancelled_by_the_next_start(bench):
    b = bench(course="stuck", submit=["accepted, lost"], cancel=["always:lost"])
    b.server.accept(job().tag, job().content, "stuck")
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises(StillRunning):
            b.run(job(), ledger=ledger, budget=Budget(30), deadline_s=100)
        b.restart()
        b.server.cancel("job-1")
        with pytest.raises(JobCancelled):
            b.run(job(), ledger=ledger, budget=Budget(30))
        assert b.server.state("job-2", look=True) == "cancelled"
        assert spending(ledger).settled_usd == 2 * PRICE  # nobody says what a cancelled one costs


def test_of_two_calls_that_share_a_job_neither_keeps_its_money(bench):
    b = bench(submit=["rejected"])
    ledger = Ledger(b.home / "ledger.sqlite")
    runner = b.runner(ledger=ledger, budget=Budget("1.00"), max_in_flight=1)

    async def both():
        calls = (runner.run([job(1), job(2), job(3)]), runner.run([job(4), job(1)]))
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(each) for each in asyncio.run(both())] == [BudgetExceeded, OptionError]
    assert ledger.report() == {}
    ledger.close()


def test_jobs_that_start_again_are_all_sent_or_none(bench):
    b = bench(course="fails")
    free_of_charge(b.service, RemoteState.FAILED)
    with Ledger(b.home / "ledger.sqlite") as ledger:
        for number in (1, 2):
            with pytest.raises(JobFailed):
                b.run(job(number), ledger=ledger, budget=Budget(1))
        sent = len(b.server.ids())
        for _ in range(2):
            with pytest.raises(BudgetExceeded):
                b.run(job(1), job(2), ledger=ledger, budget=Budget(PRICE))
        assert len(b.server.ids()) == sent


def test_a_ledger_that_has_moved_with_its_folder_is_the_one_that_counts(bench, tmp_path):
    b = bench(course="")
    old = tmp_path / "old"
    old.mkdir()
    with Ledger(old / "ledger.sqlite") as ledger, pytest.raises(StillRunning):
        b.run(job(), ledger=ledger, budget=Budget(5), deadline_s=0.1)
    old.rename(tmp_path / "new")
    b.restart()
    with Ledger(tmp_path / "new" / "ledger.sqlite") as ledger:
        b.run(job(), ledger=ledger, budget=Budget(5))
        assert (spending(ledger).reserved_usd, spending(ledger).settled_usd) == (0, PRICE)
    assert not old.exists()


def test_what_is_taken_up_without_a_budget_counts_where_it_was_begun(bench):
    """As `qstore jobs resume --resubmit` does."""
    b = bench(course="fails")
    with Ledger(b.home / "ledger.sqlite") as ledger:
        with pytest.raises(JobFailed):
            b.run(job(), ledger=ledger, budget=Budget(3))
        b.server.course = "quick"
        b.run(job(), ledger=ledger, pay_again=True)
        assert spending(ledger).settled_usd == 2 * PRICE
        assert ledger.report().keys() == {"default"}


@pytest.mark.parametrize("bill", ["1e12", "Infinity"])
def test_a_bill_that_no_ledger_takes_hides_no_result(bench, bill):
    b = bench()
    told = b.service._job
    b.service._job = lambda *given, **named: replace(told(*given, **named), billed_usd=Decimal(bill))
    with Ledger(b.home / "ledger.sqlite") as ledger:
        (done,) = b.run(job(), ledger=ledger, budget=Budget(3))
        assert done.result
        assert spending(ledger).reserved_usd == PRICE


def test_a_last_look_that_fails_holds_no_result_back(bench):
    b = bench(submit=["accepted, lost"], find=["", "always:lost"])
    (done,) = b.run(job())
    assert done.result
    assert b.clock.now < 10
    assert b.service.calls["find"] == 2
