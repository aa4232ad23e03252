# SPDX-License-Identifier: Apache-2.0
"""Bad input: a typed error that says what would do, and no job sent."""

import subprocess
import sys
from datetime import date

import numpy as np
import pytest

import qstore as qs
from ionq.fakes import FakeService, answer
from qstore.batch import CircuitBatch
from qstore.errors import (
    AuthenticationError,
    BackendUnavailable,
    BudgetExceeded,
    CapabilityError,
    CompilationError,
    OptionError,
    ServiceError,
)
from qstore.execution import execute_many
from qstore_ionq.backend import IonQBackend
from qstore_ionq.devices import DEVICES, NOISE_QUBITS, device_for, read_device, target_of
from qstore_ionq.prices import PLANS, table_for

BELL = qs.QuantumCircuit(2).h(0).cx(0, 1)
TODAY = date(2026, 11, 20)


def jobs_of(service):
    return service.transport.sent("POST")


@pytest.fixture
def service():
    return FakeService(lambda circuit: {"0": 0.5, "3": 0.5})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"noise": "aria1"}, "No noise model 'aria1'. Did you mean 'aria-1'"),
        ({"noise": None}, "No noise model None"),
        ({"noise_seed": 0}, "noise_seed must be an integer from 1 to 2147483647, got 0"),
        ({"noise_seed": True}, "noise_seed"),
        ({"gateset": "ionq"}, "gateset must be one of auto, qis, native"),
        ({"debiasing": "yes"}, "debiasing must be True, False or None"),
        (
            {"error_mitigation": {"debias": True}},
            "error_mitigation has no 'debias'. Did you mean 'debiasing'",
        ),
        ({"debiasing": True}, "The simulator has no debiasing"),
        ({"sharpen": True}, "The simulator has no sharpen"),
        ({"dry_run": True}, "The simulator has no dry_run"),
        ({"session": ""}, "session must be the id"),
        ({"budget": -1}, "total_usd must be an amount of dollars"),
        ({"on_ambiguous": "retry"}, "on_ambiguous must be 'hold' or 'resubmit'"),
        ({"max_in_flight": 0}, "max_in_flight must be an integer from 1 up"),
        ({"timeout_s": 0}, "timeout_s must be seconds above 0"),
        ({"deadline_s": float("inf")}, "deadline_s must be seconds above 0"),
        ({"url": "http://example.org"}, "is not encrypted"),
        ({"device": ""}, "device must be a name such as 'ionq.simulator'"),
        ({"device": "ionq.aria-1", "noise": "aria-1"}, "brings its own noise"),
        ({"device": "ionq.aria-1", "prices": "azur"}, "No price plan named 'azur'. Did you mean 'azure'"),
    ],
)
def test_options_outside_their_range_are_refused_when_the_backend_is_made(options, text):
    with pytest.raises(OptionError) as caught:
        IonQBackend(**options)
    assert text in str(caught.value)


def test_an_option_that_there_is_not_is_refused_by_name():
    with pytest.raises(OptionError, match="nosie"):
        qs.get_backend("ionq.simulator", nosie="aria-1")


def test_an_unknown_backend_names_the_known_ones(service):
    with pytest.raises(
        BackendUnavailable, match=r"IonQ has no backend 'ionq\.aria-11'\. Did you mean 'ionq\.aria-1'"
    ):
        IonQBackend("ionq.aria-11", transport=service.transport)
    with pytest.raises(BackendUnavailable, match=r"Known: ionq\.aria-1, ionq\.forte-1"):
        qs.get_backend("ionq", device="eagle")
    with pytest.raises(BackendUnavailable, match=r"ionq\.simulator"):
        qs.get_backend("ionq.simulatr")
    assert jobs_of(service) == []


def test_a_retired_machine_is_refused_before_anything_is_sent(service):
    service.overrides["GET", "/backends"] = lambda asked: answer(
        [{"backend": "qpu.aria-1", "status": "retired"}]
    )
    with pytest.raises(BackendUnavailable, match="IonQ has retired"):
        qs.run(BELL, shots=10, backend=IonQBackend("ionq.aria-1", transport=service.transport))
    assert jobs_of(service) == []


def circuits():
    mid = qs.QuantumCircuit(2).h(0).measure(0, 0).x(1)
    return {
        "too many qubits": (qs.QuantumCircuit(30).h(29), {}, "has 29 qubits, the circuit needs 30"),
        "too many for the noise": (
            qs.QuantumCircuit(26).h(25),
            {"noise": "aria-1"},
            "has 25 qubits, the circuit needs 26",
        ),
        "measured inside": (mid, {}, "does not run measurements inside a circuit"),
        "reset": (qs.QuantumCircuit(1).reset(0), {}, "does not run channels or reset"),
        "a channel": (qs.QuantumCircuit(1).depolarizing(0, p=0.1), {}, "does not run channels or reset"),
    }


@pytest.mark.parametrize("name", circuits())
@pytest.mark.parametrize("way", ["run", "run_many", "estimate"])
def test_circuits_that_cannot_run_are_refused_before_anything_is_sent(service, name, way):
    circuit, options, text = circuits()[name]
    backend = IonQBackend(transport=service.transport, **options)
    batch = CircuitBatch.of(circuit, shots=10)
    ways = {
        "run": lambda: qs.run(circuit, shots=10, backend=backend),
        "run_many": lambda: execute_many([CircuitBatch.of(BELL, shots=10), batch], backend),
        "estimate": lambda: backend.estimate(batch),
    }
    with pytest.raises(CapabilityError, match=text):
        ways[way]()
    assert jobs_of(service) == []


@pytest.mark.parametrize(
    ("machine", "shots"), [("ionq.simulator", 1_000_001), ("ionq.aria-1", 10_001), ("ionq.forte-1", 2**30)]
)
def test_too_many_shots_are_refused(service, machine, shots):
    with pytest.raises(CapabilityError, match=f"takes at most [0-9]+ shots, got {shots}"):
        qs.run(BELL, shots=shots, backend=IonQBackend(machine, transport=service.transport))
    assert jobs_of(service) == []


@pytest.mark.parametrize("outputs", [None, qs.Expectations([qs.Z(0)]), qs.StateVector(), qs.DensityMatrix()])
def test_exact_results_of_a_machine_are_refused(service, outputs):
    with pytest.raises(CapabilityError):
        qs.run(BELL, outputs=outputs, backend=IonQBackend("ionq.aria-1", transport=service.transport))
    with pytest.raises(CapabilityError):
        qs.run(BELL, outputs=outputs, backend=IonQBackend(noise="aria-1", transport=service.transport))
    assert jobs_of(service) == []


def test_entanglers_of_another_machine_are_refused_unless_compiling_is_asked_for(service):
    circuit = qs.QuantumCircuit(2).gpi2(0, 0.1).ms(0, 1, 0, 0, 1.0)
    with pytest.raises(CapabilityError, match="entangles with 'zz', not with 'ms'"):
        qs.run(circuit, shots=10, backend=IonQBackend("ionq.forte-1", transport=service.transport))
    assert jobs_of(service) == []
    qs.run(
        circuit, shots=10, backend=IonQBackend("ionq.forte-1", gateset="native", transport=service.transport)
    )
    gates = jobs_of(service)[0].json["input"]["circuit"]
    assert {gate["gate"] for gate in gates} <= {"gpi2", "gpi", "zz"}


def test_more_than_the_budget_is_refused_before_anything_is_sent(service):
    with pytest.raises(BudgetExceeded, match=r"needs \$12\.4166, but of the \$5 .* Nothing was sent"):
        qs.run(BELL, shots=10, backend=IonQBackend("ionq.aria-1", budget=5, transport=service.transport))
    assert jobs_of(service) == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_an_authentication_error_and_no_job(emulator, status):
    emulator.set_faults({"fault": [{"route": "submit", "kind": "status", "status": status}]})
    with pytest.raises(AuthenticationError, match=f"POST /jobs: IonQ answered {status}"):
        qs.run(BELL, shots=10, backend=IonQBackend("ionq.aria-1", budget=100))
    assert emulator.stats.accepted == {}
    emulator.clear_faults()
    # The reservation was given back: the whole budget is there.
    assert qs.run(BELL, shots=10, backend=IonQBackend("ionq.aria-1", budget=12.5)).billed_usd > 12


def test_a_paid_circuit_without_a_proof_needs_an_explicit_flag(service, monkeypatch):
    """A mistake planted into the lowering of one gate is caught by the proof; nothing is sent."""
    from types import MappingProxyType

    from qstore_ionq import qis

    wrong = dict(qis.LOWERED)
    wrong["cz"] = wrong["cy"]
    monkeypatch.setattr(qis, "LOWERED", MappingProxyType(wrong))
    for cache in (qis.lower_to_qis, qis.certified_qis, qis._checked):
        cache.cache_clear()
    circuit = qs.QuantumCircuit(2).h(0).cz(0, 1)
    backend = IonQBackend("ionq.aria-1", gateset="qis", transport=service.transport)
    try:
        with pytest.raises(CompilationError, match="differs from its source"):
            qs.run(circuit, shots=10, backend=backend)
        assert jobs_of(service) == []
        qs.run(
            circuit,
            shots=10,
            backend=IonQBackend("ionq.aria-1", gateset="qis", unverified=True, transport=service.transport),
        )
        assert len(jobs_of(service)) == 1
    finally:
        for cache in (qis.lower_to_qis, qis.certified_qis, qis._checked):
            cache.cache_clear()


def test_every_rule_of_the_lowering_is_proved_when_it_is_used():
    from qstore_ionq.qis import LOWERED, certified_qis

    x = qs.Parameter("x", (4,))
    for name in LOWERED:
        spec = qs.circuit.gate_spec(name)
        circuit = qs.QuantumCircuit(3).append(
            name, tuple(range(spec.n_qubits)), [x[i] for i in range(spec.n_angles)]
        )
        found = certified_qis(circuit.freeze())
        assert found.checks > 0
        assert found.error < 1e-12


@pytest.mark.parametrize("name", ["ionq.aria-1", "aria-1", "qpu.aria-1"])
def test_a_machine_is_known_by_three_names(name):
    assert target_of(name) == "qpu.aria-1"
    assert device_for(name).name == "ionq.aria-1"


def test_a_machine_is_read_from_the_service_figure_by_figure():
    entry = {"backend": "qpu.forte-1", "status": "available", "qubits": 40, "average_queue_time": 1500,
             "supported_native_gates": ["gpi", "gpi2", "zz"]}  # fmt: skip
    figures = {
        "fidelity": {"1q": {"median": 0.9999}, "2q": {"median": 2.0}, "spam": None},
        "timing": {"2q": 1e-3, "1q": "x"},
    }
    device, built_in = read_device(entry, figures, TODAY), DEVICES["qpu.forte-1"]
    assert (device.qubits, device.queue_s, device.fidelity_1q, device.gate_2q_s) == (40, 1.5, 0.9999, 1e-3)
    assert (device.fidelity_2q, device.fidelity_readout, device.gate_1q_s) == (
        built_in.fidelity_2q,
        built_in.fidelity_readout,
        built_in.gate_1q_s,
    )


@pytest.mark.parametrize(
    ("target", "listed", "entanglers"),
    [
        ("simulator", ["gpi", "zz", "ms"], ("ms", "zz")),
        ("qpu.aria-1", ["gpi", "zz"], ("zz",)),
        ("qpu.aria-1", [], ("ms",)),
        ("qpu.tempo-1", ["gpi2", "zz"], ("zz",)),
    ],
)
def test_native_gates_are_the_services_in_our_order(target, listed, entanglers):
    device = read_device({"backend": target, "supported_native_gates": listed}, None, TODAY)
    assert device.entanglers == entanglers


@pytest.mark.parametrize(
    "entry",
    [{}, {"backend": 5}, {"backend": ""}, {"backend": "qpu.new", "qubits": "many"}, {"backend": "qpu.new", "qubits": -1},
     {"backend": "qpu.aria-1", "average_queue_time": None, "supported_native_gates": "ms", "status": None}],
)  # fmt: skip
@pytest.mark.parametrize("figures", [None, {}, {"fidelity": 5, "timing": []}, {"fidelity": {"1q": 5}}])
def test_damaged_figures_never_stop_anything(entry, figures):
    device = read_device(entry, figures, TODAY)
    assert device is None or device.qubits >= 1


def test_when_the_service_does_not_list_its_machines_the_built_in_figures_stand(service, caplog):
    service.overrides["GET", "/backends"] = lambda asked: answer({}, 503)
    qs.run(BELL, shots=10, backend=IonQBackend("ionq.aria-1", transport=service.transport))
    assert "dated figures are used" in caplog.text
    assert len(jobs_of(service)) == 1


def test_every_built_in_figure_has_its_source_and_every_machine_its_prices():
    for device in DEVICES.values():
        assert device.source
        assert device.as_of
        assert device.max_shots
        for plan in PLANS:
            assert table_for(device, plan).source
    assert set(NOISE_QUBITS) >= {"ideal", "aria-1", "forte-1"}


def test_what_the_service_answers_is_not_believed_blindly(service):
    service.probabilities = lambda circuit: {"0": 0.7}
    with pytest.raises(ServiceError, match="sum to 0"):
        qs.run(BELL, backend=IonQBackend(transport=service.transport))


def test_importing_the_plugin_imports_neither_the_http_library_nor_the_compiler():
    script = (
        "import sys, qstore_ionq, qstore_ionq.plugin; "
        "assert any(spec.name == 'ionq.forte-1' for spec in qstore_ionq.plugin.qstore_backends()); "
        "heavy = {'httpx2', 'httpcore2', 'anyio', 'asyncio', 'starlette', 'sqlite3', 'qstore.compiler', 'qstore_ionq.native', "
        "'qstore_ionq.backend', 'qstore_sim'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_there_and_nothing_else_is():
    import qstore_ionq

    assert all(getattr(qstore_ionq, name) for name in qstore_ionq.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qstore_ionq.nothing


def test_a_batch_without_rows_of_its_own_is_one_circuit(service):
    result = qs.run(BELL, backend=IonQBackend(transport=service.transport))
    assert np.allclose(result.values, [[0.5, 0, 0, 0.5]])
    assert jobs_of(service)[0].json["type"] == "ionq.circuit.v1"
