# SPDX-License-Identifier: Apache-2.0
"""Layers as people meet them: shapes, errors, weights, summaries, coroutines."""

import asyncio

import numpy as np
import pytest

from layers.backends import without_noise
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore.layers import (
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

WRONG = {
    "depth": (lambda: QuantumFeatureExtractor(3, 0), OptionError, "depth"),
    "unknown-option": (
        lambda: QuantumReadout(2, 2, shot=100),
        OptionError,
        "QuantumReadout takes no 'shot'. Did you mean 'shots'",
    ),
    "entanglement": (lambda: QuantumFeatureExtractor(3, 1, "ful"), OptionError, "'full'"),
    "bases": (
        lambda: QuantumFeatureExtractor(3, 1, measurement_bases="ZZ"),
        OptionError,
        "different letters",
    ),
    "encoding": (lambda: QuantumFeatureExtractor(3, 1, encoding="angel"), OptionError, "'angle'"),
    "too-many-pixels": (
        lambda: QuantumFeatureExtractor(8, 1, encoding="amplitude", n_features=784),
        OptionError,
        "take 10 qubits",
    ),
    "too-many-angles": (lambda: QuantumFeatureExtractor(3, 1, n_features=9), OptionError, "with 4"),
    "too-few-angles": (lambda: QuantumFeatureExtractor(3, 1, n_features=2), OptionError, "exactly 3"),
    "nonlinearity": (lambda: QuantumNonlinearity(2, "amplitude"), OptionError, "amplitude_damping"),
    "strength": (lambda: QuantumNonlinearity(2, "phase_damping", 1.5), OptionError, "from 0 to 1"),
    "pool-size": (lambda: QuantumPooling(2, 3), OptionError, "from 2 to the 2"),
    "pool-type": (lambda: QuantumPooling(4, 2, "max"), OptionError, "partial_trace"),
    "classes": (lambda: QuantumReadout(2, 5), OptionError, "2 to 4 classes"),
    "dropout": (lambda: QuantumDropout(qubit=1.0), OptionError, "below 1"),
    "range": (lambda: DecodingLayer(2, 1.0, 0.0), OptionError, "below high"),
    "norm": (lambda: QuantumBatchNorm(2, momentum=1.0), OptionError, "momentum"),
    "no-layers": (lambda: Sequential([]), OptionError, "needs layers"),
    "widths": (
        lambda: Sequential([QuantumFeatureExtractor(3, 1), QuantumFeatureExtractor(3, 1)]),
        OptionError,
        "gives 9 numbers",
    ),
    "qubits": (
        lambda: Sequential([EncodingLayer(4), QuantumPooling(4, 2), QuantumReadout(4, 2)]),
        OptionError,
        "leave 2",
    ),
    "reupload-pixels": (
        lambda: Sequential([EncodingLayer(3, "amplitude"), QuantumNonlinearity(3, "parametric")]),
        OptionError,
        "8 features and 3 qubits",
    ),
    "two-ways-to-run": (
        lambda: Sequential([EncodingLayer(2, shots=10), QuantumReadout(2, 2, shots=20)]),
        OptionError,
        "one circuit",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_refused_when_the_layer_is_made(name):
    make, error, words = WRONG[name]
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 4)), r"takes \(batch, 3\)"),
        (np.array([[np.nan, 0, 0]]), "NaN"),
        (np.array([["a", "b", "c"]]), "real numbers"),
        (np.zeros((1, 3), dtype=complex), "real numbers"),
        (np.zeros((2, 1, 3)), r"takes \(batch, 3\)"),
    ],
)
def test_features_that_do_not_fit(x, words):
    with pytest.raises(BindingError, match=words):
        QuantumFeatureExtractor(3, 1).call_sync(x)


def test_zeros_have_no_direction():
    layer = QuantumFeatureExtractor(2, 1, encoding="amplitude")
    with pytest.raises(BindingError, match="Row 1 is all zeros"):
        layer.call_sync(np.array([[1.0, 0, 0, 0], [0, 0, 0, 0]]))


def test_pixels_that_do_not_fill_the_state_are_padded_and_none_is_dropped():
    padded = QuantumFeatureExtractor(3, 1, encoding="amplitude", n_features=5, weights_seed=0)
    full = QuantumFeatureExtractor(3, 1, encoding="amplitude", weights_seed=0)
    x = np.random.default_rng(0).normal(size=(2, 5))
    np.testing.assert_allclose(padded.call_sync(x), full.call_sync(np.pad(x, ((0, 0), (0, 3)))), atol=1e-12)


def test_neighbours_are_one_circuit_and_boundaries_are_marked():
    model = Sequential(
        [
            QuantumFeatureExtractor(4, 1, measurement_bases="Z"),
            QuantumPooling(4, 2),
            QuantumBatchNorm(2),
            QuantumFeatureExtractor(2, 1, encoding="reupload"),
            QuantumReadout(2, 2),
        ]
    )
    assert [type(part).__name__ for part in model.parts] == [
        "CircuitLayer",
        "QuantumBatchNorm",
        "CircuitLayer",
    ]
    summary = model.summary(batch_size=10, samples=100)
    assert [row.starts_circuit for row in summary.rows] == [True, False, False, True, False]
    assert summary.parameters == model.n_parameters == sum(row.parameters for row in summary.rows)
    assert 0.8 < summary.quantum_share < 1
    text = str(summary)
    assert "[angle] QuantumFeatureExtractor" in text
    assert "  + QuantumPooling" in text


def test_a_layer_with_its_own_encoding_measures_and_encodes_again():
    model = Sequential([EncodingLayer(4), QuantumPooling(4, 2, encoding="angle"), QuantumReadout(2, 2)])
    assert len(model.parts) == 2


def test_weights_are_replaced_by_name():
    layer = QuantumPooling(4, 2)
    with pytest.raises(OptionError, match="'rotations'"):
        layer.set_parameters({"rotation": 0})
    with pytest.raises(OptionError, match=r"needs \(2, 3\)"):
        layer.set_parameters({"rotations": np.zeros(3)})
    layer.set_parameters({"rotations": np.ones((2, 3))})
    assert layer.weights["rotations"].sum() == 6


def test_a_layer_can_be_made_again_from_its_config():
    layer = QuantumFeatureExtractor(3, 2, "circular", "ZX", "reupload", weights_seed=4, shots=None)
    again = QuantumFeatureExtractor(**layer.get_config())
    x = np.ones((2, 3))
    np.testing.assert_array_equal(again.call_sync(x), layer.call_sync(x))
    assert repr(layer).startswith("QuantumFeatureExtractor(n_qubits=3, depth=2")


def test_coroutines_give_the_same():
    model = Sequential([QuantumFeatureExtractor(3, 1, weights_seed=0), QuantumReadout(3, 2, weights_seed=1)])
    x = np.random.default_rng(0).normal(size=(3, 3))
    cotangent = np.random.default_rng(1).normal(size=(3, 2))

    async def both():
        given = await model.forward_async(x)
        return given.values, await model.backward_async(given, cotangent)

    values, gradient = asyncio.run(both())
    expected, other = model.vjp(x, cotangent)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(gradient.features, other.features)


def test_shots_and_their_gradient():
    layer = QuantumFeatureExtractor(2, 1, "linear", "Z", shots=200, seed=1, weights_seed=0)
    exact = QuantumFeatureExtractor(2, 1, "linear", "Z", weights_seed=0)
    x = np.array([[0.4, 0.9]])
    assert np.abs(layer.call_sync(x) - exact.call_sync(x)).max() < 0.35
    _, gradient = layer.vjp(x)
    assert layer.last_gradient is not None
    assert layer.last_gradient.standard_errors is not None
    assert gradient.weights["weights"].shape == (1, 2, 2)


def test_too_many_ancillas_are_refused_with_what_to_do():
    backend = without_noise()
    backend.capabilities = backend.capabilities.with_changes(max_qubits=3)
    with pytest.raises(CapabilityError, match="backend with noise"):
        QuantumNonlinearity(2, "phase_damping", backend=backend).call_sync([[0.1, 0.2]])
