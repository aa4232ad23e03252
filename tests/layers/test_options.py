# SPDX-License-Identifier: Apache-2.0
"""Options of layers are refused where they are written down, with qstore's own errors."""

import numpy as np
import pytest

import qstore as qs
from qstore.errors import CircuitError, OptionError
from qstore.gradients import GradientConfig
from qstore.layers import (
    AdaptiveLayer,
    DecodingLayer,
    EncodingLayer,
    Execution,
    QuantumBatchNorm,
    QuantumDropout,
    QuantumFeatureExtractor,
    QuantumNonlinearity,
    QuantumPooling,
    QuantumReadout,
    Sequential,
)
from qstore.layers.circuit_function import CircuitFunction, NameRule

NAMES = NameRule("torch", ".", "dots")
SPSA = GradientConfig(method="spsa").made
RUNS = {
    "extractor": lambda **how: QuantumFeatureExtractor(3, 1, **how),
    "encoding": lambda **how: EncodingLayer(3, **how),
    "nonlinearity": lambda **how: QuantumNonlinearity(3, **how),
    "pooling": lambda **how: QuantumPooling(3, **how),
    "readout": lambda **how: QuantumReadout(3, 2, **how),
    "adaptive": lambda **how: AdaptiveLayer(3, 2, **how),
    "function": lambda **how: CircuitFunction(n_qubits=2, depth=1, names=NAMES, **how),
    "execution": Execution,
}
WAYS = [
    ({"shots": 0}, "shots must be an integer from 1"),
    ({"shots": 1.5}, "shots must be an integer from 1"),
    ({"shots": "many"}, "shots must be an integer from 1"),
    ({"shots": True}, "shots must be an integer from 1"),
    ({"seed": "a"}, "seed must be an integer from 0"),
    ({"seed": -1}, "seed must be an integer from 0"),
    (
        {"gradient_method": 3},
        "gradient_method must be a registered name, a GradientConfig or a method, got 3",
    ),
    ({"gradient_method": object()}, "gradient_method must be"),
    ({"gradient_method": type(SPSA)}, "gradient_method must be"),
    ({"backend": 3}, "backend must be a registered name or a Backend, got 3"),
]
QUBITS = {
    "extractor": lambda n: QuantumFeatureExtractor(n, 1),
    "encoding": EncodingLayer,
    "nonlinearity": QuantumNonlinearity,
    "pooling": QuantumPooling,
    "readout": lambda n: QuantumReadout(n, 2),
    "adaptive": lambda n: AdaptiveLayer(n, 2),
}
SEEDED = {
    "extractor": lambda seed: QuantumFeatureExtractor(3, 1, weights_seed=seed),
    "pooling": lambda seed: QuantumPooling(3, weights_seed=seed),
    "readout": lambda seed: QuantumReadout(3, 2, weights_seed=seed),
    "adaptive": lambda seed: AdaptiveLayer(3, 2, weights_seed=seed),
}
OTHERS = {
    "dropout": (
        lambda: QuantumFeatureExtractor(3, 1, dropout=0.3),
        r"dropout must be a QuantumDropout or None, got 0\.3: QuantumDropout\(qubit=0\.3\)",
    ),
    "dropout-word": (lambda: QuantumFeatureExtractor(3, 1, dropout="a"), "dropout must be a QuantumDropout"),
    "bases": (lambda: QuantumFeatureExtractor(3, 1, measurement_bases=None), "different letters out of 'XYZ'"),
    "bases-adaptive": (lambda: AdaptiveLayer(3, 1, measurement_bases=None), "different letters out of 'XYZ'"),
    "bases-function": (
        lambda: CircuitFunction(n_qubits=2, depth=1, measurement_bases=None, names=NAMES),
        "different letters out of 'XYZ'",
    ),
    "bases-lists": (lambda: QuantumFeatureExtractor(3, 1, measurement_bases=[["Z"]]), "different letters"),
    "max-depth": (lambda: AdaptiveLayer(3, [2]), "depth must be an integer"),
    "low": (lambda: DecodingLayer(2, low="a"), "low must be a finite number, got 'a'"),
    "high": (lambda: DecodingLayer(2, high=None), "high must be a finite number, got None"),
    "range": (lambda: DecodingLayer(2, low=2.0), "low must be below high"),
    "spread": (lambda: QuantumBatchNorm(2, spread="a"), "spread must be a finite number"),
    "momentum": (lambda: QuantumBatchNorm(2, momentum=None), "momentum must be a finite number"),
    "feeds-forward": (
        lambda: QuantumPooling(4, 2, "partial_trace", feeds_forward=True),
        "pooling_type='measurement'",
    ),
    "classes": (lambda: QuantumReadout(3, "2"), "n_classes='2'"),
    "strength": (lambda: QuantumNonlinearity(3, strength="a"), "strength must be"),
    "backend-of-all": (lambda: Sequential([QuantumReadout(2, 2)], backend=3), "backend must be"),
}  # fmt: skip


@pytest.mark.parametrize(("how", "words"), WAYS)
@pytest.mark.parametrize("name", RUNS)
def test_how_it_runs_is_checked_when_a_layer_is_made(name, how, words):
    with pytest.raises(OptionError, match=words):
        RUNS[name](**how)


@pytest.mark.parametrize("name", RUNS)
def test_right_options_are_taken_and_names_of_missing_plugins_too(name):
    RUNS[name](shots=np.int64(10), seed=3, gradient_method=GradientConfig(method="spsa"))
    RUNS[name](backend="of_a_plugin", gradient_method="of_a_plugin")
    RUNS[name](backend=qs.get_backend("statevector"), gradient_method=SPSA)


@pytest.mark.parametrize("n_qubits", [3.0, "3", None, 0, True, [3]])
@pytest.mark.parametrize("name", QUBITS)
def test_qubits_are_counted_in_integers(name, n_qubits):
    with pytest.raises(CircuitError, match="n_qubits must be an integer from 1"):
        QUBITS[name](n_qubits)


@pytest.mark.parametrize("seed", ["x", -1, 1.5, True])
@pytest.mark.parametrize("name", SEEDED)
def test_seeds_of_weights_are_checked(name, seed):
    with pytest.raises(OptionError, match="weights_seed must be an integer of at least 0"):
        SEEDED[name](seed)


@pytest.mark.parametrize("name", OTHERS)
def test_other_mistakes_are_refused_in_plain_words(name):
    make, words = OTHERS[name]
    with pytest.raises(OptionError, match=words):
        make()


def test_a_method_that_is_replaced_is_checked_too():
    function = RUNS["function"]()
    with pytest.raises(OptionError, match="gradient_method must be"):
        function.gradient_method = 3
    with pytest.raises(OptionError, match="backend must be"):
        function.backend = 3


def test_numbers_that_numpy_made_are_numbers():
    assert QuantumFeatureExtractor(np.int64(2), 1, weights_seed=np.int64(1)).output_dim == 6
    assert DecodingLayer(2, np.float32(0), np.int64(2)).get_config()["high"] == 2.0
    assert type(QuantumDropout(seed=np.int64(3)).seed) is int
