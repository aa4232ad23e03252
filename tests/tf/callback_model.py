# SPDX-License-Identifier: Apache-2.0
"""A small training for the tests of callbacks, the same under every framework."""

import keras
import numpy as np

import qstore_tf as qt
from qstore.layers import QuantumDropout
from qstore_tf.callbacks import CheckpointCallback, MetricsCallback, QuantumTensorBoard

X = np.random.default_rng(1).random((8, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make(*, dropout=True, eager=False):
    """A model with everything that remembers: weights, slots of Adam, dropout of Keras and of ours, batch norm of ours."""
    keras.utils.set_random_seed(5)
    drops = QuantumDropout(qubit=0.2, gate=0.2, seed=3) if dropout else None
    quantum = qt.Sequential(
        [qt.QuantumFeatureExtractor(3, 2, dropout=drops), qt.QuantumBatchNorm(9)], name="quantum"
    )
    layers = [
        keras.Input((3,)),
        quantum,
        keras.layers.Dropout(0.2 if dropout else 0.0, seed=1),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.9)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse", metrics=["mae"], run_eagerly=eager)
    return model


def fit(model, epochs, *callbacks, **options):
    history = model.fit(
        X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks), **options
    )
    return history.history


def continued(folder, epochs):
    """The losses of a training that goes on from the checkpoints in a folder and writes what it does beside them."""
    found = fit(
        make(dropout=False), epochs, CheckpointCallback(folder / "checkpoints", resume=True),
        MetricsCallback(folder / "metrics", update_freq="batch"), QuantumTensorBoard(folder / "events"),
        validation_data=(X, Y),
    )  # fmt: skip
    return found["loss"]
