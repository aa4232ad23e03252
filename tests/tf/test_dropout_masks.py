# SPDX-License-Identifier: Apache-2.0
"""Where the masks of dropout come from: Keras' seed, unless one is given."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import qstore_tf as qt

X = np.linspace(0.1, 2.0, 24).reshape(8, 3)


def _values(keras_seed, seed=None, *, traced=False):
    keras.utils.set_random_seed(keras_seed)
    layer = qt.QuantumFeatureExtractor(3, 2, dropout=qt.QuantumDropout(qubit=0.4, seed=seed), weights_seed=1)
    run = tf.function(layer) if traced else layer
    return np.stack([run(X, training=True), run(X, training=True)])


@pytest.mark.parametrize("traced", [False, True])
def test_without_a_seed_that_of_keras_repeats_the_masks(traced):
    first = _values(3, traced=traced)
    np.testing.assert_array_equal(first, _values(3, traced=traced))
    assert not np.array_equal(first, _values(4, traced=traced))
    assert not np.array_equal(*first)


def test_a_seed_decides_whatever_keras_seed_is():
    np.testing.assert_array_equal(_values(3, seed=7), _values(4, seed=7))
