# SPDX-License-Identifier: Apache-2.0
"""Circuits on the wire, judged by Cirq's unitaries of the very JSON that is sent."""

import json

import numpy as np
import pytest

import qstore as qs
from ionq import wires
from judges.cirq_judge import cirq_circuit
from judges.random_circuits import random_circuit, random_unitary
from qstore.batch import CircuitBatch
from qstore.circuit import GATES, GateKind, Operation, Template
from qstore.errors import CapabilityError
from qstore_ionq.asking import ask
from qstore_ionq.devices import device_for
from qstore_ionq.options import Settings
from qstore_ionq.qis import LOWERED, QIS_GATES, WORDS, lower_to_qis
from qstore_ionq.rendering import NATIVE_GATES, render_native, render_qis
from qstore_ionq.wire import dump

EXACT = 1e-12
UNITARIES = {name for name, row in GATES.items() if row.kind is GateKind.UNITARY}


def wanted(circuit, row):
    made, _, order = cirq_circuit(circuit, row)
    return made.unitary(qubit_order=order, qubits_that_should_be_present=order, dtype=np.complex128)


def check(batch, rendering, tolerance=EXACT):
    for row in range(batch.size):
        gates = json.loads(json.dumps(rendering.circuit(row), allow_nan=False))
        sent = wires.unitary(gates, batch.circuit.n_qubits, rendering.gateset)
        assert wires.distance(sent, wanted(batch.circuit, batch.row_bindings(row))) < tolerance
        one = sum(len(each.get("targets", [0])) == 1 and "control" not in each for each in gates)
        assert (one, len(gates) - one) <= rendering.gate_counts
        assert len(dump(gates)) <= rendering.max_bytes


def test_the_table_is_total_over_the_cores_unitaries():
    assert QIS_GATES == UNITARIES
    assert set(WORDS) & set(LOWERED) == set()
    assert all(step.gate in {*WORDS, *LOWERED} for steps in LOWERED.values() for step in steps)


@pytest.mark.parametrize("name", sorted(UNITARIES - {"unitary"}))
def test_every_gate_of_the_table_is_lowered_exactly(name):
    """At random angles, as constants and as per-sample parameters, on permuted qubits."""
    rng = np.random.default_rng(len(name))
    spec = GATES[name]
    x = qs.Parameter("x", (4,))
    for _ in range(3):
        on = tuple(int(q) for q in rng.permutation(3)[: spec.n_qubits])
        circuit = qs.QuantumCircuit(3).append(name, on, list(rng.uniform(-9, 9, spec.n_angles)))
        circuit.append(name, on[::-1], [2 * x[i] - 0.3 for i in range(spec.n_angles)]).ry(0, x[3])
        batch = CircuitBatch.of(circuit, {"x": rng.uniform(-9, 9, (3, 4))}, shots=1)
        check(batch, render_qis(batch))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_any_unitary_is_lowered_exactly(n):
    rng = np.random.default_rng(n)
    matrices = [random_unitary(rng, n) for _ in range(5)] + [
        np.eye(1 << n),
        np.eye(1 << n)[rng.permutation(1 << n)],
    ]
    for matrix in matrices:
        batch = CircuitBatch.of(qs.QuantumCircuit(3).unitary(matrix, tuple(range(n))), shots=1)
        check(batch, render_qis(batch))


@pytest.mark.parametrize("seed", range(8))
def test_random_circuits_with_shared_and_per_sample_bindings(seed):
    rng = np.random.default_rng(seed)
    circuit, bindings = random_circuit(rng, int(rng.integers(2, 5)), 30)
    batch = CircuitBatch.of(circuit, bindings, shots=1)
    check(batch, render_qis(batch), tolerance=1e-11)


def test_the_lowered_circuit_is_a_template_of_the_same_parameters():
    x = qs.Parameter("x", (2,))
    template = qs.QuantumCircuit(2).cp(0, 1, 2 * x[0]).u(0, x[1], 0.0, x[0]).freeze()
    lowered = lower_to_qis(template)
    assert lowered.parameters == template.parameters
    assert lowered.gates <= set(WORDS)
    assert lower_to_qis(template) is lowered


def test_controlled_phases_and_rotations_cost_one_gate_on_two_qubits():
    for name in ("cz", "ch", "crx", "cry", "crz", "cp", "cx", "cy", "rxx"):
        circuit = qs.QuantumCircuit(2).append(name, (0, 1), [0.3] * GATES[name].n_angles)
        assert lower_to_qis(circuit.freeze()).count_two_qubit_gates() == 1


@pytest.mark.parametrize(
    "circuit",
    [
        qs.QuantumCircuit(1).reset(0),
        qs.QuantumCircuit(2).measure(0, 0),
        qs.QuantumCircuit(1).depolarizing(0, p=0.1),
    ],
)
def test_what_is_no_unitary_is_refused(circuit):
    with pytest.raises(CapabilityError, match="IonQ's QIS gates have no"):
        lower_to_qis(circuit.freeze())


@pytest.mark.parametrize("seed", range(6))
def test_native_circuits_go_out_as_they_are_with_angles_in_the_services_ranges(seed):
    rng = np.random.default_rng(seed)
    circuit, bindings = native_circuit(rng)
    batch = CircuitBatch.of(circuit, bindings, shots=1)
    rendering = render_native(batch)
    check(batch, rendering, tolerance=1e-11)
    for row in range(batch.size):
        for gate in rendering.circuit(row):
            assert all(-1 <= phase <= 1 for phase in [gate.get("phase", 0), *gate.get("phases", [])])
            if gate["gate"] == "ms":
                assert 0 <= gate["angle"] <= 0.25


def native_circuit(rng, length=12, qubits=3):
    x = qs.Parameter("x", (4,))
    circuit = qs.QuantumCircuit(qubits).gpi(0, x[0])
    for _ in range(length):
        name = str(rng.choice(sorted(NATIVE_GATES)))
        on = tuple(int(q) for q in rng.permutation(qubits)[: GATES[name].n_qubits])
        symbols = [x[int(rng.integers(4))] * float(rng.choice([1, -1])) for _ in range(GATES[name].n_angles)]
        circuit.append(
            name, on, symbols if rng.random() < 0.5 else list(rng.uniform(-9, 9, GATES[name].n_angles))
        )
    return circuit, {"x": rng.uniform(-4 * np.pi, 4 * np.pi, (3, 4))}


@pytest.mark.parametrize(
    "angle", [0.0, np.pi / 2, -np.pi / 2, np.pi, -np.pi, 3 * np.pi / 2, 2 * np.pi, 1e-13, 100.0]
)
def test_ms_at_the_corners_of_its_range(angle):
    batch = CircuitBatch.of(qs.QuantumCircuit(2).gpi2(0, 0.3).ms(0, 1, 0.4, -2.0, angle), shots=1)
    check(batch, render_native(batch))


@pytest.mark.parametrize("basis", ["XX", "YY", "XY", "ZX", "YZ", "XI"])
def test_a_change_of_the_measured_basis_stays_native(basis):
    """The tail's phases on the outcomes differ; what is measured does not."""
    rng = np.random.default_rng(3)
    circuit, bindings = native_circuit(rng, qubits=2)
    changes = {"X": ("h",), "Y": ("sdg", "h"), "Z": (), "I": ()}
    tail = [Operation(gate, (q,)) for q, letter in enumerate(basis) for gate in changes[letter]]
    template = Template(2, (*circuit.freeze().operations, *tail))
    batch = CircuitBatch.of(template, bindings, shots=1)
    rendering = render_native(batch, tail)
    for row in range(batch.size):
        gates = rendering.circuit(row)
        assert {gate["gate"] for gate in gates} <= NATIVE_GATES
        measured = wires.probabilities(gates, 2, "native")
        made, initial, order = cirq_circuit(template, batch.row_bindings(row))
        state = made.final_state_vector(initial_state=initial, qubit_order=order, dtype=np.complex128)
        assert np.abs(measured - np.abs(state) ** 2).max() < 1e-10


@pytest.mark.parametrize(("device", "gateset"), [("ionq.simulator", "qis"), ("ionq.aria-1", "native")])
def test_a_mixture_of_native_and_other_gates_is_written_as_one_or_the_other(device, gateset):
    """The service takes no mixture in one circuit, and the gates of both kinds are declared: so all become one kind."""
    circuit = qs.QuantumCircuit(2).h(0).gpi2(1, 0.3).ms(0, 1, 0, 0, 0.5)
    batch = CircuitBatch.of(circuit, shots=10)
    rendering = ask(batch, device_for(device), Settings()).parts[0].rendering
    assert rendering.gateset == gateset
    if gateset == "qis":
        check(batch, rendering)


def test_an_empty_circuit_is_sent_as_one_that_does_nothing():
    batch = CircuitBatch.of(qs.QuantumCircuit(2), shots=1)
    for rendering in (render_qis(batch), render_native(batch)):
        assert rendering.circuit(0)
        check(batch, rendering)


def test_rows_do_not_share_what_they_fill_in():
    x = qs.Parameter("x", (1,))
    batch = CircuitBatch.of(qs.QuantumCircuit(1).rx(0, x[0]), {"x": [[0.1], [0.2]]}, shots=1)
    rendering = render_qis(batch)
    first, second = rendering.circuit(0), rendering.circuit(1)
    assert (first[0]["rotation"], second[0]["rotation"]) == (0.1, 0.2)
