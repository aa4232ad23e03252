# SPDX-License-Identifier: Apache-2.0
"""Gradients of every layer and option, for features and weights, against finite differences in float64."""

import numpy as np
import pytest

from qstore.layers import (
    AdaptiveLayer,
    DecodingLayer,
    EncodingLayer,
    QuantumBatchNorm,
    QuantumDropout,
    QuantumFeatureExtractor,
    QuantumNonlinearity,
    QuantumPooling,
    QuantumReadout,
    Sequential,
)

STEP, TOLERANCE = 1e-5, 2e-8
ENCODINGS = ("angle", "amplitude", "iqp", "reupload")


def extractor(**options):
    return QuantumFeatureExtractor(3, 2, weights_seed=1, **options)


LAYERS = {
    **{f"extractor-{name}": lambda name=name: extractor(encoding=name) for name in ENCODINGS},
    **{f"encoding-{name}": lambda name=name: EncodingLayer(2, name) for name in ENCODINGS},
    "extractor-padded": lambda: extractor(encoding="amplitude", n_features=5),
    "extractor-none": lambda: extractor(entanglement="none", measurement_bases="Y"),
    "extractor-circular": lambda: extractor(entanglement="circular"),
    "amplitude-damping": lambda: QuantumNonlinearity(2, "amplitude_damping", 0.3, encoding="iqp"),
    "phase-damping": lambda: QuantumNonlinearity(2, "phase_damping", 0.3, encoding="iqp"),
    "parametric": lambda: QuantumNonlinearity(3, "parametric", 1.3),
    "pooling-3-of-4": lambda: QuantumPooling(4, 3, weights_seed=1),
    "pooling-untrained": lambda: QuantumPooling(4, 2, trainable=False),
    "pooling-measured": lambda: QuantumPooling(3, 2, "measurement", weights_seed=1),
    "pooling-fed-forward": lambda: QuantumPooling(3, 2, "measurement", weights_seed=1, feeds_forward=True),
    "readout-3-of-4": lambda: QuantumReadout(3, 3, weights_seed=1),
    "readout-scores": lambda: QuantumReadout(2, 5, "expectation", weights_seed=1),
    "adaptive": lambda: AdaptiveLayer(2, 3, 2, weights_seed=1),
    "decoding": lambda: DecodingLayer(3, 0.0, 2.0),
    "one-circuit": lambda: Sequential(
        [
            extractor(encoding="iqp"),
            QuantumNonlinearity(3, "amplitude_damping", 0.2),
            QuantumPooling(3, 2, weights_seed=2),
            QuantumReadout(2, 3, weights_seed=3),
        ]
    ),
    "reuploading-inside": lambda: Sequential(
        [EncodingLayer(3), QuantumNonlinearity(3, "parametric", 0.7), QuantumReadout(3, 2, weights_seed=3)]
    ),
    "two-circuits": lambda: Sequential(
        [
            extractor(measurement_bases="ZX"),
            DecodingLayer(6, -2.0, 2.0),
            extractor(encoding="amplitude", n_features=6),
        ]
    ),
}


def numeric(function, array):
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        ends = []
        for step in (STEP, -STEP):
            moved = array.copy()
            moved[index] += step
            ends.append(function(moved))
        gradient[index] = (ends[0] - ends[1]) / (2 * STEP)
    return gradient


def check(layer, *, training=False, restart=lambda: None):
    random = np.random.default_rng(7)
    x = random.normal(size=(3, layer.n_features))
    cotangent = random.normal(size=(3, layer.output_dim))

    def loss(features, weights):
        restart()
        return float((layer.forward(features, weights, training=training).values * cotangent).sum())

    restart()
    given = layer.forward(x, layer.weights, training=training)
    found = layer.backward(given, cotangent)
    np.testing.assert_allclose(found.features, numeric(lambda a: loss(a, layer.weights), x), atol=TOLERANCE)
    assert set(found.weights) == set(layer.weights)
    for name, weight in layer.weights.items():
        expected = numeric(lambda a, name=name: loss(x, {**layer.weights, name: a}), weight)
        np.testing.assert_allclose(found.weights[name], expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name):
    check(LAYERS[name]())


@pytest.mark.parametrize("encoding", ["angle", "reupload"])
def test_gradients_under_dropout_are_those_of_the_masked_circuits(encoding):
    dropout = QuantumDropout(qubit=0.3, basis=0.3, gate=0.4, seed=1)
    layer = extractor(dropout=dropout, encoding=encoding)

    def restart():
        layer._random = np.random.default_rng(5)

    check(layer, training=True, restart=restart)


def test_gradients_of_batch_norm_in_training_and_after():
    layer = QuantumBatchNorm(4)
    check(layer, training=True)
    check(layer)
    assert np.abs(layer.mean).max() > 0  # it has learned from the passes above


def test_weights_that_do_not_act_yet_have_no_gradient():
    layer = AdaptiveLayer(2, max_depth=3, weights_seed=0)
    _, gradient = layer.vjp(np.full((2, 2), 0.3))
    assert np.abs(gradient.weights["weights"][0]).max() > 0
    assert np.abs(gradient.weights["weights"][1:]).max() == 0
    layer.grow(5)
    assert layer.active_depth == 3
