# SPDX-License-Identifier: Apache-2.0
"""Preparations and channels made into gates: the embedded simulator runs them, Cirq says what they should give."""

import numpy as np
import pytest

import qstore as qs
from judges import cirq_judge
from judges.random_circuits import CHANNELS, random_circuit, random_observable
from qstore.compiler.dilation import dilate
from qstore.compiler.preparation import lower_initialize


@pytest.mark.parametrize("initialize", ["real", "complex"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_lowered_preparations_give_cirqs_states(n, initialize):
    rng = np.random.default_rng(n)
    circuit, bindings = random_circuit(rng, n, 8, initialize=initialize)
    batch = qs.CircuitBatch.of(circuit, bindings)
    template, preparations = lower_initialize(batch.circuit)
    lowered = preparations.bindings(batch.bindings, batch.per_sample, batch.size)
    states = qs.run(template, lowered, qs.StateVector()).values
    for row, state in enumerate(states):
        expected = cirq_judge.statevector(circuit, batch.row_bindings(row))
        phase = np.vdot(expected, state)
        np.testing.assert_allclose(state, phase / abs(phase) * expected, atol=1e-9)


@pytest.mark.parametrize("initialize", ["real", "complex"])
@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_gradients_through_the_lowering_are_those_of_the_simulator(n, initialize):
    rng = np.random.default_rng(n)
    circuit, bindings = random_circuit(rng, n, 8, initialize=initialize)
    batch = qs.CircuitBatch.of(circuit, bindings)
    outputs = qs.Expectations([random_observable(rng, n), qs.Z(0)])
    cotangent = rng.normal(size=(batch.size, 2))
    _, expected = qs.value_and_vjp(circuit, bindings, outputs, cotangent=cotangent)
    template, preparations = lower_initialize(batch.circuit)
    lowered = preparations.bindings(batch.bindings, batch.per_sample, batch.size)
    _, inner = qs.value_and_vjp(template, lowered, outputs, cotangent=cotangent)
    pulled = preparations.pull_back(inner, batch.bindings, batch.per_sample, set(bindings))
    assert set(pulled) == set(expected)
    for name, gradient in expected.items():
        np.testing.assert_allclose(pulled[name], gradient, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_dilated_channels_give_cirqs_density_matrices(n, seed):
    rng = np.random.default_rng([n, seed])
    circuit, bindings = random_circuit(rng, n, 8, channels=CHANNELS, batch=2)
    circuit.amplitude_damping(0, angle="t").reset(n - 1).ry(n - 1, 0.4)
    bindings |= {"t": np.array([0.3, 2.0])}
    batch = qs.CircuitBatch.of(circuit, bindings)
    made = dilate(circuit)
    values = qs.run(made, bindings, qs.DensityMatrix(tuple(range(n)))).values
    for row, rho in enumerate(values):
        expected = cirq_judge.density_matrix(circuit, batch.row_bindings(row))
        np.testing.assert_allclose(rho, expected, atol=1e-9)
