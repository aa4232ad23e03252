# SPDX-License-Identifier: Apache-2.0
"""What is remembered: within its bytes, exact, never one sample as two; and how sizes of requests are learnt."""

import asyncio
from collections import OrderedDict

import numpy as np
import pytest
from dense_backend import DenseBackend
from hypothesis import given
from hypothesis import strategies as st

import qstore as qs
from load.backends import Idle
from qstore.batch import BatchResult
from qstore.errors import OptionError
from qstore.execution import AdaptiveBatchScheduler, AsyncQuantumExecutor, MultiLevelCache
from qstore.execution.caches import LruCache, ResultCache, ShotPool

CIRCUIT = qs.QuantumCircuit(1).rx(0, "t")
SIGMAS = 5
"""Two-sided false-alarm rate 6e-7 per value; with fixed seeds a test that passes once passes always."""


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9), st.booleans()), max_size=60),
    st.integers(0, 20),
)
def test_a_cache_agrees_with_a_list_of_what_was_used_when(steps, room):
    cache, model = LruCache(room), OrderedDict()
    hits = 0
    for key, size, puts in steps:
        if puts:
            cache.put(key, (key, size), size)
            model.pop(key, None)
            if size <= room:
                model[key] = size
                while sum(model.values()) > room:
                    model.popitem(last=False)
        else:
            found = cache.get(key)
            assert found == ((key, model[key]) if key in model else None)
            if key in model:
                hits += 1
                model.move_to_end(key)
        stats = cache.stats()
        assert (stats.bytes, stats.entries) == (sum(model.values()), len(model))
        assert stats.bytes <= room
    assert (cache.stats().hits, cache.stats().misses) == (hits, sum(not puts for _, _, puts in steps) - hits)
    cache.discard("a")
    assert "a" not in cache
    cache.clear()
    assert (len(cache), cache.stats().bytes, cache.stats().hit_rate) == (0, 0, 0.0)


def test_only_exact_results_are_kept():
    cache = ResultCache(10_000)
    exact = BatchResult(
        values=np.ones((1, 2)), n_qubits=1, backend="b", billed_usd=1, job_ids=("j",), notes=("n",)
    )
    assert cache.put("exact", exact)
    found = cache.get("exact")
    assert (found.billed_usd, found.job_ids, found.notes) == (0, ("j",), ("n",))
    shots = BatchResult(
        values=np.ones((1, 2)), standard_errors=np.ones((1, 2)), n_qubits=1, backend="b", shots=5
    )
    assert not cache.put("shots", shots)
    trajectories = BatchResult(
        values=np.ones((1, 2)), standard_errors=np.ones((1, 2)), n_qubits=1, backend="b"
    )
    assert not cache.put("trajectories", trajectories)
    assert len(cache) == 1
    assert repr(cache).startswith("<ResultCache: 1 entries")


def test_the_three_levels_tell_their_hit_rates():
    weights = np.linspace(0, 1, 20)
    circuit = qs.QuantumCircuit(1).rx(0, "t")
    for k in range(20):
        circuit.rz(0, qs.Parameter("w", (20,))[k])
    outputs = qs.Expectations([qs.Z(0)])
    with AsyncQuantumExecutor(Idle()).sync as executor:
        for t in (0.1, 0.2, 0.3, 0.1):
            executor.run(qs.CircuitBatch.of(circuit, {"t": t, "w": weights}, outputs))
        cache = executor._executor.cache
    rates = {level: (each.hits, each.misses) for level, each in cache.stats().items()}
    assert rates == {"parameters": (3, 1), "templates": (3, 1), "results": (1, 3)}
    assert repr(cache) == "<MultiLevelCache: hits: parameters 75% of 4, templates 75% of 4, results 25% of 4>"


def test_sizes_are_checked():
    for make in (LruCache, MultiLevelCache, ResultCache, ShotPool):
        with pytest.raises(OptionError):
            make(-1)


def sample(t, shots, seed, outputs):
    return qs.CircuitBatch.of(CIRCUIT, {"t": t}, outputs, shots=shots, seed=seed)


@pytest.mark.parametrize("outputs", [qs.Expectations([qs.Z(0), qs.X(0)]), qs.Probabilities()])
def test_a_repeat_adds_its_shots_and_narrows_the_error_bar(outputs):
    exact = qs.run(CIRCUIT, {"t": 0.7}, outputs, backend=DenseBackend()).values
    with AsyncQuantumExecutor(DenseBackend(exact=False), pool_shots=True).sync as executor:
        found = [executor.run(sample(0.7, 500, seed, outputs)) for seed in range(16)]
        other = executor.run(sample(0.8, 500, 1, outputs))
    assert [result.shots for result in found] == [500 * (n + 1) for n in range(16)]
    assert found[0].seed == 0
    assert found[-1].seed is None
    assert found[-1].notes == ("pooled from 16 samples",)
    assert np.allclose(found[-1].standard_errors, found[0].standard_errors / 4, rtol=0.1)
    assert (np.abs(found[-1].values - exact) <= SIGMAS * found[-1].standard_errors).all()
    assert other.shots == 500


def test_the_claimed_error_of_a_pool_is_the_spread_of_pools():
    outputs = qs.Expectations([qs.Z(0)])
    values, claimed = [], []
    for run in range(200):
        with AsyncQuantumExecutor(DenseBackend(exact=False), pool_shots=True).sync as executor:
            for part, shots in enumerate((50, 150, 100)):
                result = executor.run(sample(1.0, shots, 3 * run + part, outputs))
        values.append(result.values[0, 0])
        claimed.append(result.standard_errors[0, 0])
    # The spread of 200 values is known to 5 %; 25 % is five of those.
    assert np.isclose(np.std(values), np.mean(claimed), rtol=0.25)


def test_one_sample_is_never_passed_off_as_two():
    with AsyncQuantumExecutor(DenseBackend(exact=False), pool_shots=True).sync as executor:
        first = executor.run(sample(0.7, 100, 1, qs.Counts()))
        again = executor.run(sample(0.7, 100, 1, qs.Counts()))
        more = executor.run(sample(0.7, 100, 2, qs.Counts()))
        third = executor.run(sample(0.7, 100, 1, qs.Counts()))
    assert (first.shots, again.shots, more.shots, third.shots) == (100, 100, 200, 200)
    assert again.counts == first.counts
    assert sum(more.counts[0].values()) == 200
    assert third.counts == more.counts
    more.counts[0].clear()
    assert sum(third.counts[0].values()) == 200


def test_a_sample_that_shares_some_of_its_rows_is_left_alone():
    pool = ShotPool(100_000)
    keys = np.arange(4, dtype=np.uint64)
    result = BatchResult(counts=({0: 5}, {1: 5}), n_qubits=1, backend="b", shots=5, seed=1)
    pool.add("k", qs.Counts(), result, keys[:2])
    mixed = pool.add("k", qs.Counts(), result, keys[1:3])
    assert (mixed.shots, mixed.notes) == (
        5,
        ("not pooled: it shares rows' stream keys with an earlier sample",),
    )
    assert pool.add("k", qs.Counts(), result, keys[2:]).shots == 10
    assert pool.stats().entries == 1
    pool.clear()
    assert pool.add("k", qs.Counts(), result, keys[:2]).shots == 5


def test_single_shots_are_strung_together():
    backend = DenseBackend(exact=False, shot_outputs=frozenset({"Counts", "Samples"}))
    with AsyncQuantumExecutor(backend, pool_shots=True).sync as executor:
        executor.run(sample(0.7, 30, 1, qs.Samples()))
        assert executor.run(sample(0.7, 20, 2, qs.Samples())).values.shape == (1, 50, 1)


def test_shots_are_not_pooled_unless_asked_and_never_where_an_executor_is_the_backend():
    outputs = qs.Expectations([qs.Z(0)])
    with AsyncQuantumExecutor(DenseBackend(exact=False)).sync as executor:
        executor.run(sample(0.7, 100, 1, outputs))
        assert executor.run(sample(0.7, 100, 2, outputs)).shots == 100
    executor = AsyncQuantumExecutor(DenseBackend(exact=False), pool_shots=True)
    for _ in range(2):
        result = qs.run(CIRCUIT, {"t": 0.7}, outputs, shots=100, backend=executor)
        assert result.shots == 100


def test_a_result_made_the_short_way_is_a_result_like_any_other():
    from dataclasses import fields, replace

    async def main():
        async with AsyncQuantumExecutor(Idle()) as executor:
            handles = executor.submit_batch(
                [qs.CircuitBatch.of(CIRCUIT, {"t": t}, qs.Expectations([qs.Z(0)])) for t in (1.0, 2.0)]
            )
            return [await handle for handle in handles]

    first, _ = asyncio.run(main())
    assert type(first) is BatchResult
    assert {field.name: getattr(first, field.name) is not ... for field in fields(BatchResult)}
    assert replace(first, shots=3).shots == 3
    with pytest.raises(AttributeError):
        first.shots = 5
    assert repr(first) == "<BatchResult from 'idle': values (1, 1) float64, exact>"


# How many circuits a request carries


def test_a_longer_queue_never_makes_smaller_requests():
    scheduler = AdaptiveBatchScheduler(maximum=500, target_latency_s=1.0)
    for circuits in (5, 50, 20, 100):
        scheduler.record_latency(0.4 + 0.004 * circuits, circuits)
    sizes = [scheduler.get_batch_size(depth) for depth in range(1, 1000, 7)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 150
    assert scheduler.get_batch_size(10_000, circuit_complexity=1000.0) == 1


@given(
    st.floats(0, 5), st.floats(1e-4, 1), st.lists(st.integers(1, 100), min_size=3, max_size=30, unique=True)
)
def test_the_model_finds_what_requests_cost(fixed, each, sizes):
    scheduler = AdaptiveBatchScheduler()
    for circuits in sizes:
        scheduler.record_latency(fixed + each * circuits, circuits)
    assert scheduler.fixed_s == pytest.approx(fixed, rel=1e-3, abs=1e-3)
    assert scheduler.per_circuit_s == pytest.approx(each, rel=1e-3, abs=1e-4)


def test_a_slow_hour_is_forgotten():
    scheduler = AdaptiveBatchScheduler(maximum=1000, target_latency_s=1.0)

    def run(seconds_each, times):
        for n in range(times):
            circuits = scheduler.get_batch_size(10_000) - n % 3
            scheduler.record_latency(0.1 + seconds_each * max(circuits, 1), max(circuits, 1))
        return scheduler.get_batch_size(10_000)

    fast = run(0.001, 40)
    slow = run(0.1, 60)
    again = run(0.001, 60)
    assert fast == pytest.approx(900, abs=30)
    assert slow <= 15
    assert again == pytest.approx(fast, rel=0.2)


def test_a_fixed_part_longer_than_the_target_still_makes_requests_worth_it():
    scheduler = AdaptiveBatchScheduler(maximum=1000, target_latency_s=1.0)
    for circuits in (10, 20, 40):
        scheduler.record_latency(5.0 + 0.01 * circuits, circuits)
    assert scheduler.get_batch_size(10_000) == 500


def test_nonsense_teaches_nothing_and_arguments_are_checked():
    scheduler = AdaptiveBatchScheduler()
    for seconds, circuits in ((-1.0, 5), (float("inf"), 5), (float("nan"), 5), (1.0, 0)):
        scheduler.record_latency(seconds, circuits)
    assert (scheduler.fixed_s, scheduler.per_circuit_s) == (0.0, 0.0)
    for arguments in ({"minimum": 0}, {"maximum": 0}, {"minimum": 5, "maximum": 4}, {"target_latency_s": 0}):
        with pytest.raises(OptionError):
            AdaptiveBatchScheduler(**arguments)
    assert "0 s per circuit" in repr(scheduler)
