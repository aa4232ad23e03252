# SPDX-License-Identifier: Apache-2.0
"""Finite differences, and double precision for a while; for any framework under Keras."""

from contextlib import contextmanager

import keras
import numpy as np

STEP = 1e-5
"""Central differences of expectations, whose third derivatives are of order 1, are then right to 1e-9."""
CLOSE = 1e-6


@contextmanager
def double():
    """New layers compute in float64."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def differences(function, array):
    """The gradient of a function of one array to a number."""
    found = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        for sign in (1, -1):
            moved = array.copy()
            moved[index] += sign * STEP
            found[index] += sign * function(moved) / (2 * STEP)
    return found


def of_layer(layer, x, cotangent, *, training=False):
    """Differences of sum(cotangent * layer(x)) for x and for each weight by name."""

    def loss():
        return float((keras.ops.convert_to_numpy(layer(x, training=training)) * cotangent).sum())

    def moved_x(array):
        values = keras.ops.convert_to_numpy(layer(array, training=training))
        return float((values * cotangent).sum())

    gradients = {}
    for name, weight in layer.named_weights.items():
        start = np.array(keras.ops.convert_to_numpy(weight.value))

        def moved(array, weight=weight):
            weight.assign(array)
            return loss()

        gradients[name] = differences(moved, start)
        weight.assign(start)
    return differences(moved_x, x), gradients
