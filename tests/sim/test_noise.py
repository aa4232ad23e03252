# SPDX-License-Identifier: Apache-2.0
"""Channels and reset, against density matrices multiplied out."""

import numpy as np
import pytest

from qstore.batch import (
    CircuitBatch,
    Counts,
    DensityMatrix,
    Expectations,
    Probabilities,
    StateVector,
    Variance,
)
from qstore.circuit import QuantumCircuit
from qstore.errors import CapabilityError, OptionError
from qstore_sim import StatevectorBackend

CHANNELS = ("amplitude_damping", "phase_damping", "depolarizing", "bit_flip")


def noisy_circuit(n, rng, dense):
    circuit = dense.circuit(n, 6 * n, rng)
    x = next(p for p in circuit.parameters if p.name == "x")
    for channel in CHANNELS:
        circuit.append(channel, (int(rng.integers(n)),), [float(rng.normal())])
        circuit.append(channel, (int(rng.integers(n)),), [0.5 * x[int(rng.integers(4))] + 0.1])
        circuit.ry(int(rng.integers(n)), x[0]).cx(0, n - 1) if n > 1 else circuit.ry(0, x[0])
    return circuit.append("reset", (int(rng.integers(n)),)).rx(0, 0.4)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_noisy_circuits_give_the_dense_density_matrix(n, precision, dense):
    rng = np.random.default_rng(n)
    tolerance = 1e-12 if precision == "double" else 1e-5
    circuit, batch = noisy_circuit(n, rng, dense), 3
    bindings = dense.bindings(rng, batch)
    backend = StatevectorBackend(precision)

    def run(outputs):
        return backend.run_sync(CircuitBatch.of(circuit, bindings, outputs)).values

    wanted = np.array([dense.density(circuit.freeze(), row) for row in dense.rows(bindings, batch)])
    np.testing.assert_allclose(run(DensityMatrix()), wanted, atol=tolerance)
    np.testing.assert_allclose(run(Probabilities()), np.einsum("bii->bi", wanted).real, atol=tolerance)
    observable = dense.observable(n, 5, rng)
    matrix = dense.pauli(observable, n)
    means = np.einsum("bij,ji->b", wanted, matrix).real
    np.testing.assert_allclose(run(Expectations([observable]))[:, 0], means, atol=10 * tolerance)
    squares = np.einsum("bij,ji->b", wanted, matrix @ matrix).real
    np.testing.assert_allclose(run(Variance([observable]))[:, 0], squares - means**2, atol=100 * tolerance)


def test_some_qubits_of_a_noisy_state(dense):
    rng = np.random.default_rng(8)
    circuit = noisy_circuit(4, rng, dense)
    bindings = dense.bindings(rng, 2)
    backend = StatevectorBackend()
    full = backend.run_sync(CircuitBatch.of(circuit, bindings, DensityMatrix())).values
    small = backend.run_sync(CircuitBatch.of(circuit, bindings, DensityMatrix((3, 1)))).values
    for i in range(4):
        for j in range(4):
            a, b = (i & 1) << 3 | (i >> 1) << 1, (j & 1) << 3 | (j >> 1) << 1
            trace = sum(full[:, a | r, b | r] for r in (0, 1, 4, 5))
            np.testing.assert_allclose(small[:, i, j], trace, atol=1e-13)


def test_counts_of_a_noisy_circuit_follow_its_probabilities():
    circuit = QuantumCircuit(2).x(0).bit_flip(0, p=0.25).cx(0, 1)
    counts = (
        StatevectorBackend().run_sync(CircuitBatch.of(circuit, {}, Counts(), shots=40_000, seed=2)).counts[0]
    )
    assert counts.keys() == {0, 3}
    assert abs(counts[0] - 10_000) < 500  # 5.8 standard deviations


def test_what_a_noisy_circuit_cannot_give_is_refused_with_the_alternatives():
    circuit = QuantumCircuit(2).ry(0, "t").depolarizing(0, p=0.1)
    backend = StatevectorBackend()
    with pytest.raises(CapabilityError, match=r"DensityMatrix\(\), Expectations"):
        backend.run_sync(CircuitBatch.of(circuit, {"t": 0.1}, StateVector()))
    with pytest.raises(CapabilityError, match=r"go up to 12 .* this circuit takes 13.*trajectories"):
        backend.run_sync(CircuitBatch.of(QuantumCircuit(13).depolarizing(0, p=0.1), {}, Probabilities()))
    with pytest.raises(CapabilityError, match=r"Trajectories give expectations.*leave trajectories= out"):
        StatevectorBackend(trajectories=10).run_sync(CircuitBatch.of(circuit, {"t": 0.1}, DensityMatrix()))
    with pytest.raises(OptionError, match="trajectories must be an integer from 2 up"):
        StatevectorBackend(trajectories=1)
    with pytest.raises(OptionError, match="noise must be a NoiseModel"):
        StatevectorBackend(noise=0.1)
