# SPDX-License-Identifier: Apache-2.0
"""Submitting: what waits, in which order, for how long; what is refused; what is never run twice; how it ends."""

import asyncio
import threading
import time

import numpy as np
import pytest
from dense_backend import DenseBackend

import qstore as qs
from load.backends import Busy, Delayed, DelayedMany, Idle
from qstore.errors import DeadlineExceeded, ExecutionError, OptionError, QueueFull
from qstore.execution import AsyncQuantumExecutor

CIRCUIT = qs.QuantumCircuit(1).rx(0, "t")


def one(t, **options):
    options.setdefault("outputs", qs.Expectations([qs.Z(0)]))
    return qs.CircuitBatch.of(CIRCUIT, {"t": t}, **options)


class Gate(Idle):
    """Answers nothing before it is opened; notes what came, in order."""

    def __init__(self, **changes):
        super().__init__(**changes)
        self.open = threading.Event()
        self.seen = []

    async def run(self, batch):
        self.seen.append(batch.bindings["t"].reshape(-1).tolist())
        while not self.open.is_set():  # noqa: ASYNC110  # it is opened by another thread
            await asyncio.sleep(0.001)
        return self.answer(batch)


def wait_until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_submit_returns_at_once_and_the_handle_tells_how_it_is():
    backend = Gate()
    executor = AsyncQuantumExecutor(backend)
    handle = executor.submit(one(1.0))
    assert (handle.done(), handle.cancelled()) == (False, False)
    assert repr(handle) == "<Handle pending>"
    with pytest.raises(TimeoutError, match=r"not there after 0.01 s; the work goes on"):
        handle.result(timeout=0.01)
    assert "1 circuits pending" in repr(executor)
    backend.open.set()
    assert handle.result().values[0, 0] == 1.0
    assert handle.exception() is None
    assert not handle.cancel()
    assert repr(handle).startswith("<Handle done: <BatchResult")
    wait_until(lambda: executor.stats().in_flight == 0)
    assert repr(executor) == (
        "<AsyncQuantumExecutor on 'idle': max_concurrent=100, batch_size='adaptive', 0 circuits pending, 0 in flight, "
        "1 done in 1 requests>"
    )


def test_more_than_max_pending_is_refused_and_nothing_of_it_is_taken():
    backend = Gate()
    executor = AsyncQuantumExecutor(backend, max_pending=5)
    handles = [executor.submit(one([0.0, float(n)])) for n in (1, 2)]
    with pytest.raises(
        QueueFull, match="4 circuits wait or are under way, and 2 more would be more than max_pending=5"
    ):
        executor.submit_batch([one(5.0), one(6.0)])
    handles.append(executor.submit(one(7.0)))
    with pytest.raises(QueueFull):
        executor.submit(one(8.0))
    backend.open.set()
    for handle in handles:
        handle.result()
    wait_until(lambda: executor.stats().in_flight == 0)
    stats = executor.stats()
    assert (stats.submitted, stats.completed, stats.pending) == (5, 5, 0)
    executor.submit(one(8.0)).result()


def test_higher_priority_goes_first_then_the_earlier_deadline_then_first_come():
    backend = Gate()
    executor = AsyncQuantumExecutor(backend, max_concurrent=1)
    first = executor.submit(one(0.0))
    wait_until(lambda: backend.seen)
    order = [
        (1.0, 0, None),
        (2.0, 5, None),
        (3.0, 0, 50.0),
        (4.0, 5, None),
        (5.0, 0, 40.0),
        (6.0, -1, 1000.0),
    ]
    handles = [
        executor.submit(one(t), priority=priority, deadline=deadline) for t, priority, deadline in order
    ]
    backend.open.set()
    for handle in [first, *handles]:
        handle.result()
    assert backend.seen == [[0.0], [2.0], [4.0], [5.0], [3.0], [1.0], [6.0]]


def test_asking_again_more_urgently_moves_the_work_forward():
    backend = Gate()
    executor = AsyncQuantumExecutor(backend, max_concurrent=1)
    handles = [executor.submit(one(float(t))) for t in range(4)]
    wait_until(lambda: backend.seen)
    handles.append(executor.submit(one(3.0), priority=1))
    backend.open.set()
    assert [handle.result().values[0, 0] for handle in handles] == [0, 1, 2, 3, 3]
    assert backend.seen == [[0.0], [3.0], [1.0], [2.0]]


def test_a_deadline_that_passes_fails_the_handle_and_frees_its_place():
    backend = Gate()
    executor = AsyncQuantumExecutor(backend, max_concurrent=1)
    running = executor.submit(one(0.0), deadline=0.5)
    wait_until(lambda: backend.seen)
    waiting = executor.submit(one(1.0), deadline=0.05)
    late = executor.submit(one(2.0), deadline=60)
    for handle in (running, waiting):
        with pytest.raises(DeadlineExceeded, match=r"Not done within 0.0?5 s\. Give it a later deadline"):
            handle.result()
    backend.open.set()
    assert late.result().values[0, 0] == 2.0
    assert [1.0] not in backend.seen
    assert late.timer is None


def test_the_very_same_exact_work_runs_once_and_everybody_gets_a_result_of_his_own():
    backend = Delayed(0.02)
    with AsyncQuantumExecutor(backend).sync as executor:
        found = executor.run_many([one(1.0), one(1.0), one([1.0]), one(2.0)])
        later = executor.run(one(1.0))
    assert backend.circuits == 2
    found[0].values[:] = 99.0
    later.values[:] = 98.0
    assert [result.values[0, 0] for result in found] == [99.0, 1.0, 1.0, 2.0]
    assert executor.run is not None


def test_a_cached_result_is_safe_from_whoever_changes_it_and_can_be_cleared():
    backend = Idle()
    executor = AsyncQuantumExecutor(backend)
    first = executor.submit(one(1.0)).result()
    first.values[:] = 7.0
    second = executor.submit(one(1.0)).result()
    second.values[:] = 8.0
    assert executor.submit(one(1.0)).result().values[0, 0] == 1.0
    assert executor.cache.stats()["results"].hits == 2
    executor.clear()
    assert executor.stats().caches["results"].entries == 0
    assert executor.submit(one(1.0)).result().values[0, 0] == 1.0
    assert executor.stats().requests == 2


def test_the_cache_stays_within_its_bytes_and_none_keeps_nothing():
    with AsyncQuantumExecutor(Idle(), cache_bytes=20_000).sync as executor:
        for _ in executor.map(one(float(t)) for t in range(300)):
            pass
        stats = executor._executor.cache.stats()["results"]
        assert 0 < stats.bytes <= stats.max_bytes
        assert stats.evictions > 0
    with AsyncQuantumExecutor(Idle(), cache_bytes=0).sync as executor:
        executor.run(one(1.0))
        executor.run(one(1.0))
        assert executor._executor.stats().requests == 2


def test_shots_are_never_shared_unless_asked():
    backend = DelayedMany(0.01)
    with AsyncQuantumExecutor(backend).sync as executor:
        executor.run_many([one(1.0, outputs=qs.Counts(), shots=5, seed=1)] * 2)
        executor.run(one(1.0, outputs=qs.Counts(), shots=5, seed=1))
    assert backend.circuits == 3


def test_deadlines_priorities_and_batches_are_checked():
    executor = AsyncQuantumExecutor(Idle())
    for arguments, text in (
        ({"priority": "high"}, "priority must be a number"),
        ({"priority": float("nan")}, "priority must be a number"),
        ({"deadline": 0}, "deadline must be seconds from now"),
        ({"deadline": float("inf")}, "deadline must be seconds from now"),
    ):
        with pytest.raises(OptionError, match=text):
            executor.submit(one(1.0), **arguments)
    with pytest.raises(OptionError, match=r"takes what qs.CircuitBatch.of\(...\) makes, got QuantumCircuit"):
        executor.submit(CIRCUIT)
    for options, text in (
        ({"max_concurrent": 0}, "max_concurrent must be an integer from 1 up, got 0"),
        ({"batch_size": "large"}, "batch_size must be a number of circuits or 'adaptive', got 'large'"),
        ({"batch_size": 0}, "batch_size must be an integer from 1 up"),
        ({"max_pending": 0}, "max_pending"),
        ({"cache_bytes": -1}, "cache_bytes"),
        ({"retries": -1}, "retries must be an integer from 0 up"),
    ):
        with pytest.raises(OptionError, match=text):
            AsyncQuantumExecutor(Idle(), **options)


def test_map_is_in_order_bounded_and_leaves_nothing_behind():
    backend = Delayed(0.001)
    pulled = []

    def source():
        for t in range(100_000):
            pulled.append(t)
            yield one(float(t))

    async def main():
        async with AsyncQuantumExecutor(backend, max_concurrent=10) as executor:
            seen = []
            reports = []
            results = executor.map(source(), progress=lambda *report: reports.append(report))
            async for result in results:
                seen.append(result.values[0, 0])
                if len(seen) == 200:
                    break
            await results.aclose()
            assert executor.stats().pending == 0
            return seen, reports

    seen, reports = asyncio.run(main())
    assert seen == list(range(200))
    assert len(pulled) <= 200 + 30
    assert reports[-1] == (200, None)


def test_map_takes_asynchronous_iterators_and_large_batches():
    async def source():
        for t in range(5):
            await asyncio.sleep(0)
            yield one(np.full(25, float(t)))

    async def main():
        async with AsyncQuantumExecutor(Delayed(0.001), max_concurrent=10) as executor:
            return [result.values[:, 0].tolist() async for result in executor.map(source())]

    assert asyncio.run(main()) == [[float(t)] * 25 for t in range(5)]


def test_as_completed_gives_handles_as_they_settle():
    class ByValue(Idle):
        async def run(self, batch):
            await asyncio.sleep(float(batch.bindings["t"].reshape(-1)[0]))
            return self.answer(batch)

    async def main():
        async with AsyncQuantumExecutor(ByValue(), batch_size=1) as executor:
            handles = executor.submit_batch([one(t) for t in (0.09, 0.01, 0.05)])
            return [(await handle).values[0, 0] async for handle in executor.as_completed(handles)]

    assert asyncio.run(main()) == [0.01, 0.05, 0.09]
    executor = AsyncQuantumExecutor(ByValue(), batch_size=1).sync
    handles = [executor.submit(one(t)) for t in (0.05, 0.01)]
    assert [handle.result().values[0, 0] for handle in executor.as_completed(handles)] == [0.01, 0.05]


def test_progress_is_told_and_a_callback_that_fails_harms_nobody(caplog):
    reports = []

    def progress(done, total):
        reports.append((done, total))
        if done == 1:
            raise ZeroDivisionError("in a callback")

    async def main():
        async with AsyncQuantumExecutor(Delayed(0.005), batch_size=1) as executor:
            handles = executor.submit_batch([one(float(t)) for t in range(3)], progress=progress)
            for handle in handles:
                await handle
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert reports == [(1, 3), (2, 3), (3, 3)]
    assert "A callback of a handle failed." in caplog.text


def test_closing_waits_for_everything_and_takes_nothing_more():
    async def main():
        backend = Delayed(0.01)
        executor = AsyncQuantumExecutor(backend, batch_size=1)
        handles = [executor.submit(one(float(t))) for t in range(5)]
        await executor.close()
        assert all(handle.done() for handle in handles)
        assert "closed" in repr(executor)
        with pytest.raises(ExecutionError, match=r"This executor is closed; make another one\."):
            executor.submit(one(9.0))
        with pytest.raises(ExecutionError, match="closed"):
            await executor.run(one(9.0))
        return backend

    assert asyncio.run(main()).active == 0


def test_leaving_with_an_error_cancels_everything():
    backend = Gate()
    handles = []

    async def main():
        async with AsyncQuantumExecutor(backend, batch_size=1, max_concurrent=2) as executor:
            handles.extend(executor.submit_batch([one(float(t)) for t in range(5)]))
            await asyncio.sleep(0.02)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert all(handle.cancelled() for handle in handles)


def test_local_backends_run_in_threads():
    backend = Busy(0.02)

    async def main():
        async with AsyncQuantumExecutor(backend, batch_size=1) as executor:
            handles = executor.submit_batch([one(float(t)) for t in range(4)])
            ticks = 0
            while not all(handle.done() for handle in handles):
                await asyncio.sleep(0.001)
                ticks += 1
            return ticks, [(await handle).values[0, 0] for handle in handles]

    ticks, values = asyncio.run(main())
    assert values == [0, 1, 2, 3]
    assert ticks > 1


def test_what_is_paid_for_is_sent_as_it_was_submitted():
    def sizes(delays):
        backend = DelayedMany(0.003, paid=True)

        async def main():
            async with AsyncQuantumExecutor(backend, max_concurrent=10) as executor:
                handles = []
                for number, delay in enumerate(delays):
                    some = [one(float(number), outputs=qs.Counts(), shots=3, seed=n) for n in range(6)]
                    handles += executor.submit_batch(some)
                    handles.append(
                        executor.submit(one([0.5 + number] * 23, outputs=qs.Counts(), shots=3, seed=5))
                    )
                    await asyncio.sleep(delay)
                for handle in handles:
                    await handle

        asyncio.run(main())
        return backend

    at_once, slowly = sizes([0, 0, 0]), sizes([0.02, 0, 0.01])
    assert sorted(at_once.sizes) == sorted(slowly.sizes) == sorted([6, 10, 10, 3] * 3)
    assert at_once.most_active <= 10


def test_dense_results_come_back_in_their_own_shape():
    some = [qs.CircuitBatch.of(CIRCUIT, {"t": np.zeros(rows)}, shots=4, seed=rows) for rows in (1, 3, 250)]
    with AsyncQuantumExecutor(DenseBackend(), max_concurrent=20).sync as executor:
        assert [len(result.counts) for result in executor.run_many(some)] == [1, 3, 250]
