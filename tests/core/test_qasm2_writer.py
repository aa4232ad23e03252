# SPDX-License-Identifier: Apache-2.0
"""The OpenQASM 2 writer: what is written is read back equal, and what cannot be written says what to do."""

import math

import numpy as np
import pytest
from dense_backend import density, unitary
from hypothesis import given
from hypothesis import strategies as st
from random_circuits import UNITARY_GATES, circuits, random_bindings, random_unitary

import qstore as qs
from qstore.circuit import GATES, Parameter, QuantumCircuit
from qstore.circuit.qasm2 import dumps, loads
from qstore.circuit.qasm2.library import DEFINITIONS, WRITTEN_NAMES
from qstore.errors import BindingError, CircuitError


def same_up_to_phase(left, right):
    phase = np.vdot(right, left)
    return np.allclose(left, phase / abs(phase) * right, atol=1e-12)


def test_a_circuit_is_written_line_by_line():
    circuit = QuantumCircuit(3).i(0).h(0).cp(0, 2, -0.1).iswap(2, 1).u(1, 1e-20, 2e10, 3).measure(1).reset(1)
    assert dumps(circuit).splitlines() == [
        "OPENQASM 2.0;",
        'include "qelib1.inc";',
        "gate iswap a,b { s a; s b; h a; cx a,b; cx b,a; h b; }",
        "qreg q[3];",
        "creg c[1];",
        "id q[0];",
        "h q[0];",
        "cu1(-0.1) q[0],q[2];",
        "iswap q[2],q[1];",
        "u3(1.0e-20,20000000000.0,3.0) q[1];",
        "measure q[1] -> c[0];",
        "reset q[1];",
    ]


def test_conditions_are_written_on_registers_of_one_bit():
    circuit = QuantumCircuit(2).measure(0, bit=2)
    with circuit.when(2, 0):
        circuit.unitary(random_unitary(1, 1), 1).measure(1, bit=0)
    circuit.x(1)
    lines = dumps(circuit).splitlines()
    assert lines[3:6] == ["creg c0[1];", "creg c1[1];", "creg c2[1];"]
    assert lines[6] == "measure q[0] -> c2[0];"
    assert lines[7].startswith("if(c2==0) u3(")
    assert lines[8:] == ["if(c2==0) measure q[1] -> c0[0];", "x q[1];"]


def test_measurements_for_other_tools_are_asked_for():
    circuit = QuantumCircuit(2).h(0)
    assert dumps(circuit, measure=True).splitlines()[-3:] == ["h q[0];", "creg m[2];", "measure q -> m;"]
    assert loads(dumps(circuit, measure=True)) == circuit
    assert circuit.to_qasm2(measure=True) == circuit.freeze().to("qasm2", measure=True)


@given(circuits(parameters=False, matrices=False, max_operations=12))
def test_gates_are_read_back_equal(circuit):
    text = dumps(circuit)
    assert loads(text) == circuit
    assert dumps(loads(text)) == text == dumps(circuit.freeze())


@given(circuits(max_operations=6), st.integers(0, 9))
def test_matrices_and_bound_parameters_are_read_back_as_the_same_unitary(circuit, seed):
    bindings = random_bindings(circuit, seed)
    assert same_up_to_phase(unitary(loads(dumps(circuit, bindings=bindings))), unitary(circuit, bindings))


@pytest.mark.parametrize("kind", ["real", "complex", "constant"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_prepared_states_are_read_back_as_the_same_state(kind, n):
    rng = np.random.default_rng(n)
    bindings = {"x": rng.normal(size=1 << n) * 1e200, "y": rng.normal(size=1 << n) * 1e200}
    x, y = Parameter("x", (1 << n,)), Parameter("y", (1 << n,))
    circuit = QuantumCircuit(n + 1)
    if kind == "constant":
        bindings = {}
        circuit.initialize(random_unitary(5, n)[0], tuple(range(n, 0, -1)))
    else:
        circuit.initialize(x, tuple(range(n, 0, -1)), imag=y if kind == "complex" else None)
        bindings = bindings if kind == "complex" else {"x": bindings["x"]}
    circuit.cx(n, 0)
    scaled = {name: array / 1e200 for name, array in bindings.items()}  # the judge squares them
    back = loads(dumps(circuit, bindings=bindings))
    np.testing.assert_allclose(density(back), density(circuit, scaled), atol=1e-12)


def test_feedback_and_resets_are_read_back_equal():
    circuit = QuantumCircuit(3).h(0).measure(0, bit=1).reset(0).x(0).measure(1, bit=0).h(1)
    with circuit.when(1, 0):
        circuit.rx(2, 0.1).cx(2, 0).reset(1).measure(2, bit=1).h(2)
    with circuit.when(1):
        circuit.ms(0, 1, 0.1, 0.2, 0.3)
    assert loads(dumps(circuit)) == circuit


def test_every_row_of_the_gate_table_has_a_name_or_a_definition():
    assert set(WRITTEN_NAMES) | set(DEFINITIONS) == set(UNITARY_GATES)
    circuit = QuantumCircuit(3)
    for name in UNITARY_GATES:
        row = GATES[name]
        circuit.append(name, tuple(range(row.n_qubits)), [0.1 * (i + 1) for i in range(row.n_angles)])
    assert loads(dumps(circuit)) == circuit


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_definition_is_its_gate(name):
    row = GATES[name]
    circuit = QuantumCircuit(3).append(
        name, tuple(range(row.n_qubits)), [0.3, -0.7, 1.9, 0.4][: row.n_angles]
    )
    foreign = dumps(circuit).replace("{ ", "{ barrier a; ")  # so that the reader does not know it
    assert loads(foreign) != circuit
    assert same_up_to_phase(unitary(loads(foreign)), unitary(circuit))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_back_the_same(value):
    circuit = QuantumCircuit(1).rz(0, value)
    text = dumps(circuit)
    assert loads(text) == circuit
    mantissa, _, _ = text.splitlines()[-1].removeprefix("rz(").partition(")")[0].partition("e")
    assert "." in mantissa  # the format has no number with an exponent and without a point


def test_what_cannot_be_written_says_what_to_do():
    w = Parameter("w", (2,))
    circuit = QuantumCircuit(1).rx(0, w[1])
    with pytest.raises(CircuitError, match=r"unbound parameters \['w'\].* give bindings="):
        dumps(circuit)
    with pytest.raises(CircuitError, match=r"no noise, and the circuit has 'bit_flip' on \(0,\).*dilate"):
        dumps(QuantumCircuit(1).bit_flip(0, p=0.5))
    with pytest.raises(CircuitError, match="'kraus'"):
        dumps(QuantumCircuit(1).kraus([np.eye(2)], 0))
    with pytest.raises(BindingError, match="'x' has only zeros"):
        dumps(QuantumCircuit(1).initialize(Parameter("x", (2,))), bindings={"x": [0.0, 0.0]})


@pytest.mark.parametrize(
    ("bindings", "message"),
    [({}, "got nothing"), ({"w": [1.0]}, r"got shape \(1,\)"), ({"w": [[1.0, 2.0]] * 3}, r"got shape \(3, 2\)"),
     ({"w": [math.nan, 1.0]}, "got NaN"), ({"w": "ab"}, "array of real numbers"), ({"w": [1j, 0]}, "array of real numbers")],
)  # fmt: skip
def test_bindings_must_fit(bindings, message):
    with pytest.raises(BindingError, match=message):
        dumps(QuantumCircuit(1).rx(0, Parameter("w", (2,))[1]), bindings=bindings)


def test_one_row_of_a_batch_can_be_written():
    w = Parameter("w", (2,))
    batch = qs.CircuitBatch.of(QuantumCircuit(1).rx(0, 2 * w[1] + 0.5), {"w": [[0.0, 1.0], [0.0, 2.0]]})
    assert loads(dumps(batch.circuit, bindings=batch.row_bindings(1))) == QuantumCircuit(1).rx(0, 4.5)
