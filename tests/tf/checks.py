# SPDX-License-Identifier: Apache-2.0
"""What every framework under Keras must do, in a process of its own: `KERAS_BACKEND=jax python -m tf.checks FOLDER`.

Continues the training whose checkpoints are in the folder, then prints its losses and, from the name of each check, "passed"
or what went wrong, as JSON; `test_backends` runs it.
"""

import json
import logging
import re
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

FRAMEWORK = keras.backend.backend()
FRAMEWORKS = ("tensorflow", "torch", "jax")
EXACT = 1e-12


def _loaded():
    return {name for name in FRAMEWORKS if name in sys.modules}


# A model without our layers, saved and loaded: what Keras imports for itself.
_control = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
_control.compile("sgd", "mse")
_control.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
with tempfile.TemporaryDirectory() as _folder:
    _control.save(Path(_folder) / "control.keras")
    keras.saving.load_model(Path(_folder) / "control.keras")
LOADED_BY_KERAS = _loaded()

import qstore as qs  # noqa: E402  # after the control
import qstore_tf as qt  # noqa: E402
from layers.backends import Limited  # noqa: E402
from qstore import layers as core  # noqa: E402
from qstore.errors import BindingError, BudgetExceeded, CapabilityError, OptionError  # noqa: E402
from qstore_tf.callbacks import CheckpointCallback  # noqa: E402
from tf.callback_model import continued  # noqa: E402
from tf.finite import CLOSE, double, of_layer  # noqa: E402
from tf.makers import MAKERS  # noqa: E402

CHECKS = {}


def check(function):
    """Register a check under its name."""
    CHECKS[function.__name__] = function
    return function


def raises(error, text, function):
    """The function raises the error with the text."""
    with pytest.raises(error, match=re.escape(text)):
        function()


def array(tensor):
    """A tensor as a numpy array."""
    return np.array(keras.ops.convert_to_numpy(tensor))


def gradients(layer, x, cotangent, *, training=False, weights_too=True, inputs_too=True, compiled=False):
    """Values, and the gradients of sum(cotangent * values) for x and for the weights."""
    if FRAMEWORK == "torch":
        import torch

        x = torch.from_numpy(np.array(x)).requires_grad_(inputs_too)
        variables = [each.value for each in layer.trainable_variables]
        values = layer(x, training=training)
        loss = (values * torch.from_numpy(cotangent)).real.sum()
        wanted = [x] * inputs_too + variables * weights_too
        found = torch.autograd.grad(loss, wanted)
        return values.detach().numpy(), [each.numpy() for each in found]
    import jax

    def loss(x, trainable):
        values, _ = layer.stateless_call(
            trainable, [each.value for each in layer.non_trainable_variables], x, training=training
        )
        return (values * cotangent).real.sum(), values

    which = [0] * inputs_too + [1] * weights_too
    given = x, [each.value for each in layer.trainable_variables]
    found, values = jax.grad(loss, argnums=tuple(which), has_aux=True)(*given)
    flat = jax.tree.leaves(found)
    if compiled:
        again, _ = jax.jit(jax.grad(loss, argnums=tuple(which), has_aux=True))(*given)
        for one, other in zip(flat, jax.tree.leaves(again), strict=True):
            np.testing.assert_allclose(one, other, atol=EXACT)
    return array(values), [array(each) for each in flat]


def made(name):
    """A built layer in float64."""
    with double():
        layer = MAKERS[name](qt)
        layer.build((None, layer.n_features))
    return layer


@check
def float64_is_refused_by_jax_until_it_is_switched_on():
    if FRAMEWORK == "jax":
        import jax

        raises(OptionError, "jax_enable_x64", lambda: qt.QuantumLayer(n_qubits=2, depth=1, dtype="float64"))
        assert qt.QuantumLayer(n_qubits=2, depth=1)(np.zeros((3, 2))).dtype == "float32"
        jax.config.update("jax_enable_x64", True)


@check
def numbers_and_gradients_are_those_of_the_core():
    for name, make in MAKERS.items():
        layer, twin = made(name), make(core)
        twin.set_parameters({key: array(each.value) for key, each in layer.named_weights.items()})
        x = np.random.default_rng(7).normal(size=(3, layer.n_features))
        cotangent = np.random.default_rng(1).normal(size=(3, layer.output_dim))
        compiled = name in {"extractor", "norm", "adaptive", "three-parts"}
        values, (of_x, *of_weights) = gradients(layer, x, cotangent, compiled=compiled)
        expected, gradient = twin.vjp(x, cotangent)
        np.testing.assert_allclose(values, expected, atol=EXACT, err_msg=name)
        np.testing.assert_allclose(of_x, gradient.features, atol=EXACT, err_msg=name)
        for key, each in zip(layer.named_weights, of_weights, strict=True):
            np.testing.assert_allclose(each, gradient.weights[key], atol=EXACT, err_msg=name)


@check
def gradients_in_training_are_those_of_finite_differences():
    for name in ("norm", "three-parts", "one-circuit"):
        layer = made(name)
        x = np.random.default_rng(7).normal(size=(3, layer.n_features))
        cotangent = np.random.default_rng(1).normal(size=(3, layer.output_dim))
        expected_x, expected = of_layer(layer, x, cotangent, training=True)
        _, (of_x, *of_weights) = gradients(layer, x, cotangent, training=True)
        np.testing.assert_allclose(of_x, expected_x, atol=CLOSE)
        for key, each in zip(layer.named_weights, of_weights, strict=True):
            np.testing.assert_allclose(each, expected[key], atol=CLOSE)


@check
def statevectors_have_right_gradients_too():
    with double():
        layer = qt.QuantumLayer(n_qubits=2, depth=1, outputs=qs.StateVector())
    x = np.random.default_rng(0).random((2, 2))
    layer.build(x.shape)
    random = np.random.default_rng(1)
    cotangent = random.normal(size=(2, 4)) + 1j * random.normal(size=(2, 4))
    values, (of_x, of_weights) = gradients(layer, x, cotangent, compiled=True)
    assert values.dtype == "complex128"

    class Real:
        named_weights = layer.named_weights

        def __call__(self, x, training=False):
            return (array(layer(x)) * cotangent).real

    expected_x, expected = of_layer(Real(), x, np.ones((2, 4)))
    np.testing.assert_allclose(of_x, expected_x, atol=CLOSE)
    np.testing.assert_allclose(of_weights, expected["weights"], atol=CLOSE)


@check
def any_leading_axes_are_the_batch_and_an_empty_one_is_empty():
    for name in ("extractor", "norm", "adaptive"):
        layer = made(name)
        x = np.random.default_rng(7).normal(size=(2, 3, layer.n_features))
        np.testing.assert_allclose(array(layer(x)), np.stack([array(layer(each)) for each in x]), atol=EXACT)
        assert layer(x[:, :0]).shape == (2, 0, layer.output_dim)
        values, found = gradients(layer, x[:, :0], np.zeros((2, 0, layer.output_dim)))
        assert values.shape == (2, 0, layer.output_dim)
        assert not any(each.any() for each in found)
        assert layer(keras.Input((None, layer.n_features))).shape == (None, None, layer.output_dim)
    with double():
        alone = qt.QuantumLayer(
            qs.QuantumCircuit(1).ry(0, "angle"), inputs=(), initial_weights={"angle": 0.5}
        )
    np.testing.assert_allclose(array(alone()), [np.cos(0.5)])
    assert qt.QuantumLayer(n_qubits=2, depth=1)(np.array([[1, 2]])).shape == (1, 2)


@check
def only_the_gradients_that_are_asked_for_cost_circuits():
    layer = qt.QuantumFeatureExtractor(2, 1, backend=Limited(differentiable_outputs=frozenset()))
    x = np.zeros((3, 2), np.float32)
    layer.build(x.shape)
    cotangent = np.ones((3, 6), np.float32)
    passes = 1 if FRAMEWORK == "torch" else 2  # once more in a compiled program
    for options, circuits in (({"inputs_too": False}, 9), ({}, 13)):
        gradients(layer, x, cotangent, compiled=True, **options)
        assert layer.usage.take().circuits == 3 * circuits * passes
    layer.trainable = False
    layer(x)
    assert layer.usage.take().circuits == 3


@check
def a_model_is_trained_saved_and_loaded_to_the_bit():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    model = keras.Sequential(
        [
            keras.layers.Dense(2),
            qt.QuantumBatchNorm(2),
            qt.QuantumFeatureExtractor(2, 2, dropout=qt.QuantumDropout(gate=0.05, seed=1)),
            keras.layers.Dense(2),
            qt.Sequential([qt.QuantumFeatureExtractor(2, 1), qt.QuantumReadout(2, 2)]),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert model.jit_compile is (FRAMEWORK == "jax")
    model.build((None, 3))
    before = model.get_weights()
    losses = model.fit(x, y, epochs=20, batch_size=32, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.05, losses
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.evaluate(x, y, verbose=0)
    values = model.predict(x, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        twin = keras.saving.load_model(Path(folder) / "model.keras")
        np.testing.assert_array_equal(twin.predict(x, verbose=0), values)
        model.save_weights(Path(folder) / "model.weights.h5")
        model.layers[2].reset_parameters()
        assert not np.array_equal(model.predict(x, verbose=0), values)
        model.load_weights(Path(folder) / "model.weights.h5")
        np.testing.assert_array_equal(model.predict(x, verbose=0), values)


@check
def models_train_without_compilation_too():
    model = keras.Sequential([keras.Input((2,)), qt.QuantumReadout(2, 2, weights_seed=1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.zeros((4, 2)), np.zeros((4, 2)), verbose=0)
    assert set(model.layers[0].last_gradient.gradients) == {"rotations"}


@check
def an_adaptive_layer_grows_in_a_compiled_model():
    model = keras.Sequential([keras.Input((2,)), qt.AdaptiveLayer(2, max_depth=3, weights_seed=1)])
    x = np.ones((4, 2), np.float32)
    shallow = model.predict(x, verbose=0)
    model.layers[0].grow()
    assert model.layers[0].active_depth == 2
    assert not np.allclose(model.predict(x, verbose=0), shallow)


@check
def second_derivatives_are_refused():
    layer = made("extractor")
    x = np.random.default_rng(7).normal(size=(3, 2))
    if FRAMEWORK == "torch":
        import torch

        def second():
            given = torch.from_numpy(x).requires_grad_()
            (slope,) = torch.autograd.grad(layer(given).sum(), given, create_graph=True)
            slope.square().sum().backward()
    else:
        import jax

        def second():
            jax.grad(lambda x: jax.grad(lambda x: layer(x).sum())(x).sum())(x)

        raises(TypeError, "forward-mode", lambda: jax.jvp(layer, (x,), (x,)))
    raises(CapabilityError, "no second derivatives", second)


@check
def mapped_programs_of_jax_work():
    if FRAMEWORK == "jax":
        import jax

        layer = made("extractor")
        x = np.random.default_rng(7).normal(size=(4, 3, 2))
        np.testing.assert_allclose(array(jax.vmap(layer)(x)), array(layer(x)), atol=EXACT)
        each = jax.jit(jax.vmap(jax.grad(lambda x: (layer(x) ** 2).sum())))(x)
        whole = jax.grad(lambda x: (layer(x) ** 2).sum())(x)
        np.testing.assert_allclose(array(each), array(whole), atol=EXACT)
        rematerialised = jax.jit(jax.grad(jax.checkpoint(lambda x: (layer(x) ** 2).sum())))(x)
        np.testing.assert_allclose(array(rematerialised), array(whole), atol=EXACT)


@check
def compiled_programs_of_torch_leave_the_layer_out():
    if FRAMEWORK == "torch":
        import torch

        layer = made("extractor")
        weight = layer.trainable_variables[0].value
        x = torch.from_numpy(np.random.default_rng(7).normal(size=(3, 2)))

        def step(x):
            loss = torch.sin(layer(torch.cos(x))).sum()
            loss.backward()
            found, weight.grad = weight.grad, None
            return found

        torch.testing.assert_close(torch.compile(step, backend="eager")(x), step(x))


class Spent:
    """A backend whose budget is spent."""

    name = "spent"

    def __init__(self):
        self.capabilities = qs.get_backend("statevector").capabilities

    def estimate(self, batch):
        return qs.get_backend("statevector").estimate(batch)

    async def run(self, batch):
        raise BudgetExceeded("Nothing is left of 5 dollars.")


@check
def errors_are_clear():
    layer = qt.QuantumFeatureExtractor(2, 1)
    raises(BindingError, "(5, 3), this layer takes (..., 2)", lambda: layer(np.zeros((5, 3))))
    raises(
        BindingError, "takes (..., 2)", lambda: keras.Sequential([keras.Input((3,)), qt.QuantumReadout(2, 2)])
    )
    raises(BindingError, "1 features are NaN", lambda: layer(np.array([[np.nan, 0.0]])))
    raises(BindingError, "got complex64", lambda: layer(np.zeros((1, 2), np.complex64)))
    raises(OptionError, "Did you mean 'angle'", lambda: qt.QuantumFeatureExtractor(2, 1, encoding="angel"))
    model = keras.Sequential([keras.Input((2,)), qt.QuantumFeatureExtractor(2, 1, backend=Spent())])
    model.compile("sgd", "mse")

    def fit():
        with qt.original_errors():
            model.fit(np.zeros((4, 2)), np.zeros((4, 6)), verbose=0)

    logging.disable(logging.CRITICAL)  # jax writes the traceback of a callback
    raises(BudgetExceeded, "Nothing is left of 5 dollars.", fit)
    logging.disable(logging.NOTSET)


@check
def mixed_precision_keeps_angles():
    for dtype in ("mixed_float16", "mixed_bfloat16"):
        layer = qt.QuantumReadout(2, 2, dtype=dtype, weights_seed=1)
        twin = qt.QuantumReadout(2, 2, weights_seed=1)
        x = np.array([[0.25, 0.5]], np.float32)
        values = layer(x)
        assert keras.backend.standardize_dtype(values.dtype) == dtype.removeprefix("mixed_")
        np.testing.assert_allclose(array(keras.ops.cast(values, "float32")), array(twin(x)), atol=1e-2)
        model = keras.Sequential([keras.Input((2,)), layer])
        model.compile("sgd", "mse")
        model.fit(np.zeros((4, 2)), np.zeros((4, 2)), verbose=0)


@check
def dropout_without_a_seed_continues_exactly():
    x = np.random.default_rng(0).random((8, 3)).astype(np.float32)

    def losses(folder, epochs):
        keras.utils.set_random_seed(2)
        layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("adam", "mse")
        kept = CheckpointCallback(folder, resume=True)
        found = model.fit(
            x, x[:, :1], 4, epochs, verbose=0, shuffle=False, callbacks=[kept], validation_data=(x, x[:, :1])
        )
        return found.history["loss"]

    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as cut:
        expected = losses(whole, 4)
        assert [*losses(cut, 2), *losses(cut, 4)] == expected


@check
def no_framework_is_imported_that_keras_does_not_import():
    assert _loaded() == LOADED_BY_KERAS, _loaded()


def main():
    """Run all checks."""
    losses = continued(Path(sys.argv[1]), 4)  # first: a check switches on JAX's float64
    found = {}
    for name, function in CHECKS.items():
        try:
            function()
            found[name] = "passed"
        except Exception:  # noqa: BLE001  # told to the test
            found[name] = traceback.format_exc()
    print(json.dumps({"framework": FRAMEWORK, "checks": found, "losses": losses}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
