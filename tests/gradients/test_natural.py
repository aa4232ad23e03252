# SPDX-License-Identifier: Apache-2.0
"""The natural gradient against its own definition: a dense metric from derivatives of statevectors, and PennyLane's."""

import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

import qstore as qs
from gradients.models import OUTPUTS, mixed, mixed_bindings, prepared, prepared_bindings
from judges.random_circuits import random_circuit
from qstore.batch import CircuitBatch
from qstore.circuit import GATES, GateKind, Parameter, QuantumCircuit
from qstore.errors import CapabilityError, OptionError
from qstore.execution import execute_many
from qstore.gradients import differentiate, vjp
from qstore.gradients.generators import GENERATORS, generator_layers
from qstore.gradients.natural import AMPLITUDES_ARE_PLAIN, RIDGE, Natural
from qstore.gradients.slots import SLOTS, slot_template

STEP = 1e-4
DERIVATIVE = 1e-6
"""Error of products of central differences of states with that step."""


def dense_metric(circuit, row):
    """(n_slots, n_slots): Re <d_i|d_j> - <d_i|psi><psi|d_j> of the angles of one row, from differences of states."""
    slots = slot_template(circuit)
    batch = CircuitBatch.of(circuit, row, qs.StateVector())
    fixed = {
        new.name: batch.bindings[old.name]
        for preparation in slots.preparations
        for old, new in zip(preparation.source.parameters, preparation.slot.parameters, strict=True)
    }
    angles = slots.angles(batch)[0]

    def states(moved):
        return qs.run(slots.template, {SLOTS: moved, **fixed}, qs.StateVector()).values

    state = states(angles)[0]
    steps = STEP * np.eye(len(angles))
    derivatives = (states(angles + steps) - states(angles - steps)) / (2 * STEP)
    overlaps = derivatives.conj() @ state
    return (derivatives.conj() @ derivatives.T - np.outer(overlaps, overlaps.conj())).real


def metric_of(circuit, bindings, wrt=("w",), **settings):
    batch = CircuitBatch.of(
        circuit, bindings, OUTPUTS[0] if circuit.n_qubits > 1 else qs.Expectations([qs.Z(0)]), **settings
    )
    method = Natural()
    results = execute_many(method.expand(batch, wrt=wrt, step=0), qs.get_backend("statevector"))
    return method.metric(batch, results, wrt=wrt)


@pytest.mark.parametrize("seed", range(8))
def test_blocks_are_those_of_the_dense_metric_on_random_circuits(seed):
    rng = np.random.default_rng([seed, 17])
    circuit, bindings = random_circuit(rng, 3, 14, initialize=[None, "complex"][seed % 2])
    batch = CircuitBatch.of(circuit, bindings)
    plain, layers = generator_layers(batch.circuit, frozenset({"w"}))
    rows = [batch.row_bindings(row) for row in range(batch.size)]
    dense = np.mean([dense_metric(plain, row) for row in rows], axis=0)
    kept = np.zeros_like(dense)
    for layer in layers:
        block = np.ix_(layer.slots, layer.slots)
        kept[block] = dense[block]
    slots = slot_template(plain)
    jacobian = slots.to_rows("w", bindings["w"].size, np.eye(len(slots.rules)))
    found = metric_of(circuit, bindings)
    np.testing.assert_allclose(found, jacobian.T @ kept @ jacobian, atol=DERIVATIVE)
    read = {number for number, slot in enumerate(slots.binding_map.slots)
            if any(term.parameter.name == "w" for term in slot.angle.terms)}  # fmt: skip
    assert {slot for layer in layers for slot in layer.slots} == read


@pytest.mark.parametrize("seed", range(4))
def test_taking_gates_apart_does_not_change_the_state(seed):
    circuit, bindings = random_circuit(np.random.default_rng([seed, 5]), 3, 20)
    plain, _ = generator_layers(circuit.freeze(), frozenset({"w"}))
    here, there = (qs.run(each, bindings, qs.StateVector()).values for each in (circuit, plain))
    overlaps = np.abs(np.einsum("bi,bi->b", here.conj(), there))
    np.testing.assert_allclose(overlaps, 1, atol=1e-12)


@pytest.mark.parametrize("gate", GENERATORS)
def test_every_generator_is_the_derivative_of_its_gate(gate):
    row = GATES[gate]
    matrix = np.zeros((1 << row.n_qubits,) * 2, dtype=complex)
    for term in GENERATORS[gate](*range(row.n_qubits)).terms:
        letters = dict(term.letters)
        product = np.eye(1)
        for q in range(row.n_qubits):
            product = np.kron({"I": np.eye(2), "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": np.diag([1, -1])}
                              [letters.get(q, "I")], product)  # fmt: skip
        matrix += term.coefficient * product
    derivative = (row.matrix((STEP,)) - row.matrix((-STEP,))) / (2 * STEP)
    difference = 1j * derivative - matrix
    assert np.allclose(
        difference, difference[0, 0] * np.eye(len(matrix)), atol=DERIVATIVE
    )  # a constant is free


def test_every_gate_with_an_angle_comes_apart_into_gates_with_generators():
    for name, row in GATES.items():
        if row.n_angles and row.kind is GateKind.UNITARY:
            angles = Parameter("w", (row.n_angles,))
            circuit = QuantumCircuit(row.n_qubits).append(name, tuple(range(row.n_qubits)), list(angles))
            _, layers = generator_layers(circuit.freeze(), frozenset({"w"}))
            assert layers


def test_the_solution_is_that_of_the_stated_system_and_inputs_stay_plain():
    bindings, cotangent = mixed_bindings(4), np.random.default_rng(1).normal(size=(4, 3))
    arguments = (mixed(), bindings, OUTPUTS[0], cotangent)
    plain, natural = vjp(*arguments), vjp(*arguments, gradient_method="natural")
    metric = metric_of(mixed(), bindings)
    expected = np.linalg.solve(metric + RIDGE * np.eye(4), plain.gradients["w"].ravel())
    np.testing.assert_allclose(natural.gradients["w"].ravel(), expected, rtol=1e-9)
    np.testing.assert_allclose(natural.gradients["x"], plain.gradients["x"], atol=1e-12)
    assert natural.standard_errors is None
    assert natural.notes == ()


def test_the_metric_is_pennylanes():
    circuit = QuantumCircuit(3)
    w = Parameter("w", (2, 3, 2))
    values = np.random.default_rng(6).normal(size=w.shape)

    @qml.qnode(qml.device("default.qubit", wires=3))
    def theirs(w):
        for layer in range(2):
            for q in range(3):
                qml.RY(w[layer, q, 0], wires=q)
            for q in range(3):
                qml.RZ(w[layer, q, 1], wires=q)
            qml.CNOT(wires=[0, 1])
            qml.CNOT(wires=[1, 2])
        return qml.expval(qml.Z(0))

    for layer in range(2):
        for q in range(3):
            circuit.ry(q, w[layer, q, 0])
        for q in range(3):
            circuit.rz(q, w[layer, q, 1])
        circuit.cx(0, 1).cx(1, 2)
    expected = qml.metric_tensor(theirs, approx="block-diag")(pnp.array(values, requires_grad=True))
    np.testing.assert_allclose(metric_of(circuit, {"w": values}), np.reshape(expected, (12, 12)), atol=1e-9)


def test_commuting_gates_share_a_layer_even_on_the_same_qubits():
    w = Parameter("w", (5,))
    chain = (
        QuantumCircuit(3)
        .h(0)
        .h(1)
        .h(2)
        .rzz(0, 1, w[0])
        .rzz(1, 2, w[1])
        .rz(0, w[2])
        .cp(0, 2, w[3])
        .rx(1, w[4])
    )
    _, layers = generator_layers(chain.freeze(), frozenset({"w"}))
    assert [layer.slots for layer in layers] == [(0, 1, 2, 3), (4,)]


def test_steps_do_not_depend_on_how_a_parameter_is_scaled():
    """With a small ridge, twice the coefficient means half the step: the state moves alike."""
    method, steps = Natural(1e-9), []
    for scale in (1.0, 4.0):
        circuit = QuantumCircuit(1).ry(0, scale * Parameter("t"))
        found = vjp(circuit, {"t": 0.6 / scale}, qs.Expectations([qs.Z(0)]), gradient_method=method)
        steps.append(scale * found.gradients["t"])
    assert steps[0] == pytest.approx(steps[1], rel=1e-6)
    assert steps[0] == pytest.approx(-4 * np.sin(0.6), rel=1e-6)


def test_initial_amplitudes_keep_their_plain_gradient_and_say_so():
    arguments = (prepared(), prepared_bindings(), OUTPUTS[0])
    plain, natural = vjp(*arguments), vjp(*arguments, gradient_method="natural")
    np.testing.assert_allclose(natural.gradients["a"], plain.gradients["a"], atol=1e-12)
    assert natural.notes == (AMPLITUDES_ARE_PLAIN,)


def test_more_shots_bring_the_metric_nearer():
    exact = metric_of(mixed(), mixed_bindings())
    errors = [
        np.abs(metric_of(mixed(), mixed_bindings(), shots=shots, seed=1) - exact).max()
        for shots in (100, 100_000)
    ]
    assert errors[1] < 0.02
    assert errors[1] < errors[0]


def test_what_has_no_metric_is_refused_before_anything_runs():
    noisy = mixed().bit_flip(0, p=0.1)
    batch = CircuitBatch.of(noisy, mixed_bindings(), OUTPUTS[0])
    with pytest.raises(
        CapabilityError, match=r"No natural gradient: the metric is one of pure states.*parameter_shift"
    ):
        differentiate(batch, qs.get_backend("statevector"), gradient_method="natural")
    for ridge in (0, -1, np.inf, np.nan):
        with pytest.raises(OptionError, match="ridge must be a positive number"):
            Natural(ridge)
