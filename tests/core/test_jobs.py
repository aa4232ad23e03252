# SPDX-License-Identifier: Apache-2.0
"""Jobs against a service that bills: each is paid once, whatever happens on the way."""

import asyncio
import random
import re
import threading
from concurrent.futures import Future
from decimal import Decimal

import pytest

from faults.core.clock import FakeClock
from faults.core.server import PRICE, Server
from faults.core.service import ClockService, FakeService
from qstore.accounting import Budget, Ledger
from qstore.errors import (
    AuthenticationError,
    BudgetExceeded,
    ExecutionError,
    JobAmbiguous,
    JobCancelled,
    JobFailed,
    OptionError,
    ServiceError,
    StillRunning,
    TransportError,
)
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import (
    Finished,
    JobRequest,
    JobRunner,
    NotAccepted,
    PollPolicy,
    RemoteJob,
    RemoteState,
    Unclear,
    job_tag,
)
from qstore.execution.journal import Journal
from qstore.execution.retry import RetryQuota
from qstore.execution.runs_folder import RunFolder


class Bench:
    """A server, a service, a journal and a clock; `runner` makes a JobRunner of them."""

    def __init__(self, home, *, course="quick", lag_s=0.0, tells_time=True, **faults):
        self.home, self.clock = home, FakeClock()
        self.server = Server(course=course, lag_s=lag_s, clock=self.clock.true_time)
        self.service = self.new_service(tells_time, **faults)
        self.journal = Journal(RunFolder("bench", home))
        self.journals = [self.journal]

    def new_service(self, tells_time=True, **faults):
        kind = ClockService if tells_time else FakeService
        return kind(self.server, sleep=self.clock.sleep, **faults)

    def runner(self, **options):
        options = {"chance": random.Random(5), "clock": self.clock} | options
        return JobRunner(self.service, journal=self.journal, **options)

    def run(self, *requests, **options):
        call = {name: options.pop(name) for name in ("deadline_s", "pay_again") if name in options}
        return asyncio.run(self.runner(**options).run(requests, **call))

    def restart(self, **faults):
        """As after a crash: a journal of a new process, which finds what the old one left."""
        self.journal.close()
        self.journal = Journal(RunFolder("bench", self.home))
        self.journals.append(self.journal)
        self.service = self.new_service(isinstance(self.service, ClockService), **faults)

    def row(self, request):
        return self.journal.row(request.tag).result()

    def billed(self, request):
        return self.server.billed().get(request.tag, 0)

    def close(self):
        for journal in self.journals:
            journal.close()
        self.server.close()


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(**options):
        made.append(Bench(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def job(number=0, *, paid=True, usd=PRICE, **content):
    content = {"number": number} | content
    tag = job_tag("bench", content, b"", {})
    return JobRequest(tag, "fake.qpu", "qpu", content, 1, 100, paid, Decimal(usd))


async def until(condition):
    while not condition():  # noqa: ASYNC110  # what is waited for happens in code that knows no event
        await asyncio.sleep(0.0005)


def test_a_job_is_sent_polled_and_fetched(bench):
    b = bench(course="")
    done = b.run(job())
    assert done == [Finished(job().tag, "job-1", done[0].result, PRICE, done[0].queued_s, done[0].run_s)]
    assert done[0].result == {"echo": {"number": 0}, "job": "job-1"}
    assert b.service.calls == {"submit": 1, "poll": 3, "fetch": 1}
    assert done[0].queued_s > 0
    assert done[0].run_s > 0
    assert b.row(job()).state is JobState.DONE


def test_no_requests_no_results(bench):
    assert bench().run() == []


def test_the_same_request_again_returns_the_stored_result(bench):
    b = bench()
    (first,) = b.run(job())
    (second,) = b.run(job())
    assert (second.result, second.job_id, second.adopted) == (first.result, first.job_id, True)
    b.restart()
    (third,) = b.run(job())
    assert third == second
    assert b.billed(job()) == 1
    assert b.service.calls == {}


def test_equal_tags_in_one_call_are_one_job(bench):
    b = bench()
    first, other, second = b.run(job(1), job(2), job(1), max_in_flight=2)
    assert first.job_id == second.job_id != other.job_id
    assert sorted(b.server.billed().values()) == [1, 1]


def test_results_come_in_the_order_of_the_requests(bench):
    b = bench()
    requests = [job(n, course="quick" if n % 2 else "") for n in range(30)]
    results = b.run(*requests, max_in_flight=7)
    assert [each.result["echo"]["number"] for each in results] == list(range(30))
    assert b.service.most_active <= 7


def test_concurrent_calls_share_the_limit_and_the_flights(bench):
    b = bench(course="")
    runner = b.runner(max_in_flight=3)

    async def both():
        return await asyncio.gather(*(runner.run([job(n) for n in range(6)]) for _ in range(4)))

    results = asyncio.run(both())
    assert all([each.job_id for each in result] == [each.job_id for each in results[0]] for result in results)
    assert b.server.duplicates() == 0
    assert b.service.calls["submit"] == 6
    assert b.service.most_active <= 3


def test_two_runners_of_one_journal_send_a_job_once(bench):
    b = bench(course="")
    first, second = b.runner(), b.runner()

    async def both():
        return await asyncio.gather(first.run([job()]), second.run([job()]))

    (one,), (two,) = asyncio.run(both())
    assert one.job_id == two.job_id
    assert b.billed(job()) == 1


# What is certainly not accepted is sent again


@pytest.mark.parametrize("word", ["refused", "throttled", "throttled 2 s"])
@pytest.mark.parametrize("times", [1, 5, 50])
def test_what_was_certainly_not_accepted_is_sent_again(bench, word, times):
    b = bench(submit=[word] * times)
    (done,) = b.run(job())
    assert b.billed(job()) == 1
    assert not done.adopted
    assert b.service.calls["submit"] == times + 1
    assert b.service.calls["find"] == 0


def test_the_wait_that_the_service_asks_for_is_kept_by_all_jobs(bench):
    # One of two is refused; the other one's next job would be sent long before the time is over.
    b = bench(submit=["throttled 2 s"])
    b.clock.real_s = 0.03
    b.run(*(job(n) for n in range(8)), max_in_flight=2)
    refused, other, *later = [at for method, at in b.service.times if method == "submit"]
    assert other - refused < 0.1
    assert len(later) == 7
    assert min(later) - refused >= 2.0  # that nobody waits much longer is shown for `Backoff`


def test_a_service_that_never_accepts_is_given_up_after_a_hundred_retries(bench):
    b = bench(submit=["always:refused"])
    with pytest.raises(TransportError, match=r"the retries are used up"):
        b.run(job())
    assert b.service.calls["submit"] == 101
    assert b.billed(job()) == 0
    assert b.row(job()).state is JobState.NEW


def test_a_refusal_for_good_is_raised_and_the_job_can_be_sent_later(bench):
    b = bench(submit=["wrong key"])
    with pytest.raises(AuthenticationError):
        b.run(job())
    assert b.row(job()).state is JobState.NEW
    b.restart()
    b.run(job())
    assert b.billed(job()) == 1


def test_a_request_that_no_retry_mends_is_not_repeated(bench):
    b = bench(submit=["not accepted"])
    with pytest.raises(TransportError, match=r"does not accept job .*: 413"):
        b.run(job())
    assert b.service.calls["submit"] == 1
    assert b.row(job()).state is JobState.NEW


# What may have been accepted is looked for


@pytest.mark.parametrize("word", ["lost", "timeout", "transport", "garbage", "unavailable 5 s"])
@pytest.mark.parametrize("paid", [True, False])
def test_a_job_that_was_accepted_and_lost_is_found(bench, word, paid):
    b = bench(submit=[f"accepted, {word}"])
    (done,) = b.run(job(paid=paid))
    assert b.billed(job()) == 1
    assert done.adopted
    assert b.service.calls["submit"] == 1


@pytest.mark.parametrize("accepted", [True, False])
def test_a_mistake_in_a_service_is_raised_and_the_job_looked_for_later(bench, accepted):
    b = bench(submit=["accepted, mistake" if accepted else "mistake"])
    with pytest.raises(
        ExecutionError, match=r"raised ZeroDivisionError: a mistake in the client\. It may have been accepted"
    ):
        b.run(job(paid=False))
    assert b.service.calls["submit"] == 1
    b.restart()
    b.run(job(paid=False))
    assert b.billed(job()) == 1


def test_a_job_that_is_listed_late_is_found(bench):
    b = bench(lag_s=30.0, submit=["accepted, lost"])
    b.run(job())
    assert b.billed(job()) == 1
    assert b.service.calls["submit"] == 1
    assert b.clock.now >= 30


@pytest.mark.parametrize("paid", [True, False])
def test_a_job_that_is_not_found_is_held_if_it_costs_money_and_else_sent_again(bench, paid):
    b = bench(submit=["lost"])
    if not paid:
        b.run(job(paid=False))
        assert b.service.calls["submit"] == 2
        assert b.clock.now >= 60
        return
    with pytest.raises(JobAmbiguous, match=r"--run bench --resubmit") as caught:
        b.run(job())
    assert caught.value.tag == job().tag
    assert b.row(job()).state is JobState.HELD
    assert b.service.calls["submit"] == 1
    assert b.clock.now >= 60


def test_a_held_job_is_found_when_the_service_lists_it_at_last(bench):
    b = bench(lag_s=100.0, submit=["accepted, lost"])
    with pytest.raises(JobAmbiguous):
        b.run(job())
    b.clock.now += 100
    b.restart()
    (done,) = b.run(job())
    assert (done.job_id, b.billed(job()), b.service.calls["submit"]) == ("job-1", 1, 0)


def test_the_user_may_choose_to_send_a_paid_job_again(bench):
    b = bench(submit=["lost"])
    b.run(job(), on_ambiguous="resubmit")
    assert b.billed(job()) == 1
    assert b.service.calls["submit"] == 2


def test_a_duplicate_that_shows_up_later_is_cancelled_and_its_cost_written_down(bench, caplog):
    # It is listed only after the settle time: this is what "resubmit" risks.
    b = bench(lag_s=61.0, course="", submit=["accepted, lost"])
    (done,) = b.run(job(), on_ambiguous="resubmit", settle_s=60.0, poll=PollPolicy(first_s=100.0))
    assert b.billed(job()) == 2
    assert done.job_id == "job-2"
    assert b.server.state("job-1", look=True) == "cancelled"
    assert [each.job_id for each in b.journal.others(job().tag).result()] == ["job-1"]
    assert "Job job-2 has a duplicate at 'fake.qpu': job-1" in caplog.text


def test_of_several_found_the_oldest_that_came_to_something_is_kept(bench):
    b = bench(course="", submit=["lost"])
    tag = job().tag
    ids = [b.server.accept(tag, {}, course) for course in ("fails", "", "", "quick")]
    b.server.state(ids[0])
    (done,) = b.run(job())
    assert done.job_id == ids[1]
    assert [b.server.state(each, look=True) for each in ids] == [
        "failed",
        "completed",
        "cancelled",
        "completed",
    ]
    assert {each.job_id for each in b.journal.others(tag).result()} == {ids[0], ids[2], ids[3]}


def test_a_listing_that_shifts_while_it_is_read_hides_nothing(bench):
    b = bench(submit=["accepted, lost"])
    for n in range(12):
        b.server.accept("", {"foreign": n})
    b.server.between_pages = lambda: b.server.accept("", {}) if b.service.calls["find"] == 1 else None
    stop = iter(range(20))
    b.server.between_pages = lambda: next(stop, None) is not None and b.server.accept("", {})
    b.run(job())
    assert b.billed(job()) == 1


@pytest.mark.parametrize("word", ["lost", "refused", "throttled", "garbage", "transport", "unavailable 5 s"])
def test_a_search_that_fails_is_repeated(bench, word):
    b = bench(submit=["accepted, lost"], find=[word, word])
    b.run(job())
    assert b.billed(job()) == 1


def test_while_the_service_cannot_be_asked_nothing_is_sent_again(bench):
    b = bench(submit=["accepted, lost"], find=["always:lost"])
    with pytest.raises(TransportError, match="it is not known whether it was accepted"):
        b.run(job(paid=False))
    assert b.service.calls["submit"] == 1
    b.restart()
    b.run(job(paid=False))
    assert b.billed(job()) == 1


def test_a_resubmission_that_is_refused_is_looked_for_again(bench):
    # The one before it may still turn up, so a refusal does not make the job unsent.
    b = bench(submit=["lost", "throttled", ""])
    b.run(job(paid=False))
    assert b.service.calls["submit"] == 3
    assert b.service.calls["find"] > 2
    assert b.billed(job()) == 1


def test_a_resubmission_that_is_refused_does_not_make_the_job_unsent(bench):
    # The first request turns up after the second one was refused; a third one would pay again.
    b = bench(lag_s=61.0, submit=["accepted, lost", "throttled"])
    (done,) = b.run(job(), on_ambiguous="resubmit")
    assert done.job_id == "job-1"
    assert b.billed(job()) == 1


def test_a_search_does_not_mistake_an_earlier_failure_for_the_lost_job(bench):
    b = bench(course="fails")
    with pytest.raises(JobFailed):
        b.run(job(paid=False))
    b.server.course = "quick"
    b.restart(submit=["lost"])
    (done,) = b.run(job(paid=False))
    assert done.job_id == "job-2"


def test_nothing_is_sent_before_the_journal_has_acknowledged_it(bench):
    b = bench()
    record, seen = b.journal.record, []

    def slow_record(tag, state, *arguments, **facts):
        if state is not JobState.SENT:
            return record(tag, state, *arguments, **facts)
        written = Future()
        threading.Timer(
            0.1, lambda: written.set_result(record(tag, state, *arguments, **facts).result())
        ).start()
        return written

    b.journal.record = slow_record
    b.service.before["submit"] = lambda: seen.extend(row.state for row in b.journal.folder.overview())
    b.run(job())
    assert seen == [JobState.SENT]


# A process that dies


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize("tells_time", [True, False])
@pytest.mark.parametrize("accepted", [True, False])
def test_a_row_that_says_sent_is_looked_for_at_the_next_start(bench, paid, tells_time, accepted):
    b = bench(tells_time=tells_time)
    request = job(paid=paid)
    b.journal.claim([request]).result()
    sent_at = b.server.clock() if tells_time else None
    b.journal.record(request.tag, JobState.SENT, sent_s=b.clock.time(), sent_server_s=sent_at).result()
    if accepted:
        b.server.accept(request.tag, {})
    b.clock.now += 10
    b.restart()
    if paid and not accepted:
        with pytest.raises(JobAmbiguous):
            b.run(request)
        assert b.service.calls["submit"] == 0
        return
    (done,) = b.run(request)
    assert done.adopted
    assert b.billed(request) == 1


@pytest.mark.parametrize("shift_s", [3600, -3600, 86400, -86400])
def test_a_wall_clock_that_jumps_hides_no_job(bench, shift_s):
    b = bench(submit=["accepted, lost"])
    b.clock.wall_shift_s = shift_s
    b.run(job())
    assert b.billed(job()) == 1
    b.clock.wall_shift_s = -shift_s
    b.restart()
    assert b.run(job())[0].adopted


def test_jobs_that_were_accepted_are_taken_up(bench):
    b = bench(course="")
    with pytest.raises(StillRunning):
        b.run(job(), job(1), deadline_s=0.1)
    b.restart()
    results = b.run(job(), job(1))
    assert all(each.adopted for each in results)
    assert b.service.calls["submit"] == 0
    assert b.server.duplicates() == 0


def test_an_old_search_that_settled_long_ago_decides_at_once(bench):
    b = bench()
    b.journal.claim([job(paid=False)]).result()
    b.journal.record(job().tag, JobState.SENT, sent_server_s=b.server.clock()).result()
    b.clock.now += 1000
    b.restart()
    start = b.clock.now
    b.run(job(paid=False))
    assert b.clock.now - start < 1
    assert b.service.calls["find"] == 2  # the search, and a last look for duplicates


# How jobs end


def test_a_job_that_fails_says_why_and_free_ones_start_again_when_they_are_asked_for_again(bench):
    b = bench(course="fails")
    with pytest.raises(
        JobFailed, match=r"Job job-1 of 'fake.qpu' failed: it broke\. It cost nothing"
    ) as caught:
        b.run(job(paid=False))
    assert (caught.value.job_id, caught.value.tag) == ("job-1", job().tag)
    b.server.course = "quick"
    (done,) = b.run(job(paid=False))
    assert done.job_id == "job-2"


def test_jobs_that_fail_while_nobody_looks_start_again_at_the_next_start(bench):
    b = bench(course="stuck")
    requests = [job(n, paid=False) for n in range(5)]
    with pytest.raises(StillRunning):
        b.run(*requests, deadline_s=5.0)
    for n in range(1, 6):
        b.server.cancel(f"job-{n}")
    b.restart()
    b.server.course = "quick"
    results = b.run(*requests)
    assert [each.adopted for each in results] == [False] * 5
    b.server.course = "fails"
    with pytest.raises(JobFailed):
        b.run(job(9, paid=False))
    assert b.billed(job(9)) == 1


def test_a_paid_job_that_failed_is_not_paid_again_unless_that_is_wanted(bench):
    b = bench(course="fails")
    for _ in range(2):
        with pytest.raises(JobFailed, match=r"It may have been paid for.*--resubmit"):
            b.run(job())
    assert b.billed(job()) == 1
    b.server.course = "quick"
    b.run(job(), pay_again=True)
    assert b.billed(job()) == 2


def test_a_job_that_somebody_cancelled(bench):
    b = bench(course="cancelled under us")
    with pytest.raises(JobCancelled, match=r"Job job-1 of 'fake.qpu' was cancelled"):
        b.run(job())
    assert b.row(job()).state is JobState.CANCELLED


@pytest.mark.parametrize("course", ["odd word", "backwards", "unknown for a while"])
def test_odd_states_are_waited_out(bench, course):
    b = bench(course=course)
    b.run(job())
    assert b.billed(job()) == 1


@pytest.mark.parametrize("course", ["stuck", "unknown for ever"])
def test_a_job_that_is_stuck_is_left_running_at_the_deadline(bench, course):
    b = bench(course=course)
    with pytest.raises(StillRunning, match=r"start the script again under the run name 'bench'") as caught:
        b.run(job(), deadline_s=100.0)
    assert caught.value.job_id == "job-1"
    assert b.clock.now == pytest.approx(100.0, rel=0.1)
    assert b.row(job()).state is JobState.ACCEPTED
    with pytest.raises(StillRunning):
        b.run(job(), deadline_s=50.0)
    assert b.service.calls["submit"] == 1


@pytest.mark.parametrize(
    "word", ["lost", "timeout", "transport", "garbage", "throttled 2 s", "unavailable 5 s"]
)
def test_asking_is_repeated(bench, word):
    b = bench(poll=[word, word], fetch=[word, word])
    b.run(job())
    assert b.billed(job()) == 1


def test_a_burst_of_fifty_errors_is_survived_and_asking_stops_after_a_hundred_retries(bench):
    b = bench(poll=["lost"] * 50)
    b.run(job())
    b.restart(poll=["always:lost"])
    with pytest.raises(TransportError, match=r"Job job-2 of 'fake.qpu' was accepted and is kept"):
        b.run(job(1))
    assert b.service.calls["poll"] == 101


def test_a_timeout_costs_twice_as_many_tokens(bench):
    b = bench(poll=["always:timeout"])
    with pytest.raises(TransportError):
        b.run(job())
    assert b.service.calls["poll"] == 51


@pytest.mark.parametrize("method", ["poll", "fetch"])
def test_answers_that_cannot_be_used_are_raised_and_the_job_is_kept(bench, method):
    b = bench(**{method: ["always:garbage"]})
    with pytest.raises(ServiceError, match=r"the answer has no 'id'"):
        b.run(job())
    assert b.service.calls[method] == 3
    assert b.row(job()).state is JobState.ACCEPTED
    b.restart()
    b.run(job())
    assert b.billed(job()) == 1


def test_the_first_error_ends_a_call_and_nothing_more_is_sent(bench):
    b = bench(course="quick")
    requests = [job(n, course="fails" if n == 3 else "stuck" if n == 1 else "quick") for n in range(50)]
    with pytest.raises(JobFailed):
        b.run(*requests, max_in_flight=4, ledger=Ledger(b.home / "ledger.sqlite"))
    assert len(b.server.billed()) < 50
    states = {each.state for each in b.journal.rows().result()}
    assert states <= {JobState.DONE, JobState.FAILED, JobState.ACCEPTED, JobState.NEW}
    assert b.row(requests[1]).state is JobState.ACCEPTED


# Money


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


# Cancelled callers


def test_a_cancelled_caller_leaves_the_request_under_way_to_be_written_down(bench):
    b = bench()
    runner = b.runner()
    released = asyncio.Event()

    async def slow(_):
        await released.wait()

    b.service.sleep = slow

    async def cancelled():
        task = asyncio.create_task(runner.run([job()]))
        await until(lambda: b.service.active)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        released.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert b.row(job()).state is JobState.ACCEPTED
    b.service.sleep = b.clock.sleep
    b.run(job())
    assert b.billed(job()) == 1


def test_nobody_takes_a_job_up_while_an_abandoned_request_is_under_way(bench):
    b = bench()
    runner = b.runner()
    released = asyncio.Event()
    real = b.service.submit

    async def slow(request):
        await released.wait()
        return await real(request)

    b.service.submit = slow

    async def abandoned():
        with pytest.raises(StillRunning):
            await runner.run([job(paid=False)], deadline_s=0.0)
        again = asyncio.create_task(runner.run([job(paid=False)]))
        await asyncio.sleep(0.2)
        assert b.service.calls == {}  # neither sent again nor looked for
        released.set()
        return await again

    (done,) = asyncio.run(abandoned())
    assert b.billed(job()) == 1
    assert done.job_id == "job-1"


def test_a_follower_takes_over_when_the_leader_is_cancelled(bench):
    b = bench(course="")
    runner = b.runner()

    async def both():
        leader = asyncio.create_task(runner.run([job()]))
        await until(lambda: b.service.calls["poll"])
        follower = asyncio.create_task(runner.run([job()]))
        await asyncio.sleep(0)
        leader.cancel()
        return await follower

    (done,) = asyncio.run(both())
    assert done.job_id == "job-1"
    assert b.billed(job()) == 1


def test_a_loop_that_is_closed_during_a_request_leaves_a_row_that_says_sent(bench):
    b = bench(submit=["accepted, lost"])
    runner = b.runner()

    async def never(_):
        await asyncio.Event().wait()

    b.service.sleep = never

    async def left():
        task = asyncio.create_task(runner.run([job()]))
        task.set_name("under way")
        await until(lambda: b.service.active)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(left())
    assert b.row(job()).state is JobState.SENT
    assert b.billed(job()) == 0


def test_a_slot_that_does_not_come_in_time_is_not_waited_for(bench):
    b = bench(course="stuck")
    runner = b.runner(max_in_flight=1)

    async def both():
        first = asyncio.create_task(runner.run([job(0)], deadline_s=1000.0))
        await until(lambda: b.service.calls["submit"])
        with pytest.raises(StillRunning, match=r"was not sent to 'fake.qpu'"):
            await runner.run([job(1)], deadline_s=0.02)
        first.cancel()

    asyncio.run(both())
    assert b.service.calls["submit"] == 1


# Cancelling


def test_a_job_is_cancelled_while_a_call_waits_for_it(bench):
    b = bench(course="stuck")
    runner = b.runner()

    async def both():
        waiting = asyncio.create_task(runner.run([job()]))
        await until(lambda: b.service.calls["poll"])
        row = await runner.cancel(job())
        with pytest.raises(JobCancelled):
            await waiting
        return row

    assert asyncio.run(both()).state is JobState.ACCEPTED
    assert b.row(job()).state is JobState.CANCELLED


def test_a_job_that_is_just_being_sent_cannot_be_cancelled_yet(bench):
    b = bench(submit=["throttled 300 s"])
    runner = b.runner()

    async def both():
        waiting = asyncio.create_task(runner.run([job()], deadline_s=100.0))
        await until(lambda: b.service.calls["submit"])
        with pytest.raises(JobAmbiguous, match=r"is just being sent, by another call; try again"):
            await runner.cancel(job())
        with pytest.raises(StillRunning):
            await waiting

    asyncio.run(both())


def test_a_job_that_is_over_is_not_cancelled(bench):
    b = bench()
    b.run(job())
    assert asyncio.run(b.runner().cancel(job())).state is JobState.DONE
    assert b.service.calls["cancel"] == 0


# Small things


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"on_ambiguous": "pray"}, "on_ambiguous must be 'hold' or 'resubmit', got 'pray'."),
        ({"max_in_flight": 0}, "max_in_flight must be an integer from 1 up, got 0."),
        ({"max_in_flight": 2.5}, "max_in_flight must be an integer from 1 up, got 2.5."),
        ({"settle_s": float("nan")}, "settle_s must be seconds from 0 up, got nan."),
    ],
)
def test_options_out_of_range_are_refused(bench, options, text):
    with pytest.raises(OptionError, match=re.escape(text)):
        bench().runner(**options)


def test_a_tag_names_run_content_keys_and_settings_and_nothing_else():
    base = job_tag("run", {"a": 1, "b": [1.5]}, b"keys", {"shots": 10})
    assert base == job_tag("run", {"b": [1.5], "a": 1}, b"keys", {"shots": 10})
    others = [
        job_tag("runs", {"a": 1, "b": [1.5]}, b"keys", {"shots": 10}),
        job_tag("run", {"a": 1, "b": [1.25]}, b"keys", {"shots": 10}),
        job_tag("run", {"a": 1, "b": [1.5]}, b"key", {"shots": 10}),
        job_tag("run", {"a": 1, "b": [1.5]}, b"keys", {"shots": 11}),
    ]
    assert len({base, *others}) == 5
    assert re.fullmatch("[0-9a-f]{64}", base)


@pytest.mark.parametrize("content", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b""}, {("a",): 1}])
def test_content_that_is_no_json_is_refused(content):
    with pytest.raises(OptionError, match="A job's content cannot be written as JSON"):
        job_tag("run", content, b"", {})


def test_requests_check_their_tag_and_estimate():
    with pytest.raises(OptionError, match="64 hexadecimal digits"):
        JobRequest("abc", "b", "t", {}, 1, None, False)
    with pytest.raises(OptionError, match="estimated_usd"):
        JobRequest("0" * 64, "b", "t", {}, 1, None, True, Decimal(-1))


def test_what_a_service_raises_tells_what_it_knows():
    assert not NotAccepted(True).throttled
    assert NotAccepted(True, 1.0).throttled
    assert NotAccepted(True, throttled=True).throttled
    assert Unclear("x", timeout=True).timeout
    assert RemoteJob("1", RemoteState.QUEUED).raw == {}


def test_a_result_that_is_too_long_to_store_is_delivered_and_fetched_again(bench, monkeypatch, caplog):
    monkeypatch.setattr("qstore.execution.job_table.MAX_RESULT_BYTES", 10)
    b = bench()
    (done,) = b.run(job())
    assert done.result["job"] == "job-1"
    assert b.row(job()).state is JobState.ACCEPTED
    assert "How job job-1 ended is not in the journal" in caplog.text
    assert b.run(job())[0].result == done.result
    assert b.billed(job()) == 1


def test_a_journal_that_cannot_be_written_sends_nothing(bench):
    b = bench()
    b.journal._database.write(lambda t: t.connection.execute("PRAGMA query_only=1"))
    with pytest.raises(ExecutionError, match=r"cannot be used: it is read-only"):
        b.run(job())
    assert b.service.calls == {}


def test_quota_is_shared_by_runners_that_are_given_one(bench):
    b = bench(submit=["always:refused"])
    quota = RetryQuota(capacity=50)
    for _ in range(2):
        with pytest.raises(TransportError):
            b.run(job(), retry=quota)
    assert b.service.calls["submit"] == 12
