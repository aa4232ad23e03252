# SPDX-License-Identifier: Apache-2.0
"""Results through the executor are those of a direct run, however submissions were merged, cut up and ordered."""

import asyncio

import numpy as np
import pytest
from dense_backend import DenseBackend, SyncDenseBackend
from hypothesis import given, settings
from hypothesis import strategies as st

import qstore as qs
from load.backends import Delayed, DelayedMany, Idle
from qstore.errors import CapabilityError
from qstore.execution import AsyncQuantumExecutor, execute
from qstore.execution.executor import waking

ROUNDING = 1e-12
O = [qs.Z(0) @ qs.Z(1) + 0.5 * qs.X(0), qs.Y(1)]  # noqa: E741  # an observable
X, W = qs.Parameter("x", (2,)), qs.Parameter("w", (3,))


def circuit():
    return qs.QuantumCircuit(2).ry(0, X[0]).rx(1, X[1]).cx(0, 1).rx(0, W[0]).ry(1, 2 * W[1]).rz(1, W[2]).h(1)


TEMPLATES = [circuit().freeze(), circuit().s(0).freeze(), qs.QuantumCircuit(1).h(0).freeze()]
OUTPUTS = [qs.Expectations(O), qs.Probabilities([1]), qs.Counts()]


class Many(DenseBackend):
    async def run_many(self, batches):
        await asyncio.sleep(0)
        return [self.answer(batch) for batch in batches]


BACKENDS = {"one at a time": DenseBackend, "many": Many, "local": SyncDenseBackend}


@st.composite
def batches(draw):
    template = draw(st.sampled_from(TEMPLATES))
    outputs = draw(st.sampled_from(OUTPUTS if template.n_qubits == 2 else OUTPUTS[2:]))
    shots = draw(st.sampled_from([7, 40])) if outputs == qs.Counts() or draw(st.booleans()) else None
    rng = np.random.default_rng(draw(st.integers(0, 4)))
    rows = draw(st.integers(1, 5))
    bindings = {}
    if template.parameters:
        bindings = {
            name: rng.normal(size=(rows, size) if draw(st.booleans()) else size)
            for name, size in (("x", 2), ("w", 3))
        }
    seed = draw(st.integers(0, 3)) if shots else None
    return qs.CircuitBatch.of(template, bindings, outputs, shots=shots, seed=seed)


def same(found, wanted):
    assert found.counts == wanted.counts
    for name in ("values", "standard_errors"):
        mine, theirs = getattr(found, name), getattr(wanted, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine.shape == theirs.shape
            assert np.allclose(mine, theirs, atol=ROUNDING)
    assert (found.shots, found.seed, found.n_qubits, found.backend) == (
        wanted.shots, wanted.seed, wanted.n_qubits, wanted.backend)  # fmt: skip


@settings(max_examples=40)
@given(
    st.lists(batches(), min_size=1, max_size=8),
    st.sampled_from(sorted(BACKENDS)),
    st.sampled_from([1, 2, 3, 5, 100]),
    st.sampled_from(["adaptive", 1, 2, 7]),
    st.sampled_from([None, True, False]),
    st.booleans(),
)
def test_results_are_those_of_a_direct_run(some, kind, max_concurrent, batch_size, merge, paid):
    make = BACKENDS[kind]

    async def through():
        backend = make(exact=True, shot_outputs=frozenset({"Counts"}), paid=paid)
        async with AsyncQuantumExecutor(backend, max_concurrent, batch_size, merge=merge) as executor:
            handles = [executor.submit(batch, priority=number % 3) for number, batch in enumerate(some)]
            return [await handle for handle in handles]

    direct = make(exact=True, shot_outputs=frozenset({"Counts"}))
    for found, batch in zip(asyncio.run(through()), some, strict=True):
        same(found, execute(batch, direct))


def test_the_same_seed_gives_the_same_counts_alone_and_among_others():
    async def counts(neighbours, batch_size):
        async with AsyncQuantumExecutor(DenseBackend(), batch_size=batch_size) as executor:
            others = [executor.submit(qs.CircuitBatch.of(circuit(), {"x": [n, 1], "w": [0, n, 1]}, shots=50, seed=n))
                      for n in range(neighbours)]  # fmt: skip
            mine = executor.submit(
                qs.CircuitBatch.of(circuit(), {"x": [2, 3], "w": [1, 1, 1]}, shots=50, seed=99)
            )
            found = (await mine).counts
            for other in others:
                await other
            return found

    alone = asyncio.run(counts(0, "adaptive"))
    assert alone == asyncio.run(counts(30, "adaptive"))
    assert alone == asyncio.run(counts(30, 3))


def one(t, **options):
    return qs.CircuitBatch.of(
        qs.QuantumCircuit(1).rx(0, "t"), {"t": t}, qs.Expectations([qs.Z(0)]), **options
    )


def test_twenty_circuits_are_one_request():
    async def main():
        backend = Delayed(0.01)
        async with AsyncQuantumExecutor(backend) as executor:
            handles = [executor.submit(one(t)) for t in range(20)]
            return backend, [(await handle).values[0, 0] for handle in handles]

    backend, values = asyncio.run(main())
    assert values == list(range(20))
    assert backend.sizes == [20]


def test_twenty_circuits_from_as_many_coroutines_are_one_request():
    backend = Delayed(0.01)

    async def main():
        async with AsyncQuantumExecutor(backend) as executor:
            await asyncio.gather(
                *(qs.run_async(qs.QuantumCircuit(1).rx(0, "t"), {"t": t}, qs.Expectations([qs.Z(0)]), backend=executor)
                  for t in range(20))
            )  # fmt: skip

    asyncio.run(main())
    assert backend.sizes == [20]


def test_twenty_circuits_from_a_thread_without_a_loop_are_one_request(monkeypatch):
    monkeypatch.setattr(waking, "LINGER_S", 30.0)  # a busy machine may stop this thread for milliseconds
    backend = Delayed(0.01)
    with AsyncQuantumExecutor(backend).sync as executor:
        handles = [executor.submit(one(t)) for t in range(20)]
        assert [handle.result().values[0, 0] for handle in handles] == list(range(20))
    assert backend.sizes == [20]


def test_different_circuits_share_a_request_where_the_backend_takes_several():
    backend = DelayedMany(0.01)
    with AsyncQuantumExecutor(backend).sync as executor:
        executor.run_many([one(0.5), qs.CircuitBatch.of(qs.QuantumCircuit(2).h(0), shots=5), one(0.25)])
    assert backend.sizes == [3]


def test_no_more_circuits_are_under_way_than_allowed():
    backend = Delayed(0.002)

    async def main():
        async with AsyncQuantumExecutor(backend, max_concurrent=7, batch_size=3) as executor:
            async for _ in executor.map(one(float(t)) for t in range(60)):
                pass

    asyncio.run(main())
    assert backend.most_active <= 7
    assert backend.circuits == 60


def test_measured_bases_count_as_circuits():
    class Counting(DenseBackend):
        active = most = 0

        async def run(self, batch):
            self.active += batch.size
            self.most = max(self.most, self.active)
            await asyncio.sleep(0.002)
            self.active -= batch.size
            return self.answer(batch)

    backend = Counting(exact=False)
    wanted = [qs.X(0) @ qs.X(1), qs.Y(0) @ qs.Y(1), qs.Z(0)]
    some = [qs.CircuitBatch.of(circuit(), {"x": [n, 0], "w": [0, 0, n]}, qs.Expectations(wanted), shots=9, seed=n)
            for n in range(10)]  # fmt: skip
    with AsyncQuantumExecutor(backend, max_concurrent=6).sync as executor:
        found = executor.run_many(some)
    assert backend.most <= 6
    for result, batch in zip(found, some, strict=True):
        same(result, execute(batch, DenseBackend(exact=False)))
    circuits = {id(batch.circuit) for batch in backend.batches}
    assert len(circuits) == 3  # one compiled template for each basis, whatever the number of requests


def test_a_row_that_takes_more_circuits_than_allowed_runs_in_turns():
    backend = DenseBackend(exact=False)
    batch = qs.CircuitBatch.of(circuit(), {"x": [1, 0], "w": [0, 0, 1]}, qs.Expectations([qs.X(0), qs.Y(0), qs.Z(0)]),
                               shots=9, seed=1)  # fmt: skip
    with AsyncQuantumExecutor(backend, max_concurrent=2).sync as executor:
        same(executor.run(batch), execute(batch, DenseBackend(exact=False)))


def test_changing_an_array_after_submitting_changes_nothing():
    weights = np.array([0.25])
    with AsyncQuantumExecutor(Delayed(0.01)).sync as executor:
        batch = qs.CircuitBatch.of(
            qs.QuantumCircuit(1).rx(0, qs.Parameter("t", (1,))[0]), {"t": weights}, qs.Expectations([qs.Z(0)])
        )
        handle = executor.submit(batch)
        weights += 5.0
        assert handle.result().values[0, 0] == 0.25


def test_weights_shared_by_all_samples_stay_shared():
    backend = DenseBackend()
    w = np.array([0.1, 0.2, 0.3])
    some = [qs.CircuitBatch.of(circuit(), {"x": [n, 1], "w": w}, qs.Expectations(O)) for n in range(5)]
    with AsyncQuantumExecutor(backend).sync as executor:
        executor.run_many(some)
        (batch,) = backend.batches
        assert (batch.size, batch.per_sample) == (5, {"x"})
        parameters = executor._executor.stats().caches["parameters"]
    assert parameters.misses == 0  # smaller than what is worth keeping


def test_money_and_time_are_shared_out_exactly():
    from decimal import Decimal

    class Billed(Idle):
        def answer(self, batch):
            from dataclasses import replace

            return replace(super().answer(batch), billed_usd=Decimal("0.10"), run_s=6.0, job_ids=("job",))

    with AsyncQuantumExecutor(Billed()).sync as executor:
        found = executor.run_many([one([0.1 * n] * size) for n, size in enumerate((1, 2, 3, 1))])
        again = executor.run(one([0.1, 0.1]))
    assert sum(result.billed_usd for result in found) == Decimal("0.10")
    assert found[2].billed_usd > found[1].billed_usd > found[0].billed_usd > 0
    assert sum(result.run_s for result in found) == pytest.approx(6.0)
    assert (again.billed_usd, again.run_s, again.job_ids) == (0, 0.0, ("job",))  # known: not paid for again


def test_an_executor_is_a_backend():
    from qstore.plugins import Backend, is_differentiable, runs_many

    executor = AsyncQuantumExecutor("statevector")
    assert isinstance(executor, Backend)
    assert runs_many(executor)
    assert is_differentiable(executor)
    assert not is_differentiable(AsyncQuantumExecutor(DenseBackend()))
    bindings = {"x": np.array([[0.1, 0.2], [0.3, 0.4]]), "w": [0.5, 0.6, 0.7]}
    direct = qs.value_and_vjp(circuit(), bindings, qs.Expectations(O))
    for method in (None, "adjoint", "parameter_shift"):
        values, grads = qs.value_and_vjp(
            circuit(), bindings, qs.Expectations(O), backend=executor, gradient_method=method
        )
        assert np.allclose(values, direct[0])
        assert all(np.allclose(grads[name], direct[1][name]) for name in grads)
    assert executor.estimate(one(1.0)).usd == 0
    with AsyncQuantumExecutor(executor).sync as outer:
        assert outer.run(one(0.0)).values[0, 0] == pytest.approx(1.0)


def test_what_a_backend_cannot_do_is_refused_before_anything_is_sent():
    backend = DenseBackend(exact=False)
    executor = AsyncQuantumExecutor(backend)
    with pytest.raises(CapabilityError, match="does not give an exact Expectations"):
        executor.submit(one(1.0))
    assert not backend.batches
    assert executor.stats().pending == 0
