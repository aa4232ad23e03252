# SPDX-License-Identifier: Apache-2.0
"""A job is sent once, asked for and fetched; what was certainly not accepted is sent again."""

import asyncio

import pytest
from job_bench import job

from faults.core.server import PRICE
from qstore.errors import (
    AuthenticationError,
    TransportError,
)
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import (
    Finished,
)


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
