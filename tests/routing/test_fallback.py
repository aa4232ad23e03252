# SPDX-License-Identifier: Apache-2.0
"""What happens when a backend fails: who takes over, what is said, when it is tried again, and what is never repeated."""

import asyncio
import logging
from decimal import Decimal

import numpy as np
import pytest

import qstore as qs
from qstore import errors
from qstore.batch import CircuitBatch
from qstore.execution import execute_many, execute_many_async
from qstore.routing import BackendRouter, CostOptimizer
from qstore.routing.candidates import Candidate
from qstore.routing.fallback import Rules
from qstore.routing.selection import Choice
from routing.fakes import Clock, Fake, NativeFake, SyncFake

Z = qs.Expectations([qs.Z(0), qs.X(1)])
DOWN = errors.TransportError("no route to host")


@pytest.fixture(autouse=True)
def _fresh_error():
    DOWN.__notes__ = []


def circuit():
    w = qs.Parameter("w", (3,))
    return qs.QuantumCircuit(2).ry(0, w[0]).cx(0, 1).rx(1, w[1]).ry(0, w[2])


W = np.array([0.3, -0.8, 1.1])


def run(router, **options):
    return qs.run(circuit(), {"w": W}, Z, backend=router, **options)


def router(*candidates, **options):
    return BackendRouter(candidates=candidates, **({"memory": False, "clock": Clock()} | options))


def test_another_takes_over_says_so_once_and_in_every_result(caplog):
    first, second = Fake("first", seconds=1e-4, trouble=DOWN, local=False), Fake("second", seconds=1)
    chooser = router(first, second)
    with caplog.at_level(logging.WARNING, "qstore.routing"):
        results = [run(chooser) for _ in range(3)]
    notes = ("'first' was not used: TransportError: no route to host.", "'second' ran instead.")
    assert [result.notes for result in results] == [notes] * 3
    assert [result.backend for result in results] == ["second"] * 3
    said = [record.message for record in caplog.records if record.name == "qstore.routing"]
    assert said == [
        "'first' was not used: TransportError: no route to host. 'second' takes over; results say so in their notes."
    ]
    assert len(first.batches) == 1
    assert "no route to host" in repr(results[0])


def test_one_that_is_down_is_tried_again_after_a_while_which_doubles(caplog):
    clock = Clock()
    first, second = Fake("first", seconds=1e-4, trouble=[DOWN, DOWN], local=False), Fake("second", seconds=1)
    chooser = router(first, second, clock=clock, cool_down_s=60)
    tried = []
    for _ in range(40):
        result = run(chooser)
        tried.append((clock.now - 1000, len(first.batches), result.backend))
        clock.now += 10
    assert [next(at for at, count, _ in tried if count == n) for n in (1, 2, 3)] == [0, 60, 180]
    assert [backend for _, _, backend in tried[18:]] == ["first"] * 22
    assert run(chooser).notes == ()


def test_the_explanation_says_who_is_down():
    first, second = Fake("first", seconds=1e-4, trouble=DOWN), Fake("second", seconds=1)
    chooser = router(first, second)
    run(chooser)
    explanation = chooser.explain(CircuitBatch.of(circuit(), {"w": W}, Z))
    assert explanation.chosen == "second"
    assert explanation.rows[1].reason == "tried again in 60 s: TransportError: no route to host"


# What is raised, whether the backend is remote, and whether another takes over.
FAILURES = [
    (errors.BackendUnavailable("gone"), True, True),
    (errors.AuthenticationError("no key"), True, True),
    (errors.TransportError("broken"), True, True),
    (errors.ServiceError("odd answer"), True, True),
    (errors.JobFailed("failed"), True, True),
    (errors.CapabilityError("not this one"), True, True),
    (errors.ResourceError("too large"), False, True),
    (errors.PluginError("broken"), False, True),
    (errors.CompilationError("unproved"), True, True),
    (ConnectionResetError("reset"), True, True),
    (TimeoutError("late"), False, True),
    (RuntimeError("a vendor's own"), True, True),
    (RuntimeError("a mistake of ours"), False, False),
    (ZeroDivisionError("a mistake of ours"), False, False),
    (errors.JobAmbiguous("held"), True, False),
    (errors.StillRunning("running"), True, False),
    (errors.JobCancelled("cancelled"), True, False),
    (errors.OptionError("the request itself"), True, False),
    (errors.BindingError("the request itself"), True, False),
]


@pytest.mark.parametrize(("failure", "remote", "falls_back"), FAILURES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_which_failures_another_backend_mends(failure, remote, falls_back, way):
    chooser = router(
        Fake("first", seconds=1e-4, trouble=failure, local=not remote), Fake("second", seconds=1)
    )

    def once():
        if way == "sync":
            return run(chooser)
        return asyncio.run(qs.run_async(circuit(), {"w": W}, Z, backend=chooser))

    if falls_back:
        assert once().backend == "second"
    else:
        with pytest.raises(type(failure), match=str(failure)):
            once()


def test_when_all_fail_the_last_error_is_raised_and_says_who_else_there_was():
    chooser = router(Fake("a", seconds=1e-4, trouble=errors.BackendUnavailable("one")), Fake("b", trouble=DOWN),
                     Fake("c", max_qubits=1))  # fmt: skip
    for _ in range(2):  # when all are down they are tried all the same: perhaps one is back
        with pytest.raises(errors.TransportError, match="no route to host") as caught:
            run(chooser)
        assert caught.value.__notes__[-1].startswith(
            "No other backend could take over. 'c': 'c' has 1 qubits"
        )
        caught.value.__notes__.clear()


def test_nobody_is_said_to_take_over_where_nobody_does(caplog):
    chooser = router(Fake("only", trouble=DOWN))
    with pytest.raises(errors.TransportError) as caught:
        run(chooser)
    assert caplog.records == []
    assert caught.value.__notes__ == []


def test_without_a_fallback_the_error_is_the_callers():
    for strategy in ("none", None):
        second = Fake("second", seconds=1)
        chooser = router(Fake("first", seconds=1e-4, trouble=DOWN), second, fallback_strategy=strategy)
        for _ in range(2):
            with pytest.raises(errors.TransportError):
                run(chooser)
        assert second.batches == []


def test_simulation_falls_back_to_what_is_free_only_and_next_to_what_is_paid():
    def candidates():
        return (Fake("first", seconds=1e-4, trouble=errors.BackendUnavailable("gone")), Fake("paid", usd="0.01", seconds=1e-3),
                Fake("free", seconds=1e3))  # fmt: skip

    assert run(router(*candidates(), budget_limit=9)).backend == "free"
    chooser = router(*candidates(), budget_limit=9)
    assert [run(chooser).backend for _ in range(3)] == ["free"] * 3
    assert run(router(*candidates(), budget_limit=9, fallback_strategy="next")).backend == "paid"


@pytest.mark.parametrize(
    ("failure", "next_"),
    [
        (errors.TransportError("perhaps accepted"), "free"),
        (errors.BackendUnavailable("nothing sent"), "other paid"),
    ],
)
def test_what_may_have_been_paid_is_not_paid_again_elsewhere(failure, next_):
    paid, other = Fake("paid", usd=1, trouble=failure, local=False), Fake("other paid", usd=1, local=False)
    free = Fake("free")
    chooser = BackendRouter(policy=CostOptimizer(9, fallback_chain=[paid, other, free]), memory=False)
    assert run(chooser).backend == next_


# Everything of one call on one backend


class FailsInTheMiddle(Fake):
    """Fails with the second batch of a call."""

    def answer(self, batch):
        if len(self.batches) == 1:
            self.trouble = DOWN
        return super().answer(batch)


class SyncFailsInTheMiddle(FailsInTheMiddle, SyncFake):
    """The same, local."""


@pytest.mark.parametrize("kind", [FailsInTheMiddle, SyncFailsInTheMiddle])
def test_the_batches_of_one_call_come_from_one_backend(kind):
    batches = [CircuitBatch.of(circuit(), {"w": W + k}, Z) for k in range(5)]
    second = Fake("second", seconds=1)
    results = execute_many(batches, router(kind("first", seconds=1e-4), second))
    assert {result.backend for result in results} == {"second"}
    assert len(second.batches) == 5
    again = asyncio.run(
        execute_many_async(batches, router(kind("first", seconds=1e-4), Fake("second", seconds=1)))
    )
    assert {result.backend for result in again} == {"second"}


def test_a_gradient_never_mixes_backends():
    first, second = FailsInTheMiddle("first", seconds=1e-4), Fake("second", seconds=1)
    chooser = router(first, second)
    values, gradients = qs.value_and_vjp(
        circuit(), {"w": W}, Z, backend=chooser, gradient_method="parameter_shift"
    )
    expected_values, expected = qs.value_and_vjp(circuit(), {"w": W}, Z, backend="statevector")
    assert np.allclose(values, expected_values)
    assert np.allclose(gradients["w"], expected["w"])
    assert [len(first.batches), len(second.batches)] == [2, len({id(each) for each in second.batches})]
    assert (
        sum(batch.size for batch in second.batches) >= 7
    )  # the batch itself and two shifts for each of three parameters


def test_training_goes_on_when_the_backend_fails_in_the_middle():
    """Gradient descent on a backend that dies at its fifth step ends where it would have ended anyway."""

    def train(backend):
        w, names = W.copy(), []
        for _ in range(10):
            _, gradients = qs.value_and_vjp(circuit(), {"w": w}, Z, backend=backend)
            w -= 0.1 * gradients["w"]
        return w, names

    dying = NativeFake("dying", seconds=1e-6)
    chooser = router(dying, NativeFake("other", seconds=1))
    sweep = dying.vjp_sync

    def vjp_sync(batch, cotangent, wrt=None):
        if dying.sweeps == 5:
            raise DOWN
        return sweep(batch, cotangent, wrt)

    dying.vjp_sync = vjp_sync
    assert np.allclose(train(chooser)[0], train("statevector")[0])
    assert dying.sweeps == 5


# Gradients


def test_gradients_are_native_where_a_candidate_has_them_and_shifted_where_none_has():
    native, plain = NativeFake("native", seconds=50), SyncFake("plain", seconds=1e-4)
    expected = qs.value_and_vjp(circuit(), {"w": W}, Z, backend="statevector")[1]["w"]
    for candidates in ([native, plain], [plain], [native]):
        _, gradients = qs.value_and_vjp(circuit(), {"w": W}, Z, backend=router(*candidates))
        assert np.allclose(gradients["w"], expected)
    assert native.sweeps == 2
    asked = asyncio.run(qs.value_and_vjp_async(circuit(), {"w": W}, Z, backend=router(native)))
    assert np.allclose(asked[1]["w"], expected)
    # The only native one is too small for this circuit: it is shifted on the other.
    small = NativeFake("small", max_qubits=1)
    assert np.allclose(
        qs.value_and_vjp(circuit(), {"w": W}, Z, backend=router(small, plain))[1]["w"], expected
    )
    with pytest.raises(errors.CapabilityError, match="'small' has 1 qubits, the circuit needs 2"):
        qs.value_and_vjp(circuit(), {"w": W}, Z, backend=router(small, plain), gradient_method="adjoint")


def test_the_warm_path_falls_back_too():
    first, second = NativeFake("first", seconds=1e-7), NativeFake("second", seconds=1)
    chooser = router(first, second)
    for _ in range(40):
        qs.value_and_vjp(circuit(), {"w": W}, Z, backend=chooser)
        run(chooser)
    assert (first.sweeps, len(first.batches)) == (40, 40)
    first.trouble = [DOWN]
    assert run(chooser).notes[-1] == "'second' ran instead."
    qs.value_and_vjp(circuit(), {"w": W}, Z, backend=chooser)
    assert (first.sweeps, second.sweeps) == (40, 1)


def test_a_mistake_in_a_local_backend_reaches_the_caller_from_the_warm_path_as_well():
    fake = SyncFake("fake", seconds=1e-7)
    chooser = router(fake)
    run(chooser), run(chooser)
    fake.trouble = ZeroDivisionError("inside")
    with pytest.raises(ZeroDivisionError, match="inside"):
        run(chooser)


def test_the_same_seed_gives_the_same_counts_through_the_router():
    direct = qs.run(circuit(), {"w": W}, shots=100, seed=3, backend="statevector")
    routed = qs.run(circuit(), {"w": W}, shots=100, seed=3, backend=router("statevector"))
    assert direct.counts == routed.counts
    assert execute_many((), router("statevector")) == ()


def test_a_router_works_inside_a_running_loop_and_many_at_once():
    chooser = router(Fake("remote", local=False), "statevector")

    async def many():
        return await asyncio.gather(
            *(qs.run_async(circuit(), {"w": W}, Z, backend=chooser) for _ in range(50))
        )

    assert {result.backend for result in asyncio.run(many())} == {"statevector"}

    async def blocking():
        return run(chooser).backend

    assert asyncio.run(blocking()) == "statevector"


def test_a_candidate_that_recovers_while_it_is_judged_is_no_trouble():
    """Another thread finishes a call between two looks at the candidate."""

    class Recovering(Candidate):
        looks = 0

        @property
        def refused_usd(self):
            self.looks += 1
            return Decimal(5) if self.looks == 1 else None

        @refused_usd.setter
        def refused_usd(self, value):
            pass

    candidate = Recovering("recovering", lambda: None, None, named=True)
    candidate.down_until, candidate.trouble = 1e9, "the budget was spent"
    choice = Choice(candidate, Fake("recovering"), (Decimal(1),), 1.0, 1.0, 0.0, None, direct=True)
    assert Rules("simulation", 60.0, Clock(), None, set()).against(choice) is None
