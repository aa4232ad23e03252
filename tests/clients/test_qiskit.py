# SPDX-License-Identifier: Apache-2.0
"""qiskit-ionq, unmodified, against the emulator."""

import pytest

from clients.expectations import NATIVE_DIGITS, NATIVE_GATES, NATIVE_PROBABILITIES, assert_counts
from qstore_ionq.emulator import Fault

qiskit = pytest.importorskip("qiskit")
qiskit_ionq = pytest.importorskip("qiskit_ionq")

from qiskit import QuantumCircuit, transpile  # noqa: E402  # after the check that it is there
from qiskit.circuit.library import PauliEvolutionGate  # noqa: E402
from qiskit.quantum_info import SparsePauliOp, Statevector  # noqa: E402
from qiskit_ionq import GPI2Gate, GPIGate, IonQProvider, MSGate, ZZGate  # noqa: E402

# The provider warns on construction about a default of Qiskit's own.
pytestmark = pytest.mark.filterwarnings("ignore:Transpiler default optimization_level")

WAIT = 0.02


@pytest.fixture
def provider(emulator, monkeypatch):
    # The constructor looks up the backends' sizes at the address in the environment, not at that of `url=`.
    monkeypatch.setenv("IONQ_API_URL", emulator.url)
    return IonQProvider(token="test", url=emulator.url)


@pytest.fixture
def simulator(provider):
    return provider.get_backend("ionq_simulator")


def bell():
    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def asymmetric():
    circuit = QuantumCircuit(3, 3)
    circuit.x(0)
    circuit.sx(2)
    circuit.cx(0, 1)
    circuit.measure([0, 1, 2], [0, 1, 2])
    return circuit


def native():
    a, b, c, d, angle, e = NATIVE_GATES
    circuit = QuantumCircuit(2, 2)
    circuit.append(GPI2Gate(a), [0])
    circuit.append(GPIGate(b), [1])
    circuit.append(MSGate(c, d, angle), [0, 1])
    circuit.append(GPI2Gate(e), [1])
    circuit.measure([0, 1], [0, 1])
    return circuit


def test_bell(simulator):
    counts = simulator.run(bell(), shots=1000, sampler_seed=1).result(wait=WAIT).get_counts()
    assert_counts(counts, {"00": 0.5, "11": 0.5}, 1000)


def test_sizes_come_from_the_emulator(provider, simulator):
    assert simulator.num_qubits == 29
    assert provider.get_backend("ionq_qpu.forte-1").num_qubits == 36


def test_asymmetric_outcomes_are_not_mirrored(simulator):
    counts = simulator.run(asymmetric(), shots=1000, sampler_seed=1).result(wait=WAIT).get_counts()
    assert_counts(counts, {"011": 0.5, "111": 0.5}, 1000)


def test_measured_into_other_bits(simulator):
    circuit = QuantumCircuit(3, 2)
    circuit.x(2)
    circuit.measure([2, 0], [0, 1])
    assert simulator.run(circuit, shots=10).result(wait=WAIT).get_counts() == {"01": 10}


@pytest.mark.parametrize("name", ["cp", "ccx", "mcx", "mcp", "ch", "csx", "cry", "p"])
def test_gates_in_the_spelling_with_lists_of_controls(simulator, name):
    circuit = QuantumCircuit(4)
    for q in range(4):
        circuit.ry(0.3 + 0.4 * q, q)
    {
        "cp": lambda: circuit.cp(0.7, 0, 1), "ccx": lambda: circuit.ccx(0, 1, 2),
        "mcx": lambda: circuit.mcx([0, 1, 2], 3), "mcp": lambda: circuit.mcp(1.1, [0, 1], 2),
        "ch": lambda: circuit.ch(2, 0), "csx": lambda: circuit.csx(1, 3), "cry": lambda: circuit.cry(0.5, 3, 0),
        "p": lambda: circuit.p(0.9, 2),
    }[name]()  # fmt: skip
    for q in range(4):
        circuit.h(q)
    expected = Statevector(circuit).probabilities_dict()
    circuit.measure_all()
    found = simulator.run(circuit, shots=100).result(wait=WAIT).get_probabilities()
    for outcome, p in found.items():
        assert abs(p - expected[outcome]) < 1e-12


def test_batch_and_its_children(simulator):
    job = simulator.run([bell(), asymmetric()], shots=500, sampler_seed=1)
    result = job.result(wait=WAIT)
    assert set(result.get_counts(0)) == {"00", "11"}
    assert set(result.get_counts(1)) == {"011", "111"}
    detail = job.status(detailed=True)
    assert (detail["total"], detail["completed"]) == (2, 2)


def test_noisy_counts_sum_to_the_shots_and_repeat_with_the_seed(simulator):
    simulator.set_options(noise_model="aria-1", sampler_seed=5)

    def counts():
        return simulator.run(bell(), shots=1000).result(wait=WAIT).get_counts()

    first = counts()
    assert sum(first.values()) == 1000
    assert first["00"] + first["11"] > 950
    assert counts() == first


def test_native_ms_on_a_machine(provider):
    backend = provider.get_backend("ionq_qpu.aria-1", gateset="native")
    counts = backend.run(native(), shots=2000).result(wait=WAIT).get_counts()
    assert sum(counts.values()) == 2000
    for outcome, p in NATIVE_PROBABILITIES.items():
        assert abs(counts.get(outcome[::-1], 0) / 2000 - p) < 0.07


def test_native_probabilities(provider):
    backend = provider.get_backend("ionq_simulator", gateset="native")
    found = backend.run(native(), shots=100).result(wait=WAIT).get_probabilities()
    for outcome, p in NATIVE_PROBABILITIES.items():
        assert abs(found[outcome[::-1]] - p) < NATIVE_DIGITS


def test_native_zz_on_forte(provider):
    circuit = QuantumCircuit(2, 2)
    circuit.append(GPI2Gate(0.25), [0])
    circuit.append(GPI2Gate(0.25), [1])
    circuit.append(ZZGate(0.25), [0, 1])
    circuit.append(GPI2Gate(0.0), [1])
    expected = Statevector(circuit).probabilities_dict()
    circuit.measure([0, 1], [0, 1])
    backend = provider.get_backend("ionq_qpu.forte-1", gateset="native")
    counts = backend.run(circuit, shots=2000).result(wait=WAIT).get_counts()
    for outcome, p in expected.items():
        assert abs(counts.get(outcome, 0) / 2000 - p) < 0.06


def test_transpiled_to_forte(provider):
    backend = provider.get_backend("ionq_qpu.forte-1", gateset="native")
    counts = (
        backend.run(transpile(bell(), backend, optimization_level=1), shots=1000)
        .result(wait=WAIT)
        .get_counts()
    )
    assert counts["00"] + counts["11"] > 950


def test_memory_comes_from_the_shots(provider):
    backend = provider.get_backend("ionq_qpu.aria-1")
    result = backend.run(bell(), shots=200, memory=True).result(wait=WAIT)
    memory = result.get_memory()
    assert len(memory) == 200
    assert {each: memory.count(each) for each in set(memory)} == result.get_counts()


@pytest.mark.filterwarnings(
    "ignore::scipy.sparse.SparseEfficiencyWarning"
)  # in Qiskit's own matrix exponential
def test_pauli_evolution(simulator):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(PauliEvolutionGate(SparsePauliOp(["XX", "ZZ"], [0.3, 0.5]), time=1.1), [0, 1])
    circuit.ry(0.4, 1)
    expected = Statevector(circuit).probabilities_dict()
    circuit.measure_all()
    found = simulator.run(circuit, shots=10).result(wait=WAIT).get_probabilities()
    for outcome, p in found.items():
        assert abs(p - expected[outcome]) < 1e-12


def test_measurement_in_the_middle(simulator):
    circuit = QuantumCircuit(1, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    counts = simulator.run(circuit, shots=200, noise_model="aria-1").result(wait=WAIT).get_counts()
    assert sum(counts.values()) == 200
    assert counts["01"] > 180


def test_a_dry_run_is_priced_and_not_billed(provider, emulator):
    backend = provider.get_backend("ionq_qpu.forte-1")
    job = backend.run(bell(), shots=1000, dry_run=True)
    with pytest.raises(qiskit_ionq.exceptions.IonQJobError, match="dry_run"):
        job.result(wait=WAIT)
    assert float(emulator.stats.spent_usd) == 0
    assert emulator.stats.billed == {}


def test_the_compiled_circuit_of_a_dry_run(provider):
    backend = provider.get_backend("ionq_qpu.forte-1")
    job = backend.run(bell(), shots=1000, dry_run=True)
    job.wait_for_final_state(wait=WAIT)
    gates = job.compiled_circuit()["circuit"]
    assert [gate["gate"] for gate in gates].count("zz") == 1


def test_estimate_reads_the_names_of_may(provider):
    client = provider.get_backend("ionq_qpu.forte-1").client
    estimate = client.estimate_job(
        backend="ionq_qpu.forte-1", oneq_gates=10, twoq_gates=5, qubits=3, shots=1000
    )
    assert estimate.backend == "qpu.forte-1"
    assert estimate.cost == pytest.approx(max(12.4166, 1000 * (10 * 0.00022 + 5 * 0.000975)))


def test_calibration(provider):
    found = provider.get_backend("ionq_qpu.aria-1").calibration()
    assert found.qubits == 25
    assert found.median_spam_fidelity == 0.9937
    assert len(found.connectivity) == 25 * 24 / 2


def test_session(provider, emulator):
    backend = provider.get_backend("ionq_qpu.forte-1")
    with qiskit_ionq.Session(backend, max_jobs=5, max_time=10, max_cost=300) as session:
        job = session.run(bell(), shots=100)
        assert sum(job.result(wait=WAIT).get_counts().values()) == 100
        assert session.details()["status"] == "started"
    assert session.details()["status"] == "ended"
    assert emulator.stats.requests["sessions"] == 4


def test_a_cancelled_job(provider):
    backend = provider.get_backend("ionq_qpu.aria-1")
    backend.client.cancel_job(job_id=(job := backend.run(bell(), shots=10)).job_id())
    with (
        pytest.warns(UserWarning, match="cancelled"),
        pytest.raises(qiskit_ionq.exceptions.IonQJobStateError, match="cancel"),
    ):
        job.result(wait=WAIT)


def test_a_failed_job(simulator, emulator):
    emulator.set_faults(Fault(kind="fail", route="submit", code="QuantumComputerError"))
    with pytest.raises(qiskit_ionq.exceptions.IonQJobFailureError, match="QuantumComputerError"):
        simulator.run(bell(), shots=10).result(wait=WAIT)


def test_the_client_pays_twice_for_one_job_when_its_answer_is_lost(simulator, emulator):
    """The reason why our own client does not retry that way; also a proof that the fault works."""
    emulator.set_faults(Fault(kind="status", status=503, route="submit", stage="after", attempts=[1]))
    with pytest.warns(UserWarning, match="Retrying submit_job"):
        simulator.run(bell(), shots=10)
    assert emulator.stats.accepted == {"": 2}
