# SPDX-License-Identifier: Apache-2.0
"""How jobs end: with a result, a failure, a deadline, or an answer that cannot be used."""

import pytest
from job_bench import job

from qstore.accounting import Ledger
from qstore.errors import (
    JobCancelled,
    JobFailed,
    ServiceError,
    StillRunning,
    TransportError,
)
from qstore.execution.job_rows import JobState


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
