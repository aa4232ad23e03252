# SPDX-License-Identifier: Apache-2.0
"""What others do wrong while an executor waits for it: callbacks, iterators, schedulers, backends' replies, forks."""

import asyncio
import multiprocessing
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import qstore as qs
from load.backends import Delayed, DelayedMany, Idle
from qstore.batch import Counts
from qstore.errors import ExecutionError, OptionError, QueueFull
from qstore.execution import AdaptiveBatchScheduler, AsyncQuantumExecutor
from qstore.execution.bridge import background_loop, wait_for
from qstore.execution.caches import ShotPool

CIRCUIT = qs.QuantumCircuit(1).rx(0, "t")


def one(t, **options):
    options.setdefault("outputs", qs.Expectations([qs.Z(0)]))
    return qs.CircuitBatch.of(CIRCUIT, {"t": t}, **options)


def test_a_callback_does_not_keep_work_alive_that_nobody_waits_for():
    executor = AsyncQuantumExecutor(Delayed(5.0))

    async def main():
        handles = executor.submit_batch([one(1.0), one(2.0)], progress=lambda done, total: None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*handles), 0.02)
        return [handle.cancelled() for handle in handles]

    assert asyncio.run(main()) == [True, True]


def test_a_wait_that_timed_out_is_forgotten():
    executor = AsyncQuantumExecutor(Delayed(5.0))

    async def main():
        handle = executor.submit(one(1.0))
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(handle.result, 0.01)
        assert not handle.told
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle, 0.01)
        return handle.cancelled()

    assert asyncio.run(main())


def test_whoever_looks_at_handles_as_they_complete_waits_for_them_until_he_leaves():
    executor = AsyncQuantumExecutor(Delayed(0.05))

    async def main():
        handle = executor.submit(one(1.0))
        looking = asyncio.ensure_future(anext(executor.as_completed([handle])))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle, 0.01)
        assert await looking is handle
        left = executor.submit(one(2.0))
        looking = executor.as_completed([left])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(looking), 0.01)
        assert not left.told
        left.cancel()
        return (await handle).values[0, 0]

    assert asyncio.run(main()) == 1.0


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), pytest.fail.Exception("no")]
)
def test_whatever_a_callback_raises_the_others_are_told_and_the_loop_lives(error, caplog):
    def progress(done, total):
        raise error

    executor = AsyncQuantumExecutor(Idle())
    handles = executor.sync.submit_batch([one(1.0), one(2.0)], progress=progress)
    assert [handle.result(timeout=20).values[0, 0] for handle in handles] == [1.0, 2.0]
    assert executor.submit(one(3.0)).result(timeout=20).values[0, 0] == 3.0
    assert "A callback of a handle failed." in caplog.text


def test_a_callback_that_ends_the_program_ends_it_on_the_callers_own_loop():
    executor = AsyncQuantumExecutor(Idle())

    async def main():
        handles = executor.submit_batch([one(1.0)], progress=lambda done, total: sys.exit(3))
        await handles[0]
        await asyncio.sleep(5.0)

    with pytest.raises(SystemExit):
        asyncio.run(main())


def test_the_background_loop_survives_what_would_end_an_event_loop():
    async def rude():
        raise SystemExit(3)

    loop = background_loop()
    with pytest.raises(SystemExit):
        wait_for(rude())
    assert background_loop() is loop
    assert AsyncQuantumExecutor(Idle()).submit(one(3.0)).result(timeout=20).values[0, 0] == 3.0


@pytest.mark.parametrize("some", [[one(1.0), None, one(2.0)], [one(1.0), "qasm"]])
def test_something_among_the_batches_that_is_none_is_refused_and_not_the_end(some):
    executor = AsyncQuantumExecutor(Idle())
    with pytest.raises(OptionError, match=r"qs\.CircuitBatch\.of"):
        list(executor.sync.map(some))

    async def source():
        for each in some:
            yield each

    async def main(batches):
        return [result async for result in executor.map(batches)]

    for batches in (some, source()):
        with pytest.raises(OptionError, match=r"qs\.CircuitBatch\.of"):
            asyncio.run(main(batches))


def test_map_hands_on_what_is_there_while_the_source_is_slow():
    executor = AsyncQuantumExecutor(Delayed(0.001))

    async def main():
        wanted = asyncio.Queue()
        wanted.put_nowait(1.0)

        async def source():
            for _ in range(4):
                yield one(await wanted.get())  # the next depends on the result before

        found = []
        async for result in executor.map(source()):
            found.append(result.values[0, 0])
            wanted.put_nowait(found[-1] + 1)
        return found

    assert asyncio.run(asyncio.wait_for(main(), 20)) == [1.0, 2.0, 3.0, 4.0]


def test_an_asynchronous_source_that_fails_says_so_after_what_it_gave_and_one_that_is_left_is_closed():
    executor = AsyncQuantumExecutor(Delayed(0.001), max_concurrent=2)
    closed = []

    async def source(rows):
        try:
            for t in range(rows):
                await asyncio.sleep(0)
                yield one(float(t))
            raise ZeroDivisionError("in the source")
        finally:
            closed.append(rows)

    async def fails():
        results = executor.map(source(3))
        found = [(await anext(results)).values[0, 0] for _ in range(3)]
        with pytest.raises(ZeroDivisionError, match="in the source"):
            await anext(results)
        return found

    async def leaves():
        results = executor.map(source(1000))
        first = await anext(results)
        await results.aclose()
        assert executor.stats().pending == 0
        return first.values[0, 0]

    assert asyncio.run(fails()) == [0.0, 1.0, 2.0]
    assert asyncio.run(leaves()) == 0.0
    assert closed == [3, 1000]


def test_a_scheduler_that_raises_fails_what_waits_instead_of_keeping_it_for_ever():
    class Broken(AdaptiveBatchScheduler):
        def get_batch_size(self, *_):
            raise ZeroDivisionError("in a scheduler")

    executor = AsyncQuantumExecutor(Idle(), batch_size=Broken())
    with pytest.raises(ZeroDivisionError, match="in a scheduler"):
        executor.submit(one(1.0)).result(timeout=20)
    assert executor.stats().pending == 0
    executor.sync.close()


class Replies(Idle):
    """Answers with what a function makes of the right answer and the number of the request."""

    def __init__(self, reply):
        super().__init__()
        self.reply, self.number = reply, 0

    async def run(self, batch):
        self.number += 1
        return self.reply(self.answer(batch), self.number)


@pytest.mark.parametrize(("reply", "text"), [
    (lambda result, _: None, "returned no BatchResult but a NoneType"),
    (lambda result, _: replace(result, values=np.zeros((1, 7))), r"returned values of shape \(1, 7\).*\(1, 1\)"),
    (lambda result, _: replace(result, values=np.zeros(1)), r"returned values of shape \(1,\)"),
    (lambda result, _: replace(result, values=np.zeros((2, 1))), "returned 2 rows for a batch of 1"),
])  # fmt: skip
def test_a_reply_that_is_no_answer_is_an_error(reply, text):
    with pytest.raises(ExecutionError, match=text):
        AsyncQuantumExecutor(Replies(reply)).submit(one(1.0)).result(timeout=20)
    with pytest.raises(ExecutionError, match=text):
        qs.run(CIRCUIT, {"t": 1.0}, qs.Expectations([qs.Z(0)]), backend=Replies(reply))


def test_no_list_of_replies_is_an_error():
    class Nothing(DelayedMany):
        async def run_many(self, batches):
            return None

    with pytest.raises(ExecutionError, match="returned a NoneType for 1 batches"):
        AsyncQuantumExecutor(Nothing(0.0)).submit(one(1.0)).result(timeout=20)


def test_pieces_that_do_not_fit_together_fail_their_work_and_no_other():
    def reply(result, number):
        # Spread over two requests, of which only the second has error bars of another shape.
        return replace(result, standard_errors=np.zeros((len(result.values), number)))

    executor = AsyncQuantumExecutor(Replies(reply), batch_size=2)
    torn, whole = executor.submit_batch([one(np.arange(4.0)), one(5.0)])
    with pytest.raises(ValueError, match="dimension"):
        torn.result(timeout=20)
    assert whole.result(timeout=20).values[0, 0] == 5.0
    executor.sync.close()


def test_a_batch_that_is_refused_is_not_counted_and_what_is_known_takes_no_room():
    executor = AsyncQuantumExecutor(Delayed(0.001), max_pending=2)
    executor.sync.run(one(9.0))
    with pytest.raises(QueueFull, match="and 3 more would be"):
        executor.submit_batch([one(9.0), one(1.0), one(2.0), one(3.0)])
    assert executor.stats().submitted == 1
    handles = executor.submit_batch([one(9.0), one(1.0), one(2.0)])
    assert [handle.result(timeout=20).values[0, 0] for handle in handles] == [9.0, 1.0, 2.0]
    assert executor.stats().submitted == 4


def test_a_larger_sample_of_the_same_seed_takes_the_place_of_the_smaller_one():
    executor = AsyncQuantumExecutor("statevector", pool_shots=True)

    def shots(number, seed):
        return executor.submit(one(0.7, shots=number, seed=seed)).result(timeout=60).shots

    assert [shots(100, 1), shots(400, 1), shots(100, 1), shots(50, 2), shots(800, 1)] == [
        100,
        400,
        400,
        450,
        800,
    ]


def test_the_shot_pool_counts_the_bytes_of_its_keys():
    pool = ShotPool(max_bytes=10_000)
    result = qs.run(qs.QuantumCircuit(1), shots=10, seed=1, backend="statevector")
    for number in range(3):
        pool.add(("a batch", number), Counts(), result, np.array([number], dtype=np.uint64), key_bytes=4000)
    assert pool.stats().entries == 2


def _in_a_child(executor, queue):
    queue.put(executor.sync.run(one(4.0)).values[0, 0])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_other_threads_hold_locks_leaves_the_child_none_of_them():
    executor = AsyncQuantumExecutor(Delayed(0.001))
    executor.sync.run(one(1.0))
    locks = [executor._scheduler._lock, executor._pool._pools._lock, executor._dispatcher._lock]
    locks += [
        level._lock
        for level in (executor.cache._parameters, executor.cache.templates, executor.cache.results._kept)
    ]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(executor, queue))
    ready, done = threading.Event(), threading.Event()

    def holds():
        for lock in locks:
            lock.acquire()
        ready.set()
        done.wait(30)
        for lock in locks:
            lock.release()

    thread = threading.Thread(target=holds)
    thread.start()
    ready.wait(30)
    child.start()
    done.set()
    thread.join()
    try:
        assert queue.get(timeout=20) == 4.0
    finally:
        child.kill()
        child.join()


def test_a_storm_of_deadlines_leaves_no_timers():
    executor = AsyncQuantumExecutor(Delayed(0.001))
    handles = [executor.submit(one(float(n)), deadline=600.0) for n in range(50)]
    for handle in handles[::2]:
        handle.cancel()
    for handle in handles[1::2]:
        handle.result(timeout=20)
    end = time.monotonic() + 20
    while any(handle.timer is not None for handle in handles):
        assert time.monotonic() < end
        time.sleep(0.001)
