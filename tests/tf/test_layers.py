# SPDX-License-Identifier: Apache-2.0
"""The layers of the core as Keras layers: the same numbers as in qstore and qstore_torch, right gradients, Keras' modes."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import qstore_tf as qt
import qstore_torch
import torch
from layers.backends import Limited
from qstore import layers as core
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore.gradients import GradientConfig
from qstore_tf.plugin import LAYERS
from tf.finite import CLOSE, double, of_layer
from tf.makers import MAKERS

EXACT = 1e-12
NAMES = (*LAYERS, "QuantumDropout")


def _made(name):
    with double():
        layer = MAKERS[name](qt)
        layer.build((None, layer.n_features))
    return layer


def _x(layer, *lead):
    return np.random.default_rng(7).normal(size=(*lead, layer.n_features))


def _gradients(layer, x, cotangent, *, training=False):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = layer(x, training=training)
        loss = tf.reduce_sum(values * cotangent)
    weights = layer.named_weights
    of_x, *of_weights = tape.gradient(loss, [x, *(each.value for each in weights.values())])
    return (
        values.numpy(),
        of_x.numpy(),
        {name: each.numpy() for name, each in zip(weights, of_weights, strict=True)},
    )


def test_every_layer_of_the_core_is_here_under_its_name():
    kinds = {name for name in core.__all__ if inspect.isclass(getattr(core, name))}
    base = {"BackendUse", "CircuitLayer", "Execution", "Layer", "LayerGradient", "Observed", "Pass", "Usage"}
    assert kinds - base == set(NAMES)
    for name in LAYERS:
        ours = inspect.signature(getattr(qt, name)).parameters
        theirs = inspect.signature(getattr(core, name)).parameters
        assert [ours[each] for each in theirs] == list(theirs.values())
        assert "Args:" in getattr(qt, name).__doc__


@pytest.mark.parametrize("name", MAKERS)
def test_values_and_gradients_are_those_of_the_core_and_of_torch(name):
    layer, twin, module = _made(name), MAKERS[name](core), MAKERS[name](qstore_torch).double()
    x = _x(layer, 3)
    weights = {key: each.numpy().astype(np.float64) for key, each in layer.named_weights.items()}
    module.set_parameters(weights)
    twin.set_parameters(weights)
    expected = twin.call_sync(x)
    cotangent = np.random.default_rng(1).normal(size=expected.shape)
    values, of_x, of_weights = _gradients(layer, x, cotangent)
    _, gradient = twin.vjp(x, cotangent)
    np.testing.assert_allclose(values, expected, atol=EXACT)
    np.testing.assert_allclose(of_x, gradient.features, atol=EXACT)
    tensor = torch.from_numpy(x).requires_grad_()
    found = module.eval()(tensor)
    found.backward(torch.from_numpy(cotangent))
    np.testing.assert_allclose(values, found.detach().numpy(), atol=EXACT)
    np.testing.assert_allclose(of_x, tensor.grad.numpy(), atol=EXACT)
    assert set(of_weights) == set(gradient.weights) == set(module.weights)
    for key, each in of_weights.items():
        np.testing.assert_allclose(each, gradient.weights[key], atol=EXACT)
        np.testing.assert_allclose(each, module.weights[key].grad.numpy(), atol=EXACT)


@pytest.mark.parametrize("name", MAKERS)
def test_gradients_are_those_of_finite_differences(name):
    layer = _made(name)
    training = name in {"norm", "three-parts"}
    x = _x(layer, 2)
    cotangent = np.random.default_rng(1).normal(size=(2, layer.output_dim))
    expected_x, expected = of_layer(layer, x, cotangent, training=training)
    _, of_x, of_weights = _gradients(layer, x, cotangent, training=training)
    np.testing.assert_allclose(of_x, expected_x, atol=CLOSE)
    assert set(of_weights) == set(expected)
    for key, each in of_weights.items():
        np.testing.assert_allclose(each, expected[key], atol=CLOSE)


@pytest.mark.parametrize("name", ["dropout", "norm", "three-parts"])
def test_training_gives_the_values_and_gradients_of_torch(name):
    layer, module = _made(name), MAKERS[name](qstore_torch).double()
    module.set_parameters({key: each.numpy() for key, each in layer.named_weights.items()})
    for turn in range(2):
        x = _x(layer, 4) + turn
        cotangent = np.random.default_rng(turn).normal(size=(4, layer.output_dim))
        values, of_x, of_weights = _gradients(layer, x, cotangent, training=True)
        tensor = torch.from_numpy(x).requires_grad_()
        module.zero_grad()
        found = module(tensor)
        found.backward(torch.from_numpy(cotangent))
        np.testing.assert_allclose(values, found.detach().numpy(), atol=EXACT)
        np.testing.assert_allclose(of_x, tensor.grad.numpy(), atol=EXACT)
        for key, each in of_weights.items():
            np.testing.assert_allclose(each, module.weights[key].grad.numpy(), atol=EXACT)
    np.testing.assert_allclose(layer(x), module.eval()(torch.from_numpy(x)).detach().numpy(), atol=EXACT)


@pytest.mark.parametrize("name", MAKERS)
def test_any_leading_axes_are_the_batch_and_an_empty_one_is_empty(name):
    layer = _made(name)
    x = _x(layer, 2, 3)
    np.testing.assert_allclose(layer(x), np.stack([layer(each) for each in x]), atol=EXACT)
    np.testing.assert_allclose(layer(x[0, 0]), layer(x)[0, 0], atol=EXACT)
    assert layer(x[:, :0]).shape == (2, 0, layer.output_dim)
    _, of_x, of_weights = _gradients(layer, x[:, :0], np.zeros((2, 0, layer.output_dim)))
    assert of_x.shape == (2, 0, layer.n_features)
    assert not any(each.any() for each in of_weights.values())
    symbolic = layer(keras.Input((None, layer.n_features)))
    assert (symbolic.shape, symbolic.dtype) == ((None, None, layer.output_dim), "float64")
    assert repr(layer).startswith(f"<{type(layer).__name__} name=")
    assert f"output_dim={layer.output_dim}" in repr(layer)


def test_masks_of_sequences_pass():
    masked = keras.Sequential(
        [keras.layers.Masking(), qt.QuantumFeatureExtractor(2, 1), keras.layers.GlobalAveragePooling1D()]
    )
    x = np.random.default_rng(0).random((2, 5, 2), np.float32)
    x[:, 3:] = 0
    np.testing.assert_allclose(masked(x), masked(x[:, :3]), atol=1e-6)


def test_keras_seed_decides_about_fresh_weights():
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        layer = qt.Sequential([qt.QuantumFeatureExtractor(2, 1), qt.QuantumReadout(2, 2)])
        layer.build((None, 2))
        first = np.concatenate([each.flatten() for each in layer.get_weights()])
        layer.reset_parameters()
        again = np.concatenate([each.flatten() for each in layer.get_weights()])
        assert not np.array_equal(first, again)
        weights.append(np.concatenate([first, again]))
    np.testing.assert_array_equal(*weights)
    assert "weights_seed" not in repr(layer)


def test_a_seed_that_is_given_repeats_the_weights_of_the_core():
    layer, twin = (home.QuantumFeatureExtractor(3, 2, weights_seed=5) for home in (qt, core))
    layer.build((None, 3))
    np.testing.assert_allclose(layer.named_weights["weights"].numpy(), twin.weights["weights"], rtol=1e-6)


def test_dropout_acts_in_training_only():
    layer = qt.QuantumFeatureExtractor(3, 2, dropout=qt.QuantumDropout(qubit=0.4, gate=0.4, seed=1))
    x = _x(layer, 8)
    assert not np.array_equal(layer(x, training=True), layer(x, training=True))
    np.testing.assert_array_equal(layer(x), layer(x))


def test_batch_norm_remembers_in_variables_and_only_in_training():
    norm = qt.QuantumBatchNorm(2, momentum=0.0)
    x = np.array([[1.0, 10.0], [3.0, 30.0]])
    tf.function(norm)(x, training=True)
    assert not norm.trainable_variables[0].path.startswith("mean")
    mean, variance = (each.value for each in norm.non_trainable_variables)
    np.testing.assert_allclose(mean, [2.0, 20.0])
    norm(x + 100)
    np.testing.assert_allclose(mean, [2.0, 20.0])
    norm(x[:0], training=True)
    np.testing.assert_allclose(variance, [1.0, 100.0])
    norm.reset_parameters()
    assert not mean.numpy().any()
    assert norm.to_layer().variance.tolist() == [1.0, 1.0]


def test_an_adaptive_layer_grows_while_its_programs_stay():
    layer = qt.AdaptiveLayer(2, max_depth=3, weights_seed=1)
    x = _x(layer, 3).astype(np.float32)
    layer.build(x.shape)
    program = tf.function(layer)
    shallow = program(x).numpy()
    layer.grow()
    deep = program(x).numpy()
    assert program.experimental_get_tracing_count() == 1
    assert not np.allclose(shallow, deep)
    np.testing.assert_allclose(deep, layer(x))
    assert (layer.active_depth, layer.get_config()["active_depth"], layer.usage.circuits) == (2, 2, 9)
    with pytest.raises(OptionError, match="from 1 to 3"):
        layer.active_depth = 4


def test_a_sequential_takes_layers_with_their_present_weights():
    extractor, readout = qt.QuantumFeatureExtractor(2, 1), qt.QuantumReadout(2, 2)
    extractor.build((None, 2))
    extractor.set_parameters({"weights": np.full((1, 2, 2), 0.25)})
    model = qt.Sequential([extractor, readout, core.DecodingLayer(2)])
    model.build((None, 2))
    assert np.unique(model.named_weights["part0_feature_extractor_weights"].numpy()).tolist() == [0.25]
    assert model.summary(backend="statevector").parameters == model.n_parameters == model.count_params()
    with pytest.raises(OptionError, match=r"got Dense.*keras\.Sequential"):
        qt.Sequential([extractor, keras.layers.Dense(2)])


def test_only_the_gradients_that_are_asked_for_cost_circuits():
    layer = qt.QuantumFeatureExtractor(2, 1, backend=Limited(differentiable_outputs=frozenset()))
    x = tf.random.uniform((3, 2))

    def weights():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, layer.trainable_variables)

    def both():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, [x, *layer.trainable_variables])

    for run in (lambda function: function, tf.function):
        for step, circuits in ((weights, 9), (both, 13), (lambda: layer(x), 1)):
            run(step)()
            assert layer.usage.take().circuits == 3 * circuits


@pytest.mark.parametrize("method", ["parameter_shift", "finite_difference", GradientConfig(method="spsa", samples=64)])  # fmt: skip
def test_any_method_may_be_set_between_steps(method):
    with double():
        layer = qt.Sequential([qt.QuantumFeatureExtractor(2, 1, weights_seed=1), qt.QuantumReadout(2, 2, weights_seed=2)])  # fmt: skip
    x = _x(layer, 4)
    layer.build(x.shape)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x)[:, 0])
        return tape.gradient(loss, layer.trainable_variables)

    exact = gradients()
    layer.gradient_method = method
    assert layer.gradient_method is method
    layer.gradient_step = 3
    for found, wanted in zip(gradients(), exact, strict=True):
        np.testing.assert_allclose(found, wanted, atol=0.3 if isinstance(method, GradientConfig) else 1e-6)


def test_the_last_gradient_has_standard_errors_and_the_names_of_the_model():
    model = qt.Sequential(
        [
            qt.QuantumFeatureExtractor(2, 1, measurement_bases="Z", shots=200, seed=1),
            qt.DecodingLayer(2),
            qt.QuantumReadout(2, 2, shots=200, seed=2),
        ]
    )
    assert model.last_gradient is None
    _gradients(model, np.zeros((4, 2), np.float32), np.arange(8, dtype=np.float32).reshape(4, 2))
    found = model.last_gradient
    assert {"part0_weights", "part2_rotations"} <= set(found.gradients)
    assert found.standard_errors["part2_rotations"].max() > 0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: qt.QuantumFeatureExtractor(2, 1)(np.zeros((5, 3))), BindingError, r"'features' has shape \(5, 3\).*\(..., 2\)"),
        (lambda: keras.Sequential([keras.Input((3,)), qt.QuantumReadout(2, 2)]), BindingError, r"\(None, 3\).*\(..., 2\)"),
        (lambda: qt.QuantumFeatureExtractor(2, 1)(np.array([[0.1, np.inf]])), BindingError, "1 features are NaN or inf"),
        (lambda: qt.QuantumFeatureExtractor(2, 1)(tf.zeros((5, 2), tf.complex64)), BindingError, "got complex64"),
        (lambda: qt.QuantumFeatureExtractor(2, 1)(tf.constant([["a", "b"]])), BindingError, "got string"),
        (lambda: qt.QuantumFeatureExtractor(2, 1)([np.zeros((5, 2)), np.zeros((5, 2))]), BindingError, r"1 input\(s\)"),
        (lambda: qt.QuantumReadout(2, 2)(tf.sparse.from_dense(np.ones((5, 2)))), BindingError, "is a SparseTensor; make it dense"),
        (lambda: qt.QuantumReadout(2, 2)(tf.ragged.constant([[1.0, 2.0], [3.0]])), BindingError, "is a RaggedTensor"),
        (lambda: qt.QuantumReadout(2, 2, dtype="int32"), OptionError, "dtype cannot be 'int32'"),
        (lambda: qt.QuantumFeatureExtractor(2, 1, encoding="angel"), OptionError, "Did you mean 'angle'"),
        (lambda: qt.QuantumFeatureExtractor(2, 1).set_parameters({"weights": 0}), OptionError, "shape"),
        (lambda: qt.QuantumFeatureExtractor(2, 1).set_parameters({"weight": 0}), OptionError, "Did you mean 'weights'"),
        (lambda: qt.QuantumFeatureExtractor(2, 1).reset_parameters(), OptionError, "no weights yet"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_backend_that_cannot_is_refused_when_the_layer_is_made_or_moved():
    counting = Limited(exact_outputs=frozenset(), shot_outputs=frozenset({"Counts"}))
    with pytest.raises(CapabilityError, match="limited"):
        qt.QuantumFeatureExtractor(2, 1, backend=counting)
    layer = qt.QuantumFeatureExtractor(2, 1)
    with pytest.raises(CapabilityError, match="limited"):
        layer.backend = counting
    qt.QuantumFeatureExtractor(2, 1, backend=counting, shots=10)


def test_an_impossible_gradient_is_refused_before_a_circuit_runs():
    layer = qt.QuantumFeatureExtractor(2, 1, shots=10, gradient_method="adjoint")
    x = np.zeros((3, 2), np.float32)
    assert layer(x).shape == (3, 6)
    layer.usage.take()
    with tf.GradientTape(), pytest.raises(CapabilityError, match="shots leave no state"):
        layer(x)
    assert layer.usage.circuits == 0
