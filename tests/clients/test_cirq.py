# SPDX-License-Identifier: Apache-2.0
"""cirq-ionq, unmodified, against the emulator."""

import pytest

from clients.expectations import NATIVE_DIGITS, NATIVE_GATES, NATIVE_PROBABILITIES, assert_counts
from qstore_ionq.emulator import Fault

cirq = pytest.importorskip("cirq")
cirq_ionq = pytest.importorskip("cirq_ionq")

POLL = 0.02


@pytest.fixture
def service(emulator):
    return cirq_ionq.Service(
        remote_host=emulator.root, api_key="test", default_target="simulator", max_retry_seconds=1
    )


@pytest.fixture
def qubits():
    return cirq.LineQubit.range(3)


def bell(q):
    return cirq.Circuit(cirq.H(q[0]), cirq.CNOT(q[0], q[1]), cirq.measure(q[0], q[1], key="m"))


def asymmetric(q):
    return cirq.Circuit(cirq.X(q[0]), cirq.X(q[2]) ** 0.5, cirq.CNOT(q[0], q[1]), cirq.measure(*q, key="m"))


def native(q):
    a, b, c, d, angle, e = NATIVE_GATES
    return cirq.Circuit(
        cirq_ionq.GPI2Gate(phi=a)(q[0]), cirq_ionq.GPIGate(phi=b)(q[1]),
        cirq_ionq.MSGate(phi0=c, phi1=d, theta=angle)(q[0], q[1]), cirq_ionq.GPI2Gate(phi=e)(q[1]),
        cirq.measure(q[0], q[1], key="m"),
    )  # fmt: skip


def frequencies(result, key="m"):
    return dict(result.histogram(key=key))


def test_bell(service, qubits):
    result = service.run(bell(qubits), repetitions=1000, seed=1)
    assert_counts(frequencies(result), {0: 0.5, 3: 0.5}, 1000)


def test_asymmetric_outcomes_are_not_mirrored(service, qubits):
    result = service.run(asymmetric(qubits), repetitions=1000, seed=1)
    assert_counts(frequencies(result), {0b110: 0.5, 0b111: 0.5}, 1000)


def test_batch_keeps_its_order(service, qubits):
    job = service.create_batch_job([bell(qubits), asymmetric(qubits)], repetitions=1000)
    first, second = job.results(polling_seconds=POLL)
    assert set(first.probabilities()) == {0, 3}
    assert set(second.probabilities()) == {6, 7}


def test_a_batch_fetched_by_another_service(service, emulator, qubits):
    """The client forgets that it was a batch and asks the other path."""
    job = service.create_batch_job([bell(qubits), asymmetric(qubits)], repetitions=100)
    job.results(polling_seconds=POLL)
    other = cirq_ionq.Service(remote_host=emulator.root, api_key="test", default_target="simulator")
    first, second = other.get_job(job.job_id()).results(polling_seconds=POLL)
    assert set(first.probabilities()) == {0, 3}
    assert set(second.probabilities()) == {6, 7}


def test_noisy_debiased_and_sharpened(service, qubits):
    job = service.create_job(
        bell(qubits), 1000, error_mitigation={"debiasing": True}, noise={"model": "aria-1", "seed": 5},
        metadata={"tag": "x"}, compilation={"opt": 1, "precision": "1E-3"},
    )  # fmt: skip
    plain = job.results(polling_seconds=POLL, sharpen=False).probabilities()
    assert abs(sum(plain.values()) - 1) < 1e-9
    assert plain[0] + plain[3] > 0.95
    assert set(plain) > {0, 3}  # at 1000 shots some errors show with this seed
    sharpened = job.results(polling_seconds=POLL, sharpen=True).probabilities()
    assert set(sharpened) == {0, 3}


def test_native_ms_on_a_machine(service, qubits):
    circuit = cirq.Circuit(
        cirq_ionq.MSGate(phi0=0, phi1=0)(qubits[0], qubits[1]), cirq.measure(qubits[0], qubits[1], key="m")
    )
    counts = service.create_job(circuit, 1000, target="qpu.aria-1").results(polling_seconds=POLL).counts("m")
    assert sum(counts.values()) == 1000
    assert counts[0] + counts[3] > 950
    assert 400 < counts[0] < 600


def test_native_zz_with_its_angle_under_another_name(service, qubits):
    a, b = qubits[:2]
    circuit = cirq.Circuit(
        cirq_ionq.GPI2Gate(phi=0.25)(a), cirq_ionq.GPI2Gate(phi=0.25)(b), cirq_ionq.ZZGate(theta=0.25)(a, b),
        cirq_ionq.GPI2Gate(phi=0.0)(b), cirq.measure(a, b, key="m"),
    )  # fmt: skip
    counts = service.create_job(circuit, 2000, target="qpu.forte-1").results(polling_seconds=POLL).counts("m")
    # What cirq itself makes of the circuit.
    state = cirq.Simulator().simulate(circuit[:-1]).final_state_vector
    expected = abs(state) ** 2
    for outcome in range(4):
        assert abs(counts.get(outcome, 0) / 2000 - expected[outcome]) < 0.06


def test_native_probabilities_are_cirqs_own(service, qubits):
    found = service.create_job(native(qubits), 1000).results(polling_seconds=POLL).probabilities()
    state = cirq.Simulator(dtype=complex).simulate(native(qubits)[:-1]).final_state_vector
    for outcome, p in found.items():
        assert abs(p - abs(state[outcome]) ** 2) < 1e-12
        assert abs(p - NATIVE_PROBABILITIES[format(outcome, "02b")]) < NATIVE_DIGITS


def test_pauli_exponential(service, qubits):
    a, b = qubits[:2]
    circuit = cirq.Circuit(
        cirq.PauliStringPhasorGate(cirq.DensePauliString("XZ"), exponent_neg=0.2, exponent_pos=-0.2)(a, b),
        cirq.measure(a, b, key="m"),
    )
    found = service.create_job(circuit, 100).results(polling_seconds=POLL).probabilities()
    state = cirq.Simulator(dtype=complex).simulate(circuit[:-1]).final_state_vector
    for outcome in range(4):
        assert abs(found.get(outcome, 0) - abs(state[outcome]) ** 2) < 1e-12


def test_a_cancelled_job(service, emulator, qubits):
    emulator.set_faults(Fault(kind="set", route="job", field="status", value="ready", attempts=[1]))
    job = service.create_job(bell(qubits), 10, target="qpu.aria-1")
    job.cancel()
    assert emulator.stats.jobs == {"canceled": 1}
    with pytest.raises(cirq_ionq.IonQUnsuccessfulJobException):
        service.get_job(job.job_id()).num_qubits()


def test_a_deleted_job_is_not_found(service, qubits):
    job = service.create_job(bell(qubits), 10)
    job.delete()
    with pytest.raises(cirq_ionq.IonQNotFoundException):
        service.get_job(job.job_id())


def test_a_failed_job(service, emulator, qubits):
    emulator.set_faults(Fault(kind="fail", route="submit", code="QuantumComputerError"))
    job = service.create_job(bell(qubits), 10)
    with pytest.raises(RuntimeError, match="failed"):
        job.results(polling_seconds=POLL)
    assert emulator.stats.billed == {}


def test_listing(service, qubits):
    ids = {service.create_job(bell(qubits), 10).job_id() for _ in range(3)}
    assert {job.job_id() for job in service.list_jobs(limit=3)} == ids


def test_calibrations_are_not_part_of_this_version(service):
    with pytest.raises(cirq_ionq.IonQNotFoundException):
        service.get_current_calibration()


def test_the_client_pays_twice_for_one_job_when_its_answer_is_lost(service, emulator, qubits):
    """The reason why our own client does not retry that way; also a proof that the fault works."""
    emulator.set_faults(Fault(kind="reset", route="submit", stage="after", attempts=[1]))
    service.create_job(bell(qubits), 10)
    assert emulator.stats.posts == 2
    assert emulator.stats.accepted == {"": 2}
