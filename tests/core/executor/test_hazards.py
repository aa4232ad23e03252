# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around an executor: forks, nested loops, foreign threads, cancellation, siblings, the end of the process."""

import asyncio
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from dense_backend import DenseBackend

import qstore as qs
from load.backends import Busy, Delayed, DelayedMany, Idle
from qstore.errors import (
    AuthenticationError,
    BindingError,
    ExecutionError,
    JobAmbiguous,
    JobFailed,
    QStoreError,
    TransportError,
)
from qstore.execution import AsyncQuantumExecutor
from qstore.execution.bridge import wait_for

CIRCUIT = qs.QuantumCircuit(1).rx(0, "t")
TESTS = Path(__file__).resolve().parents[2]


def one(t, **options):
    options.setdefault("outputs", qs.Expectations([qs.Z(0)]))
    return qs.CircuitBatch.of(CIRCUIT, {"t": t}, **options)


def wait_until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def at_rest(executor):
    dispatcher = executor._dispatcher
    wait_until(lambda: not dispatcher._requests and not dispatcher.pending)
    return (dispatcher.in_flight, dispatcher.queue.rows, len(dispatcher._works), len(dispatcher._flights),
            sum(map(len, dispatcher.queue._lanes.values()))) == (0, 0, 0, 0, 0)  # fmt: skip


def test_blocking_calls_inside_a_running_loop_work_as_in_a_notebook():
    executor = AsyncQuantumExecutor(Delayed(0.005))

    async def cell():
        handle = executor.submit(one(3.0))
        return executor.sync.run(one(2.0)).values[0, 0], handle.result().values[0, 0]

    assert asyncio.run(cell()) == (2.0, 3.0)


def test_a_blocking_call_on_the_executors_own_loop_is_refused_instead_of_hanging():
    executor = AsyncQuantumExecutor(Delayed(0.001))

    async def nested(call):
        return call()

    def calls():
        yield lambda: executor.sync.run(one(1.0))
        yield lambda: executor.sync.run_many([one(1.0)])
        yield lambda: next(executor.sync.map([one(1.0)]))
        yield lambda: next(executor.sync.as_completed([]))
        yield lambda: executor.submit(one(5.0)).result()
        yield lambda: qs.run(CIRCUIT, {"t": 1.0}, qs.Expectations([qs.Z(0)]), backend=executor)
        yield executor.sync.close

    for call in calls():
        with pytest.raises(ExecutionError, match="on qstore's own event loop"):
            wait_for(nested(call))


def test_a_backend_that_runs_something_through_its_own_executor_finishes():
    class Nested(Idle):
        async def run(self, batch):
            if batch.bindings["t"].max() < 1:
                inner = await executor.run(one(float(batch.bindings["t"].max()) + 1.0))
                assert inner.values[0, 0] >= 1
            return self.answer(batch)

    executor = AsyncQuantumExecutor(Nested(), batch_size=1)
    assert executor.sync.run(one(0.5)).values[0, 0] == 0.5


def test_threads_like_those_of_autograd_and_several_event_loops_share_an_executor():
    backend = Delayed(0.002)
    executor = AsyncQuantumExecutor(backend, max_concurrent=8)
    found, problems = {}, []

    def blocking(number):
        found[number] = executor.sync.run(one(float(number))).values[0, 0]

    def looping(number):
        async def main():
            return (await executor.submit(one(float(number)))).values[0, 0]

        found[number] = asyncio.run(main())

    def guarded(call, number):
        try:
            call(number)
        except BaseException as exc:  # noqa: BLE001  # a thread of the test tells all of it
            problems.append(exc)

    threads = [threading.Thread(target=guarded, args=(looping if n % 3 else blocking, n)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not problems
    assert found == {n: float(n) for n in range(40)}
    assert backend.most_active <= 8
    assert at_rest(executor)


def _in_a_child(executor, lost, queue):
    try:
        lost.result(timeout=20)
    except ExecutionError as exc:
        queue.put(str(exc))
    queue.put(executor.sync.run(one(4.0)).values[0, 0])
    queue.put(executor.sync.run(one(1.0)).values[0, 0])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("backend", [Delayed(0.05), Busy(0.05)])
def test_a_forked_child_has_an_executor_as_new_and_the_parent_goes_on(backend):
    executor = AsyncQuantumExecutor(backend, max_concurrent=2, batch_size=1)
    executor.sync.run(one(1.0))
    handles = [executor.submit(one(10.0 + n)) for n in range(6)]
    wait_until(lambda: backend.active or isinstance(backend, Busy))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(executor, handles[-1], queue))
    child.start()
    assert "submitted before the process forked; only its parent gets the result" in queue.get(timeout=30)
    assert [queue.get(timeout=30), queue.get(timeout=30)] == [4.0, 1.0]
    child.join(timeout=30)
    assert child.exitcode == 0
    assert [handle.result().values[0, 0] for handle in handles] == [10, 11, 12, 13, 14, 15]


def test_a_cancelled_handle_is_not_sent_and_one_under_way_is_stopped():
    backend = Delayed(30.0)
    executor = AsyncQuantumExecutor(backend, max_concurrent=1)
    running, waiting = executor.submit(one(0.0)), executor.submit(one(1.0))
    wait_until(lambda: backend.active == 1)
    assert waiting.cancel()
    assert running.cancel()
    assert not running.cancel()
    for handle in (running, waiting):
        assert handle.cancelled()
        with pytest.raises(CancelledError):
            handle.result()
        with pytest.raises(CancelledError):
            handle.exception()
    assert at_rest(executor)
    assert (backend.active, backend.circuits) == (0, 1)
    assert executor.stats().cancelled == 2


def test_a_request_goes_on_as_long_as_anybody_wants_any_of_it():
    backend = Delayed(0.05)
    executor = AsyncQuantumExecutor(backend)
    handles = executor.submit_batch([one(float(n)) for n in range(5)])
    twin = executor.submit(one(0.0))
    wait_until(lambda: backend.active == 5)
    for handle in handles[:4]:
        handle.cancel()
    assert twin.result().values[0, 0] == 0.0  # the same work as a handle that was cancelled
    assert handles[4].result().values[0, 0] == 4.0
    assert at_rest(executor)


def test_cancelling_a_task_cancels_what_it_awaits_unless_somebody_else_does():
    backend = Delayed(0.05)
    executor = AsyncQuantumExecutor(backend)

    async def main():
        alone, shared, kept = executor.submit_batch([one(1.0), one(2.0), one(3.0)])
        first, second = asyncio.ensure_future(shared), asyncio.ensure_future(shared)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(alone, 0.005)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(kept), 0.005)
        first.cancel()
        await asyncio.sleep(0)
        assert alone.cancelled()
        with pytest.raises(asyncio.CancelledError):
            await alone
        return (await second).values[0, 0], (await kept).values[0, 0]

    assert asyncio.run(main()) == (2.0, 3.0)
    assert at_rest(executor)


@pytest.mark.parametrize("make", [Delayed, DelayedMany, Busy])
def test_a_storm_of_cancellations_leaves_nothing_behind(make):
    backend = make(0.002)
    executor = AsyncQuantumExecutor(backend, max_concurrent=10)
    chance = random.Random(1)
    numbers = iter(range(10**9))

    async def worker():
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            some = [one(float(next(numbers))) for _ in range(chance.randint(1, 4))]
            task = asyncio.create_task(executor.run_many(some))
            await asyncio.wait({task}, timeout=chance.uniform(0.0, 0.006))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def main():
        await asyncio.gather(*(worker() for _ in range(20)))
        return [(await executor.run(one(-1.0 - n))).values[0, 0] for n in range(5)]

    assert asyncio.run(main()) == [-1, -2, -3, -4, -5]
    assert at_rest(executor)
    wait_until(lambda: backend.active == 0)
    assert backend.most_active <= 10
    stats = executor.stats()
    assert stats.submitted == stats.completed + stats.cancelled


class Poisoned(Delayed):
    """Refuses whatever holds a 13."""

    def __init__(self, error=None, **changes):
        super().__init__(0.001, **changes)
        self.error = error or BindingError("thirteen")

    async def _served(self, batches):
        if any((batch.bindings["t"] == 13).any() for batch in batches):
            self.requests += 1
            raise self.error
        return await super()._served(batches)


@pytest.mark.parametrize(
    "error", [BindingError("thirteen"), ZeroDivisionError("thirteen"), JobFailed("thirteen")]
)
def test_a_failing_sibling_fails_alone(error):
    backend = Poisoned(error)
    executor = AsyncQuantumExecutor(backend)
    handles = executor.submit_batch([one(float(n)) for n in range(32)])
    for n, handle in enumerate(handles):
        if n == 13:
            with pytest.raises(type(error), match="thirteen"):
                handle.result()
            assert handle.exception() is error
        else:
            assert handle.result().values[0, 0] == n
    assert backend.requests <= 2 * 5 + 1  # halves of halves, not one by one
    assert at_rest(executor)
    assert (executor.stats().completed, executor.stats().failed) == (31, 1)


def test_a_sibling_that_was_cancelled_is_not_sent_again_with_the_others():
    backend = Poisoned()
    executor = AsyncQuantumExecutor(backend, retries=0)
    handles = executor.submit_batch([one(float(n)) for n in (13, 14, 15)])
    handles[0].cancel()
    assert [handle.result().values[0, 0] for handle in handles[1:]] == [14, 15]


@pytest.mark.parametrize("error", [AuthenticationError("no key"), JobAmbiguous("who knows")])
def test_trouble_with_the_service_is_not_repeated_for_each_sibling(error):
    backend = Poisoned(error)
    executor = AsyncQuantumExecutor(backend)
    for handle in executor.submit_batch([one(float(n)) for n in range(32)]):
        with pytest.raises(type(error)):
            handle.result()
    assert backend.requests == 1


@pytest.mark.parametrize(("paid", "error", "requests"), [
    (True, JobFailed("thirteen"), 1), (True, BindingError("thirteen"), 5), (True, TransportError("lost"), 1),
    (False, TransportError("lost"), 3),
])  # fmt: skip
def test_what_may_have_been_paid_for_is_never_sent_again(paid, error, requests):
    backend = Poisoned(error, paid=paid)
    executor = AsyncQuantumExecutor(backend, merge=True, retries=2)
    handles = executor.submit_batch([one(float(n)) for n in (11, 12, 13, 14)])
    with pytest.raises(type(error)):
        handles[2].result()
    assert at_rest(executor)
    assert backend.requests == requests


def test_a_connection_that_comes_back_is_not_noticed():
    class Flaky(Delayed):
        fails = 2

        async def _served(self, batches):
            if self.fails:
                self.fails -= 1
                raise TransportError("connection refused")
            return await super()._served(batches)

    assert AsyncQuantumExecutor(Flaky(0.001)).sync.run(one(1.0)).values[0, 0] == 1.0


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), MemoryError()]
)
@pytest.mark.parametrize("make", [Idle, Busy])
def test_whatever_a_backend_raises_handles_settle_and_the_loop_lives(error, make):
    class Rude(make):
        def answer(self, batch):
            if batch.bindings["t"].min() < 0:
                raise error
            return super().answer(batch)

    executor = AsyncQuantumExecutor(Rude(0.0) if make is Busy else Rude())
    with pytest.raises((QStoreError, MemoryError)):
        executor.submit(one(-1.0)).result(timeout=20)
    assert executor.sync.run(one(1.0)).values[0, 0] == 1.0
    assert at_rest(executor)


def test_a_reply_that_is_too_short_is_an_error_and_nobody_waits_for_ever():
    class Short(DelayedMany):
        async def run_many(self, batches):
            return (await super().run_many(batches))[:-1]

    executor = AsyncQuantumExecutor(Short(0.001))
    with pytest.raises(ExecutionError, match="returned 0 results for 1 batches"):
        executor.sync.run(one(1.0))


def test_an_event_loop_that_is_closed_before_its_results_come_harms_nobody():
    executor = AsyncQuantumExecutor(Delayed(0.02))
    told = []

    async def leaves():
        handle = executor.submit(one(1.0))
        handle.add_done_callback(told.append)
        return handle

    assert asyncio.run(leaves()).result(timeout=20).values[0, 0] == 1.0
    assert told == []


def test_a_submission_on_a_loop_that_never_comes_round_again_is_sent_all_the_same():
    executor = AsyncQuantumExecutor(Idle())
    loop = asyncio.new_event_loop()

    async def submits():
        handle = executor.submit(one(1.0))
        loop.stop()
        return handle

    task = loop.create_task(submits())
    loop.run_forever()
    loop.close()
    assert task.result().result(timeout=20).values[0, 0] == 1.0


SCRIPT = """
import sys
import qstore as qs
from load.backends import Busy, Delayed, Idle
from qstore.execution import AsyncQuantumExecutor

class Stubborn(Idle):
    async def run(self, batch):
        import asyncio
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

backend = {backend}
executor = AsyncQuantumExecutor(backend, batch_size=1)
circuit = qs.QuantumCircuit(1).rx(0, "t")
handles = [executor.submit(qs.CircuitBatch.of(circuit, {{"t": float(t)}}, qs.Expectations([qs.Z(0)]))) for t in range(50)]
print("submitted", flush=True)
{end}
"""


@pytest.mark.parametrize("backend", ["Delayed(60.0)", "Busy(60.0)", "Stubborn()"])
@pytest.mark.parametrize("end", ["", "import time; time.sleep(0.1); sys.exit(0)"])
def test_the_interpreter_ends_with_work_pending(backend, end):
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(backend=backend, end=end)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "submitted\n"
    start = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert time.monotonic() - start < 5.0
    if backend != "Stubborn()":
        assert errors == ""


INTERRUPTED = """
import asyncio, os, signal, time
import qstore as qs
from load.backends import Delayed
from qstore.execution import AsyncQuantumExecutor

class Interrupting(Delayed):
    async def run(self, batch):
        await asyncio.sleep(0.3)  # by then the main thread waits; a signal a moment earlier would not wake it
        os.kill(os.getpid(), signal.SIGINT)
        return await super().run(batch)

backend = Interrupting(60.0)
executor = AsyncQuantumExecutor(backend)
batch = qs.CircuitBatch.of(qs.QuantumCircuit(1).rx(0, "t"), {"t": 1.0}, qs.Expectations([qs.Z(0)]))
try:
    executor.sync.run(batch)
except KeyboardInterrupt:
    print("interrupted")
until = time.monotonic() + 20
def left():
    stats = executor.stats()
    return backend.active, stats.pending, stats.in_flight
while any(left()) and time.monotonic() < until:
    time.sleep(0.01)
print(*left())
"""


def test_an_interrupt_stops_a_blocking_call_and_what_it_waits_for():
    """In a process of its own: a signal is for all of one."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], env=environment, capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n0 0 0\n", "", 0)


def test_nothing_is_left_in_asyncios_debug_mode():
    executor = AsyncQuantumExecutor(DenseBackend())

    async def main():
        async with executor:
            async for result in executor.map(one(float(n)) for n in range(40)):
                assert result.values.shape == (1, 1)
        return len(asyncio.all_tasks())

    assert asyncio.run(main(), debug=True) == 1
