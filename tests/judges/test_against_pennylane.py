# SPDX-License-Identifier: Apache-2.0
"""Adjoint and parameter-shift gradients against PennyLane's backpropagation and against finite differences."""

import numpy as np
import pytest

import qstore as qs
from judges import pennylane_judge
from judges.random_circuits import CHANNELS, random_circuit, random_observable

TOLERANCE = {"double": 1e-8, "single": 2e-3}


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("initialize", [None, "real", "complex"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_adjoint_gradients_agree_with_pennylane(n, initialize, precision):
    rng = np.random.default_rng([n, 7])
    circuit, bindings = random_circuit(rng, n, 12 + 2 * n, initialize=initialize)
    observables = [random_observable(rng, n), qs.Z(n - 1)]
    cotangent = rng.normal(size=(3, 2))
    backend = qs.get_backend("statevector", precision=precision)
    _, ours = qs.value_and_vjp(circuit, bindings, qs.Expectations(observables), cotangent, backend=backend,
                               gradient_method="adjoint")  # fmt: skip
    per_sample = qs.CircuitBatch.of(circuit, bindings).per_sample
    theirs = pennylane_judge.gradients(circuit, bindings, per_sample, observables, cotangent)
    assert set(ours) == set(theirs)
    for name, expected in theirs.items():
        scale = 1 + np.abs(expected).max()
        np.testing.assert_allclose(ours[name], expected, atol=TOLERANCE[precision] * scale, err_msg=name)


@pytest.mark.parametrize("outputs", [
    qs.Variance([qs.Z(0) @ qs.X(1) + 0.4 * qs.Y(2), qs.X(0)]), qs.Probabilities(), qs.Probabilities([2, 0]),
    qs.Expectations([qs.Z(0), 0.3 * qs.I() + qs.Y(1)]),
], ids=repr)  # fmt: skip
@pytest.mark.parametrize("initialize", [None, "complex"])
def test_adjoint_and_parameter_shift_agree_on_every_output(outputs, initialize):
    rng = np.random.default_rng(3)
    circuit, bindings = random_circuit(rng, 3, 16, initialize=initialize)
    values = qs.run(circuit, bindings, outputs).values
    cotangent = rng.normal(size=values.shape)
    _, adjoint = qs.value_and_vjp(circuit, bindings, outputs, cotangent, gradient_method="adjoint")
    shifted_values, shifted = qs.value_and_vjp(
        circuit, bindings, outputs, cotangent, gradient_method="parameter_shift"
    )
    np.testing.assert_allclose(shifted_values, values, atol=1e-12)
    for name in bindings:
        np.testing.assert_allclose(adjoint[name], shifted[name], atol=1e-9, err_msg=name)


def test_statevector_gradients_follow_torchs_complex_convention():
    rng = np.random.default_rng(4)
    circuit, bindings = random_circuit(rng, 3, 14, initialize="complex")
    cotangent = rng.normal(size=(3, 8)) + 1j * rng.normal(size=(3, 8))
    _, ours = qs.value_and_vjp(circuit, bindings, qs.StateVector(), cotangent)
    step = 1e-6
    for name, array in bindings.items():
        expected = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            moved = []
            for sign in (1, -1):
                changed = array.copy()
                changed[index] += sign * step
                state = qs.run(circuit, {**bindings, name: changed}, qs.StateVector()).values
                moved.append((cotangent.conj() * state).real.sum())
            expected[index] = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(ours[name], expected, atol=1e-7, err_msg=name)


def test_noisy_circuits_are_differentiated_by_shifts_strengths_included():
    rng = np.random.default_rng(5)
    circuit, bindings = random_circuit(rng, 2, 8, channels=CHANNELS)
    strengths = qs.Parameter("s", (4,))
    for index, channel in enumerate(CHANNELS):
        circuit.append(channel, index % 2, (strengths[index],)).ry(0, 0.3).crx(0, 1, 0.7)
    bindings["s"] = rng.uniform(0.2, 2.5, 4)
    outputs = qs.Expectations([qs.Z(0) @ qs.X(1), qs.Y(0)])
    cotangent = rng.normal(size=(3, 2))
    _, shifted = qs.value_and_vjp(circuit, bindings, outputs, cotangent)
    _, differences = qs.value_and_vjp(
        circuit, bindings, outputs, cotangent, gradient_method="finite_difference"
    )
    for name in bindings:
        np.testing.assert_allclose(shifted[name], differences[name], atol=1e-7, err_msg=name)


@pytest.mark.parametrize("wrt", [["x"], ["w"], ["a", "x"], []])
def test_only_what_is_asked_for_is_differentiated(wrt):
    rng = np.random.default_rng(6)
    circuit, bindings = random_circuit(rng, 3, 12, initialize="real")
    outputs = qs.Expectations([qs.Z(0)])
    _, everything = qs.value_and_vjp(circuit, bindings, outputs)
    _, some = qs.value_and_vjp(circuit, bindings, outputs, wrt=wrt)
    assert set(some) == set(wrt)
    for name in wrt:
        np.testing.assert_allclose(some[name], everything[name], atol=1e-12)
