# SPDX-License-Identifier: Apache-2.0
"""Money: nothing is spent without leave, nothing beyond a budget by however many processes, nothing counted twice."""

import asyncio
import gc
import pickle
import subprocess
import sys
from decimal import Decimal

import pytest

import qstore as qs
from qstore import errors
from qstore.accounting import Ledger
from qstore.accounting import ledger as ledger_module
from qstore.batch import CircuitBatch
from qstore.execution import execute_many
from qstore.routing import BackendRouter, CostOptimizer
from routing.fakes import Clock, Fake, SavingFake


def circuit():
    return qs.QuantumCircuit(1).rx(0, "t")


def run(router, **options):
    return qs.run(circuit(), {"t": 0.3}, backend=router, **options)


def chain(*backends, total=10, **options):
    return BackendRouter(policy=CostOptimizer(total, fallback_chain=backends, **options), memory=False)


def spent(name="default"):
    with Ledger() as ledger:
        found = ledger.report().get(name)
        return None if found is None else (found.reserved_usd, found.settled_usd, found.jobs)


def test_without_a_budget_nothing_is_written_and_nothing_paid():
    paid = Fake("paid", usd=1, seconds=1e-9)
    for _ in range(5):
        assert run(BackendRouter(candidates=[paid, "statevector"], memory=False)).backend == "statevector"
    assert paid.batches == []
    assert spent() is None


def test_a_paid_backend_that_does_not_reserve_is_reserved_for_and_settled(tmp_path):
    paid = Fake("paid", usd="1.25", local=False)
    with qs.run_context("digits"):
        result = run(chain(paid))
    assert (result.backend, result.billed_usd, result.estimated_usd) == (
        "paid",
        Decimal("1.25"),
        Decimal("1.25"),
    )
    assert spent() == (0, Decimal("1.25"), 1)
    with Ledger() as ledger:
        assert ledger.cost_report().by("backend", "run") == {("paid", "digits"): Decimal("1.25")}


def test_one_that_reserves_by_itself_is_not_reserved_for_again():
    saving = SavingFake("saving", usd=1)
    router = chain(saving, "statevector", total=3)
    assert [run(router).backend for _ in range(4)] == ["saving"] * 3 + ["statevector"]
    assert spent() == (0, 3, 3)


def test_a_bill_that_nobody_knows_counts_as_estimated():
    run(chain(Fake("paid", usd=2, bills=False)))
    assert spent() == (0, 2, 1)


@pytest.mark.parametrize(
    ("failure", "left"),
    [(errors.BackendUnavailable("gone"), (None)), (errors.OptionError("bad request"), None),
     (errors.TransportError("perhaps accepted"), (2, 0, 1)), (RuntimeError("who knows"), (2, 0, 1)),
     (errors.JobAmbiguous("held"), (2, 0, 1)), (errors.CapabilityError("cannot"), None)],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_a_reservation_is_given_back_only_when_nothing_can_have_been_paid(failure, left):
    router = chain(Fake("paid", usd=2, trouble=failure, local=False))
    with pytest.raises(type(failure)):
        run(router)
    assert spent() == left


def test_several_batches_of_a_call_are_reserved_together_or_not_at_all():
    paid = Fake("paid", usd=1)
    batches = [CircuitBatch.of(circuit(), {"t": t}) for t in (0.1, 0.2, 0.3)]
    router = chain(paid, "statevector", total=5)
    assert {result.backend for result in execute_many(batches, router)} == {"paid"}
    results = execute_many(batches, router)
    assert {result.backend for result in results} == {"statevector"}
    assert "needs $3, but of the $5 of budget 'default' $2 are left" in results[0].notes[0]
    assert spent() == (0, 3, 1)
    assert run(router).backend == "paid"  # one alone still fits, though three were refused


def test_when_the_budget_is_spent_free_backends_go_on_and_results_say_so(caplog):
    router = chain(Fake("paid", usd=1), "statevector", total="2.50")
    results = [run(router) for _ in range(6)]
    assert [result.backend for result in results] == ["paid"] * 2 + ["statevector"] * 4
    assert [bool(result.notes) for result in results] == [False] * 2 + [True] * 4
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    explanation = router.explain(CircuitBatch.of(circuit(), {"t": 0.3}))
    assert explanation.chosen == "statevector"
    assert explanation.rows[1].reason == "the budget has $0.50 left"


def test_without_a_free_backend_a_spent_budget_is_an_error():
    router = BackendRouter(budget_limit=1, candidates=[Fake("paid", usd=1)], memory=False)
    run(router)
    for _ in range(2):
        with pytest.raises(
            errors.BudgetExceeded, match=r"This needs \$1, but of the \$1 of budget 'default' \$0 are left"
        ):
            run(router)


def test_a_new_day_has_new_money(monkeypatch):
    clock, noon = Clock(), 1_795_521_600  # 2026-11-24T12:00:00Z
    monkeypatch.setattr(ledger_module, "_now", lambda: noon)
    policy = CostOptimizer(
        10, daily_limit=1, fallback_chain=[Fake("paid", usd=1), "statevector"], time_zone="Asia/Tokyo"
    )
    router = BackendRouter(policy=policy, memory=False, clock=clock)
    assert [run(router).backend for _ in range(2)] == ["paid", "statevector"]
    monkeypatch.setattr(ledger_module, "_now", lambda: noon + 3 * 3600)  # midnight in Tokyo
    assert run(router).backend == "statevector"  # not tried again yet
    clock.now += 1000
    assert run(router).backend == "paid"
    assert str(router.get_cost_report()).count("paid") == 2
    assert sorted(day.isoformat() for day in policy.get_cost_report().by("day")) == [
        "2026-11-24",
        "2026-11-25",
    ]


def test_adaptive_saves_as_the_budget_shrinks_and_fixed_does_not():
    """The paid one is faster: at first worth its price, and later not."""

    def chosen(strategy):
        candidates = [Fake("paid", usd=1, seconds=0.01), Fake("free", seconds=10)]
        policy = CostOptimizer(10, strategy=strategy, name=strategy)
        router = BackendRouter(
            policy=policy, candidates=candidates, preferences={"cost": 0.3, "speed": 0.7}, memory=False
        )
        return [run(router).backend for _ in range(9)]

    assert chosen("fixed") == ["paid"] * 9
    found = chosen("adaptive")
    assert found[:5] == ["paid"] * 5
    assert found[-1] == "free"
    assert found == sorted(found, reverse=True)


def test_a_policy_in_a_ledger_of_its_own(tmp_path):
    with Ledger(tmp_path / "own.sqlite") as ledger:
        policy = CostOptimizer(
            5, fallback_chain=[SavingFake("saving", usd=1), Fake("paid", usd=1)], ledger=ledger
        )
        run(BackendRouter(policy=policy, memory=False))
        assert policy.get_cost_report().by("backend") == {"saving": 1}
        assert policy.left() == 4
        twin = pickle.loads(pickle.dumps(CostOptimizer(5, ledger=ledger)))
        assert twin.left() == 4
        twin.ledger.close()
    assert spent() is None


def test_a_caller_that_is_cancelled_before_anything_was_sent_gets_its_money_back():
    paid = Fake("paid", usd=1)
    router = chain(paid)

    async def cancelled():
        task = asyncio.create_task(qs.run_async(circuit(), {"t": 0.3}, backend=router))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert paid.batches == []
    assert spent() is None


def test_a_hundred_at_once_keep_to_the_budget():
    paid = Fake("paid", usd="0.30", local=False)
    router = chain(paid, "statevector", total="11.10")

    async def storm():
        return await asyncio.gather(
            *(qs.run_async(circuit(), {"t": n / 100}, backend=router) for n in range(100))
        )

    names = [result.backend for result in asyncio.run(storm())]
    assert (names.count("paid"), names.count("statevector"), len(paid.batches)) == (37, 63, 37)
    assert spent() == (0, Decimal("11.10"), 37)


CHILD = """
import asyncio, sys
import qstore as qs
from qstore.routing import BackendRouter, CostOptimizer
from routing.fakes import Fake

policy = CostOptimizer("11.10", fallback_chain=[Fake("paid", usd="0.30", local=False), "statevector"])
router = BackendRouter(policy=policy, memory=False)

async def storm():
    circuit = qs.QuantumCircuit(1).rx(0, "t")
    return await asyncio.gather(*(qs.run_async(circuit, {"t": n / 50}, backend=router) for n in range(50)))

sys.stdin.readline()
print(sum(result.backend == "paid" for result in asyncio.run(storm())))
"""


def test_two_processes_let_exactly_as_many_through_as_the_budget_has_room_for():
    """A budget for 37 of the 100 submissions of two processes that start at one word."""
    path = ":".join(each for each in sys.path if each)
    import os

    children = [
        subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                         env=os.environ | {"PYTHONPATH": path}) for _ in range(2)
    ]  # fmt: skip
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    counts = [int(child.communicate()[0]) for child in children]
    assert sum(counts) == 37
    assert spent() == (0, Decimal("11.10"), 37)
    gc.collect()


def test_ionq_reserves_by_itself_within_the_routers_budget(monkeypatch):
    """On the emulator, whose money is counted in a ledger of its own: one entry for a job, under the router's budget."""
    from qstore_ionq import facts
    from qstore_ionq.emulator import Emulator

    monkeypatch.setattr(facts, "_known", {})
    monkeypatch.setenv("IONQ_API_KEY", "any")
    with Emulator(seed=1) as emulator, qs.run_context("routed"):
        monkeypatch.setenv("QSTORE_IONQ_URL", emulator.url)
        policy = CostOptimizer("25", fallback_chain=[{"backend": "ionq.aria-1", "max_cost_per_batch": 20}, "statevector"],
                               name="routed")  # fmt: skip
        router = BackendRouter(policy=policy, memory=False)
        results = [qs.run(circuit(), {"t": 0.3 + k}, shots=100, seed=1, backend=router) for k in range(4)]
        assert [result.backend for result in results] == ["ionq.aria-1"] * 2 + ["statevector"] * 2
        assert emulator.stats.posts == 2
        report = policy.get_cost_report()
        assert report.by("backend", "run", "budget") == {
            ("ionq.aria-1", "routed", "routed"): 2 * Decimal("12.4166")
        }
        assert sum(row.jobs for row in report.rows) == 2
        assert policy.left() == 25 - 2 * Decimal("12.4166")
        dear = qs.run(circuit(), {"t": 0.3}, shots=10_000, seed=1, backend=router)
        assert "more than the $20 that one call may cost there" in dear.notes[0]
        for ledger in policy._ledgers():
            ledger.close()
