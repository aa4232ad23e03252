# SPDX-License-Identifier: Apache-2.0
"""End to end against the emulator: values, counts, samples, gradients; native and QIS; jobs shared; run names honoured."""

import asyncio
import json
import pickle
from decimal import Decimal

import numpy as np
import pytest

import qstore as qs
from judges.random_circuits import UNITARIES, random_circuit, random_observable
from qstore.accounting import Budget, ContractPrice
from qstore.batch import CircuitBatch
from qstore_ionq.backend import IonQBackend
from qstore_ionq.rendering import NATIVE_GATES

SIX_SIGMA = 6  # a false alarm once in 5e8 comparisons; seeds are fixed besides


def workload(rows=8, seed=0):
    x, w = qs.Parameter("x", shape=(2,)), qs.Parameter("w", shape=(3, 2))
    circuit = qs.QuantumCircuit(2)
    circuit.ry(0, x[0]).ry(1, x[1])
    for layer in range(3):
        circuit.ry(0, w[layer, 0]).ry(1, 2 * w[layer, 1]).cx(0, 1)
    rng = np.random.default_rng(seed)
    return circuit, {"x": rng.random((rows, 2)), "w": rng.random((3, 2))}


OBSERVABLES = qs.Expectations([qs.Z(0), qs.X(0) @ qs.Z(1), 0.5 * qs.Y(0) + 2.0 * qs.I() - qs.Z(1)])


def posts(emulator):
    return emulator.stats.posts


@pytest.mark.parametrize("outputs", [OBSERVABLES, qs.Variance(OBSERVABLES.observables), qs.Probabilities(), qs.Probabilities([1]),
                                     qs.Expectations([qs.I()])])  # fmt: skip
@pytest.mark.parametrize("gateset", ["auto", "native"])
def test_the_ideal_simulator_is_exact(emulator, outputs, gateset):
    circuit, bindings = workload()
    found = qs.run(circuit, bindings, outputs, backend=IonQBackend(gateset=gateset))
    # The compiler sends phases with twelve decimals of a turn.
    assert np.abs(found.values - qs.run(circuit, bindings, outputs).values).max() < (
        1e-12 if gateset == "auto" else 1e-9
    )
    assert found.standard_errors is None
    assert found.shots is None


def test_gradients_through_the_simulator_are_exact_and_take_one_job(emulator):
    circuit, bindings = workload(rows=3)
    cotangent = np.random.default_rng(1).normal(size=(3, 3))
    given = (circuit, bindings, OBSERVABLES)
    values, gradients = qs.value_and_vjp(*given, cotangent=cotangent, backend=IonQBackend())
    expected_values, expected = qs.value_and_vjp(*given, cotangent=cotangent)
    assert np.abs(values - expected_values).max() < 1e-12
    for name, gradient in expected.items():
        assert np.abs(gradients[name] - gradient).max() < 1e-11
    assert posts(emulator) == 1


@pytest.mark.parametrize("seed", range(3))
def test_random_circuits_of_every_gate_with_preparations(emulator, seed):
    rng = np.random.default_rng(seed)
    circuit, bindings = random_circuit(rng, 3, 15, initialize=[None, "real", "complex"][seed])
    outputs = qs.Expectations([random_observable(rng, 3)])
    expected = qs.run(circuit, bindings, outputs).values
    for gateset in ("qis", "native"):
        found = qs.run(circuit, bindings, outputs, backend=IonQBackend(gateset=gateset))
        assert np.abs(found.values - expected).max() < 1e-9


def test_counts_and_samples_are_those_of_the_embedded_simulator(emulator):
    """The same seed, the same outcomes: bit k is qubit k, and the stream keys decide, not who simulates."""
    circuit = qs.QuantumCircuit(3).x(0).h(1).ry(2, 0.7).cx(1, 2)
    for options in ({}, {"gateset": "native"}):
        backend = IonQBackend(**options)
        assert (
            qs.run(circuit, shots=500, seed=3, backend=backend).counts
            == qs.run(circuit, shots=500, seed=3).counts
        )
        samples = qs.run(circuit, outputs=qs.Samples(), shots=50, seed=3, backend=backend).values
        assert (samples == qs.run(circuit, outputs=qs.Samples(), shots=50, seed=3).values).all()


@pytest.mark.parametrize("name", ["ionq.aria-1", "ionq.forte-1", "ionq.forte-enterprise-1"])
@pytest.mark.parametrize("gateset", ["auto", "qis"])
def test_machines_give_what_their_noise_leaves(emulator, name, gateset):
    circuit, bindings = workload(rows=2)
    result = qs.run(circuit, bindings, OBSERVABLES, shots=4000, backend=IonQBackend(name, gateset=gateset))
    exact = qs.run(circuit, bindings, OBSERVABLES).values
    # At most six entanglers at fidelity 0.98 on an observable of norm 3.5.
    assert np.abs(result.values - exact).max() < SIX_SIGMA * result.standard_errors.max() + 0.25
    assert result.backend == name
    assert result.shots == 4000


def test_machines_without_noise_agree_within_the_standard_errors(monkeypatch):
    from qstore_ionq.emulator import Emulator

    circuit, bindings = workload(rows=4)
    exact = qs.run(circuit, bindings, OBSERVABLES).values
    with Emulator(seed=5, qpu_noise=False) as emulator:
        for name in ("ionq.aria-1", "ionq.forte-1"):
            result = qs.run(
                circuit, bindings, OBSERVABLES, shots=2000, backend=IonQBackend(name, url=emulator.url)
            )
            assert (np.abs(result.values - exact) <= SIX_SIGMA * result.standard_errors + 1e-9).all()


def test_native_circuits_go_out_as_they_are_also_for_observables_off_the_axis(emulator):
    circuit = qs.QuantumCircuit(2).gpi2(0, 0.3).gpi(1, 0.4).ms(0, 1, 0.1, 0.2, -1.3)
    outputs = qs.Expectations([qs.X(0), qs.Y(1), qs.Z(0) @ qs.Z(1)])
    found = qs.run(circuit, outputs=outputs, backend=IonQBackend())
    assert np.abs(found.values - qs.run(circuit, outputs=outputs).values).max() < 1e-12
    measured = qs.run(circuit, outputs=outputs, shots=9000, backend=IonQBackend("ionq.aria-1")).values
    assert np.abs(measured - found.values).max() < 0.15


def test_the_noisy_simulator_repeats_with_the_seed(emulator):
    circuit, bindings = workload(rows=3)

    def run(seed, **options):
        backend = IonQBackend(noise="aria-1", **options)
        return qs.run(circuit, bindings, shots=200, seed=seed, backend=backend).counts

    assert run(7) == run(7)
    assert run(7) != run(8)
    assert run(7, noise_seed=5) != run(7)
    assert all(sum(row.values()) == 200 for row in run(7))


def test_every_kind_of_result_of_the_noisy_simulator_counts_the_same_shots(emulator):
    circuit, bindings = workload(rows=1)
    backend = IonQBackend(noise="forte-1", noise_seed=3)
    samples = qs.run(circuit, bindings, qs.Samples(), shots=300, seed=1, backend=backend)
    assert samples.values.shape == (1, 300, 2)
    counts = qs.run(circuit, bindings, qs.Counts(), shots=300, seed=1, backend=backend).counts[0]
    assert sum(counts.values()) == 300
    assert any("histogram" in each.path for each in emulator.exchanges)
    assert any(each.path.endswith("results/shots") for each in emulator.exchanges)


def test_several_batches_share_a_job_and_a_large_one_is_split(emulator):
    circuit, bindings = workload(rows=5)
    other = qs.QuantumCircuit(1).h(0)
    batches = [CircuitBatch.of(circuit, bindings, shots=50, seed=1), CircuitBatch.of(other, shots=50, seed=2),
               CircuitBatch.of(circuit, bindings, qs.Samples(), shots=50, seed=1)]  # fmt: skip
    results = asyncio.run(IonQBackend().run_many(batches))
    assert posts(emulator) == 1
    assert [len(result.counts or result.values) for result in results] == [5, 1, 5]
    assert len({result.job_ids for result in results}) == 1
    bits = results[2].values @ np.array([1, 2])
    assert [dict(zip(*np.unique(row, return_counts=True), strict=True)) for row in bits] == list(
        results[0].counts
    )
    x = qs.Parameter("x", (1,))
    wide = qs.run(
        qs.QuantumCircuit(1).rx(0, x[0]), {"x": np.linspace(0, 3, 5_001)[:, None]}, backend=IonQBackend()
    )
    assert posts(emulator) == 3
    assert np.abs(wide.values[:, 1] - np.sin(np.linspace(0, 3, 5_001) / 2) ** 2).max() < 1e-12


def test_money_and_time_are_shared_out_exactly_between_batches(emulator):
    circuit, bindings = workload(rows=3)
    backend = IonQBackend("ionq.forte-1")
    batches = [
        CircuitBatch.of(circuit, bindings, shots=100, seed=1),
        CircuitBatch.of(qs.QuantumCircuit(1).h(0), shots=100),
    ]
    results = asyncio.run(backend.run_many(batches))
    assert sum(result.billed_usd for result in results) == Decimal(emulator.stats.spent_usd)
    assert sum(result.estimated_usd for result in results) == Decimal(emulator.stats.spent_usd)


@pytest.mark.parametrize("shots", [100, 1000])
@pytest.mark.parametrize("name", ["ionq.aria-1", "ionq.forte-1"])
def test_the_estimate_is_the_bill(emulator, name, shots):
    circuit, bindings = workload(rows=4)
    backend = IonQBackend(name)
    estimate = backend.estimate(CircuitBatch.of(circuit, bindings, OBSERVABLES, shots=shots))
    assert posts(emulator) == 0
    result = qs.run(circuit, bindings, OBSERVABLES, shots=shots, backend=backend)
    assert estimate.usd == result.billed_usd == Decimal(emulator.stats.spent_usd) > 12
    assert estimate.seconds > 0
    assert 0 < estimate.error < 1
    assert "azure-quantum pricing" in estimate.model


def test_estimates_by_other_price_plans():
    batch = CircuitBatch.of(qs.QuantumCircuit(2).h(0).cx(0, 1), shots=1000)
    assert IonQBackend("ionq.forte-1", prices="braket").estimate(batch).usd == Decimal("80.30")
    assert IonQBackend("ionq.aria-1", prices="braket").estimate(batch).usd == Decimal("30.30")
    assert IonQBackend("ionq.simulator").estimate(batch).usd == 0
    ours = ContractPrice(
        per_2q=Decimal("0.01"), source="our contract", as_of=__import__("datetime").date(2026, 1, 1)
    )
    assert IonQBackend("ionq.aria-1", prices=ours).estimate(batch).usd == Decimal("10.00")
    # Debiasing is on by itself from 500 shots, and has its price.
    assert IonQBackend("ionq.aria-1").estimate(batch).usd == Decimal("97.50")
    assert IonQBackend("ionq.aria-1", debiasing=False).estimate(batch).usd == Decimal("12.4166")


def test_settings_reach_the_service(emulator):
    circuit = qs.QuantumCircuit(2).h(0).cx(0, 1)
    sent = {}
    backend = IonQBackend("ionq.aria-1", debiasing=True, error_mitigation={"symmetry_verification": True}, sharpen=True,
                          compilation={"opt": 1})  # fmt: skip
    result = qs.run(circuit, shots=600, backend=backend)
    (job_id,) = result.job_ids
    raw = asyncio.run(backend.job_service(backend._address.machine("qpu.aria-1")).poll(job_id)).raw
    sent = raw["settings"]
    assert sent["error_mitigation"] == {"debiasing": True, "symmetry_verification": True}
    assert sent["compilation"] == {"opt": 1}
    assert raw["metadata"]["qstore_tag"]
    assert sum(result.counts[0].values()) == 600
    assert any("sharpen=true" in each.query for each in emulator.exchanges)


def test_a_dry_run_costs_nothing_and_tells_the_price(emulator):
    circuit, bindings = workload(rows=2)
    backend = IonQBackend("ionq.aria-1", dry_run=True)
    counted = qs.run(circuit, bindings, shots=100, backend=backend)
    assert counted.counts == ({}, {})
    expected = qs.run(circuit, bindings, OBSERVABLES, shots=100, backend=backend)
    assert np.isnan(expected.values).all()
    assert expected.values.shape == (2, 3)
    assert expected.billed_usd == 0
    assert (
        expected.estimated_usd
        == IonQBackend("ionq.aria-1").estimate(CircuitBatch.of(circuit, bindings, OBSERVABLES, shots=100)).usd
    )
    assert Decimal(emulator.stats.spent_usd) == 0


@pytest.mark.parametrize("dry_run", [False, True])
def test_constants_alone_are_not_measured(emulator, dry_run):
    backend = IonQBackend("ionq.aria-1", dry_run=dry_run)
    outputs = qs.Expectations([3 * qs.I(), qs.Observable()])
    found = qs.run(qs.QuantumCircuit(1).h(0), outputs=outputs, shots=100, backend=backend)
    assert (found.values.tolist(), found.backend, found.job_ids) == ([[3.0, 0.0]], "ionq.aria-1", ())
    assert posts(emulator) == 0


def test_a_session_is_opened_used_and_ended(emulator):
    backend = IonQBackend("ionq.aria-1")
    with backend.open_session(jobs=5, minutes=10, usd=100) as reserved:
        result = qs.run(qs.QuantumCircuit(1).h(0), shots=10, backend=reserved)
    raw = asyncio.run(backend.job_service(backend._address.machine("qpu.aria-1")).poll(result.job_ids[0])).raw
    assert raw["session_id"] == reserved._settings.session

    async def twin():
        async with backend.open_session_async(jobs=1) as other:
            return other._settings.session

    assert asyncio.run(twin()) not in (None, raw["session_id"])
    ended = [each for each in emulator.exchanges if each.path.endswith("/end")]
    assert len(ended) == 2
    assert all(each.status == 200 for each in ended)


def test_figures_of_the_machines_come_from_the_service_once_it_was_asked(emulator):
    backend = qs.get_backend("ionq", device="aria-2")  # not built in: only the service knows it
    assert backend.name == "ionq.aria-2"
    assert backend.capabilities.max_qubits == 25
    assert qs.run(qs.QuantumCircuit(1).x(0), shots=10, backend=backend).shots == 10
    asked = emulator.stats.requests["backends"]
    for _ in range(3):
        qs.run(qs.QuantumCircuit(1).x(0), shots=10, backend=backend)
    assert emulator.stats.requests["backends"] <= asked + 1
    device = asyncio.run(backend.refresh())
    assert device.source == "GET /backends"
    assert device.queue_s == 90.0


def test_batches_from_any_loop_and_thread_share_the_connections(emulator):
    backend = IonQBackend()
    circuit = qs.QuantumCircuit(1).h(0)

    async def many():
        return await asyncio.gather(
            *(qs.run_async(circuit, shots=10, seed=i, backend=backend) for i in range(20))
        )

    first, second = asyncio.run(many()), asyncio.run(many())
    assert [each.counts for each in first] == [each.counts for each in second]
    assert qs.run(circuit, shots=10, seed=0, backend=backend).counts == first[0].counts
    assert emulator.stats.max_jobs_in_flight <= 100


def test_no_more_jobs_at_a_time_than_was_asked_for(emulator):
    backend = IonQBackend(max_in_flight=3)
    circuit = qs.QuantumCircuit(1).h(0)

    async def many():
        await asyncio.gather(*(qs.run_async(circuit, shots=10, seed=i, backend=backend) for i in range(30)))

    asyncio.run(many())
    assert emulator.stats.posts == 30
    assert emulator.stats.max_jobs_in_flight <= 3


def test_a_backend_travels_to_another_process(emulator):
    backend = pickle.loads(pickle.dumps(IonQBackend(noise="aria-1", noise_seed=3)))
    assert qs.run(qs.QuantumCircuit(1).x(0), shots=10, seed=1, backend=backend).shots == 10
    assert "noise='aria-1'" in repr(backend)


def test_a_budget_is_kept_over_all_batches(emulator):
    circuit = qs.QuantumCircuit(1).h(0)
    backend = IonQBackend("ionq.aria-1", budget=Budget(30, name="small"))
    for seed in range(2):
        qs.run(circuit, shots=100, seed=seed, backend=backend)
    with pytest.raises(qs.errors.BudgetExceeded, match="Nothing was sent"):
        qs.run(circuit, shots=100, seed=2, backend=backend)
    assert posts(emulator) == 2


def test_the_journal_holds_the_job_before_it_is_sent(emulator, tmp_path):
    """Read by another library than ours."""
    import sqlite3

    qs.run(qs.QuantumCircuit(1).h(0), shots=10, seed=1, backend=IonQBackend("ionq.aria-1"))
    (tag,) = emulator.stats.billed
    journals = list((tmp_path / "state").rglob("*.sqlite"))
    contents = []
    for path in journals:
        connection = sqlite3.connect(path)
        if connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'jobs'").fetchone()[0]:
            contents += connection.execute("SELECT content FROM jobs WHERE tag = ?", (tag,)).fetchall()
        connection.close()
    (content,) = contents
    assert json.loads(content[0])["body"]["backend"] == "qpu.aria-1"


@pytest.mark.parametrize("machine", ["ionq.simulator", "ionq.aria-1", "ionq.forte-1"])
@pytest.mark.parametrize("gateset", ["auto", "qis", "native"])
def test_every_request_passes_the_published_schema(machine, gateset):
    from qstore_ionq.emulator import Emulator

    rng = np.random.default_rng(4)
    gates = [name for name in UNITARIES if name not in NATIVE_GATES]
    circuit, bindings = random_circuit(rng, 3, 12, gates=gates)
    with Emulator(strict=True) as strict:
        backend = IonQBackend(machine, gateset=gateset, url=strict.url)
        for outputs in (qs.Counts(), qs.Samples(), OBSERVABLES):
            qs.run(circuit, bindings, outputs, shots=20, backend=backend)
        if machine == "ionq.simulator":
            qs.run(circuit, bindings, OBSERVABLES, backend=backend)
            qs.run(circuit, shots=20, bindings=bindings, backend=IonQBackend(noise="aria-1", url=strict.url))
        else:
            full = IonQBackend(
                machine, gateset=gateset, url=strict.url, debiasing=True, sharpen=False, dry_run=True
            )
            qs.run(circuit, bindings, shots=500, backend=full)
            with backend.open_session(jobs=3, minutes=5, usd=1000) as reserved:
                qs.run(circuit, bindings, shots=20, backend=reserved)
        assert set(strict.stats.statuses) <= {200, 201}


def test_a_hundred_submissions_at_once_with_money_for_thirty_seven(emulator):
    circuit = qs.QuantumCircuit(1).h(0)
    backend = IonQBackend("ionq.aria-1", budget=Budget(37 * Decimal("12.4166"), name="thirty-seven"))

    async def many():
        runs = (qs.run_async(circuit, shots=10, seed=i, backend=backend) for i in range(100))
        return await asyncio.gather(*runs, return_exceptions=True)

    results = asyncio.run(many())
    paid = [each for each in results if isinstance(each, qs.BatchResult)]
    refused = [each for each in results if isinstance(each, qs.errors.BudgetExceeded)]
    assert (len(paid), len(refused)) == (37, 63)
    assert posts(emulator) == 37
