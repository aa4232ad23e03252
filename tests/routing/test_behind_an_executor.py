# SPDX-License-Identifier: Apache-2.0
"""A router behind an executor: what belongs together stays on one backend, however it would be cut up otherwise."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

import qstore as qs
from qstore.accounting import Ledger
from qstore.errors import BackendUnavailable
from qstore.execution import AsyncQuantumExecutor, current_settings
from qstore.gradients import differentiate, vjp
from qstore.gradients.finite_difference import FiniteDifference
from qstore.routing import BackendRouter, CostOptimizer
from routing.fakes import Fake, NativeFake, SyncFake

OUTPUTS = qs.Expectations([qs.Z(0), qs.X(0)])  # two bases


def wide(entries=6):
    x = qs.Parameter("x", (entries,))
    circuit = qs.QuantumCircuit(2)
    for index in range(entries):
        circuit.ry(index % 2, x[index])
    return circuit


def failing(kind, after):
    return kind("first", trouble=[None] * after + [BackendUnavailable("down for maintenance")] * 1000)


@pytest.mark.parametrize("shots", [None, 50])
@pytest.mark.parametrize("kind", [Fake, SyncFake])
@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_a_gradient_never_mixes_backends_even_where_it_takes_more_circuits_than_may_be_under_way(
    kind, shots, after
):
    first, second = failing(kind, after), kind("second", seconds=0.1)
    router = BackendRouter(candidates=[first, second], memory=False)
    executor = AsyncQuantumExecutor(router, max_concurrent=8)
    bindings = {"x": np.linspace(0, 1, 18).reshape(3, 6)}
    found = vjp(wide(), bindings, OUTPUTS, shots=shots, gradient_method="parameter_shift", backend=executor)
    parts = {None: 2, 50: 4}[shots]  # the batch and its shifts, in two bases with shots
    of_one = first if after >= parts else second
    assert found.result.backend == of_one.name
    assert [batch.size for batch in of_one.batches] == {None: [3, 36], 50: [3, 3, 36, 36]}[shots]


def test_a_call_of_the_blocking_face_stays_together_too():
    first, second = failing(SyncFake, 1), SyncFake("second", seconds=0.1)
    router = BackendRouter(candidates=[first, second], memory=False)
    circuit = wide()
    batches = [qs.CircuitBatch.of(circuit, {"x": np.full((5, 6), value)}, OUTPUTS) for value in (0.1, 0.2)]
    with AsyncQuantumExecutor(router, max_concurrent=4).sync as executor:
        results = executor.run_many(batches)
    assert [result.backend for result in results] == ["second", "second"]


def test_exact_results_are_remembered():
    backend = SyncFake("one")
    executor = AsyncQuantumExecutor(BackendRouter(candidates=[backend], memory=False)).sync
    batch = qs.CircuitBatch.of(wide(), {"x": np.ones((4, 6))}, OUTPUTS)
    first, second = executor.run(batch), executor.run(batch)
    assert len(backend.batches) == 1
    assert np.array_equal(first.values, second.values)


def test_gradients_are_shifted_where_no_candidate_differentiates_this_batch():
    small = NativeFake("small", max_qubits=1)
    large = Fake("large")
    executor = AsyncQuantumExecutor(BackendRouter(candidates=[small, large], memory=False))
    found = vjp(wide(), {"x": np.ones(6)}, OUTPUTS, backend=executor)
    assert found.result.backend == "large"


def test_standard_errors_are_estimates_and_no_bounds():
    executor = AsyncQuantumExecutor(BackendRouter(candidates=["statevector"], memory=False))
    outputs = qs.Expectations([qs.Z(0), -1 * qs.Z(0)])
    found = vjp(wide(), {"x": np.ones(6)}, outputs, shots=200, seed=1, backend=executor)
    assert not found.notes
    assert max(abs(found.standard_errors["x"])) < 1e-12  # the two always cancel


def test_an_executor_in_front_of_one_backend_chooses_nothing():
    assert not hasattr(AsyncQuantumExecutor("statevector"), "reason_against_vjp")


@pytest.mark.parametrize("outputs", [OUTPUTS, qs.Variance([qs.Z(0)])], ids=repr)
def test_a_forward_pass_of_another_backend_does_not_enter_the_gradient(outputs):
    """A layer has the values already, from a backend that fails before the backward pass."""
    lies, honest = (
        SyncFake("lies", trouble=[None, BackendUnavailable("down")]),
        SyncFake("honest", seconds=0.1),
    )
    router = BackendRouter(candidates=[lies, honest], memory=False)
    batch = qs.CircuitBatch.of(wide(), {"x": np.linspace(0, 1, 6)}, outputs)
    known = qs.execution.execute_many((batch,), router)[0]
    known = replace(known, values=known.values + 0.5)
    method = FiniteDifference(form="forward")
    expected = differentiate(batch, SyncFake("alone"), gradient_method=method)
    found = differentiate(batch, router, gradient_method=method, known=known)
    assert found.result.backend == "honest"
    np.testing.assert_allclose(found.gradients["x"], expected.gradients["x"], atol=1e-6)
    assert any("'honest' ran instead" in note for note in (*found.notes, *found.result.notes))


def test_a_gradient_says_what_all_its_circuits_cost_and_who_ran_them(tmp_path):
    paid = Fake("paid", usd=2)
    policy = CostOptimizer(100, ledger=Ledger(tmp_path / "ledger.sqlite"))
    router = BackendRouter(policy=policy, candidates=[paid], memory=False)
    found = vjp(wide(), {"x": np.ones(6)}, OUTPUTS, shots=50, backend=router)
    assert found.result.billed_usd == 4  # two bases
    assert found.billed_usd == 8 == 100 - policy.left()
    assert vjp(wide(), {"x": np.ones(6)}, OUTPUTS, backend="statevector").billed_usd is None


class Follower(Fake):
    """Chooses, by name only, and notes the settings under which it is called."""

    def __init__(self, **changes):
        super().__init__("follower", **changes)
        self.seen = []

    def reason_against_vjp(self, batch):
        return "nobody differentiates here"

    async def run_many(self, batches):
        await asyncio.sleep(0)
        self.seen += [(current_settings().fallback, batch.size) for batch in batches]
        return [self.answer(batch) for batch in batches]


@pytest.mark.parametrize("usd", [0, 1])
@pytest.mark.parametrize("rows", [1, 3])
def test_settings_around_a_submission_reach_its_request_whoever_waits_for_it(rows, usd):
    follower = Follower(usd=usd)
    circuit = wide(2).freeze()

    def batch(number):
        return qs.CircuitBatch.of(circuit, {"x": np.full((rows, 2), float(number))}, OUTPUTS)

    async def main():
        async with AsyncQuantumExecutor(follower) as executor:
            handles = []
            for number, fallback in enumerate(("none", "next", "none")):
                with qs.configured(fallback=fallback):
                    handles.append(executor.submit(batch(number)))
            handles += executor.submit_batch([batch(3), batch(4)])
            for handle in handles:
                await handle

    asyncio.run(main())
    circuits = {}
    for fallback, size in follower.seen:
        circuits[fallback] = circuits.get(fallback, 0) + size
    assert circuits == {"none": 2 * rows, "next": rows, "simulation": 2 * rows}
