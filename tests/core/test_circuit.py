# SPDX-License-Identifier: Apache-2.0
"""The builder and the template: appending, composing, inverting, freezing, copying, drawing."""

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dense_backend import embedded, unitary
from hypothesis import given
from hypothesis import strategies as st
from random_circuits import circuits, random_bindings, random_unitary

from qstore.circuit import Condition, Parameter, QuantumCircuit
from qstore.circuit.gate_matrices import controlled_matrix
from qstore.errors import CircuitError

ROUNDING = 1e-10
RECORDED = Path(__file__).parent / "recorded"


@given(circuits())
def test_a_circuit_and_its_inverse_are_the_identity(circuit):
    both = circuit.copy().compose(circuit.inverse())
    assert np.allclose(unitary(both, random_bindings(circuit)), np.eye(1 << circuit.n_qubits), atol=ROUNDING)


@given(circuits(max_operations=4))
def test_controlled_is_the_circuit_under_the_new_last_qubit(circuit):
    big = any(op.gate == "unitary" and len(op.qubits) == 3 for op in circuit.operations)
    if big:
        with pytest.raises(CircuitError, match="A unitary on three qubits cannot be controlled"):
            circuit.controlled()
        return
    n, bindings = circuit.n_qubits, random_bindings(circuit)
    wanted = embedded(controlled_matrix(unitary(circuit, bindings)), (n, *range(n)), n + 1)
    assert np.allclose(unitary(circuit.controlled(), bindings), wanted, atol=ROUNDING)


@given(circuits(), circuits(), st.randoms(use_true_random=False))
def test_compose_multiplies_on_the_chosen_qubits(first, second, random):
    large, small = sorted((first, second), key=lambda circuit: circuit.n_qubits, reverse=True)
    onto = tuple(random.sample(range(large.n_qubits), small.n_qubits))
    bindings = random_bindings(large) | random_bindings(small)
    wanted = embedded(unitary(small, bindings), onto, large.n_qubits) @ unitary(large, bindings)
    assert np.allclose(unitary(large.compose(small, onto), bindings), wanted, atol=ROUNDING)


@given(circuits(extras=True))
def test_equal_content_has_one_fingerprint_wherever_it_comes_from(circuit):
    template = circuit.freeze()
    twins = [circuit.copy().freeze(), copy.deepcopy(circuit).freeze(), pickle.loads(pickle.dumps(circuit)).freeze(),
             pickle.loads(pickle.dumps(template)), copy.deepcopy(template), template.freeze()]  # fmt: skip
    for twin in twins:
        assert twin == template
        assert hash(twin) == hash(template)
        assert twin.fingerprint == template.fingerprint


@given(circuits(extras=True), st.integers(0, 2))
def test_any_change_changes_the_fingerprint(circuit, kind):
    before = circuit.freeze()
    changed = [lambda c: c.rx(0, 0.125), lambda c: c.reset(0), lambda c: c.measure(0)][kind](circuit.copy())
    assert changed.freeze() != before
    assert changed.freeze().fingerprint != before.fingerprint
    assert circuit.freeze() == before


def test_fingerprints_tell_near_twins_apart():
    w = Parameter("w", (2, 2))
    twins = [
        QuantumCircuit(2).rx(0, w[0, 1]), QuantumCircuit(3).rx(0, w[0, 1]), QuantumCircuit(2).rx(1, w[0, 1]),
        QuantumCircuit(2).rx(0, w[1, 0]), QuantumCircuit(2).ry(0, w[0, 1]), QuantumCircuit(2).rx(0, 2 * w[0, 1]),
        QuantumCircuit(2).rx(0, w[0, 1] + 1e-15), QuantumCircuit(2).rx(0, Parameter("w", (4,))[1]),
        QuantumCircuit(2).rx(0, Parameter("v", (2, 2))[0, 1]),
    ]  # fmt: skip
    assert len({twin.freeze().fingerprint for twin in twins}) == len(twins)


def test_negative_zeros_do_not_part_equal_circuits():
    plain = QuantumCircuit(1).unitary([[1, 0], [0, 1]], 0).rx(0, 0.0)
    negative = QuantumCircuit(1).unitary([[1, -0.0], [complex(-0.0, -0.0), 1]], 0).rx(0, -0.0)
    assert plain == negative
    assert plain.freeze().fingerprint == negative.freeze().fingerprint
    assert plain.inverse().inverse().freeze().fingerprint == plain.freeze().fingerprint


def everything():
    w = Parameter("w", (2, 2))
    circuit = QuantumCircuit(3).initialize(Parameter("re", (2,)), 2, imag=Parameter("im", (2,)))
    circuit.initialize([0.6, 0.8j], 1).h(0).rx(0, 2 * w[0, 1] - "t" + 0.5).cu(0, 1, 0.1, "t", w[1, 1], -3)
    circuit.unitary(np.diag([1, 1j]), 2).amplitude_damping(0, angle=1.25).depolarizing(
        1, angle="noise"
    ).reset(2)
    circuit.measure(0).measure(1, bit=3)
    with circuit.when(3, 0):
        circuit.x(2).ms(0, 2, "a", "b")
    return circuit


def test_fingerprint_and_json_are_the_recorded_ones():
    recorded = json.loads((RECORDED / "fingerprint.json").read_text())
    text = (RECORDED / "circuit-v1.json").read_text(encoding="utf-8").rstrip("\n")
    assert everything().to_json() == text
    assert everything().freeze().fingerprint == recorded["fingerprint"]
    assert QuantumCircuit.from_json(text) == everything()


def test_fingerprints_are_the_same_in_another_process():
    circuit = everything()
    code = "import sys, pickle; print(pickle.loads(sys.stdin.buffer.read()).freeze().fingerprint)"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(circuit), capture_output=True, check=True,
                          env={"PYTHONHASHSEED": "123"})  # fmt: skip
    assert done.stdout.decode().strip() == circuit.freeze().fingerprint


def test_freezing_protects_from_later_changes():
    circuit = QuantumCircuit(1).h(0)
    template = circuit.freeze()
    circuit.x(0)
    assert len(template) == 1
    assert len(circuit.freeze()) == 2


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, QuantumCircuit.copy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_copies_are_independent(copied):
    circuit = QuantumCircuit(2).rx(0, "a")
    twin = copied(circuit)
    twin.ry(1, "b")
    assert len(circuit) == 1
    assert [p.name for p in circuit.parameters] == ["a"]
    assert [p.name for p in twin.parameters] == ["a", "b"]


def test_builders_compare_by_content_and_are_not_hashable():
    assert QuantumCircuit(1).h(0) == QuantumCircuit(1).h(0) != QuantumCircuit(1).x(0)
    assert QuantumCircuit(1) != QuantumCircuit(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(QuantumCircuit(1))


@pytest.mark.parametrize(
    ("append", "text"),
    [
        (lambda c: c.h(3), "'h' on qubit 3: this circuit has the qubits 0 to 2"),
        (lambda c: c.h(-1), "'h' on qubit -1"),
        (lambda c: c.h(1.0), "'h' on qubit 1.0"),
        (lambda c: c.h(True), "'h' on qubit True"),
        (lambda c: c.cx(1, 1), r"'cx' needs different qubits, got \(1, 1\)"),
        (lambda c: c.append("hh", 0), "No gate named 'hh'. Did you mean 'h'"),
        (lambda c: c.append("cx", 0), r"'cx' takes 2 qubit\(s\), got 1"),
        (lambda c: c.append("cx", None), "Qubits are an integer or a sequence of integers, got None"),
        (lambda c: c.append("rx", 0), r"'rx' takes 1 angle\(s\), got 0"),
        (lambda c: c.append("measure", 0), r"call circuit.measure\(...\)"),
        (lambda c: c.append("unitary", 0), r"call circuit.unitary\(...\)"),
        (lambda c: c.rx(0, np.sin), "cannot be used as angle"),
        (lambda c: c.rx(0, float("nan")), "not finite"),
        (lambda c: c.unitary(np.ones((2, 2)), 0), "The matrix is not unitary: .* by 2"),
        (lambda c: c.unitary(np.full((2, 2), np.inf), 0), "not unitary"),
        (lambda c: c.unitary(np.eye(2), (0, 1)), "needs a 4 x 4 matrix, got shape"),
        (lambda c: c.unitary([[1], [1, 2]], 0), "needs a matrix of complex numbers"),
        (lambda c: c.unitary(np.eye(16), (0, 1, 2, 0)), "acts on 1 to 3 qubits, got 4"),
        (lambda c: c.initialize([1, 1], 0), "have norm 1.414213562, not 1 to 1e-8"),
        (lambda c: c.initialize([np.inf, 0], 0), "have norm nan"),
        (lambda c: c.initialize([1, 0, 0], 0), r"needs 2 amplitudes, got shape \(3,\)"),
        (lambda c: c.initialize("x", 0), "needs numbers or a Parameter"),
        (lambda c: c.initialize(Parameter("x", (3,)), 0), r"parameter of shape \(2,\), 'x' has shape \(3,\)"),
        (lambda c: c.initialize(Parameter("x", (2,)), 0, imag=Parameter("x", (2,))), "need two parameters"),
        (lambda c: c.initialize([1, 0], 0, imag=Parameter("x", (2,))), "imag= goes with a Parameter"),
        (lambda c: c.h(0).initialize([1, 0], 0), r"qubit\(s\) \[0\] have operations already"),
        (lambda c: c.bit_flip(0), r"takes either p= \(a constant in \[0, 1\]\) or angle="),
        (lambda c: c.bit_flip(0, p=0.1, angle=1), "takes either"),
        (lambda c: c.bit_flip(0, p=1.5), r"p must be a number in \[0, 1\], got 1.5"),
        (lambda c: c.amplitude_damping(0, gamma=Parameter("g")), "a trainable one is given as angle="),
        (lambda c: c.measure(0, bit=-1), "classical bit is an integer from 0 to 4095, got -1"),
        (lambda c: c.when(0).__enter__(), "No measurement has written classical bit 0 yet"),
        (lambda c: c.measure(0).when(0, 2).__enter__(), "A classical bit is 0 or 1, got 2"),
        (lambda c: c.rx(0, "w").rx(0, Parameter("w", (2,))[0]), r"Parameter 'w' has shape \(\) here, and now shape \(2,\)"),
        (lambda c: c.compose(QuantumCircuit(4)), "'compose' on qubit 3: this circuit has the qubits 0 to 2"),
        (lambda c: c.compose(QuantumCircuit(2), [0, 0]), "'compose' needs different qubits"),
        (lambda c: c.compose(QuantumCircuit(2), 5), "'compose' takes 2"),
        (lambda c: c.measure(0).inverse(), "'measure' on .* cannot be inverted"),
        (lambda c: c.bit_flip(0, p=0.1).controlled(), "'bit_flip' on .* cannot be controlled"),
    ],
)  # fmt: skip
def test_what_cannot_be_appended_is_refused_with_the_reason(append, text):
    with pytest.raises(CircuitError, match=text):
        append(QuantumCircuit(3))


@pytest.mark.parametrize("n", [0, -1, 1025, 2.0, True, "2", None])
def test_a_circuit_has_from_1_to_1024_qubits(n):
    with pytest.raises(CircuitError, match="n_qubits must be an integer from 1 to 1024"):
        QuantumCircuit(n)


def test_a_refused_operation_leaves_nothing_behind():
    circuit = QuantumCircuit(2).rx(0, "w")
    before = circuit.copy()
    with pytest.raises(CircuitError):
        circuit.u(0, "fresh", Parameter("w", (2,))[0], 0)
    assert circuit == before
    assert circuit.parameters == before.parameters


def test_a_refused_composition_leaves_nothing_behind():
    circuit = QuantumCircuit(2).h(1)
    with pytest.raises(CircuitError, match=r"initializes qubits \(1,\), which have operations already"):
        circuit.compose(QuantumCircuit(2).rx(0, "a").initialize([1, 0], 1))
    assert circuit == QuantumCircuit(2).h(1)
    assert circuit.parameters == ()


def test_composed_bits_come_behind_the_circuits_own():
    other = QuantumCircuit(1).measure(0)
    with other.when(0):
        other.x(0)
    circuit = QuantumCircuit(2).measure(0).compose(other, [1])
    assert [op.bit for op in circuit.operations] == [0, 1, None]
    assert circuit.operations[2].condition == Condition(1, 1)


def test_compose_does_not_lose_the_condition_of_its_block():
    circuit = QuantumCircuit(1).measure(0)
    with circuit.when(0), pytest.raises(CircuitError, match="compose inside a when"):
        circuit.compose(QuantumCircuit(1).x(0))


def test_a_condition_holds_inside_its_block_only():
    circuit = QuantumCircuit(2).measure(0, bit=2)
    with circuit.when(2, 0) as inside:
        inside.x(1).measure(1)
    circuit.z(1)
    assert [op.condition for op in circuit.operations] == [None, Condition(2, 0), Condition(2, 0), None]
    assert circuit.n_bits == 4
    assert circuit.has_feedback
    with pytest.raises(CircuitError, match="cannot be nested"), circuit.when(2), circuit.when(2):
        pass
    with pytest.raises(ZeroDivisionError), circuit.when(2):
        raise ZeroDivisionError
    assert circuit.x(0).operations[-1].condition is None


def test_depth_counts_and_noise():
    circuit = QuantumCircuit(3).h(0).h(1).cx(0, 1).x(2).ccx(0, 1, 2).rzz(0, 2, 1.0)
    assert (circuit.depth(), circuit.count_two_qubit_gates(), len(circuit)) == (4, 2, 6)
    assert circuit.gate_counts() == {"h": 2, "cx": 1, "x": 1, "ccx": 1, "rzz": 1}
    assert circuit.layers() == [0, 0, 1, 0, 2, 3]
    assert QuantumCircuit(2).depth() == 0
    assert not circuit.is_noisy
    assert circuit.reset(0).is_noisy
    waits = QuantumCircuit(2).measure(0)
    with waits.when(0):
        waits.x(1)
    assert waits.depth() == 2


@given(circuits(extras=True, max_operations=12))
def test_depth_is_the_length_of_the_longest_chain(circuit):
    layers = circuit.layers()
    assert circuit.depth() == max(layers, default=-1) + 1
    last = {}
    for op, layer in zip(circuit.operations, layers, strict=True):
        for q in op.qubits:
            assert layer > last.get(q, -1)
            last[q] = layer


@given(circuits(extras=True), st.integers(20, 200))
def test_every_circuit_can_be_drawn(circuit, width):
    lines = circuit.draw(max_width=width).splitlines()
    assert sum(line.startswith("q0:") for line in lines) == sum(
        line.startswith(f"q{circuit.n_qubits - 1}:") for line in lines
    )
    assert str(circuit) == circuit.draw()


def drawn(circuit):
    return "\n" + str(circuit) + "\n"


def test_a_drawing_of_gates():
    circuit = QuantumCircuit(3).h(0).cx(0, 2).rx(1, "theta").swap(0, 1).rzz(1, 2, 0.5).sdg(0)
    assert (
        drawn(circuit)
        == """
q0: ─H─────────●─x─S†─────────
               │ │
q1: ─RX(theta)─┼─x─RZZ:0──────
               │   │
q2: ───────────X───RZZ:1(0.5)─
"""
    )


def test_a_drawing_of_what_is_no_gate():
    circuit = QuantumCircuit(2).initialize([1, 0], 1).bit_flip(0, angle=0.5).measure(0)
    with circuit.when(0):
        circuit.x(1)
    circuit.measure(0, bit=0).reset(1)
    assert (
        drawn(circuit)
        == """
q0: ─BitFlip(0.5)─M→c0───────────M→c0─
q1: ─Init──────────────X if c0=1─|0>──
"""
    )


def test_a_wide_drawing_is_broken_into_blocks():
    circuit = QuantumCircuit(1)
    for _ in range(6):
        circuit.h(0)
    assert circuit.draw(max_width=12) == "q0: ─H─H─H─H─\n\nq0: ─H─H─"


def test_reprs_name_the_parameters():
    circuit = QuantumCircuit(2).rx(0, Parameter("w", (2,))[0]).rx(1, "t")
    assert repr(circuit) == "<QuantumCircuit: 2 qubits, 2 operations, parameters t[], w[2]>"
    assert repr(circuit.freeze()) == f"<Template {circuit.freeze().fingerprint[:8]}: 2 qubits, 2 operations>"


def test_random_unitaries_are_taken_as_they_are():
    matrix = random_unitary(7, 2)
    assert np.allclose(
        unitary(QuantumCircuit(3).unitary(matrix, (2, 0))), embedded(matrix, (2, 0), 3), atol=ROUNDING
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("measure_all", r"outputs=qs\.Counts\(\) and qs\.Samples\(\) measure every qubit"),
        ("add_gate", "append"),
        ("cnot_gate", "has no 'cnot_gate'"),
        ("num_qubits", "n_qubits"),
        ("deph", "Did you mean 'depth'"),
    ],
)
def test_other_libraries_names_are_answered_with_ours(name, text):
    with pytest.raises(AttributeError, match=text):
        getattr(QuantumCircuit(1), name)


def test_asking_whether_an_attribute_exists_still_works():
    assert not hasattr(QuantumCircuit(1), "measure_all")
    assert hasattr(QuantumCircuit(1), "depth")
