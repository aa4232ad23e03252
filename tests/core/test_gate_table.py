# SPDX-License-Identifier: Apache-2.0
"""Laws that every row of the gate table obeys, so that a new row tests itself."""

import inspect
import math

import cirq
import numpy as np
import pennylane as qml
import pytest
from dense_backend import PAULIS, embedded
from random_circuits import CHANNELS, UNITARY_GATES

from qstore.circuit import GATES, GateKind, Operation, QuantumCircuit, decompose, gate_spec
from qstore.circuit.angles import as_angle
from qstore.circuit.gate_matrices import _KRAUS, _MATRICES, controlled_matrix
from qstore.circuit.gate_methods import GateMethods
from qstore.errors import CircuitError

ROUNDING = 1e-12
"""Products of a dozen small matrices in double precision."""
SLOPE = 1e-7
"""Error of a central difference with step 1e-4 of a function with derivatives below 10."""
BASIS = {"h", "p", "rx", "ry", "rz", "cx"}


def angles_of(name, seed=1):
    return np.random.default_rng(seed).uniform(-4, 4, GATES[name].n_angles)


def operation(name, angles=None):
    row = GATES[name]
    values = angles_of(name) if angles is None else angles
    return Operation(name, tuple(range(row.n_qubits)), tuple(as_angle(float(value)) for value in values))


def product(operations, n):
    total = np.eye(1 << n, dtype=complex)
    for op in operations:
        total = embedded(op.matrix(), op.qubits, n) @ total
    return total


def reordered(matrix, n):
    """A matrix in the other bit order, where the first qubit is the most significant bit."""
    axes = [*reversed(range(n)), *reversed(range(n, 2 * n))]
    return np.asarray(matrix).reshape((2,) * 2 * n).transpose(axes).reshape(1 << n, 1 << n)


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_every_gate_is_unitary(name):
    matrix = GATES[name].matrix(angles_of(name))
    assert np.allclose(matrix @ matrix.conj().T, np.eye(1 << GATES[name].n_qubits), atol=ROUNDING)


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_matrices_are_vectorised_over_leading_axes(name):
    row = GATES[name]
    stack = np.random.default_rng(3).uniform(-4, 4, (2, 5, row.n_angles))
    assert np.allclose(row.matrix(stack)[1, 3], row.matrix(stack[1, 3]), atol=ROUNDING)
    assert row.matrix(stack).shape == (2, 5, 1 << row.n_qubits, 1 << row.n_qubits)


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_every_inverse_undoes_its_gate(name):
    n, op = GATES[name].n_qubits, operation(name)
    circuit = QuantumCircuit(n).append(name, op.qubits, op.angles)
    assert np.allclose(product([op, *circuit.inverse().operations], n), np.eye(1 << n), atol=ROUNDING)


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_every_decomposition_equals_its_gate_up_to_one_phase(name):
    n, op = GATES[name].n_qubits, operation(name)
    overlap = np.trace(op.matrix().conj().T @ product(decompose(op), n)) / (1 << n)
    assert abs(abs(overlap) - 1) < ROUNDING


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_every_decomposition_is_exact_to_its_phase_where_the_gate_goes_under_a_control(name):
    n, op = GATES[name].n_qubits, operation(name)
    circuit = QuantumCircuit(n).append(name, op.qubits, op.angles).controlled()
    wanted = embedded(controlled_matrix(op.matrix()), (n, *range(n)), n + 1)
    assert np.allclose(product(circuit.operations, n + 1), wanted, atol=ROUNDING)


def test_decompositions_end_in_the_basis():
    def leaves(op):
        steps = decompose(op)
        return {op.gate} if steps == (op,) else set().union(*map(leaves, steps))

    assert set().union(*(leaves(operation(name)) for name in UNITARY_GATES)) == BASIS


@pytest.mark.parametrize("name", [name for name in UNITARY_GATES if GATES[name].controlled])
def test_a_controlled_row_is_the_gate_under_a_control(name):
    angles = angles_of(name)
    assert np.allclose(
        GATES[GATES[name].controlled].matrix(angles), controlled_matrix(GATES[name].matrix(angles))
    )


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_bases_say_exactly_with_which_paulis_a_gate_commutes(name):
    row = GATES[name]
    matrices = [row.matrix(angles_of(name, seed)) for seed in range(4)]
    assert len(row.bases) == row.n_qubits
    for q, basis in enumerate(row.bases):
        found = set()
        for letter in "XZ":
            pauli = embedded(PAULIS[letter], (q,), row.n_qubits)
            if all(np.allclose(matrix @ pauli, pauli @ matrix, atol=ROUNDING) for matrix in matrices):
                found.add(letter)
        # The identity commutes with both; one answer is enough.
        assert basis in found if found else basis == ""


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_diagonal_says_whether_the_matrix_is(name):
    matrix = GATES[name].matrix(angles_of(name))
    assert GATES[name].diagonal == np.allclose(matrix, np.diag(np.diag(matrix)), atol=ROUNDING)


def expectation(name, angles, state, observable):
    row = GATES[name]
    kraus = row.kraus(angles) if row.kind is GateKind.CHANNEL else [row.matrix(angles)]
    return sum((state.conj() @ k.conj().T @ observable @ k @ state).real for k in kraus)


@pytest.mark.parametrize("name", [name for name, row in GATES.items() if row.n_angles])
def test_shift_rules_give_the_slope_of_any_expectation(name):
    row, rng = GATES[name], np.random.default_rng(5)
    size = 1 << row.n_qubits
    angles = angles_of(name)
    state = rng.normal(size=size) + 1j * rng.normal(size=size)
    state /= np.linalg.norm(state)
    half = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    observable = half + half.conj().T
    assert len(row.shift_rules) == row.n_angles

    def f(position, move):
        moved = angles.copy()
        moved[position] += move
        return expectation(name, moved, state, observable)

    for position, (frequency, order) in enumerate(row.shift_rules):
        shift = 0.0
        for m in range(1, 2 * order + 1):
            x = (2 * m - 1) * math.pi / (2 * order)
            shift += (
                frequency * (-1) ** (m - 1) / (4 * order * math.sin(x / 2) ** 2) * f(position, x / frequency)
            )
        difference = (f(position, 1e-4) - f(position, -1e-4)) / 2e-4
        assert abs(shift - difference) < SLOPE * np.abs(observable).sum()


@pytest.mark.parametrize("name", CHANNELS)
def test_kraus_operators_are_complete(name):
    kraus = GATES[name].kraus(np.random.default_rng(2).uniform(-4, 4, (3, GATES[name].n_angles)))
    assert np.allclose(
        sum(k.conj().swapaxes(-1, -2) @ k for k in kraus.swapaxes(0, 1)),
        np.eye(kraus.shape[-1]),
        atol=ROUNDING,
    )


STRENGTH = 0.3
CIRQ_CHANNELS = {
    "amplitude_damping": cirq.amplitude_damp(STRENGTH),
    "phase_damping": cirq.phase_damp(STRENGTH),
    "depolarizing": cirq.depolarize(STRENGTH),
    "bit_flip": cirq.bit_flip(STRENGTH),
    "reset": cirq.ResetChannel(),
    "depolarizing2": cirq.depolarize(STRENGTH, n_qubits=2),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_channels_are_those_of_cirq(name):
    row = GATES[name]
    t = 2 * math.asin(math.sqrt(STRENGTH))
    rho = np.array([[0.6, 0.2 - 0.3j], [0.2 + 0.3j, 0.4]])
    if row.n_qubits == 2:
        rho = np.kron(rho, [[0.1, 0.2j], [-0.2j, 0.9]])
    ours = sum(k @ rho @ k.conj().T for k in row.kraus(np.array([t][: row.n_angles])))
    theirs = sum(k @ rho @ k.conj().T for k in cirq.kraus(CIRQ_CHANNELS[name]))
    assert np.allclose(ours, theirs, atol=ROUNDING)


JUDGES = {
    "i": lambda: cirq.I, "x": lambda: cirq.X, "y": lambda: cirq.Y, "z": lambda: cirq.Z, "h": lambda: cirq.H,
    "s": lambda: cirq.S, "sdg": lambda: cirq.S**-1, "t": lambda: cirq.T, "tdg": lambda: cirq.T**-1,
    "sx": lambda: cirq.X**0.5, "sxdg": lambda: cirq.X**-0.5,
    "rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz, "p": lambda t: cirq.ZPowGate(exponent=t / np.pi),
    "u": lambda t, p, m: qml.U3(t, p, m, wires=0),
    "cx": lambda: cirq.CNOT, "cy": cirq.Y.controlled, "cz": lambda: cirq.CZ, "ch": cirq.H.controlled,
    "swap": lambda: cirq.SWAP, "iswap": lambda: cirq.ISWAP,
    "crx": lambda t: cirq.rx(t).controlled(), "cry": lambda t: cirq.ry(t).controlled(),
    "crz": lambda t: cirq.rz(t).controlled(), "cp": lambda t: cirq.CZPowGate(exponent=t / np.pi),
    "cu": lambda t, p, m, g: qml.ctrl(qml.prod(qml.GlobalPhase(-g, wires=1), qml.U3(t, p, m, wires=1)), 0),
    "rxx": lambda t: qml.IsingXX(t, [0, 1]), "ryy": lambda t: qml.IsingYY(t, [0, 1]),
    "rzz": lambda t: qml.IsingZZ(t, [0, 1]), "ccx": lambda: cirq.CCX, "cswap": lambda: cirq.CSWAP,
    "zz": lambda t: qml.IsingZZ(t, [0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(JUDGES))
def test_matrices_are_those_of_cirq_and_pennylane(name):
    angles = angles_of(name)
    gate = JUDGES[name](*angles)
    theirs = (
        cirq.unitary(gate)
        if isinstance(gate, cirq.Gate)
        else qml.matrix(gate, wire_order=range(GATES[name].n_qubits))
    )
    assert np.allclose(GATES[name].matrix(angles), reordered(theirs, GATES[name].n_qubits), atol=ROUNDING)


def test_ionq_natives_follow_ionqs_definition_in_radians():
    a, b, t = 0.4, -1.1, 0.7
    gpi = np.array([[0, np.exp(-1j * a)], [np.exp(1j * a), 0]])
    gpi2 = np.array([[1, -1j * np.exp(-1j * a)], [-1j * np.exp(1j * a), 1]]) / np.sqrt(2)
    assert np.allclose(GATES["gpi"].matrix([a]), gpi, atol=ROUNDING)
    assert np.allclose(GATES["gpi2"].matrix([a]), gpi2, atol=ROUNDING)
    c, s = np.cos(t / 2), -1j * np.sin(t / 2)
    ms = np.array([
        [c, 0, 0, s * np.exp(-1j * (a + b))],
        [0, c, s * np.exp(-1j * (a - b)), 0],
        [0, s * np.exp(1j * (a - b)), c, 0],
        [s * np.exp(1j * (a + b)), 0, 0, c],
    ])  # fmt: skip
    assert np.allclose(GATES["ms"].matrix([a, b, t]), reordered(ms, 2), atol=ROUNDING)


def test_no_unitary_row_lacks_a_judge():
    assert set(JUDGES) | {"gpi", "gpi2", "ms"} == set(UNITARY_GATES)


def test_the_first_qubit_is_the_least_significant_bit():
    assert GATES["cx"].matrix().real.astype(int).tolist() == [
        [1, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 0],
        [0, 1, 0, 0],
    ]


def test_the_table_of_matrices_has_a_row_per_gate_and_no_other():
    assert set(_MATRICES) == set(UNITARY_GATES)
    assert set(_KRAUS) == set(CHANNELS)


def test_every_gate_has_a_builder_method_and_every_method_a_gate():
    methods = {name for name, member in inspect.getmembers(GateMethods, inspect.isfunction)}
    assert methods - {"append", "__class_getitem__"} == set(UNITARY_GATES) | {"reset"}
    assert all(hasattr(QuantumCircuit, name) for name in GATES)


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_every_builder_method_appends_its_gate(name):
    row, values = GATES[name], [0.1, 0.2, 0.3, 0.4][: GATES[name].n_angles]
    circuit = getattr(QuantumCircuit(3), name)(*range(row.n_qubits), *values)
    (op,) = circuit.operations
    assert (op.gate, op.qubits) == (name, tuple(range(row.n_qubits)))
    assert [angle.constant for angle in op.angles] == values


def test_an_unknown_gate_names_the_nearest_ones():
    with pytest.raises(CircuitError, match=r"No gate named 'CNOTX'"):
        gate_spec("CNOTX")
    with pytest.raises(CircuitError, match=r"Did you mean 'cswap'"):
        gate_spec("CSWAP2")


def test_rows_without_a_matrix_or_kraus_operators_say_so():
    with pytest.raises(CircuitError, match=r"'measure' has no matrix"):
        GATES["measure"].matrix()
    with pytest.raises(CircuitError, match=r"'h' has no Kraus operators"):
        GATES["h"].kraus()
