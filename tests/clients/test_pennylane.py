# SPDX-License-Identifier: Apache-2.0
"""PennyLane-IonQ, unmodified, against the emulator."""

import pytest

from clients.expectations import NATIVE_GATES, NATIVE_PROBABILITIES, margin
from qstore_ionq.emulator import Fault

qml = pytest.importorskip("pennylane")
pytest.importorskip("pennylane_ionq")

from pennylane import numpy as pnp  # noqa: E402  # after the check that it is there
from pennylane_ionq import ops  # noqa: E402
from pennylane_ionq.api_client import APIClient, JobExecutionError  # noqa: E402

SHOTS = 2000


@pytest.fixture(autouse=True)
def address(emulator, monkeypatch):
    """The plugin has no setting for it."""
    monkeypatch.setattr(APIClient, "BASE_URL", emulator.url)


def run(device, program, shots=SHOTS):
    return qml.set_shots(qml.QNode(program, device), shots)


def assert_frequencies(found, probabilities, shots=SHOTS):
    assert sum(found) == pytest.approx(1)
    for frequency, p in zip(found, probabilities, strict=True):
        assert abs(frequency - p) <= margin(p, shots)


def bell():
    qml.Hadamard(0)
    qml.CNOT([0, 1])
    return qml.probs(wires=[0, 1])


def test_bell():
    device = qml.device("ionq.simulator", wires=2, api_key="test")
    assert_frequencies(run(device, bell)(), [0.5, 0, 0, 0.5])


def test_asymmetric_outcomes_are_not_mirrored():
    def program():
        qml.PauliX(0)
        qml.SX(2)
        qml.CNOT([0, 1])
        return qml.probs(wires=[0, 1, 2])

    device = qml.device("ionq.simulator", wires=3, api_key="test")
    assert_frequencies(run(device, program)(), [0, 0, 0, 0, 0, 0, 0.5, 0.5])


def test_native_ms():
    a, b, c, d, angle, e = NATIVE_GATES

    def program():
        ops.GPI2(a, wires=0)
        ops.GPI(b, wires=1)
        ops.MS(c, d, angle, wires=[0, 1])
        ops.GPI2(e, wires=1)
        return qml.probs(wires=[0, 1])

    device = qml.device("ionq.simulator", wires=2, gateset="native", api_key="test")
    assert_frequencies(run(device, program)(), list(NATIVE_PROBABILITIES.values()))


def test_a_machine_with_debiasing_and_sharpening(emulator):
    def program():
        qml.Hadamard(0)
        qml.CNOT([0, 1])
        return qml.expval(qml.PauliZ(0) @ qml.PauliZ(1))

    device = qml.device(
        "ionq.qpu",
        wires=2,
        api_key="test",
        backend="aria-1",
        error_mitigation={"debiasing": True},
        sharpen=True,
    )
    assert run(device, program, 600)() == pytest.approx(1.0)
    assert any(each.query == "sharpen=True" for each in emulator.exchanges)


def test_noise_model_and_seed_repeat():
    def noisy():
        device = qml.device(
            "ionq.simulator", wires=2, api_key="test", noise_model="aria-1", noise_seed=5, metadata={"a": "b"},
            compilation={"opt": 1},
        )  # fmt: skip
        run(device, bell, 1000)()
        return device.histograms

    first = noisy()
    assert noisy() == first
    assert abs(sum(first[0].values()) - 1) < 1e-9


def test_gradient_takes_one_job_for_the_value_and_one_for_all_shifts(emulator):
    device = qml.device("ionq.simulator", wires=2, api_key="test")

    @qml.set_shots(20_000)
    @qml.qnode(device, diff_method="parameter-shift")
    def cost(angles):
        qml.RX(angles[0], wires=0)
        qml.IsingXX(angles[1], wires=[0, 1])
        return qml.expval(qml.PauliZ(0))

    angles = pnp.array([0.3, 0.4], requires_grad=True)
    found = qml.grad(cost)(angles)
    exact = (-pnp.sin(0.3) * pnp.cos(0.4), -pnp.cos(0.3) * pnp.sin(0.4))
    assert found == pytest.approx(exact, abs=0.05)  # 7 standard errors at 20,000 shots
    assert emulator.stats.circuits == 5
    assert emulator.stats.posts == 2


def test_evolution():
    def program():
        qml.Hadamard(0)
        qml.evolve(qml.PauliX(0) @ qml.PauliZ(1), coeff=0.4)
        qml.RY(0.5, wires=1)
        return qml.probs(wires=[0, 1])

    device = qml.device("ionq.simulator", wires=2, api_key="test")
    exact = qml.QNode(program, qml.device("default.qubit", wires=2))()
    with pytest.warns(UserWarning, match="num_steps"):
        assert_frequencies(run(device, program)(), exact)


def test_an_empty_circuit_fails():
    def program():
        return qml.probs(wires=[0])

    device = qml.device("ionq.simulator", wires=1, api_key="test")
    with (
        pytest.warns(UserWarning, match="empty"),
        pytest.raises(JobExecutionError, match="failed"),
    ):
        run(device, program)()


def test_a_failed_job(emulator):
    emulator.set_faults(Fault(kind="fail", route="submit"))
    device = qml.device("ionq.simulator", wires=2, api_key="test")
    with pytest.raises(JobExecutionError, match="failed"):
        run(device, bell)()


def test_the_client_pays_twice_for_one_job_when_its_answer_is_lost(emulator):
    """The reason why our own client does not retry that way; also a proof that the fault works."""
    emulator.set_faults(Fault(kind="close", route="submit", stage="after", attempts=[1]))
    device = qml.device("ionq.simulator", wires=2, api_key="test", retry_delay=0.01)
    run(device, bell)()
    assert emulator.stats.accepted == {"": 2}
