# SPDX-License-Identifier: Apache-2.0
"""Channels, measurements, reset and conditions against Cirq's density-matrix simulator, to 1e-9."""

import cirq
import numpy as np
import pytest

import qstore as qs
from judges import cirq_judge
from judges.random_circuits import CHANNELS, random_circuit, random_observable, random_unitary


def random_kraus(rng, k):
    """Operators of a random channel: the blocks of an isometry."""
    isometry = random_unitary(rng, k + 2)[:, : 1 << k]
    return isometry.reshape(4, 1 << k, 1 << k)


def open_circuit(rng, n, *, feedback):
    """A random circuit with every channel, reset and, with feedback, measurements and conditions."""
    circuit, bindings = random_circuit(rng, n, 4 + 2 * n, channels=CHANNELS, batch=2)
    x = next(p for p in circuit.parameters if p.name == "x")
    for _ in range(2):
        q, other = (int(v) for v in rng.permutation(n)[:2])
        circuit.depolarizing2(q, other, p=float(rng.uniform(0, 0.9)))
        circuit.kraus(random_kraus(rng, 2), (other, q)).kraus(random_kraus(rng, 1), q).reset(other)
        circuit.ry(other, x[0]).cx(other, q)
        if feedback:
            circuit.measure(q, bit=0).h(other).measure(other, bit=1)
            with circuit.when(0):
                circuit.rx(other, x[1]).amplitude_damping(q, gamma=0.4).cx(q, other)
            with circuit.when(1, 0):
                circuit.ry(q, 0.7)
    return circuit, bindings


@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_open_circuits_agree_with_cirq(n, feedback):
    rng = np.random.default_rng([n, feedback])
    circuit, bindings = open_circuit(rng, n, feedback=feedback)
    batch = qs.CircuitBatch.of(circuit, bindings)
    expected = np.array([cirq_judge.density_matrix(circuit, batch.row_bindings(row)) for row in range(2)])
    found = qs.run(circuit, bindings, qs.DensityMatrix()).values
    np.testing.assert_allclose(found, expected, atol=1e-9)
    observable = random_observable(rng, n)
    means = [np.trace(rho @ cirq_judge.pauli_matrix(observable, n)).real for rho in expected]
    values = qs.run(circuit, bindings, qs.Expectations([observable])).values
    np.testing.assert_allclose(values[:, 0], means, atol=1e-9)


@pytest.mark.parametrize("trajectories", [None, 2])
def test_counts_of_circuits_with_feedback_follow_cirqs_probabilities(trajectories):
    rng = np.random.default_rng(8)
    circuit, bindings = open_circuit(rng, 3, feedback=True)
    shots = 20_000
    backend = qs.get_backend("statevector", trajectories=trajectories)
    result = qs.run(circuit, bindings, qs.Counts(), shots=shots, seed=3, backend=backend)
    batch = qs.CircuitBatch.of(circuit, bindings)
    for row, counts in enumerate(result.counts):
        rho = cirq_judge.density_matrix(circuit, batch.row_bindings(row))
        expected = shots * np.diagonal(rho).real.clip(0)
        observed = np.array([counts.get(outcome, 0) for outcome in range(8)])
        kept = expected > 5
        # 7 degrees of freedom at most: a value above 40.5 has probability 1e-6.
        assert ((observed - expected)[kept] ** 2 / expected[kept]).sum() < 40.5


def test_a_noise_model_is_what_cirq_calls_constant_noise():
    circuit = qs.QuantumCircuit(2).h(0).ry(1, 0.3).cx(0, 1).rz(1, 1.1).cz(1, 0)
    noise = qs.NoiseModel.depolarizing(0.02, 0.05)
    found = qs.run(
        circuit, {}, qs.DensityMatrix(), backend=qs.get_backend("statevector", noise=noise)
    ).values[0]
    a, b = cirq.LineQubit.range(2)
    one, two = cirq.depolarize(0.02), cirq.depolarize(0.05, n_qubits=2)
    made = cirq.Circuit(cirq.H(a), one(a), cirq.ry(0.3)(b), one(b), cirq.CNOT(a, b), two(a, b), cirq.rz(1.1)(b), one(b),
                        cirq.CZ(b, a), two(b, a))  # fmt: skip
    rho = (
        cirq.DensityMatrixSimulator(dtype=np.complex128)
        .simulate(made, qubit_order=[b, a])
        .final_density_matrix
    )
    np.testing.assert_allclose(found, rho, atol=1e-9)
