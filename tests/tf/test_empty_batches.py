# SPDX-License-Identifier: Apache-2.0
"""A batch without rows, in a process that trains together with others: they hear of it, as of every other batch."""

import numpy as np
import pytest
import tensorflow as tf

import qstore_tf as qt


class Counted:
    """An agreement of one process that counts."""

    def __init__(self):
        self.said = []

    def exchange(self, error):
        self.said.append(error)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    "made", [lambda: qt.QuantumLayer(n_qubits=2, depth=1), lambda: qt.QuantumFeatureExtractor(2, 1)]
)
def test_the_others_hear_of_an_empty_batch_where_a_gradient_is_wanted(made, traced):
    layer = made()
    layer.build((None, 2))
    layer.agreement = Counted()

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, layer.trainable_variables)

    found = (tf.function(step) if traced else step)(tf.zeros((0, 2)))
    assert len(found) == 1
    assert not np.any(found[0])
    assert layer.agreement.said == [None, None]
    layer(tf.zeros((0, 2)))
    assert layer.agreement.said == [None, None]


def test_the_others_hear_of_a_pass_that_overflowed():
    layer = qt.QuantumLayer(n_qubits=2, depth=1, dtype="mixed_float16")
    layer.agreement = Counted()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(layer(tf.zeros((1, 2))), tf.float32)) * np.inf
    assert not np.isfinite(tape.gradient(loss, layer.trainable_variables)[0]).any()
    assert layer.agreement.said == [None, None]
