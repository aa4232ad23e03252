# SPDX-License-Identifier: Apache-2.0
"""Calls that end in an error after a part of them was accepted: nobody sends that part once more, here or elsewhere."""

import asyncio

import pytest

import qstore as qs
from ionq.fakes import FakeService, answer
from qstore.errors import (
    AuthenticationError,
    BackendUnavailable,
    BudgetExceeded,
    CapabilityError,
    QStoreError,
)
from qstore.execution import AsyncQuantumExecutor, execute_many
from qstore.routing import BackendRouter, CostOptimizer
from qstore_ionq import IonQBackend

REFUSALS = {400: CapabilityError, 401: AuthenticationError, 402: BudgetExceeded, 404: BackendUnavailable}


class Refusing(FakeService):
    """Answers requests that `refuses` picks with a status, until `heals` is called."""

    def __init__(self, status, refuses):
        super().__init__()
        self.status, self.refuses = status, refuses

    def handle(self, request):
        if self.refuses(request):
            return answer({"message": "refused"}, self.status)
        return super().handle(request)

    def heals(self):
        self.refuses = lambda request: False

    @property
    def shots_sent(self):
        return [each.json["shots"] for each in self.transport.sent("POST")]


def reads_a_job(request):
    return request.method == "GET" and request.path.startswith("/jobs")


def sends(request):
    return request.method == "POST" and request.path == "/jobs"


def sends_many_shots(request):
    return sends(request) and request.json["shots"] == 200


def aria(service, **options):
    options = {"settle_s": 0.1, "max_in_flight": 1} | options  # jobs one after the other
    return IonQBackend(options.pop("device", "ionq.aria-1"), transport=service.transport, **options)


def batch(t=0.1, shots=100, seed=1):
    return qs.CircuitBatch.of(
        qs.QuantumCircuit(1).rx(0, "t"), {"t": [t]}, qs.Counts(), shots=shots, seed=seed
    )


def some_batches():
    return [batch(0.1 * k, shots, seed=k) for k, shots in enumerate((100, 200, 100, 200), start=1)]


def router(*candidates):
    return BackendRouter(policy=CostOptimizer(1000, fallback_chain=candidates), memory=False)


def submitted(backend, batches, **options):
    async def main():
        async with AsyncQuantumExecutor(backend, **options) as executor:
            return await asyncio.gather(*executor.submit_batch(batches), return_exceptions=True)

    with qs.run_context("x"):
        return asyncio.run(main())


def test_a_router_pays_nobody_else_for_a_job_that_was_accepted_and_cannot_be_read():
    accepts, other = Refusing(401, reads_a_job), FakeService()
    with (
        qs.run_context("x"),
        pytest.raises(AuthenticationError) as caught,
    ):
        execute_many([batch()], router(aria(accepts), aria(other, device="ionq.forte-1")))
    assert caught.value.perhaps_paid
    assert (len(accepts.transport.sent("POST")), len(other.transport.sent("POST"))) == (1, 0)


def test_a_free_backend_takes_over_from_a_job_that_cannot_be_read():
    accepts, other = Refusing(401, reads_a_job), FakeService()
    candidates = (aria(accepts), aria(other, device="ionq.forte-1"), "statevector")
    with qs.run_context("x"):
        (result,) = execute_many([batch()], router(*candidates))
    assert result.backend == "statevector"
    assert other.transport.sent("POST") == []


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("behind_an_executor", [False, True])
def test_a_router_pays_nobody_else_for_a_call_of_which_one_job_was_accepted(status, behind_an_executor):
    accepts, other = Refusing(status, sends_many_shots), FakeService()
    chooser = router(aria(accepts), aria(other, device="ionq.forte-1"))
    if behind_an_executor:
        chooser = AsyncQuantumExecutor(chooser)
    with qs.run_context("x"), pytest.raises(REFUSALS[status]) as caught:
        execute_many([batch(shots=100), batch(shots=200)], chooser)
    assert caught.value.perhaps_paid
    assert accepts.shots_sent == [100, 200]
    assert other.transport.sent("POST") == []


@pytest.mark.parametrize("status", REFUSALS)
def test_a_router_falls_back_to_a_paid_backend_when_all_was_refused(status):
    refuses, other = Refusing(status, sends), FakeService()
    with qs.run_context("x"):
        (result,) = execute_many([batch()], router(aria(refuses), aria(other, device="ionq.forte-1")))
    assert result.backend == "ionq.forte-1"


@pytest.mark.parametrize("status", REFUSALS)
def test_an_executor_does_not_divide_a_call_of_which_one_job_was_accepted(status):
    service = Refusing(status, sends_many_shots)
    backend = aria(service, budget=1000)
    errors = submitted(backend, some_batches())
    assert [type(error) for error in errors] == [REFUSALS[status]] * 4
    assert all(error.perhaps_paid for error in errors)
    assert service.shots_sent == [100, 200]
    service.heals()
    results = submitted(backend, some_batches())
    assert [sum(result.counts[0].values()) for result in results] == [100, 200, 100, 200]
    assert service.shots_sent == [100, 200, 200]


@pytest.mark.parametrize("status", [400, 402])
def test_an_executor_divides_a_call_that_was_refused_as_a_whole(status):
    service = Refusing(status, lambda request: sends(request) and "circuits" in request.json["input"])
    results = submitted(aria(service, budget=1000), [batch(0.1), batch(0.2)])
    assert [sum(result.counts[0].values()) for result in results] == [100, 100]
    assert service.shots_sent == [100, 100, 100]


def test_a_budget_that_is_spent_does_not_hide_what_an_earlier_call_has_paid_for():
    service = Refusing(402, lambda request: False)
    backend = aria(service, budget=20)
    with qs.run_context("x"):
        execute_many([batch()], backend)
        with pytest.raises(BudgetExceeded) as caught:
            execute_many([batch(), batch(shots=10_000)], backend)
        assert caught.value.perhaps_paid
        with pytest.raises(BudgetExceeded) as caught:
            execute_many([batch(0.2, shots=10_000), batch(0.3, shots=10_000)], backend)
    assert not caught.value.perhaps_paid
    assert service.shots_sent == [100]


def test_what_one_run_has_paid_for_counts_when_another_run_of_the_call_is_refused():
    service = Refusing(402, sends_many_shots)
    batches = []
    for name, shots in (("first", 100), ("second", 200)):
        with qs.run_context(name):
            batches.append(batch(shots=shots))
    with pytest.raises(BudgetExceeded) as caught:
        execute_many(batches, aria(service))
    assert caught.value.perhaps_paid
    assert service.shots_sent == [100, 200]


def test_results_that_cannot_be_collected_were_paid_for(monkeypatch):
    from qstore_ionq import collecting

    def collect(*_):
        raise CapabilityError("too wide to be read")

    monkeypatch.setattr(collecting, "collect", collect)
    with qs.run_context("x"), pytest.raises(CapabilityError) as caught:
        execute_many([batch()], aria(FakeService()))
    assert caught.value.perhaps_paid


def test_what_is_free_is_never_paid_for():
    service = Refusing(401, reads_a_job)
    with qs.run_context("x"), pytest.raises(QStoreError) as caught:
        execute_many([batch()], aria(service, device="ionq.simulator"))
    assert len(service.transport.sent("POST")) == 1
    assert not caught.value.perhaps_paid
