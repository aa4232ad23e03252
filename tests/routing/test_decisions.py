# SPDX-License-Identifier: Apache-2.0
"""Which backend is chosen: a table of candidates, preferences and requests, and the reasons for who is left out."""

import asyncio
import pickle
import subprocess
import sys
import threading
from copy import deepcopy

import numpy as np
import pytest

import qstore as qs
from qstore.batch import CircuitBatch, Estimate
from qstore.errors import BackendUnavailable, BudgetExceeded, CapabilityError, OptionError
from qstore.routing import BackendRouter, CostOptimizer, decisions
from qstore.routing.scores import Weights, score
from qstore.routing.selection import select
from routing.fakes import Fake, NativeFake, SavingFake, SyncFake

Z = qs.Expectations([qs.Z(0)])


def circuit(n=2):
    return qs.QuantumCircuit(n).ry(0, "t").cx(0, 1)


def batch(n=2, rows=1, **options):
    given = np.full(rows, 0.3) if rows > 1 else 0.3
    return CircuitBatch.of(circuit(n), {"t": given}, **options)


def chosen(candidates, request, **options):
    return BackendRouter(candidates=candidates, memory=False, **options).explain(request).chosen


FREE = {"usd": 0}
# Candidates (name, options), what is asked, options of the router, and the name that is chosen.
DECISIONS = [
    ("the faster of two", [("slow", {"seconds": 1}), ("fast", {"seconds": 0.1})], {}, {}, "fast"),
    ("of equals the first", [("b", {}), ("a", {})], {}, {}, "b"),
    ("free before paid, though slower", [("paid", {"usd": 1, "seconds": 0.01}), ("free", {"seconds": 0.05})], {},
     {"budget_limit": 9}, "free"),
    ("paid when the free one takes all day", [("paid", {"usd": 1, "seconds": 1}), ("free", {"seconds": 1e6})], {},
     {"budget_limit": 9}, "paid"),
    ("nothing paid without a budget", [("paid", {"usd": 1, "seconds": 1}), ("free", {"seconds": 1e6})], {}, {}, "free"),
    ("paid when the free one is too small", [("free", {"max_qubits": 2}), ("paid", {"usd": 1})], {"n": 3},
     {"budget_limit": 9}, "paid"),
    ("the cheaper when cost alone counts", [("dear", {"usd": 2, "seconds": 1e-3}), ("cheap", {"usd": 1, "seconds": 99})], {},
     {"budget_limit": 9, "preferences": {"cost": 1}}, "cheap"),
    ("the better when accuracy alone counts", [("fast", {"error": 0.1}), ("good", {"error": 0.01, "seconds": 99})], {},
     {"preferences": {"accuracy": 1}}, "good"),
    ("fidelities count though the estimate is silent",
     [("noisy", {"fidelity_2q": 0.9}), ("good", {"fidelity_2q": 0.999})], {}, {"preferences": {"accuracy": 1}}, "good"),
    ("who measures only needs shots", [("counts", {"exact_outputs": frozenset()}), ("exact", {"seconds": 50})], {}, {}, "exact"),
    ("expectations are derived from counts", [("counts", {"exact_outputs": frozenset()}), ("exact", {"seconds": 50})],
     {"outputs": Z, "shots": 100}, {}, "counts"),
    ("no more shots than it takes", [("few", {"max_shots": 50}), ("many", {"seconds": 50})], {"shots": 100}, {}, "many"),
    ("more rows than it takes are split", [("small", {"max_batch": 2}), ("large", {"seconds": 50})], {"rows": 9}, {}, "small"),
    ("gates that it has", [("few gates", {"gates": frozenset({"ry"})}), ("all", {"seconds": 50})], {}, {}, "all"),
    ("a chain goes by its order", [("slow", {"seconds": 50}), ("fast", {})], {},
     {"policy": lambda fakes: CostOptimizer(9, fallback_chain=fakes)}, "slow"),
    ("a chain's limit is for the whole call",
     [("paid", {"usd": 3}), ("free", {"seconds": 50})], {},
     {"policy": lambda fakes: CostOptimizer(9, fallback_chain=[{"backend": fakes[0], "max_cost_per_batch": 2}, fakes[1]])}, "free"),
    ("cheapest knows nothing but dollars", [("dear", {"usd": 2}), ("cheap", {"usd": 1, "seconds": 1e6})], {},
     {"policy": lambda _: CostOptimizer(9, strategy="cheapest")}, "cheap"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("candidates", "request_", "options", "name"),
    [row[1:] for row in DECISIONS],
    ids=[row[0] for row in DECISIONS],
)
def test_decisions(candidates, request_, options, name):
    fakes = [Fake(each, **given) for each, given in candidates]
    given = dict(options)
    policy = given.pop("policy", None)
    named = {"candidates": fakes}
    if policy is not None:
        given["policy"] = policy(fakes)
        named = {} if given["policy"].chain else named
    router = BackendRouter(**named, **given, memory=False)
    explanation = router.explain(batch(**request_))
    assert explanation.chosen == name
    again = BackendRouter(**named, **given, memory=False)
    assert str(again.explain(batch(**request_))) == str(explanation) == str(router.explain(batch(**request_)))
    kind = {key: value for key, value in request_.items() if key in ("outputs", "shots")}
    rows = request_.get("rows", 1)
    bindings = {"t": np.full(rows, 0.3) if rows > 1 else 0.3}
    result = qs.run(circuit(request_.get("n", 2)), bindings, backend=again, **kind)
    assert result.backend == name
    assert (result.notes == ()) == (name != "free" or policy is None)


LARGE = pytest.param(20, None, marks=pytest.mark.slow)  # loads every simulator, to compare


@pytest.mark.parametrize(
    ("n", "shots"), [(1, None), (4, None), (10, None), (16, None), LARGE, (1, 1000), (16, 1000), (20, 1000)]
)
def test_the_embedded_simulator_is_chosen_by_default_even_with_a_budget(n, shots):
    asked = CircuitBatch.of(qs.QuantumCircuit(n).h(0).rx(0, 0.3), shots=shots)
    assert BackendRouter().explain(asked).chosen == "statevector"
    assert BackendRouter(budget_limit=100, memory=False).explain(asked).chosen == "statevector"


def test_a_score_depends_on_no_other_candidate_and_falls_with_each_doubling():
    weights = Weights.of(None)
    assert score(weights, 0, 0.0, 0.0).total == 1
    totals = [score(weights, usd, 1.0, 0.01).total for usd in (0, 1, 2, 4, 8)]
    assert totals == sorted(totals, reverse=True)
    # Far above a cent, a doubling costs 2**-weight.
    assert totals[4] / totals[3] == pytest.approx(2**-0.3, rel=0.01)


@pytest.mark.parametrize("given", [{"cost": 0}, {"cost": -1, "speed": 2}, {"speed": float("nan")}, {"speed": True},
                                   {"price": 1}, [("cost", 1)], {"speed": "much"}])  # fmt: skip
def test_preferences_are_weights(given):
    with pytest.raises(OptionError, match="preferences"):
        BackendRouter(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fallback_strategy": "simulatoin"}, "Did you mean 'simulation'"),
        ({"candidates": []}, "candidates is an empty list"),
        ({"candidates": "statevector"}, r"write \['statevector'\]"),
        ({"candidates": [5]}, "A candidate is a registered name or a backend, got 5"),
        ({"candidates": ["auto"]}, "'auto' is a router itself"),
        ({"cool_down_s": -1}, "cool_down_s must be seconds from 0 up"),
        ({"budget_limit": -1}, "total_usd must be an amount of dollars"),
        ({"budget_limit": 1, "policy": CostOptimizer(1)}, "not both"),
        ({"policy": 5}, "policy must be a CostOptimizer"),
        ({"candidates": ["statevector"], "policy": CostOptimizer(1, fallback_chain=["statevector"])}, "names the candidates"),
        ({"fallback_strategy": None, "policy": CostOptimizer(1, fallback_chain=["statevector"])}, "contradict"),
    ],
)  # fmt: skip
def test_options_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        BackendRouter(**options)
    with pytest.raises(OptionError, match="A router cannot be a candidate"):
        BackendRouter(candidates=[BackendRouter()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "adaptiv"}, "Did you mean 'adaptive'"),
        ({"fallback_chain": "statevector"}, "fallback_chain is a list"),
        ({"fallback_chain": [{"max_cost_per_batch": 1}]}, "needs a 'backend'"),
        ({"fallback_chain": [{"backend": "statevector", "max_cost": 1}]}, "has no 'max_cost'. Did you mean 'max_cost_per_batch'"),
        ({"fallback_chain": [{"backend": "statevector", "max_cost_per_batch": -1}]}, "max_cost_per_batch must be an amount"),
        ({"time_zone": "Nowhere"}, "time_zone must be a name"),
    ],
)  # fmt: skip
def test_policies_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        CostOptimizer(1, **options)


def test_an_unknown_candidate_is_named_with_what_is_installed():
    with pytest.raises(
        BackendUnavailable, match=r"No backend named 'statevectr'.*Did you mean 'statevector'"
    ):
        BackendRouter(candidates=["statevectr"])


# Errors


def test_a_request_that_nobody_can_run_gets_the_reason_of_the_nearest():
    with pytest.raises(CapabilityError, match=r"^'statevector' has 32 qubits, the circuit needs 40\.$"):
        qs.run(qs.QuantumCircuit(40).h(0), backend=BackendRouter())
    with pytest.raises(CapabilityError, match=r"'statevector' has 32 qubits, the circuit needs 34\. 'ionq.forte-1' could run "
                       "it. 'ionq.forte-1' is paid, and without a budget not one dollar is spent. Give one"):  # fmt: skip
        qs.run(qs.QuantumCircuit(34).h(0), shots=10, backend=BackendRouter())
    with pytest.raises(
        CapabilityError, match="A circuit with noise, reset or measurements has no statevector"
    ):
        qs.run(qs.QuantumCircuit(1).reset(0), outputs=qs.StateVector(), backend=BackendRouter())


def test_who_has_only_a_paid_backend_is_told_what_to_do():
    router = BackendRouter(candidates=[Fake("machine", usd=1)])
    with pytest.raises(BudgetExceeded, match="No free backend is installed that could run this. 'machine' is paid, and "
                       r"without a budget not one dollar is spent. Give one, BackendRouter\(budget_limit=10\) or "
                       r"qs.configure\(budget_usd=10\), or name the backend: backend='machine'."):  # fmt: skip
        qs.run(circuit(), {"t": 0.3}, backend=router)
    assert router.explain(batch()).chosen is None


def test_a_service_is_not_used_unless_it_is_named_or_allowed():
    asked = CircuitBatch.of(qs.QuantumCircuit(2).h(0), shots=10)
    reasons = {row.backend: row.reason for row in BackendRouter().explain(asked).rows}
    assert "is a service, and circuits are sent to one only where you say so" in reasons["ionq.simulator"]
    assert BackendRouter(candidates=["ionq.simulator"]).explain(asked).chosen == "ionq.simulator"
    reasons = {row.backend: row.reason for row in BackendRouter(remote=True).explain(asked).rows}
    assert reasons["ionq.simulator"] == "could hardly beat 'statevector'; not asked"
    assert "is paid" in reasons["ionq.aria-1"]


def test_one_that_says_it_is_free_and_has_a_price_is_not_used():
    liar = Fake("liar", usd=1, paid=False)
    for options in ({}, {"budget_limit": 9}):
        with pytest.raises(
            qs.errors.PluginError, match="'liar' says that it is free, and that this costs \\$1"
        ):
            qs.run(circuit(), {"t": 0.3}, backend=BackendRouter(candidates=[liar], **options))
    assert liar.batches == []


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (lambda _: 1 / 0, "gives no estimate: ZeroDivisionError"),
        (lambda _: Estimate(usd="many", seconds=1, error=0, model="x"), "must be an amount of dollars"),
        (lambda _: Estimate(usd=0, seconds=float("nan"), error=0, model="x"), "estimates nan seconds"),
        (lambda _: Estimate(usd=0, seconds=-1, error=0, model="x"), "estimates -1.0 seconds"),
        (lambda _: None, "gives no estimate: AttributeError"),
    ],
)
def test_an_estimate_that_cannot_be_used_leaves_its_backend_out(estimate, message):
    odd = Fake("odd")
    odd.estimate = estimate
    explanation = BackendRouter(candidates=[odd, "statevector"], memory=False).explain(batch())
    assert explanation.chosen == "statevector"
    assert message in explanation.rows[-1].reason


def test_one_that_does_not_start_is_left_out_with_the_reason(monkeypatch):
    from qstore.routing import candidates

    def get(name):
        raise RuntimeError("no licence")

    monkeypatch.setattr(candidates, "get_backend", get)
    router = BackendRouter(candidates=["statevector", Fake("other", seconds=50)])
    assert router.explain(batch()).chosen == "other"
    assert router.explain(batch()).rows[-1].reason == "'statevector' does not start: RuntimeError: no licence"


# Explanations


def test_an_explanation_is_a_table_and_data_and_html():
    fakes = [
        Fake("paid <b>", usd=2.5, seconds=90, fidelity_2q=0.99),
        Fake("free", seconds=2e-3),
        Fake("small", max_qubits=1),
    ]
    explanation = BackendRouter(candidates=fakes, budget_limit=20, memory=False).explain(batch(shots=100))
    assert str(explanation) == repr(explanation)
    heading, *table = str(explanation).splitlines()
    assert heading == (
        "1 row of 2 qubits, Counts, 100 shots: 'free' runs it. Weights: cost 0.3, speed 0.5, accuracy 0.2. "
        "Budget 'default': $20, $20.00 of it left."
    )
    assert table == [
        "   backend    cost     time  error     score  why",
        "*  free      $0.00     2 ms    0.1     0.145  best score; time estimated",
        "   paid <b>  $2.50  1.5 min    0.1  0.000159  a lower score; time estimated",
        "   small                                      'small' has 1 qubits, the circuit needs 2.",
    ]
    document = explanation.to_dict()
    assert document["chosen"] == "free"
    assert document["candidates"][1]["usd"] == "2.5"
    assert 0 < document["candidates"][1]["score"]["cost"] < 1
    assert pickle.loads(pickle.dumps(explanation)) == explanation
    html = explanation._repr_html_()
    assert "paid &lt;b&gt;" in html
    assert html.count("<tr>") == 4


def test_an_explanation_of_several_batches_and_of_gradients():
    router = BackendRouter(candidates=[Fake("plain"), NativeFake("native", seconds=50)], memory=False)
    assert (
        router.explain([batch(), batch(rows=3)]).batch
        == "4 rows in 2 batches of 2 qubits, Probabilities, exact"
    )
    assert router.explain(batch(outputs=Z), gradient=True).chosen == "native"
    assert "'plain' does not differentiate Expectations" in str(
        router.explain(batch(outputs=Z), gradient=True)
    )


# Looking costs little


def test_looking_at_candidates_makes_none_of_them_and_imports_nothing_heavy():
    program = (
        "import sys, qstore as qs\n"
        "router = qs.get_backend('auto')\n"
        "router.capabilities, repr(router)\n"
        "assert not {'numba', 'qstore_ionq.backend'} & set(sys.modules)\n"
        "qs.run(qs.QuantumCircuit(2).h(0).cx(0, 1), backend=router)\n"
        "heavy = {'httpx2', 'torch', 'qiskit', 'cirq', 'sqlite3', 'qstore_ionq.backend'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_candidates_that_can_hardly_be_better_are_not_asked():
    good, other = SyncFake("good", seconds=1e-5), SyncFake("other", seconds=1e-5)
    router = BackendRouter(candidates=[good, other], memory=False)
    assert router.explain(batch()).rows[1].reason == "could hardly beat 'good'; not asked"
    assert (good.estimates, other.estimates) == (1, 0)


def test_no_library_is_loaded_for_work_that_is_done_before_it_would_be():
    """Not even where the simulator at hand takes milliseconds; instances cost nothing to ask."""
    asked = CircuitBatch.of(circuit(16), {"t": np.zeros(100)}, shots=100)
    explanation = BackendRouter(memory=False).explain(asked)
    assert explanation.chosen == "statevector"
    assert 0.001 < explanation.rows[0].seconds < 1
    assert {row.backend for row in explanation.rows if "not asked" in row.reason} >= {"cirq"}
    slow, quick = Fake("slow", seconds=0.5, max_qubits=20), Fake("quick", seconds=0.1, max_qubits=20)
    assert BackendRouter(candidates=[slow, quick], memory=False).explain(asked).chosen == "quick"


def test_a_selection_does_not_hold_up_the_event_loop(monkeypatch):
    """Making a backend may import its libraries for seconds; other coroutines go on."""
    seen = []
    monkeypatch.setattr(
        decisions, "select", lambda *a, **k: seen.append(threading.current_thread()) or select(*a, **k)
    )
    router = BackendRouter(candidates=[NativeFake("one")], memory=False)
    asyncio.run(qs.run_async(circuit(2), {"t": 0.3}, Z, backend=router))
    asyncio.run(router.vjp(CircuitBatch.of(circuit(2), {"t": 0.3}, Z), np.ones((1, 1))))
    assert len(seen) == 2
    assert threading.main_thread() not in seen


def test_decisions_are_kept_and_can_be_forgotten():
    fake = SyncFake("fake")
    router = BackendRouter(candidates=[fake], memory=False)
    for _ in range(5):
        qs.run(circuit(), {"t": 0.3}, backend=router)
    assert fake.estimates == 1
    router.forget()
    qs.run(circuit(), {"t": 0.3}, backend=router)
    assert fake.estimates == 2
    assert router.estimate(batch()).model == "fake, as chosen"


def test_a_router_is_pickled_with_its_arguments_and_copied_as_itself():
    router = BackendRouter({"speed": 1}, 5, candidates=["statevector"], memory=False)
    twin = pickle.loads(pickle.dumps(router))
    assert repr(twin) == repr(router)
    assert twin.explain(batch()).weights.speed == 1
    assert deepcopy(router) is router
    assert (
        deepcopy(qs.get_backend("auto")).name
        == pickle.loads(pickle.dumps(qs.get_backend("auto"))).name
        == "auto"
    )


def test_two_candidates_of_one_name_keep_apart():
    names = [
        row.backend
        for row in BackendRouter(candidates=[Fake("a"), Fake("a")], memory=False).explain(batch()).rows
    ]
    assert names == ["a", "a (2)"]


def test_a_backend_with_a_budget_of_its_own_keeps_it():
    saving = SavingFake("saving", usd=1)
    saving.budget = qs.Budget(3)
    reason = (
        BackendRouter(candidates=[saving, "statevector"], budget_limit=5).explain(batch()).rows[-1].reason
    )
    assert reason.startswith("'saving' has a budget of its own, Budget(total_usd=Decimal('3')")


# The settings


def test_auto_goes_by_the_settings():
    from qstore.execution import configured

    auto = qs.get_backend("auto")
    assert auto.policy is None
    with configured(budget_usd=7, preferences={"cost": 1}):
        assert auto.policy.budget == qs.Budget(7)
        assert auto.explain(batch()).weights.cost == 1
    assert auto.policy is None
    assert qs.get_backend("auto", budget_limit=3).policy.budget == qs.Budget(3)
    assert auto.explain(batch()).chosen == "statevector"
    assert auto.get_cost_report is not None
    with pytest.raises(OptionError, match="has no budget"):
        auto.get_cost_report()


def test_auto_follows_the_environment(monkeypatch):
    auto = qs.get_backend("auto")
    monkeypatch.setenv("QSTORE_BUDGET_USD", "4")
    assert auto.policy.budget == qs.Budget(4)
    monkeypatch.delenv("QSTORE_BUDGET_USD")
    assert auto.policy is None
