# SPDX-License-Identifier: Apache-2.0
"""A call of which something may have been paid for is paid to nobody else, whatever the error says of the rest."""

import asyncio

import pytest

import qstore as qs
from qstore import errors
from qstore.accounting import Ledger
from qstore.batch import CircuitBatch
from qstore.execution import AsyncQuantumExecutor
from qstore.routing import BackendRouter, CostOptimizer
from routing.fakes import Fake

CIRCUIT = qs.QuantumCircuit(1).rx(0, "t")
KINDS = [
    errors.AuthenticationError, errors.BackendUnavailable, errors.BudgetExceeded, errors.CapabilityError,
    errors.CompilationError, errors.JobFailed,
]  # fmt: skip


def marked(kind):
    error = kind("after another job of the call was accepted")
    error.perhaps_paid = True
    return error


def run(backend):
    return qs.run(CIRCUIT, {"t": 0.3}, backend=backend)


def chain(*backends):
    return BackendRouter(policy=CostOptimizer(20, fallback_chain=backends), memory=False)


def reserved():
    with Ledger() as ledger:
        found = ledger.report().get("default")
        return 0 if found is None else found.reserved_usd


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_free_backend_follows_and_what_was_reserved_stays_so(kind):
    first, other = Fake("first", usd=2, trouble=marked(kind)), Fake("other", usd=1)
    assert run(chain(first, other, Fake("free"))).backend == "free"
    assert other.batches == []
    assert reserved() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_free_backend_the_error_is_raised_as_it_is(kind):
    error, other = marked(kind), Fake("other", usd=1)
    with pytest.raises(kind) as caught:
        run(chain(Fake("first", usd=2, trouble=error), other))
    assert caught.value is error
    assert other.batches == []


def test_a_backend_that_cannot_do_the_rest_of_a_call_is_not_down():
    first = Fake("first", usd=2, trouble=[marked(errors.CapabilityError)])
    router = chain(first, Fake("free"))
    assert [run(router).backend for _ in range(2)] == ["free", "first"]


@pytest.mark.parametrize(
    "unclear", [marked(errors.BudgetExceeded), errors.TransportError("lost"), RuntimeError("a vendor's own")], ids=repr
)  # fmt: skip
def test_the_last_error_says_that_an_earlier_choice_may_have_been_paid(unclear):
    router = chain(
        Fake("paid", usd=1, trouble=unclear, local=False),
        Fake("free", trouble=errors.CapabilityError("not this one")),
    )
    with pytest.raises(errors.CapabilityError) as caught:
        run(router)
    assert caught.value.perhaps_paid


def test_the_last_error_says_nothing_of_payment_where_nothing_was_sent():
    router = chain(
        Fake("paid", usd=1, trouble=errors.BackendUnavailable("down")),
        Fake("free", trouble=errors.CapabilityError("not this one")),
    )
    with pytest.raises(errors.CapabilityError) as caught:
        run(router)
    assert not caught.value.perhaps_paid


def test_an_executor_does_not_divide_what_a_router_may_have_paid_for():
    paid = Fake("paid", usd=1, trouble=errors.TransportError("perhaps accepted"), local=False)
    free = Fake("free", trouble=errors.CapabilityError("not this one"))
    batches = [CircuitBatch.of(CIRCUIT, {"t": t}) for t in (0.1, 0.2)]

    async def main():
        async with AsyncQuantumExecutor(chain(paid, free)) as executor:
            return await asyncio.gather(*executor.submit_batch(batches), return_exceptions=True)

    found = asyncio.run(main())
    assert [type(error) for error in found] == [errors.CapabilityError] * 2
    assert len(paid.batches) == 1


class Half(Fake):
    """Takes several batches, and refuses those of 200 shots."""

    async def run_many(self, batches):
        if any(batch.shots == 200 for batch in batches):
            raise errors.BudgetExceeded("refused")
        return [self.answer(batch) for batch in batches]


@pytest.mark.parametrize(("shots", "taker"), [((100, 200), "free"), ((200,), "other")])
def test_a_router_in_front_of_an_executor_hears_what_the_executor_may_have_paid_for(shots, taker):
    first = AsyncQuantumExecutor(
        Half("first", usd=1, local=False, shot_outputs=frozenset({"Counts"})), batch_size=1
    )
    router = chain(first, Fake("other", usd=1, shot_outputs=frozenset({"Counts"})), "statevector")
    batches = [CircuitBatch.of(CIRCUIT, {"t": 0.3}, qs.Counts(), shots=each, seed=1) for each in shots]
    taker = "statevector" if taker == "free" else taker
    assert {result.backend for result in qs.execution.execute_many(batches, router)} == {taker}
