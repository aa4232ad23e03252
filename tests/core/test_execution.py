# SPDX-License-Identifier: Apache-2.0
"""Running: what is derived from counts, how work is cut up, what is refused, and the way through the event loop."""

import asyncio
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest
from dense_backend import DenseBackend, SyncDenseBackend
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import circuits, observables, random_bindings

import qstore as qs
from qstore.batch import CircuitBatch
from qstore.circuit import MeasuredGroup, grouped
from qstore.errors import CapabilityError, ExecutionError, OptionError, ResourceError
from qstore.execution import AsyncQuantumExecutor, default_backend_name, execute_many, resolve_backend
from qstore.execution.bridge import wait_for
from qstore.execution.from_counts import _shares
from qstore.execution.plan import plan

SIGMAS = 5
"""Two-sided false-alarm rate 6e-7 per value; with fixed seeds a test that passes once passes always."""
SHOTS = 4000
ROUNDING = 1e-12
O = [qs.Z(0) @ qs.Z(1) + 0.5 * qs.X(0), qs.Y(1) - 2 * qs.Z(0) + 0.25, 3 * qs.X(0) @ qs.Y(1)]  # noqa: E741  # an observable


def circuit():
    x, w = qs.Parameter("x", (2,)), qs.Parameter("w", (3,))
    return qs.QuantumCircuit(2).ry(0, x[0]).rx(1, x[1]).cx(0, 1).rx(0, w[0]).ry(1, 2 * w[1]).rz(1, w[2]).h(1)


def bindings(rows=3):
    rng = np.random.default_rng(4)
    return {"x": rng.normal(size=(rows, 2)), "w": rng.normal(size=3)}


@pytest.mark.parametrize(
    "outputs", [qs.Expectations(O), qs.Variance(O), qs.Probabilities(), qs.Probabilities([1])]
)
def test_estimates_from_counts_lie_within_their_standard_errors(outputs):
    exact = qs.run(circuit(), bindings(), outputs, backend=DenseBackend())
    estimate = qs.run(circuit(), bindings(), outputs, shots=SHOTS, seed=11, backend=DenseBackend(exact=False))
    assert estimate.values.shape == exact.values.shape == estimate.standard_errors.shape
    assert exact.standard_errors is None
    assert (np.abs(estimate.values - exact.values) <= SIGMAS * estimate.standard_errors + ROUNDING).all()
    assert (estimate.standard_errors < 20 / np.sqrt(SHOTS)).all()
    assert (estimate.shots, estimate.seed, estimate.backend) == (SHOTS, 11, "dense")


def test_standard_errors_are_the_spread_of_repeated_estimates():
    one = {name: value[:1] if name == "x" else value for name, value in bindings().items()}
    runs = [qs.run(circuit(), one, qs.Expectations(O), shots=300, seed=seed, backend=DenseBackend(exact=False))
            for seed in range(200)]  # fmt: skip
    spread = np.std([run.values for run in runs], axis=0)
    claimed = np.mean([run.standard_errors for run in runs], axis=0)
    # The spread of 200 values is known to 5 %; 25 % is five of those.
    assert np.allclose(spread, claimed, rtol=0.25)


@settings(max_examples=15)
@given(circuits(gates=["h", "ry", "cx", "s", "rzz"], matrices=False), observables(1))
def test_any_sum_is_estimated(drawn, observable):
    outputs = qs.Expectations([observable])
    exact = qs.run(drawn, random_bindings(drawn), outputs, backend=DenseBackend()).values
    estimate = qs.run(
        drawn, random_bindings(drawn), outputs, shots=500, seed=3, backend=DenseBackend(exact=False)
    )
    # Where all shots agree the claimed error is 0, though one in 500 could have differed: hence the second summand.
    slack = SIGMAS * np.abs(observable.coefficients).sum() / np.sqrt(500)
    assert (np.abs(estimate.values - exact) <= SIGMAS * estimate.standard_errors + slack).all()


def test_multiples_of_the_identity_need_no_luck():
    result = qs.run(
        circuit(),
        bindings(),
        qs.Expectations([0.5 * qs.Observable() + 2]),
        shots=1,
        backend=DenseBackend(exact=False),
    )
    assert result.values.tolist() == [[2.0]] * 3
    assert result.standard_errors.tolist() == [[0.0]] * 3


@pytest.mark.parametrize("outputs", [qs.Expectations, qs.Variance])
def test_constants_alone_are_known_without_running_anything(outputs):
    class Untouchable(DenseBackend):
        def answer(self, batch):
            raise AssertionError("nothing is to be measured")

        async def run_many(self, batches):
            raise AssertionError("nothing is to be measured")

    batch = CircuitBatch.of(
        circuit(), bindings(), outputs([0 * qs.Z(0) + 2, qs.Observable()]), shots=50, seed=3
    )
    (result,) = execute_many([batch], Untouchable(exact=False))
    assert result.values.tolist() == [[2.0, 0.0] if outputs is qs.Expectations else [0.0, 0.0]] * 3
    assert result.standard_errors.tolist() == [[0.0, 0.0]] * 3
    assert (result.backend, result.n_qubits, result.shots, result.seed) == ("dense", 2, 50, 3)
    assert result.job_ids == ()
    assert (
        AsyncQuantumExecutor(Untouchable(exact=False)).sync.run(batch).values.tolist()
        == result.values.tolist()
    )


def test_one_shot_claims_no_certainty():
    result = qs.run(
        circuit(), bindings(), qs.Expectations([qs.Z(0)]), shots=1, seed=1, backend=DenseBackend(exact=False)
    )
    assert result.standard_errors.tolist() == [[1.0]] * 3


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12), st.integers(1, 10**6))
def test_shot_shares_add_up_exactly_and_leave_no_basis_out(weights, shots):
    groups = [MeasuredGroup({}, [(0, 1, weight)]) for weight in weights]
    if shots < len(groups):
        with pytest.raises(
            OptionError, match=f"take {len(groups)} measured bases, so at least that many shots; got {shots}"
        ):
            _shares(groups, shots)
        return
    shares = _shares(groups, shots)
    assert sum(shares) == shots
    assert min(shares) >= 1


def test_heavier_bases_get_more_shots():
    backend = DenseBackend(exact=False)
    qs.run(circuit(), bindings(), qs.Expectations([9 * qs.X(0) + qs.Z(0)]), shots=1002, backend=backend)
    assert [batch.shots for batch in backend.batches] == [901, 101]


@given(st.lists(observables(3), min_size=1, max_size=4))
def test_groups_commute_qubit_wise_and_hold_every_term_once(sums):
    constants, groups = grouped(sums)
    rows = sorted(
        (number, support, coefficient) for group in groups for number, support, coefficient in group.terms
    )
    wanted = sorted((number, term.x_mask | term.z_mask, term.coefficient)
                    for number, each in enumerate(sums) for term in each if term.letters)  # fmt: skip
    assert rows == wanted
    assert np.allclose(constants, [sum(t.coefficient for t in each if not t.letters) for each in sums])
    for number, each in enumerate(sums):
        for term in each:
            if term.letters:
                assert any((number, term.x_mask | term.z_mask, term.coefficient) in group.terms
                           and all(group.basis[q] == letter for q, letter in term.letters) for group in groups)  # fmt: skip


def test_commuting_terms_are_measured_together():
    backend = DenseBackend(exact=False)
    outputs = qs.Expectations([qs.Z(0), qs.Z(1), qs.Z(0) @ qs.Z(1), qs.X(0) @ qs.Z(1), qs.X(0)])
    qs.run(circuit(), bindings(), outputs, shots=100, seed=1, backend=backend)
    assert len(backend.batches) == 2
    assert sum(batch.shots for batch in backend.batches) == 100
    keys = [batch.stream_keys.tolist() for batch in backend.batches]
    assert not set(keys[0]) & set(keys[1])


@pytest.mark.parametrize("outputs", [qs.Counts(), qs.Expectations(O), qs.Probabilities(), qs.Samples()])
def test_results_do_not_depend_on_how_rows_are_split(outputs):
    shot_outputs = frozenset({"Counts", "Samples"})
    run = lambda **changes: qs.run(circuit(), bindings(7), outputs, shots=50, seed=5,  # noqa: E731  # short
                                   backend=DenseBackend(exact=False, shot_outputs=shot_outputs, **changes))  # fmt: skip
    whole = run()
    for limit in (1, 2, 3, 7, 100):
        split = run(max_batch=limit)
        assert split.counts == whole.counts
        if whole.values is not None:
            assert np.array_equal(split.values, whole.values)
    alone = qs.run(circuit(), bindings(7) | {"x": bindings(7)["x"][4]}, outputs, shots=50, seed=5,
                   backend=DenseBackend(exact=False, shot_outputs=shot_outputs))  # fmt: skip
    if outputs == qs.Counts():
        assert alone.counts[0] == whole.counts[4]


def test_max_batch_is_kept():
    backend = DenseBackend(max_batch=3)
    result = qs.run(circuit(), bindings(7), qs.Expectations(O), backend=backend)
    assert [batch.size for batch in backend.batches] == [3, 3, 1]
    assert np.allclose(
        result.values, qs.run(circuit(), bindings(7), qs.Expectations(O), backend=DenseBackend()).values
    )


def test_counts_are_derived_from_samples():
    only_samples = DenseBackend(exact=False, shot_outputs=frozenset({"Samples"}))
    derived = qs.run(circuit(), bindings(), shots=80, seed=2, backend=only_samples)
    assert (
        derived.counts
        == qs.run(circuit(), bindings(), shots=80, seed=2, backend=DenseBackend(exact=False)).counts
    )
    assert all(sum(row.values()) == 80 for row in derived.counts)


def noisy():
    return qs.QuantumCircuit(1).bit_flip(0, p=0.5)


@pytest.mark.parametrize(
    ("change", "arguments", "text"),
    [
        ({"max_qubits": 1}, {}, "'dense' has 1 qubits, the circuit needs 2."),
        ({"max_shots": 10}, {"shots": 11}, "'dense' takes at most 10 shots, got 11."),
        ({"gates": frozenset({"h", "cx"})}, {}, r"does not run the gates \['rx', 'ry', 'rz'\]; it runs \['cx', 'h'\]"),
        ({"exact": False}, {}, "does not give an exact Probabilities; it only measures: give shots=1000"),
        ({}, {"outputs": qs.StateVector()}, r"does not give an exact StateVector; it gives \['Expectations', "),
        ({"exact": False}, {"outputs": qs.Samples(), "shots": 5}, r"does not give Samples from shots; it gives \['Counts'\]"),
        ({"noise": False}, {"circuit": noisy()}, "does not run channels or reset inside a circuit"),
        ({}, {"circuit": qs.QuantumCircuit(1).measure(0)}, "does not run measurements inside a circuit"),
        ({"exact_outputs": frozenset({"StateVector"})}, {"circuit": noisy(), "outputs": qs.StateVector()},
         r"has no statevector; ask for DensityMatrix\(\)"),
    ],
)  # fmt: skip
def test_what_a_backend_cannot_do_is_refused_before_anything_is_sent(change, arguments, text):
    backend = DenseBackend(**change)
    arguments = {
        "circuit": circuit(),
        "bindings": bindings() if "circuit" not in arguments else None,
    } | arguments
    with pytest.raises(CapabilityError, match=text):
        qs.run(backend=backend, **arguments)
    assert not backend.batches


class Replies(DenseBackend):
    """Returns what it was told to, whatever the batch."""

    def __init__(self, reply):
        super().__init__()
        self.reply = reply

    def answer(self, batch):
        return qs.BatchResult(n_qubits=batch.circuit.n_qubits, backend="dense", **self.reply)


@pytest.mark.parametrize(
    ("reply", "shots", "text"),
    [
        ({"values": np.zeros((2, 4))}, None, "'dense' returned 2 rows for a batch of 3."),
        ({"counts": ({0: 5},)}, 5, "'dense' returned 1 rows for a batch of 3."),
        ({"counts": ({0: 5},) * 3}, None, "'dense' returned no values for Probabilities."),
        ({"values": np.zeros((3, 4))}, 5, "'dense' returned no counts for Counts."),
        ({}, None, "'dense' returned no values"),
    ],
)
def test_what_is_no_answer_to_the_batch_is_an_execution_error(reply, shots, text):
    with pytest.raises(ExecutionError, match=text):
        qs.run(circuit(), bindings(), shots=shots, backend=Replies(reply))


class Many(DenseBackend):
    """Takes several batches at once, and loses as many results as it is told to."""

    def __init__(self, lose=0):
        super().__init__()
        self.lose, self.calls = lose, 0

    async def run_many(self, batches):
        self.calls += 1
        return [self.answer(batch) for batch in batches][self.lose :]


def test_several_batches_take_one_round_trip_where_the_backend_allows_it():
    batches = [CircuitBatch.of(circuit(), bindings(rows), qs.Expectations(O)) for rows in (1, 2, 3)]
    backend = Many()
    results = execute_many(batches, backend)
    assert backend.calls == 1
    for batch, result in zip(batches, results, strict=True):
        assert np.allclose(result.values, DenseBackend().answer(batch).values)
    with pytest.raises(ExecutionError, match="returned 2 results for 3 batches"):
        execute_many(batches, Many(lose=1))


def test_facts_of_split_runs_are_added_up():
    class Billed(DenseBackend):
        def answer(self, batch):
            answer = super().answer(batch)
            return qs.BatchResult(values=answer.values, n_qubits=2, backend="b", job_ids=(f"job{len(self.batches)}",),
                                  queued_s=len(self.batches), run_s=0.5, billed_usd=Decimal("0.25"))  # fmt: skip

    result = qs.run(circuit(), bindings(5), qs.Expectations(O), backend=Billed(max_batch=2))
    assert (result.job_ids, result.queued_s, result.run_s) == (("job1", "job2", "job3"), 3, 1.5)
    assert (result.billed_usd, result.estimated_usd) == (Decimal("0.75"), None)


def exact():
    return qs.run(circuit(), bindings(), qs.Expectations(O), backend=SyncDenseBackend()).values


def through_the_loop():
    return qs.run(circuit(), bindings(), qs.Expectations(O), backend=DenseBackend()).values


def test_a_blocking_call_works_inside_a_running_loop():
    async def notebook():
        blocking = through_the_loop()
        awaited = await qs.run_async(circuit(), bindings(), qs.Expectations(O), backend=DenseBackend())
        return blocking, awaited.values

    blocking, awaited = asyncio.run(notebook())
    assert np.array_equal(blocking, exact())
    assert np.array_equal(awaited, exact())


def test_blocking_calls_work_from_many_threads():
    with ThreadPoolExecutor(8) as pool:
        for values in pool.map(lambda _: through_the_loop(), range(32)):
            assert np.array_equal(values, exact())
    assert sum(thread.name == "qstore-event-loop" for thread in threading.enumerate()) == 1


def _in_a_child(queue):
    queue.put(through_the_loop())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_blocking_call_works_after_a_fork():
    through_the_loop()  # the parent's loop is running
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(queue,))
    child.start()
    assert np.array_equal(queue.get(timeout=30), exact())
    child.join(timeout=30)
    assert child.exitcode == 0


def test_a_blocking_call_on_our_own_loop_is_refused_instead_of_hanging():
    async def nested():
        return through_the_loop()

    with pytest.raises(ExecutionError, match=r"on qstore's own event loop; use the \*_async twin"):
        wait_for(nested())


def test_a_failure_in_the_backend_reaches_the_caller_as_it_is():
    class Fails(DenseBackend):
        def answer(self, batch):
            raise ZeroDivisionError("inside")

    with pytest.raises(ZeroDivisionError, match="inside"):
        qs.run(circuit(), bindings(), backend=Fails())


def test_the_default_backend_comes_from_the_environment_or_is_the_router(monkeypatch):
    monkeypatch.delenv("QSTORE_BACKEND", raising=False)
    assert default_backend_name() == "auto"
    monkeypatch.setenv("QSTORE_BACKEND", "elsewhere")
    assert default_backend_name() == "elsewhere"
    with pytest.raises(qs.errors.BackendUnavailable, match="No backend named 'elsewhere'"):
        qs.run(circuit(), bindings())


def test_only_names_and_backends_are_backends():
    with pytest.raises(OptionError, match="backend must be a registered name or a Backend, got 5"):
        resolve_backend(5)


def test_a_plan_is_pure():
    batch = CircuitBatch.of(circuit(), bindings(), qs.Expectations(O), shots=90, seed=1)
    capabilities = DenseBackend(exact=False).capabilities
    first, second = plan(batch, capabilities, "b"), plan(batch, capabilities, "b")
    assert [b.circuit for b in first.batches] == [b.circuit for b in second.batches]
    assert [b.stream_keys.tolist() for b in first.batches] == [b.stream_keys.tolist() for b in second.batches]


def test_a_basis_change_uses_no_gate_that_the_backend_lacks():
    backend = DenseBackend(exact=False, gates=frozenset({"ry"}))
    small = qs.QuantumCircuit(1).ry(0, 0.3)
    assert qs.run(small, outputs=qs.Expectations([qs.Z(0)]), shots=10, backend=backend).values.shape == (1, 1)
    with pytest.raises(
        CapabilityError, match=r"'dense' does not run \['h'\], which the change to the measured basis takes"
    ):
        qs.run(small, outputs=qs.Expectations([qs.X(0)]), shots=10, backend=backend)


def test_probabilities_that_do_not_fit_are_refused_before_anything_is_sent():
    backend = DenseBackend(exact=False, max_qubits=40)
    with pytest.raises(ResourceError, match="Probabilities of 30 qubits for 1 rows are 1073741824 numbers"):
        qs.run(qs.QuantumCircuit(30).h(0), outputs=qs.Probabilities(), shots=10, backend=backend)
    assert not backend.batches
