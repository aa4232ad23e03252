# SPDX-License-Identifier: Apache-2.0
"""What is counted of a layer's circuits, and what is not run because nobody wants it."""

import asyncio
import copy
import pickle

import numpy as np
import pytest

import qstore as qs
from layers.backends import Limited
from qstore.errors import CapabilityError
from qstore.layers import EncodingLayer, QuantumDropout, QuantumFeatureExtractor, Sequential

NO_SWEEP = {"differentiable_outputs": frozenset()}
X = np.full((3, 2), 0.4)


def test_every_circuit_is_counted_those_of_gradients_too():
    layer = QuantumFeatureExtractor(2, 1, backend=Limited(**NO_SWEEP), gradient_method="parameter_shift")
    layer.vjp(X)
    use = layer.usage.backends["statevector"]
    assert use.circuits == 3 * (1 + 2 * (2 + 4))  # itself, then two for each feature and weight
    assert 0 < use.seconds == layer.usage.seconds
    taken = layer.usage.take()
    assert (taken.circuits, layer.usage.circuits) == (use.circuits, 0)


def test_coroutines_are_counted_too():
    layer = QuantumFeatureExtractor(2, 1)
    asyncio.run(layer.call_async(X))
    assert layer.usage.circuits == 3


@pytest.mark.parametrize("is_async", [False, True])
def test_a_gradient_of_the_features_that_nobody_wants_is_not_run(is_async):
    layer = QuantumFeatureExtractor(2, 1, backend=Limited(**NO_SWEEP), gradient_method="parameter_shift")
    full = layer.backward(layer.forward(X), np.ones((3, 6)))
    layer.usage.take()
    given = layer.forward(X)
    if is_async:
        found = asyncio.run(layer.backward_async(given, np.ones((3, 6)), features=False))
    else:
        found = layer.backward(given, np.ones((3, 6)), features=False)
    assert layer.usage.circuits == 3 * (1 + 2 * 4)
    assert not found.features.any()
    np.testing.assert_allclose(found.weights["weights"], full.weights["weights"], atol=1e-12)


def test_the_features_between_two_circuits_are_wanted_whatever_the_first_ones_are():
    model = Sequential([EncodingLayer(2), QuantumFeatureExtractor(2, 1, weights_seed=1)])
    given = model.forward(X)
    whole = model.backward(given, np.ones((3, 6)))
    half = model.backward(given, np.ones((3, 6)), features=False)
    assert not half.features.any()
    for name, gradient in whole.weights.items():
        np.testing.assert_array_equal(gradient, half.weights[name])


def test_masks_are_no_parameters_that_anybody_shifts():
    dropout = QuantumDropout(gate=0.5, seed=1)
    layer = QuantumFeatureExtractor(2, 1, dropout=dropout, backend=Limited(**NO_SWEEP))
    given = layer.forward(X, training=True)
    layer.usage.take()
    layer.backward(given, np.ones((3, 6)))
    assert layer.usage.circuits == 3 * 2 * (2 + 4)


def test_a_gradient_that_is_impossible_is_refused_by_looking():
    dropout = QuantumDropout(gate=0.5, seed=1)
    layer = QuantumFeatureExtractor(2, 1, dropout=dropout, shots=10, gradient_method="adjoint")
    with pytest.raises(CapabilityError, match="shots leave no state"):
        Sequential([layer]).check_gradient(training=True)
    assert layer.usage.circuits == 0


def test_looking_draws_no_masks():
    one, other = (
        QuantumFeatureExtractor(2, 1, dropout=QuantumDropout(gate=0.5, seed=1), weights_seed=0)
        for _ in range(2)
    )
    one.check_gradient(training=True)
    np.testing.assert_array_equal(
        one.forward(X, training=True).values, other.forward(X, training=True).values
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_layer_that_has_run_can_be_copied(copied):
    layer = QuantumFeatureExtractor(2, 1, backend=qs.get_backend("statevector"))
    values = layer.call_sync(X)
    twin = copied(layer)
    np.testing.assert_array_equal(twin.call_sync(X), values)
    assert layer.usage.circuits == 3
