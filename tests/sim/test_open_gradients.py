# SPDX-License-Identifier: Apache-2.0
"""Gradients of density matrices against central differences, and of trajectories against those of density matrices."""

import numpy as np
import pytest

import qstore as qs
from qstore_sim import StatevectorBackend
from qstore_sim.noise import chain, trajectories

STEP = 1e-5


def open_circuit(*, feedback=False, prepared=False):
    x, w = qs.Parameter("x", (2,)), qs.Parameter("w", (4,))
    circuit = qs.QuantumCircuit(3)
    if prepared:
        circuit.initialize(qs.Parameter("a", (4,)), (0, 2))
    circuit.ry(0, x[0]).rx(1, w[0]).cx(0, 1).amplitude_damping(0, angle=w[1])
    circuit.crx(1, 2, w[2] + x[1]).depolarizing2(0, 2, angle=0.5 * w[3]).phase_damping(1, angle=x[0] + 0.3)
    circuit.ms(0, 1, w[0], x[1], w[2]).bit_flip(2, angle=w[1]).kraus(
        [np.diag([1, 0.8]), np.diag([0, 0.6])], 0
    )
    if feedback:
        circuit.measure(1, bit=0)
        with circuit.when(0):
            circuit.ry(2, w[3]).amplitude_damping(0, angle=x[1])
        circuit.reset(1).ry(1, w[2])
    return circuit.ry(2, x[1]).cx(2, 0)


def arrays(rng, batch=3, *, prepared=False):
    bindings = {"x": rng.uniform(-2, 2, (batch, 2)), "w": rng.uniform(-2, 2, 4)}
    return bindings | ({"a": rng.normal(size=(batch, 4))} if prepared else {})


def differences(circuit, bindings, outputs, cotangent):
    found = {}
    for name, array in bindings.items():
        gradient = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            sides = []
            for step in (STEP, -STEP):
                moved = array.copy()
                moved[place] += step
                values = qs.run(circuit, bindings | {name: moved}, outputs).values
                sides.append((values * cotangent).sum())
            gradient[place] = (sides[0] - sides[1]) / (2 * STEP)
        found[name] = gradient
    return found


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize(
    "outputs", [qs.Expectations([qs.Z(0) + 0.5 * qs.X(2), qs.Y(1) @ qs.Z(2)]), qs.Variance([qs.Z(0) + qs.X(1)]),
                qs.Probabilities((2, 0))]
)  # fmt: skip
def test_density_gradients_are_those_of_central_differences(outputs, feedback, prepared):
    rng = np.random.default_rng(1)
    circuit, bindings = open_circuit(feedback=feedback, prepared=prepared), arrays(rng, prepared=prepared)
    cotangent = rng.normal(size=qs.run(circuit, bindings, outputs).values.shape)
    values, gradients = qs.value_and_vjp(circuit, bindings, outputs, cotangent, gradient_method="adjoint")
    np.testing.assert_allclose(values, qs.run(circuit, bindings, outputs).values, atol=1e-12)
    for name, wanted in differences(circuit, bindings, outputs, cotangent).items():
        np.testing.assert_allclose(gradients[name], wanted, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("states", [1, 2, 3, 100])
def test_gradients_do_not_depend_on_how_much_is_remembered(states, monkeypatch):
    rng = np.random.default_rng(2)
    circuit, bindings = open_circuit(), arrays(rng)
    outputs, cotangent = qs.Expectations([qs.Z(0), qs.X(1)]), rng.normal(size=(3, 2))
    _, wanted = qs.value_and_vjp(circuit, bindings, outputs, cotangent)
    monkeypatch.setattr(chain, "REMEMBERED_BYTES", states * 64 * 16 * 3)
    _, found = qs.value_and_vjp(circuit, bindings, outputs, cotangent)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name], gradient, atol=1e-13)


def averaged(circuit, bindings, outputs, cotangent, count, seed=0):
    batch = qs.CircuitBatch.of(circuit, bindings, qs.Probabilities(), shots=count, seed=seed)
    names = frozenset(bindings)
    return trajectories.averages(batch.replace(outputs=outputs), count, cotangent, names)


@pytest.mark.parametrize("outputs", [qs.Expectations([qs.Z(0), qs.X(1) @ qs.Z(2)]), qs.Probabilities((1, 2))])
@pytest.mark.parametrize("feedback", [False, True])
def test_trajectories_agree_with_the_density_matrix_within_their_error_bars(feedback, outputs):
    rng = np.random.default_rng(4)
    circuit, bindings = open_circuit(feedback=feedback), arrays(rng, batch=2)
    exact = qs.run(circuit, bindings, outputs).values
    cotangent = rng.normal(size=exact.shape)
    _, wanted = qs.value_and_vjp(circuit, bindings, outputs, cotangent)
    found = averaged(circuit, bindings, outputs, cotangent, 3000)
    # 5 standard errors: for the 20 numbers compared here a false alarm has a probability below 2e-5.
    assert (abs(found.values - exact) < 5 * found.errors + 1e-12).all()
    assert found.errors.max() < 0.05
    for name, gradient in wanted.items():
        assert (abs(found.gradients[name] - gradient) < 5 * found.gradient_errors[name] + 1e-12).all(), name


def damped():
    return qs.QuantumCircuit(1).ry(0, 2.0).amplitude_damping(0, angle="t")


def test_the_gradient_of_amplitude_damping_needs_the_branch_probabilities(monkeypatch):
    # <Z> = 1 - 2 sin(1)**2 cos(t/2)**2.
    bindings, outputs, cotangent = {"t": np.array([0.9])}, qs.Expectations([qs.Z(0)]), np.ones((1, 1))
    exact = np.sin(1.0) ** 2 * np.sin(0.9)
    found = averaged(damped(), bindings, outputs, cotangent, 20_000)
    assert abs(found.gradients["t"][0] - exact) < 5 * found.gradient_errors["t"][0]
    # The control: with the derivative of the normalised branch alone the estimate is off by many error bars.
    true = trajectories._recorded

    def normalised(step, matrix, taken, scale, active, tile):
        made = true(step, matrix, taken, scale, active, tile)
        psi = np.repeat(np.array([[np.cos(1.0)], [np.sin(1.0)]], dtype=complex), len(tile.rows), axis=1)
        changes = []
        for angle, change in made.derivatives:
            moved = np.einsum("ijs,js->is", matrix, psi)
            slope = np.einsum("is,ijs,js->s", moved.conj(), np.broadcast_to(change, matrix.shape), psi).real
            changes.append((angle, change - slope * matrix))
        return made.__class__(made.bits, made.matrix, tuple(changes), made.unitary)

    monkeypatch.setattr(trajectories, "_recorded", normalised)
    wrong = averaged(damped(), bindings, outputs, cotangent, 20_000)
    assert abs(wrong.gradients["t"][0] - exact) > 20 * max(wrong.gradient_errors["t"][0], 1e-3)


def test_trajectories_depend_on_row_and_circuit_alone(monkeypatch):
    rng = np.random.default_rng(6)
    circuit, bindings = open_circuit(feedback=True), arrays(rng, batch=4)
    whole = qs.run(
        circuit, bindings, qs.Counts(), shots=500, seed=5, backend=StatevectorBackend(trajectories=2)
    )
    monkeypatch.setattr(trajectories, "_MOST_SAMPLES", 77)
    cut = qs.run(
        circuit, bindings, qs.Counts(), shots=500, seed=5, backend=StatevectorBackend("single", 1, None, 3)
    )
    assert whole.counts == cut.counts
    alone = {"x": bindings["x"][2:3], "w": bindings["w"]}
    one = qs.run(circuit, alone, qs.Counts(), shots=500, seed=5, backend=StatevectorBackend(trajectories=2))
    assert one.counts[0] == whole.counts[2]


def test_many_qubits_go_by_trajectories():
    circuit = qs.QuantumCircuit(15)
    for q in range(15):
        circuit.ry(q, "t").bit_flip(q, p=0.1)
    backend = StatevectorBackend(trajectories=100)
    outputs = qs.Expectations([qs.Z(0), qs.Z(14)])
    result = qs.run(circuit, {"t": 0.4}, outputs, backend=backend)
    assert (abs(result.values - 0.8 * np.cos(0.4)) < 5 * result.standard_errors).all()
    values, gradients = qs.value_and_vjp(circuit, {"t": 0.4}, outputs, backend=backend)
    assert values.shape == (1, 2)
    assert abs(gradients["t"] + 1.6 * np.sin(0.4)) < 0.3


@pytest.mark.parametrize(
    "outputs", [qs.Expectations([qs.Z(0) @ qs.Z(1) + 0.3 * qs.X(1)]), qs.Probabilities((1,))]
)
def test_readout_errors_are_what_infinitely_many_shots_would_show(outputs):
    noise = qs.NoiseModel.depolarizing(0.02, 0.03).with_readout_error(0.05, 0.12)
    circuit = qs.QuantumCircuit(2).ry(0, "t").cx(0, 1)
    backend = StatevectorBackend(noise=noise)
    exact = qs.run(circuit, {"t": 0.8}, outputs, backend=backend).values
    shot = qs.run(circuit, {"t": 0.8}, outputs, backend=backend, shots=200_000, seed=1)
    assert (abs(shot.values - exact) < 5 * shot.standard_errors).all()
    plain = qs.run(circuit, {"t": 0.8}, outputs).values
    assert abs(plain - exact).max() > 0.02
    up, down = ((qs.run(circuit, {"t": 0.8 + s}, outputs, backend=backend).values) for s in (STEP, -STEP))
    _, gradients = qs.value_and_vjp(circuit, {"t": 0.8}, outputs, backend=backend)
    np.testing.assert_allclose(gradients["t"], (up - down).sum() / (2 * STEP), atol=1e-8)
