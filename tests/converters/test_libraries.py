# SPDX-License-Identifier: Apache-2.0
"""What is special about each library: its own gates, channels, measurements, conditions, and what is refused."""

import numpy as np
import pytest

import qstore as qs
from converters.formats import FORMATS, distance, our_unitary, reversed_bits
from qstore.circuit import Condition
from qstore.circuit.entries import entry_values
from qstore.errors import CircuitError

pytestmark = pytest.mark.filterwarnings("ignore")  # other libraries' own
LIBRARIES = ["cirq", "qiskit", "pennylane", "braket"]
read = qs.QuantumCircuit.from_any


def needs(name):
    missing = FORMATS[name].missing()
    if missing:
        pytest.skip(f"{missing} is not installed")


def same(theirs, matrix):
    circuit = read(theirs)
    assert distance(our_unitary(circuit), matrix, exact=False) < 1e-9, str(circuit)
    return circuit


# All of them


@pytest.mark.parametrize("name", LIBRARIES)
def test_idle_qubits_keep_the_width(name):
    needs(name)
    for circuit in (qs.QuantumCircuit(4).h(1), qs.QuantumCircuit(3)):
        assert read(circuit.to(name)).n_qubits == circuit.n_qubits


@pytest.mark.parametrize("name", LIBRARIES)
def test_states_are_prepared(name):
    needs(name)
    rng = np.random.default_rng(1)
    state = rng.normal(size=4) + 1j * rng.normal(size=4)
    state /= np.linalg.norm(state)
    circuit = qs.QuantumCircuit(3).initialize(state, (2, 0)).cx(0, 1).ry(2, 0.3)
    found = qs.run(read(circuit.to(name)), {}, qs.StateVector()).values[0]
    wanted = qs.run(circuit, {}, qs.StateVector()).values[0]
    assert abs(abs(np.vdot(found, wanted)) - 1) < 1e-9
    with pytest.raises(CircuitError, match=r"depend on a parameter.*'a'.*bindings="):
        qs.QuantumCircuit(1).initialize(qs.Parameter("a", (2,))).to(name)
    bound = qs.QuantumCircuit(1).initialize(qs.Parameter("a", (2,))).to(name, bindings={"a": [3.0, 4.0]})
    values = qs.run(read(bound), {}, qs.Probabilities()).values[0]
    np.testing.assert_allclose(values, [0.36, 0.64], atol=1e-9)


@pytest.mark.parametrize("name", LIBRARIES)
def test_channels_mean_the_same(name):
    needs(name)
    circuit = qs.QuantumCircuit(2).h(0).cx(0, 1).ry(1, 0.4)
    circuit.amplitude_damping(0, gamma=0.3).phase_damping(1, gamma=0.2).depolarizing(0, p=0.1).bit_flip(
        1, p=0.25
    )
    circuit.depolarizing2(1, 0, p=0.2).depolarizing(1, p=0.9).bit_flip(0, p=0.8)
    operators = [[[1, 0], [0, 0.8]], [[0, 0.6], [0, 0]]]
    wide = [np.kron(np.eye(2), op) for op in operators]
    circuit.kraus(operators, 1).kraus(wide, (1, 0))
    theirs = circuit.to(name)
    found = qs.run(read(theirs), {}, qs.DensityMatrix()).values[0]
    np.testing.assert_allclose(found, qs.run(circuit, {}, qs.DensityMatrix()).values[0], atol=1e-9)
    with pytest.raises(CircuitError, match="strength of 'bit_flip'"):
        qs.QuantumCircuit(1).bit_flip(0, angle="t").to(name)


@pytest.mark.parametrize("name", ["cirq", "qiskit", "pennylane"])
def test_feedback_comes_back(name):
    needs(name)
    circuit = qs.QuantumCircuit(2).h(0).measure(0, bit=1)
    with circuit.when(1):
        circuit.ry(1, 0.3)
    with circuit.when(1, 0):
        circuit.x(0)
    circuit.measure(1, bit=0).reset(1).h(1)
    again = read(circuit.to(name))
    kinds = [(op.gate, op.condition) for op in again.operations if op.gate != "measure"]
    assert kinds == [("h", None), ("ry", Condition(1)), ("x", Condition(1, 0)), ("reset", None), ("h", None)]
    assert next(op.bit for op in again.operations if op.gate == "measure") == 1


def test_braket_refuses_feedback():
    needs("braket")
    with pytest.raises(CircuitError, match=r"'measure'.*measures at the end only"):
        qs.QuantumCircuit(1).measure(0).h(0).to("braket")
    assert len(qs.QuantumCircuit(1).h(0).measure(0).to("braket").instructions) == 1


@pytest.mark.parametrize("name", LIBRARIES)
def test_arrays_come_back_and_bindings_fit(name):
    needs(name)
    w = qs.Parameter("w", (2, 3))
    circuit = qs.QuantumCircuit(2).rx(0, w[0, 0]).ry(1, w[1, 2] * 0.5 + 0.1).rz(0, "t")
    assert read(circuit.to(name)).parameters == circuit.parameters
    values = entry_values(circuit, {"w": np.arange(6.0).reshape(2, 3), "t": 7.0}, identifier=name == "braket")
    assert sorted(values.values()) == [0.0, 5.0, 7.0]


@pytest.mark.parametrize("name", LIBRARIES)
def test_measurements_at_the_end_are_left_out(name):
    needs(name)
    makers = {
        "cirq": lambda: _module("cirq").Circuit(
            _module("cirq").H(q := _module("cirq").LineQubit(0)), _module("cirq").measure(q)
        ),
        "qiskit": _measured_qiskit,
        "pennylane": lambda: _module("pennylane").tape.QuantumScript(
            [_module("pennylane").H(0)], [_module("pennylane").expval(_module("pennylane").Z(0))]
        ),
        "braket": lambda: _module("braket.circuits").Circuit().h(0).measure(0),
    }
    assert read(makers[name]()) == qs.QuantumCircuit(1).h(0)


def _module(name):
    import importlib

    return importlib.import_module(name)


def _measured_qiskit():
    made = _module("qiskit").QuantumCircuit(1)
    made.h(0)
    made.measure_all()
    return made


# Cirq


def test_cirqs_own_gates():
    cirq = pytest.importorskip("cirq")
    a, b, c = qubits = cirq.LineQubit.range(3)
    gates = [
        cirq.X(a) ** 0.3, cirq.Y(b) ** -0.7, cirq.H(a) ** 0.4, cirq.CX(b, a) ** 0.6, cirq.CZ(a, c) ** 0.2, cirq.SWAP(a, c) ** 0.5,
        cirq.ISWAP(b, c) ** -0.3, cirq.CCX(c, a, b) ** 0.25, cirq.CCZ(a, b, c), cirq.CCZ(c, b, a) ** 0.1, cirq.CSWAP(b, a, c),
        cirq.PhasedXPowGate(phase_exponent=0.2, exponent=0.7).on(a), cirq.PhasedXZGate(x_exponent=0.1, z_exponent=0.4, axis_phase_exponent=0.3).on(b),
        cirq.XX(a, b) ** 0.3, cirq.ZZ(c, b) ** 0.7, cirq.FSimGate(0.3, 0.4).on(c, a), cirq.givens(0.3).on(a, b), cirq.QubitPermutationGate([1, 2, 0]).on(a, b, c),
        (cirq.X(a) ** 0.3).controlled_by(b, c, control_values=[0, 1]), cirq.ControlledGate(cirq.Z**0.2, 2).on(a, b, c),
        cirq.global_phase_operation(1j), cirq.rx(0.3).on(a).controlled_by(c), cirq.MatrixGate(cirq.testing.random_unitary(8, random_state=1)).on(c, a, b),
        cirq.CircuitOperation(cirq.FrozenCircuit(cirq.T(a), cirq.CX(a, b)), repetitions=3), cirq.I(b), cirq.wait(a), cirq.qft(a, b, c),
        cirq.global_phase_operation(1j).controlled_by(a), (cirq.global_phase_operation(1j) if False else cirq.YY(a, c) ** 0.2),
    ]  # fmt: skip
    for gate in gates:
        circuit = cirq.Circuit(cirq.ry(0.3 + q.x).on(q) for q in qubits) + cirq.Circuit(gate)
        matrix = circuit.unitary(qubit_order=qubits[::-1], dtype=complex)
        same(circuit, matrix)


def test_other_qubits_are_numbered_in_their_order():
    cirq = pytest.importorskip("cirq")
    first, second = cirq.NamedQubit("a"), cirq.NamedQubit("b")
    assert read(cirq.Circuit(cirq.CX(second, first))) == qs.QuantumCircuit(2).cx(1, 0)
    assert read(cirq.Circuit(cirq.X(cirq.LineQubit(2)))) == qs.QuantumCircuit(3).x(2)
    assert read(cirq.Circuit(cirq.X(cirq.GridQubit(5, 5)))) == qs.QuantumCircuit(1).x(0)


def test_what_cirq_has_and_we_have_not_is_refused():
    cirq = pytest.importorskip("cirq")
    sympy = pytest.importorskip("sympy")
    a, b = cirq.LineQubit.range(2)
    t = sympy.Symbol("t")
    for circuit, message in [
        (
            cirq.Circuit(
                cirq.X(cirq.LineQid(0, 3))
                if False
                else cirq.IdentityGate(qid_shape=(3,)).on(cirq.LineQid(0, 3))
            ),
            "3 levels",
        ),
        (cirq.Circuit(cirq.rx(t**2).on(a)), "not affine"),
        (cirq.Circuit(cirq.rx(sympy.sin(t)).on(a)), "not affine"),
        (cirq.Circuit(cirq.FSimGate(t, 0.1).on(a, b)), "no counterpart|not affine"),
        (
            cirq.Circuit(cirq.measure(a, key="k"), cirq.X(b).with_classical_controls(sympy.Symbol("k") > 1)),
            "Compare one measured bit",
        ),
        (cirq.Circuit(), "no qubits"),
    ]:
        try:
            found = read(circuit)
        except CircuitError as error:
            assert __import__("re").search(message, str(error)), str(error)  # noqa: PT017  # several may be read
        else:
            assert "FSim" in str(circuit), found


# Qiskit


def test_qiskits_own_gates():
    qiskit = pytest.importorskip("qiskit")
    from qiskit.circuit import AnnotatedOperation, ControlModifier, InverseModifier, PowerModifier, library
    from qiskit.quantum_info import Operator

    inner = qiskit.QuantumCircuit(2, global_phase=0.4, name="inner")
    inner.rx(0.3, 0)
    inner.cx(0, 1)
    gate = inner.to_gate()
    cases = [
        (gate.control(2, ctrl_state=1), [3, 0, 2, 1]), (gate, [1, 0]), (library.XGate().control(3, ctrl_state=5), [0, 1, 2, 3]),
        (library.MCPhaseGate(0.3, 3), [3, 1, 0, 2]), (library.QFTGate(4), [0, 1, 2, 3]), (library.RGate(0.3, 0.4), [2]), (library.U2Gate(0.3, 0.4), [0]),
        (library.CU3Gate(0.1, 0.2, 0.3), [2, 1]), (library.CU1Gate(0.3), [1, 2]), (library.ECRGate(), [1, 0]), (library.RZXGate(0.3), [0, 2]), (library.DCXGate(), [2, 0]),
        (library.XXPlusYYGate(0.3, 0.2), [2, 3]), (library.CSXGate(), [1, 3]), (library.CCZGate(), [0, 2, 3]), (library.RCCXGate(), [0, 1, 2]),
        (library.CRXGate(0.3, ctrl_state=0), [1, 0]), (library.PauliGate("XYZ"), [0, 1, 2]), (library.C3SXGate(), [0, 1, 2, 3]), (library.iSwapGate(), [0, 3]),
        (AnnotatedOperation(gate, [InverseModifier(), ControlModifier(1, 0), PowerModifier(2)]), [2, 0, 1]),
        (AnnotatedOperation(library.RXGate(0.3), [PowerModifier(0.5), ControlModifier(2, 2)]), [2, 0, 1]),
        (library.UnitaryGate(Operator(library.QFTGate(4)).data), [3, 1, 0, 2]), (library.GlobalPhaseGate(0.3), []), (library.SXGate().control(1), [0, 1]),
    ]  # fmt: skip
    for operation, on in cases:
        theirs = qiskit.QuantumCircuit(4, global_phase=0.2)
        for q in range(4):
            theirs.ry(0.3 + q, q)
        theirs.append(operation, on)
        same(theirs, Operator(theirs).data)


def test_qiskits_control_flow_and_what_is_refused():
    qiskit = pytest.importorskip("qiskit")
    theirs = qiskit.QuantumCircuit(2, 2)
    with theirs.for_loop(range(3)) as i:
        theirs.rx(i, 0)
    theirs.measure(0, 1)
    with theirs.if_test((theirs.clbits[1], 0)) as other:
        theirs.x(1)
    with other:
        theirs.h(1)
    found = [(op.gate, op.condition, [a.constant for a in op.angles]) for op in read(theirs).operations]
    assert found[:3] == [("rx", None, [0.0]), ("rx", None, [1.0]), ("rx", None, [2.0])]
    assert {(gate, condition) for gate, condition, _ in found[4:]} == {
        ("x", Condition(1, 0)),
        ("h", Condition(1)),
    }
    with theirs.while_loop((theirs.clbits[1], 1)):
        theirs.measure(0, 1)
    with pytest.raises(CircuitError, match="'while_loop'"):
        read(theirs)
    t = qiskit.circuit.Parameter("t")
    theirs = qiskit.QuantumCircuit(1)
    theirs.rx(t.sin(), 0)
    with pytest.raises(CircuitError, match=r"rx.*not affine"):
        read(theirs)
    with pytest.raises(CircuitError, match="no qubits"):
        read(qiskit.QuantumCircuit())


# PennyLane


def test_pennylanes_own_operations():
    qml = pytest.importorskip("pennylane")
    rng = np.random.default_rng(3)
    random = np.linalg.qr(rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8)))[0]
    operations = [
        qml.Rot(0.1, 0.2, 0.3, 0), qml.U2(0.1, 0.2, 1), qml.ctrl(qml.Rot(0.1, 0.2, 0.3, 0), [1, 2], control_values=[0, 1]), qml.GlobalPhase(0.3),
        qml.ctrl(qml.GlobalPhase(0.3, wires=0), 1), qml.MultiControlledX([0, 1, 3, 2], control_values=[1, 0, 1]), qml.adjoint(qml.Rot(0.1, 0.2, 0.3, 2)),
        qml.pow(qml.PauliX(1), 0.3), qml.adjoint(qml.ctrl(qml.S(1), 0)), qml.IsingXY(0.3, [0, 1]), qml.ECR([1, 0]), qml.SISWAP([0, 2]), qml.PSWAP(0.3, [0, 1]),
        qml.CRot(0.1, 0.2, 0.3, [2, 0]), qml.MultiRZ(0.3, [0, 1, 2]), qml.PauliRot(0.3, "XYZ", [0, 2, 1]), qml.QubitUnitary(random, [2, 0, 1]), qml.CCZ([0, 1, 2]),
        qml.QFT([0, 1, 2]), qml.DoubleExcitation(0.3, [0, 1, 2, 3]), qml.SingleExcitation(0.3, [1, 0]), qml.prod(qml.PauliX(0), qml.RX(0.3, 1)), qml.Barrier([0]),
        qml.exp(qml.PauliX(0) @ qml.PauliY(1), -0.15j), qml.QubitSum([0, 1, 2]), qml.CPhaseShift01(0.3, [0, 1]), qml.Permute([2, 0, 1], [0, 1, 2]),
    ]  # fmt: skip
    for operation in operations:
        tape = qml.tape.QuantumScript([*(qml.RY(0.3 + q, q) for q in range(4)), operation])
        same(tape, reversed_bits(qml.matrix(tape, wire_order=range(4))))
        assert read(tape.operations) == read(tape)


def test_pennylane_keeps_gradients_and_broadcasts():
    qml = pytest.importorskip("pennylane")
    torch = pytest.importorskip("torch")
    w = qs.Parameter("w", (2,))
    circuit = qs.QuantumCircuit(2).ry(0, w[0]).cx(0, 1).ry(1, 2 * w[1])
    tensor = torch.tensor([0.3, 0.4], dtype=torch.float64, requires_grad=True)
    tape = circuit.to("pennylane", bindings={"w": tensor})
    measured = qml.tape.QuantumScript(tape.operations, [qml.expval(qml.Z(1))])
    value = qml.execute([measured], qml.device("default.qubit"), diff_method="backprop")[0]
    value.backward()
    values, grads = qs.value_and_vjp(
        circuit, {"w": np.array([0.3, 0.4])}, qs.Expectations([qs.Z(1)]), cotangent=np.ones((1, 1))
    )
    assert float(value.detach()) == pytest.approx(values[0, 0], abs=1e-9)
    np.testing.assert_allclose(tensor.grad.numpy(), grads["w"], atol=1e-9)
    batched = circuit.to("pennylane", bindings={"w": np.zeros((5, 2))})
    assert batched.batch_size == 5
    with pytest.raises(CircuitError, match="5 values at once"):
        read(batched)
    with pytest.raises(qs.errors.BindingError, match="'w' needs numbers in shape"):
        circuit.to("pennylane", bindings={"w": np.zeros(3)})


# Braket


def test_brakets_own_gates():
    braket = pytest.importorskip("braket.circuits")
    C = braket.Circuit
    rng = np.random.default_rng(3)
    random = np.linalg.qr(rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8)))[0]
    circuits = [
        C().prx(0, 0.3, 0.4), C().xy(0, 2, 0.3), C().pswap(1, 0, 0.3), C().cphaseshift00(0, 1, 0.3), C().cphaseshift01(0, 1, 0.3),
        C().cphaseshift10(2, 1, 0.3), C().cv(0, 1), C().ecr(1, 0), C().gphase(0.3), C().ms(1, 0, 0.1, 0.2, 0.3), C().gpi(0, 0.3), C().gpi2(2, 0.3),
        C().rx(0, 0.3, control=[1, 2], control_state=[1, 1]), C().x(1, power=0.3), C().ry(0, 0.4, control=2, power=-1), C().s(0, power=2, control=1),
        C().unitary([2, 0, 1], random), C().u(1, 0.1, 0.2, 0.3, control=0), C().iswap(0, 2), C().add_verbatim_box(C().h(0)),
    ]  # fmt: skip
    for circuit in circuits:
        made = C()
        for q in range(3):
            made.ry(q, 0.3 + q)
        for instruction in circuit.instructions:
            made.add_instruction(instruction)
        plain = C([each for each in made.instructions if "Verbatim" not in type(each.operator).__name__])
        same(made, reversed_bits(plain.to_unitary()))


def test_brakets_control_state_is_read_as_its_simulator_runs_it():
    braket = pytest.importorskip("braket.circuits")
    from braket.devices import LocalSimulator

    # Circuit.to_unitary of amazon-braket-sdk 1.127 reads the state backwards; what runs does not.
    made = braket.Circuit().h(0).h(1).h(2).rx(0, 0.7, control=[1, 2], control_state=[0, 1]).ry(0, 0.3)
    found = qs.run(read(made), {}, qs.Probabilities()).values[0]
    theirs = LocalSimulator().run(made.probability(), shots=0).result().values[0]
    np.testing.assert_allclose(found, theirs.reshape(2, 2, 2).transpose(2, 1, 0).ravel(), atol=1e-9)


# IonQ


def test_ionqs_json_comes_back():
    native = qs.QuantumCircuit(2).gpi(0, 0.3).gpi2(1, 0.4).ms(0, 1, 0.1, 0.2, 0.5)
    made = native.to("ionq")
    assert made["gateset"] == "native"
    assert distance(our_unitary(read(made)), our_unitary(native), exact=False) < 1e-9
    job = {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "input": qs.QuantumCircuit(2).h(0).cx(0, 1).to("ionq"),
    }
    assert read(job) == qs.QuantumCircuit(2).h(0).cx(0, 1)
    assert read(__import__("json").dumps(job)) == read(job)
    for options, error in [
        ({"gateset": "qasm"}, "'qis' or 'native'"),
        ({"gateset": "native"}, "compile_native"),
    ]:
        with pytest.raises(qs.errors.OptionError, match=error):
            qs.QuantumCircuit(1).h(0).to("ionq", **options)
    with pytest.raises(CircuitError, match="unbound parameters"):
        qs.QuantumCircuit(1).rx(0, "t").to("ionq")


def test_ionqs_controls_and_exponentials():
    cirq = pytest.importorskip("cirq")
    q = cirq.LineQubit.range(4)
    gates = [{"gate": "h", "target": i} for i in range(4)] + [{"gate": "ry", "target": 1, "rotation": 0.3}]
    cases = [
        ({"gate": "z", "target": 0, "controls": [1, 3], "rotation": 0.4}, (cirq.ZPowGate(exponent=0.4 / np.pi)(q[0])).controlled_by(q[1], q[3])),
        ({"gate": "v", "target": 2, "controls": [0, 1, 3]}, (cirq.X(q[2]) ** 0.5).controlled_by(q[0], q[1], q[3])),
        ({"gate": "swap", "targets": [2, 0], "controls": [1]}, cirq.CSWAP(q[1], q[0], q[2])),
        ({"gate": "pauliexp", "targets": [2, 0], "terms": ["XZ", "ZX"], "coefficients": [0.3, -0.2], "time": 0.7},
         [cirq.PauliSumExponential(0.3 * cirq.Z(q[2]) * cirq.X(q[0]) - 0.2 * cirq.X(q[2]) * cirq.Z(q[0]), exponent=-0.7)]),
    ]  # fmt: skip
    for gate, theirs in cases:
        made = cirq.Circuit([cirq.H.on_each(*q), cirq.ry(0.3)(q[1]), theirs])
        wanted = made.unitary(qubit_order=q[::-1], dtype=complex)
        found = read({"gateset": "qis", "qubits": 4, "circuit": [*gates, gate]})
        assert distance(our_unitary(found), wanted, exact=False) < 1e-9, gate
