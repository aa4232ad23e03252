# SPDX-License-Identifier: Apache-2.0
"""The device `qstore.statevector` against `default.qubit`. PennyLane's own suite runs in `nox -s guests`."""

from __future__ import annotations

import numpy as np
import pytest

qml = pytest.importorskip("pennylane")
torch = pytest.importorskip("torch")

from pennylane.exceptions import DeviceError, QuantumFunctionError  # noqa: E402  # only where PennyLane is

from qstore.plugins import get_backend  # noqa: E402
from qstore_sim.guests.pennylane import accepted  # noqa: E402
from qstore_sim.guests.pennylane.device import QStoreDevice  # noqa: E402

EXACT = 1e-10
SIGMAS = 6  # a false alarm in 1e-9 of the comparisons
RNG = np.random.default_rng(5)
HERMITIAN = RNG.normal(size=(4, 4)) + 1j * RNG.normal(size=(4, 4))
HERMITIAN = HERMITIAN + HERMITIAN.conj().T
LARGE = RNG.normal(size=(32, 32))
LARGE = LARGE + LARGE.T
STATE = RNG.normal(size=8) + 1j * RNG.normal(size=8)
STATE /= np.linalg.norm(STATE)
WIRES = ["a", "b", 0, "c", "d"]


class Counting:
    """A backend that notes the batches it gets."""

    def __init__(self) -> None:
        self.inner = get_backend("statevector")
        self.name, self.capabilities, self.estimate = "counting", self.inner.capabilities, self.inner.estimate
        self.sizes: list[int] = []

    def run_sync(self, batch):
        self.sizes.append(batch.size)
        return self.inner.run_sync(batch)

    async def run(self, batch):
        return self.run_sync(batch)

    def vjp_sync(self, batch, cotangent, wrt=None):
        self.sizes.append(batch.size)
        return self.inner.vjp_sync(batch, cotangent, wrt)

    async def vjp(self, batch, cotangent, wrt=None):
        return self.vjp_sync(batch, cotangent, wrt)


def everything():
    qml.StatePrep(STATE, ["b", 0, "c"])
    qml.RX(0.3, "a")
    qml.MultiRZ(0.4, ["a", "b", 0])
    qml.PauliRot(0.3, "XYZ", ["a", 0, "c"])
    qml.ctrl(qml.RX, ["a", "b"], control_values=[0, 1])(0.7, "c")
    qml.adjoint(qml.ctrl(qml.Rot, "a"))(0.1, 0.2, 0.3, "d")
    qml.QFT(wires=["a", "b", 0])
    qml.DoubleExcitation(0.3, ["a", "b", "c", "d"])
    qml.CRot(0.1, 0.2, 0.3, [0, "c"])
    qml.GlobalPhase(0.3)
    qml.ctrl(qml.GlobalPhase(0.4), "a")
    qml.U2(0.1, 0.2, "a")
    qml.IsingXY(0.3, ["a", "b"])
    qml.QubitUnitary(qml.QFT.compute_matrix(4), ["c", "a", "b", 0])
    qml.PSWAP(0.3, ["a", 0])


MEASUREMENTS = {
    "expval": lambda: qml.expval(2 * qml.X("a") @ qml.Z(0) + qml.Y("d") - 0.5),
    "var": lambda: qml.var(qml.X("a") @ qml.Z(0)),
    "hermitian": lambda: qml.var(qml.Hermitian(HERMITIAN, ["c", "a"])),
    "wide hermitian": lambda: qml.expval(qml.Hermitian(LARGE, WIRES)),
    "wide variance": lambda: qml.var(qml.Hermitian(LARGE, WIRES)),
    "projector": lambda: qml.expval(qml.Projector([0, 1], ["b", "d"])),
    "probs": lambda: qml.probs(["c", "a"]),
    "rotated probs": lambda: qml.probs(op=qml.X("a") @ qml.Y("c")),
    "purity": lambda: qml.purity(["a"]),
    "entropy": lambda: qml.vn_entropy(["d", "a"]),
    "density matrix": lambda: qml.density_matrix(["d", "a"]),
}


def test_every_class_that_is_taken_as_it_is_exists_and_is_read():
    dev = QStoreDevice(wires=3)
    for name in accepted.PLAIN:
        cls = getattr(qml, name)
        n = 2 if name == "MultiRZ" else 1 if name in {"Identity", "GlobalPhase"} else cls.num_wires
        op = cls(*(0.1 + 0.2 * k for k in range(cls.num_params)), wires=list(range(n)))
        before = [qml.RY(0.3 + q, q) for q in range(n)]
        tape = qml.tape.QuantumScript([*before, op], [qml.state()])
        ours, theirs = dev.execute(tape), qml.device("default.qubit").execute(tape)
        assert abs(abs(np.vdot(ours, theirs)) - 1) < EXACT, name


@pytest.mark.parametrize("wires", [None, WIRES], ids=["any wires", "named wires"])
def test_every_measurement_agrees_with_default_qubit(wires):
    def circuit():
        everything()
        return [make() for make in MEASUREMENTS.values()]

    ours = qml.QNode(circuit, qml.device("qstore.statevector", wires=wires))()
    theirs = qml.QNode(circuit, qml.device("default.qubit", wires=wires))()
    for name, mine, other in zip(MEASUREMENTS, ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=EXACT, err_msg=name)


def test_a_state_has_pennylanes_order_of_bits():
    for wires in (None, 3, ["q", 7, "p"]):
        names = wires if isinstance(wires, list) else [0, 1, 2]

        def circuit(names=names):
            qml.RY(0.3, names[2])
            qml.CRX(0.7, [names[2], names[0]])
            qml.RY(1.3, names[1])
            return qml.state()

        ours = qml.QNode(circuit, qml.device("qstore.statevector", wires=wires))()
        theirs = qml.QNode(circuit, qml.device("default.qubit", wires=wires))()
        np.testing.assert_allclose(ours, theirs, atol=EXACT)


def loss(device, method, x, w):
    @qml.qnode(qml.device(device, wires=3), diff_method=method)
    def circuit(x, w):
        qml.RY(x, 0)
        qml.RX(w[0], 1)
        qml.CNOT([0, 2])
        qml.Rot(w[0], w[1], w[2], wires=2)
        qml.CRX(w[1], [2, 0])
        return qml.expval(qml.Z(2)), qml.probs([2, 0]), qml.var(qml.X(1) + qml.Z(0))

    inputs = [torch.tensor(each, requires_grad=True, dtype=torch.float64) for each in (x, w)]
    total = sum((part**2).sum() for part in circuit(*inputs))
    total.backward()
    return [total.item(), *(each.grad.numpy() for each in inputs)]


@pytest.mark.parametrize("method", ["best", "adjoint", "device"])
@pytest.mark.parametrize("x", [0.4, [0.1, 0.2, 0.3, 1.4]], ids=["one sample", "broadcast"])
def test_gradients_through_torch_agree_with_backpropagation(method, x):
    w = [0.1, 0.5, 0.7]
    for mine, other in zip(
        loss("qstore.statevector", method, x, w), loss("default.qubit", "backprop", x, w), strict=True
    ):
        np.testing.assert_allclose(mine, other, atol=EXACT)


def test_tapes_of_one_structure_are_one_batch_with_gradients_of_their_own():
    backend = Counting()
    dev = QStoreDevice(wires=2, backend=backend)
    tapes = [
        qml.tape.QuantumScript([qml.RX(a, 0), qml.CRY(0.5, [0, 1])], [qml.expval(qml.Z(1))])
        for a in (0.1, 0.7, 2.0)
    ]
    results = dev.execute(tapes)
    gradients = dev.compute_vjp(tapes, (1.0, 2.0, 3.0))
    assert backend.sizes == [3, 3]
    other = qml.device("default.qubit")
    np.testing.assert_allclose(results, other.execute(tapes), atol=EXACT)
    for mine, theirs in zip(gradients, other.compute_vjp(tapes, (1.0, 2.0, 3.0)), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=EXACT)


def test_a_training_step_asks_for_one_forward_and_one_backward_batch():
    backend = Counting()

    @qml.qnode(QStoreDevice(wires=2, backend=backend), interface="torch")
    def circuit(x, w):
        qml.RX(x, 0)
        qml.CRY(w, [0, 1])
        return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

    x, w = torch.linspace(0, 1, 7, dtype=torch.float64), torch.tensor(0.3, requires_grad=True)
    torch.stack(circuit(x, w)).sum().backward()
    assert backend.sizes == [7, 7]


def test_jacobians_of_tapes_agree():
    tapes = [
        qml.tape.QuantumScript([qml.RX(0.3, 0), qml.CRY(0.5, [0, 1])], measured)
        for measured in ([qml.expval(qml.Z(1))], [qml.expval(qml.Z(0)), qml.expval(qml.X(1) @ qml.Z(0))])
    ]
    ours, theirs = (
        QStoreDevice().compute_derivatives(tapes),
        qml.device("default.qubit").compute_derivatives(tapes),
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.array(mine), np.array(other), atol=EXACT)
    tangents = [(0.3, 0.4), (0.1, -2.0)]
    for mine, other in zip(
        QStoreDevice().compute_jvp(tapes, tangents),
        qml.device("default.qubit").compute_jvp(tapes, tangents),
        strict=True,
    ):
        np.testing.assert_allclose(np.array(mine), np.array(other), atol=EXACT)


def test_broadcast_amplitudes_and_matrices_agree():
    states = RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))
    matrices = np.stack([qml.RY.compute_matrix(a) for a in (0.1, 0.2, 0.3)])

    def circuit(x):
        qml.AmplitudeEmbedding(states, [0, 1], normalize=True)
        qml.RX(x, 0)
        qml.CNOT([0, 1])
        qml.QubitUnitary(matrices, 1)
        return qml.expval(qml.Z(1)), qml.probs([1, 0]), qml.purity([0])

    for mine, other in zip(
        qml.QNode(circuit, qml.device("qstore.statevector"))(0.4),
        qml.QNode(circuit, qml.device("default.qubit"))(0.4),
        strict=True,
    ):
        np.testing.assert_allclose(mine, other, atol=EXACT)


def test_noise_agrees_with_default_mixed():
    def circuit(x):
        qml.RX(x, 0)
        qml.DepolarizingChannel(0.1, 0)
        qml.CNOT([0, 1])
        qml.AmplitudeDamping(0.2, 1)
        qml.ThermalRelaxationError(0.1, 1.0, 1.2, 0.3, 0)
        return (
            qml.expval(qml.Z(1)),
            qml.probs([1, 0]),
            qml.purity([0]),
            qml.density_matrix([0, 1]),
            qml.probs(op=qml.X(0)),
        )

    ours = qml.QNode(circuit, qml.device("qstore.statevector", wires=2))(0.4)
    theirs = qml.QNode(circuit, qml.device("default.mixed", wires=2))(0.4)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=EXACT)


def feedback(x):
    qml.RX(x, 0)
    first = qml.measure(0)
    qml.cond(first, qml.RY)(x, 1)
    second = qml.measure(1, reset=True)
    qml.H(1)
    return qml.expval(first + 2 * second), qml.probs(op=[first, second]), qml.expval(qml.Z(1) @ qml.Z(0))


def test_measurements_in_the_middle_are_deferred():
    ours = qml.QNode(feedback, qml.device("qstore.statevector"))(0.7)
    for mine, other in zip(ours, qml.QNode(feedback, qml.device("default.qubit"))(0.7), strict=True):
        np.testing.assert_allclose(mine, other, atol=EXACT)
    with pytest.raises(DeviceError, match="use 'deferred'"):
        qml.set_shots(qml.QNode(feedback, qml.device("qstore.statevector"), mcm_method="one-shot"), 10)(0.7)


def shot_circuit(x):
    qml.RX(x, 0)
    qml.CNOT([0, "q"])
    qml.RY(0.4, "q")
    return [
        qml.expval(qml.Z(0) @ qml.X("q")),
        qml.expval(qml.X(0) + 2 * qml.Z("q")),
        qml.var(qml.Y(0)),
        qml.probs(["q", 0]),
        qml.expval(qml.Hermitian(HERMITIAN, [0, "q"])),
    ]


def test_shots_agree_with_exact_values():
    shots = 40_000
    exact = qml.QNode(shot_circuit, qml.device("qstore.statevector"))(0.7)
    measured = qml.set_shots(qml.QNode(shot_circuit, qml.device("qstore.statevector", seed=1)), shots)(0.7)
    spread = np.abs(np.linalg.eigvalsh(HERMITIAN)).max()
    for mine, other in zip(measured, exact, strict=True):
        np.testing.assert_allclose(mine, other, atol=SIGMAS * max(3, spread) / shots**0.5)


def test_a_seed_repeats_and_equal_tapes_have_shots_of_their_own():
    def drawn(seed):
        dev = QStoreDevice(wires=2, seed=seed)
        plain = qml.tape.QuantumScript([qml.H(0)], [qml.sample(wires=[0])], shots=40)
        turned = qml.tape.QuantumScript([qml.RX(1.5, 0)], [qml.sample(wires=[0])], shots=40)
        return [np.ravel(each).tolist() for each in dev.execute([plain, plain, turned, turned])]

    first = drawn(3)
    assert first == drawn(3)
    assert first != drawn(4)
    assert first[0] != first[1]
    assert first[2] != first[3]


def test_shot_vectors_counts_and_broadcasting_have_pennylanes_shapes():
    def circuit(x):
        qml.RX(x, 0)
        return qml.expval(qml.Y(0)), qml.probs([0, 1]), qml.sample(wires=[0])

    x = np.array([0.1, 0.2, 0.3])
    found = {}
    for device in ("qstore.statevector", "default.qubit"):
        node = qml.set_shots(qml.QNode(circuit, qml.device(device, wires=2, seed=1)), [10, 20])
        found[device] = [[np.shape(part) for part in each] for each in node(x)]
    assert found["qstore.statevector"] == found["default.qubit"]

    @qml.set_shots(100)
    @qml.qnode(qml.device("qstore.statevector", wires=2))
    def bell():
        qml.H(0)
        qml.CNOT([0, 1])
        return qml.counts(), qml.counts(qml.Z(0) @ qml.Z(1))

    bits, signs = bell()
    assert {*bits} == {"00", "11"}
    assert sum(bits.values()) == 100
    assert dict(signs) == {1.0: 100}


def test_any_backend_can_be_inside():
    def circuit(x):
        qml.RX(x, 0)
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1))

    x = qml.numpy.array(0.4, requires_grad=True)
    for backend in ("cirq", "auto"):
        node = qml.QNode(circuit, qml.device("qstore.statevector", wires=2, backend=backend))
        assert abs(node(x) - np.cos(0.4)) < EXACT
        assert (
            abs(qml.grad(node)(x) + np.sin(0.4)) < EXACT
        )  # by parameter shift where the backend has no gradient


def test_what_has_no_gradient_is_refused_before_anything_runs():
    @qml.qnode(qml.device("qstore.statevector", wires=2), diff_method="adjoint")
    def circuit(x):
        qml.RX(x, 0)
        return qml.vn_entropy([0])

    with pytest.raises(QuantumFunctionError, match="does not support adjoint"):
        circuit(qml.numpy.array(0.4, requires_grad=True))
