# SPDX-License-Identifier: Apache-2.0
"""Requests that fail after a part of them may have been paid for: they are not divided, and their errors say so."""

import asyncio

import pytest
from dense_backend import DenseBackend

import qstore as qs
from load.backends import Delayed, DelayedMany
from qstore.errors import AuthenticationError, BudgetExceeded, CapabilityError, TransportError
from qstore.execution import AsyncQuantumExecutor
from qstore.execution.executor.safety import may_divide, may_repeat
from qstore.execution.run import execute_many

CIRCUIT = qs.QuantumCircuit(1).rx(0, "t")
KINDS = [BudgetExceeded, CapabilityError, AuthenticationError, TransportError]


def counted(t, shots=100, seed=1):
    return qs.CircuitBatch.of(CIRCUIT, {"t": t}, qs.Counts(), shots=shots, seed=seed)


class Refusing:
    """Refuses batches that `refuses` picks, before it looks at others; a base of either kind of backend."""

    def __init__(self, refuses, error=None, **changes):
        super().__init__(0.005, **({"paid": True} | changes))
        self.refuses, self.error = refuses, error or CapabilityError("refused")

    async def _served(self, batches):
        if any(self.refuses(batch) for batch in batches):
            self.requests += 1
            raise self.error
        return await super()._served(batches)


class RefusingOne(Refusing, Delayed):
    """Takes one batch at a time."""


class RefusingMany(Refusing, DelayedMany):
    """Takes several in one request."""


def settled(backend, batches, **options):
    async def main():
        async with AsyncQuantumExecutor(backend, **options) as executor:
            return await asyncio.gather(*executor.submit_batch(batches), return_exceptions=True)

    return asyncio.run(main())


def run_many(executor, batches, face):
    if face == "sync":
        return executor.sync.run_many(batches)
    return asyncio.run(executor.run_many(batches))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("paid", [True, False])
def test_after_a_payment_nothing_is_repeated_or_divided_whatever_the_error(kind, paid):
    error = kind("refused")
    error.perhaps_paid = True
    assert not may_divide(error, paid=paid)
    assert not may_repeat(error, paid=paid)


def test_a_request_whose_error_says_that_some_was_paid_stays_whole():
    error = CapabilityError("the last job of it was refused")
    error.perhaps_paid = True
    backend = RefusingMany(lambda batch: True, error)
    assert settled(backend, [counted(0.1), counted(0.2)]) == [error, error]
    assert backend.requests == 1


def test_what_was_stopped_beside_a_refused_batch_may_have_been_paid_for():
    backend = RefusingOne(lambda batch: batch.shots == 200)
    found = settled(backend, [counted(0.1), counted(0.2, shots=200)])
    assert found == [backend.error] * 2
    assert backend.error.perhaps_paid
    assert backend.requests == 2


def test_batches_that_were_all_refused_are_sent_apart():
    backend = RefusingOne(lambda batch: True)
    assert settled(backend, [counted(0.1), counted(0.2, shots=200)]) == [backend.error] * 2
    assert not backend.error.perhaps_paid
    assert backend.requests == 4


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_bases_that_ran_before_a_refused_one_were_paid_for(refused):
    calls = []

    def refuses(batch):
        calls.append(batch)
        return len(calls) == refused

    backend = RefusingMany(refuses, shot_outputs=frozenset({"Counts"}))
    outputs = qs.Expectations([qs.X(0), qs.Y(0), qs.Z(0)])
    (error,) = settled(
        backend, [qs.CircuitBatch.of(CIRCUIT, {"t": 0.3}, outputs, shots=10, seed=1)], max_concurrent=1
    )
    assert error.perhaps_paid == (refused > 1)


def test_batches_that_ran_before_a_refused_one_in_a_thread_were_paid_for():
    class Here(Delayed):
        def run_sync(self, batch):
            if batch.shots == 200:
                raise CapabilityError("refused")
            return self.answer(batch)

    errors = settled(Here(0.0, paid=True), [counted(0.1), counted(0.2, shots=200)])
    assert [error.perhaps_paid for error in errors] == [True, True]


def test_a_batch_that_is_cut_up_says_that_its_other_rows_may_have_been_paid_for():
    backend = RefusingMany(lambda batch: (batch.bindings["t"] > 0.3).any())
    (error,) = settled(backend, [counted([0.1, 0.2, 0.3, 0.4])], batch_size=2)
    assert error.perhaps_paid
    whole = RefusingMany(lambda batch: (batch.bindings["t"] > 0.3).any())
    (error,) = settled(whole, [counted([0.1, 0.2, 0.3, 0.4])])
    assert not error.perhaps_paid


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_call_says_that_its_other_batches_may_have_been_paid_for(face, paid):
    backend = RefusingMany(lambda batch: batch.shots == 200, paid=paid)
    executor = AsyncQuantumExecutor(backend, batch_size=1)
    batches = [counted(0.1), counted(0.2, shots=200)]
    with pytest.raises(CapabilityError) as caught:
        run_many(executor, batches, face)
    assert caught.value.perhaps_paid == paid


@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_call_of_which_nothing_else_was_sent_says_so(face):
    backend = RefusingMany(lambda batch: True)
    executor = AsyncQuantumExecutor(backend, max_concurrent=1)
    with pytest.raises(CapabilityError) as caught:
        run_many(executor, [counted(0.1), counted(0.2)], face)
    assert not caught.value.perhaps_paid


class OneByOne(DenseBackend):
    """Refuses its second batch."""

    def answer(self, batch):
        if self.batches:
            raise CapabilityError("not this one")
        return super().answer(batch)


class OneByOneSync(OneByOne):
    def run_sync(self, batch):
        return self.answer(batch)


class OneByOneAsync(OneByOne):
    async def run(self, batch):
        return self.answer(batch)


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize("kind", [OneByOneSync, OneByOneAsync])
def test_a_backend_that_takes_batches_in_turn_marks_a_refusal_behind_a_paid_one(paid, kind):
    batches = [qs.CircuitBatch.of(CIRCUIT, {"t": t}, qs.Expectations([qs.Z(0)])) for t in (0.1, 0.2)]
    with pytest.raises(CapabilityError) as caught:
        execute_many(batches, kind(paid=paid))
    assert caught.value.perhaps_paid is paid
