# SPDX-License-Identifier: Apache-2.0
"""Matrices and states as gates: exact also where eigenvalues coincide, angles vanish or amplitudes are zero."""

import numpy as np
import pytest
from dense_backend import density, unitary
from random_circuits import random_unitary

from qstore.circuit import Condition, QuantumCircuit, Template
from qstore.circuit.angles import Angle
from qstore.circuit.synthesis import (
    multiplexed,
    multiplexed_angles,
    multiplexed_cotangent,
    prepared,
    synthesized,
)


def distance(left, right):
    phase = np.vdot(right, left)
    return np.abs(left - phase / abs(phase) * right).max()


def exponential(seed, n, size):
    """exp(i size H) for a random H, near the identity for small sizes."""
    basis = random_unitary(seed, n)
    phases = size * np.random.default_rng(seed).normal(size=1 << n)
    return basis @ np.diag(np.exp(1j * phases)) @ basis.conj().T


def matrices(n):
    """Random ones, and all kinds whose eigenvalues, singular values or blocks are degenerate."""
    size = 1 << n
    rng = np.random.default_rng(n)
    permutation = np.eye(size)[rng.permutation(size)]
    fourier = np.exp(2j * np.pi * np.outer(range(size), range(size)) / size) / np.sqrt(size)
    kinds = {"identity": np.eye(size), "permutation": permutation, "fourier": fourier, "minus": -np.eye(size),
             "diagonal": np.diag(np.exp(1j * rng.normal(size=size))),
             "phased permutation": permutation * np.exp(1j * rng.normal(size=size))}  # fmt: skip
    for seed in range(5):
        kinds[f"random {seed}"] = random_unitary(seed, n)
    for size_ in (1e-3, 1e-6, 1e-8, 1e-12, 1e-15):
        kinds[f"near identity {size_}"] = exponential(3, n, size_)
        kinds[f"near permutation {size_}"] = permutation @ exponential(4, n, size_)
    last = np.eye(size, dtype=complex)
    last[-2:, -2:] = random_unitary(1, 1)
    kinds["one controlled"] = last
    if n > 1:
        kinds["product, last"] = np.kron(random_unitary(1, 1), np.eye(size // 2))
        kinds["product, first"] = np.kron(np.eye(size // 2), random_unitary(1, 1))
        block = np.zeros((size, size), dtype=complex)
        block[: size // 2, : size // 2] = random_unitary(1, n - 1)
        block[size // 2 :, size // 2 :] = random_unitary(2, n - 1)
        kinds["two blocks"] = block
        kinds["crossed blocks"] = np.roll(block, size // 2, axis=0)
    return kinds


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_unitary_is_synthesized_to_rounding(n):
    for kind, matrix in matrices(n).items():
        gates = synthesized(np.asarray(matrix, dtype=complex), tuple(range(n)))
        assert {op.gate for op in gates} <= {"u", "rxx", "ryy", "rzz", "ry", "rz", "cx"}, kind
        assert distance(unitary(Template(n, gates)), matrix) < 1e-12, kind


def test_qubits_and_conditions_are_those_asked_for():
    matrix = random_unitary(1, 2)
    gates = synthesized(matrix, (2, 0))
    assert distance(unitary(Template(3, gates)), unitary(QuantumCircuit(3).unitary(matrix, (2, 0)))) < 1e-12
    assert {op.condition for op in synthesized(matrix, (2, 0), Condition(1, 0))} == {Condition(1, 0)}


@pytest.mark.parametrize(
    ("build", "number"),
    [(lambda c: c, 0), (lambda c: c.h(0).t(1), 0), (lambda c: c.cx(0, 1), 1), (lambda c: c.crx(1, 0, 0.3), 1),
     (lambda c: c.rzz(0, 1, 0.3).h(0).ryy(0, 1, 4.0), 2), (lambda c: c.iswap(0, 1), 2), (lambda c: c.swap(0, 1), 3)],
)  # fmt: skip
def test_two_qubit_unitaries_take_as_few_rotations_as_they_need(build, number):
    matrix = unitary(build(QuantumCircuit(2).ry(0, 0.7).rz(1, 0.4)).rx(0, 1.1))
    gates = [op for op in synthesized(matrix, (0, 1)) if len(op.qubits) == 2]
    assert len(gates) == number
    assert all(abs(op.angles[0].constant) <= np.pi / 2 + 1e-12 for op in gates)


@pytest.mark.parametrize("gate", ["ry", "rz"])
@pytest.mark.parametrize("n_controls", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_multiplexed_rotation_turns_by_what_the_controls_say(gate, n_controls, mirrored):
    wanted = np.random.default_rng(n_controls).normal(size=1 << n_controls)
    controls = list(range(n_controls, 0, -1))
    angles = [Angle((), angle) for angle in multiplexed_angles(wanted)]
    made = unitary(Template(n_controls + 1, multiplexed(gate, 0, controls, angles, mirrored=mirrored)))
    for state in range(1 << n_controls):
        index = sum((state >> i & 1) << control for i, control in enumerate(controls))
        block = made[np.ix_([index, index + 1], [index, index + 1])]
        np.testing.assert_allclose(
            block, unitary(QuantumCircuit(1).append(gate, 0, wanted[state])), atol=1e-12
        )


def test_the_cotangent_of_multiplexed_angles_is_their_transpose():
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(3, 8)), rng.normal(size=(3, 8))
    np.testing.assert_allclose(
        (multiplexed_angles(x) * c).sum(1), (x * multiplexed_cotangent(c)).sum(1), atol=1e-12
    )


def state_of(gates, n):
    return density(Template(n, gates))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "kind", ["real", "complex", "sparse real", "sparse complex", "positive", "phased real"]
)
def test_every_state_is_prepared(n, kind):
    rng = np.random.default_rng(n)
    for _ in range(6):
        state = rng.normal(size=1 << n).astype(complex)
        if "complex" in kind:
            state += 1j * rng.normal(size=1 << n)
        if "sparse" in kind:
            state *= rng.random(1 << n) < 0.4
            state[rng.integers(1 << n)] += 1
        state = np.abs(state) + 0j if kind == "positive" else state
        state = state * np.exp(0.7j) if kind == "phased real" else state
        state /= np.linalg.norm(state)
        gates = prepared(state, tuple(range(n)))
        np.testing.assert_allclose(state_of(gates, n), np.outer(state, state.conj()), atol=1e-12)
        assert ("rz" in {op.gate for op in gates}) <= ("complex" in kind)


@pytest.mark.parametrize(
    ("state", "gates"),
    [([1, 0, 0, 0], {}), ([0, 0, 0, 0, 0, 1, 0, 0], {"ry": 2}), ([0.5, 0.5, 0.5, 0.5], {"ry": 2}),
     ([0.5, -0.5, 0.5, -0.5], {"ry": 2}), ([0.5**0.5, 0, 0, 0.5**0.5], {"ry": 3, "cx": 2}),
     ([0.5, 0.5j, 0.5, 0.5j], {"ry": 2, "rz": 1}), ([1j, 0], {})],
)  # fmt: skip
def test_simple_states_take_few_gates(state, gates):
    n = (len(state) - 1).bit_length()
    made = prepared(state, tuple(range(n)))
    assert Template(n, made).gate_counts() == gates


def test_states_need_no_more_than_the_textbook_number_of_gates():
    real = np.random.default_rng(0).normal(size=16)
    counts = Template(4, prepared(real / np.linalg.norm(real), range(4))).gate_counts()
    assert counts == {"ry": 15, "cx": 14}
    state = random_unitary(0, 4)[0]
    assert Template(4, prepared(state, range(4))).gate_counts() == {"ry": 15, "rz": 15, "cx": 22}
