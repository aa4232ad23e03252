# SPDX-License-Identifier: Apache-2.0
"""Channels as unitaries on more qubits: the original qubits cannot tell the difference."""

import numpy as np
import pytest
from dense_backend import density
from random_circuits import random_unitary

from qstore.circuit import GATES, MAX_QUBITS, Condition, GateKind, Parameter, QuantumCircuit
from qstore.compiler.dilation import dilate
from qstore.errors import CapabilityError

TABLE = [name for name, row in GATES.items() if row.kind is GateKind.CHANNEL and row.n_qubits]
FRESH = {
    "amplitude_damping": 1,
    "phase_damping": 1,
    "bit_flip": 1,
    "reset": 1,
    "depolarizing": 2,
    "depolarizing2": 4,
}


def random_kraus(number, n, seed=0):
    """The operators of a random channel on n qubits, from a random isometry."""
    size = 1 << n
    rng = np.random.default_rng(seed)
    isometry, _ = np.linalg.qr(
        rng.normal(size=(number * size, size)) + 1j * rng.normal(size=(number * size, size))
    )
    return isometry.reshape(number, size, size)


def entangled(n=2):
    """A circuit whose qubits are entangled and have no symmetry."""
    circuit = QuantumCircuit(n).ry(0, 0.3).rz(0, 1.2)
    for q in range(1, n):
        circuit.rx(q, 0.8 + q).cx(q - 1, q).rz(q, 0.4).ry(q - 1, 0.9)
    return circuit


def reduced(rho, n):
    """The state of the first n qubits."""
    rest = len(rho) >> n
    return np.einsum("aiaj->ij", rho.reshape(rest, 1 << n, rest, 1 << n))


def check(circuit, bindings=None, atol=1e-12):
    made = dilate(circuit)
    assert not made.is_noisy
    state = density(made, bindings)
    np.testing.assert_allclose(reduced(state, circuit.n_qubits), density(circuit, bindings), atol=atol)
    return made


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.9, np.pi, -0.7, 5.5])
@pytest.mark.parametrize("name", TABLE)
def test_channels_of_the_table_become_gates_with_the_same_effect(name, angle):
    row = GATES[name]
    t = Parameter("t", (2,))
    qubits = (1, 0)[: row.n_qubits]
    circuit = entangled().append(name, qubits, [2 * t[1] + 0.5] * row.n_angles).h(0).cx(1, 0)
    made = check(circuit, {"t": np.array([7.0, (angle - 0.5) / 2])})
    assert made.n_qubits == 2 + FRESH[name]
    assert made.parameters == circuit.parameters  # a trainable strength stays trainable


def test_every_channel_gets_fresh_qubits():
    circuit = (
        entangled(1)
        .amplitude_damping(0, gamma=0.3)
        .depolarizing(0, p=0.2)
        .rx(0, 0.5)
        .reset(0)
        .bit_flip(0, p=0.4)
    )
    made = check(circuit.ry(0, 0.2).phase_damping(0, gamma=0.6))
    assert made.n_qubits == 1 + 1 + 2 + 1 + 1 + 1
    assert set(FRESH) == set(TABLE)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_channels_by_their_operators_on_one_qubit(number):
    made = check(entangled().kraus(random_kraus(number, 1), 1))
    assert made.n_qubits == 2 + {1: 0, 2: 1}.get(number, 2)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_channels_by_their_operators_on_two_qubits(number):
    made = check(entangled(3).kraus(random_kraus(number, 2), (2, 0)))
    assert made.n_qubits == 3 + {1: 0, 2: 1}.get(number, 2)


def test_the_largest_channel_takes_four_fresh_qubits():
    made = check(entangled().kraus(random_kraus(16, 2), (1, 0)), atol=1e-11)
    assert made.n_qubits == 6


def test_superfluous_operators_take_no_qubits():
    half = np.sqrt(0.5)
    same = (
        QuantumCircuit(2)
        .h(0)
        .kraus([half * np.eye(2), half * np.diag([1, 1j]) * (1 - 1j) / np.sqrt(2) @ np.diag([1, -1j])], 0)
    )
    assert check(same).n_qubits == 2  # two operators that are multiples of one
    twice = [half * np.eye(2) * w for w in (0.6, 0.8)] + [half * np.diag([1, -1]) * w for w in (0.8, 0.6)]
    assert check(entangled(1).kraus(twice, 0)).n_qubits == 2
    zeros = np.concatenate((random_kraus(2, 1), np.zeros((5, 2, 2))))
    assert check(entangled(1).kraus(zeros, 0)).n_qubits == 2


def test_operators_printed_with_eight_digits_are_enough():
    check(entangled(1).kraus(np.round(random_kraus(3, 1), 9), 0), atol=1e-7)


def test_conditions_go_along():
    circuit = QuantumCircuit(2).h(0).measure(0)
    with circuit.when(0):
        circuit.depolarizing(1, p=0.3).kraus(random_kraus(2, 1), 1).kraus(random_kraus(4, 2), (0, 1))
    operations = dilate(circuit).operations
    assert [op.gate for op in operations[:2]] == ["h", "measure"]
    assert {op.condition for op in operations[2:]} == {Condition(0, 1)}


def test_what_is_no_channel_stays_as_it_is():
    circuit = (
        QuantumCircuit(2)
        .initialize(Parameter("x", (4,)))
        .rx(0, "t")
        .unitary(random_unitary(1, 2), (1, 0))
        .measure(0)
    )
    assert dilate(circuit) == circuit.freeze() == dilate(circuit.freeze())


def test_too_many_qubits_are_refused_with_the_count():
    circuit = QuantumCircuit(3).depolarizing(0, p=0.1).depolarizing(1, p=0.1).bit_flip(2, p=0.1)
    assert dilate(circuit, max_qubits=8).n_qubits == 8
    with pytest.raises(
        CapabilityError, match=r"2 depolarizing, 1 bit_flip takes 8 qubits, 5 more .* and there are 7"
    ):
        dilate(circuit, max_qubits=7)
    many = QuantumCircuit(1)
    for _ in range(MAX_QUBITS):
        many.reset(0)
    with pytest.raises(CapabilityError, match=f"there are {MAX_QUBITS}"):
        dilate(many)
