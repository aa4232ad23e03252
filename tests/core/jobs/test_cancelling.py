# SPDX-License-Identifier: Apache-2.0
"""Callers that go away, and jobs that are cancelled."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from job_bench import job, until

from qstore.errors import (
    JobAmbiguous,
    JobCancelled,
    StillRunning,
)
from qstore.execution.job_rows import JobState

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


def test_a_job_that_is_cancelled_by_hand_while_a_restarted_run_waits_for_it_is_not_sent_again(bench):
    b = bench(course="stuck")
    with pytest.raises(StillRunning):
        b.run(job(), deadline_s=0.1)
    b.restart()

    async def cancelled():
        task = asyncio.create_task(b.runner().run([job()]))
        await until(lambda: b.service.calls["poll"] > 2)
        b.server.cancel("job-1")
        told = b.service._job
        b.service._job = lambda *given, **named: replace(told(*given, **named), billed_usd=Decimal(0))
        with pytest.raises(JobCancelled):
            await task

    asyncio.run(cancelled())
    assert b.billed(job()) == 1


def test_a_job_that_was_found_and_then_cancelled_by_hand_is_not_sent_again(bench):
    b = bench(course="stuck", submit=["accepted, lost"], find=["always:lost"])
    with pytest.raises(StillRunning):
        b.run(job(), deadline_s=5)
    b.restart()
    told = b.service._job
    b.service._job = lambda *given, **named: replace(told(*given, **named), billed_usd=Decimal(0))
    b.service.before["poll"] = lambda: b.server.cancel("job-1")
    with pytest.raises(JobCancelled):
        b.run(job())
    assert b.billed(job()) == 1
