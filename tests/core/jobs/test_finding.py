# SPDX-License-Identifier: Apache-2.0
"""What may have been accepted is looked for and never paid twice, in this process or in the next one."""

import threading
from concurrent.futures import Future

import pytest
from job_bench import job

from qstore.errors import (
    ExecutionError,
    JobAmbiguous,
    JobFailed,
    StillRunning,
    TransportError,
)
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import (
    PollPolicy,
)


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


def test_a_request_that_took_long_is_looked_for_as_long_as_any_other(bench):
    """The time since it was written down says nothing: the service accepted it a moment ago."""
    b = bench(lag_s=10.0, submit=["accepted, lost"])
    b.service.latency_s = 40.0
    b.service.after["accept"] = lambda: setattr(b.service, "latency_s", 0.0)
    b.run(job(), on_ambiguous="resubmit", settle_s=30.0)
    assert b.billed(job()) == 1
    assert b.service.calls["submit"] == 1


def test_a_request_that_took_long_before_its_process_died_is_looked_for_too(bench):
    b = bench(lag_s=10.0)
    b.journal.claim([job()]).result()
    times = {"sent_s": b.clock.time(), "sent_server_s": b.server.clock()}
    b.journal.record(job().tag, JobState.SENT, **times).result()
    b.clock.now += 40.0
    b.server.accept(job().tag, {})
    b.restart()
    b.run(job(), on_ambiguous="resubmit", settle_s=30.0)
    assert b.billed(job()) == 1


@pytest.mark.parametrize("error_s", [-1800.0, 900.0])
def test_a_servers_clock_that_is_wrong_hides_no_job(bench, error_s):
    """Carried on through a machine's sleep it is slow; a gateway's own may be ahead."""
    b = bench(lag_s=20.0)
    b.journal.claim([job()]).result()
    times = {"sent_s": b.clock.time(), "sent_server_s": b.server.clock() + error_s}
    b.journal.record(job().tag, JobState.SENT, **times).result()
    b.server.accept(job().tag, {})
    b.restart()
    b.run(job(), on_ambiguous="resubmit")
    assert b.billed(job()) == 1


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
    times = {"sent_s": b.clock.time(), "sent_server_s": b.server.clock()}
    b.journal.record(job().tag, JobState.SENT, **times).result()
    b.clock.now += 1000
    b.restart()
    start = b.clock.now
    b.run(job(paid=False))
    assert b.clock.now - start < 1
    assert b.service.calls["find"] == 2  # the search, and a last look for duplicates
