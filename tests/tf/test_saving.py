# SPDX-License-Identifier: Apache-2.0
"""Layers come back from `.keras` files, `.weights.h5`, configurations, copies and pickles as they were, to the bit."""

import copy
import json
import logging
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest

import qstore as qs
import qstore_tf as qt
from qstore import layers as core
from qstore.errors import OptionError
from qstore.gradients import GradientConfig
from qstore_tf.serialization import KINDS, read, read_outputs, written, written_outputs
from tf.finite import double
from tf.makers import MAKERS


def _circuit():
    x, w = qs.Parameter("x", (2,)), qs.Parameter("w", (2,))
    circuit = qs.QuantumCircuit(2).ry(0, x[0]).ry(1, 2 * x[1] + 0.5).cx(0, 1)
    return circuit.rx(0, w[0]).rz(1, w[1]).unitary([[1, 0], [0, 1j]], 0)


CIRCUITS = {
    "circuit": lambda home: home.QuantumLayer(_circuit(), outputs=qs.Expectations([0.5 * qs.Z(0) @ qs.X(1) + 0.1])),
    "circuit-variance": lambda home: home.QuantumLayer(_circuit(), outputs=qs.Variance([qs.Y(0)])),
    "circuit-probabilities": lambda home: home.QuantumLayer(_circuit(), outputs=qs.Probabilities([1])),
    "circuit-function": lambda home: home.QuantumLayer(lambda n: _circuit(), n_qubits=2),
    "circuit-shots": lambda home: home.QuantumLayer(
        _circuit(), shots=100, seed=3, backend="statevector",
        gradient_method=GradientConfig(method="spsa", samples=8, options={"decay": 0.2}),
    ),
    "ansatz": lambda home: home.QuantumLayer(n_qubits=2, depth=2, measurement_bases="ZX", encoding="reupload"),
}  # fmt: skip
EVERY = MAKERS | CIRCUITS


def _model(name):
    layer = EVERY[name](qt)
    width = 2 if name in CIRCUITS else layer.n_features
    model = keras.Sequential([keras.Input((width,)), layer])
    weights = [np.random.default_rng(5).normal(size=each.shape) for each in layer.trainable_variables]
    layer.set_parameters(dict(zip(layer.named_weights, weights, strict=True)))
    x = np.random.default_rng(7).random((8, width)).astype(np.float32)
    model(x, training=True)  # batch norm remembers something
    return model, x


@pytest.mark.parametrize("name", EVERY)
def test_a_saved_model_comes_back_to_the_bit(name, tmp_path):
    model, x = _model(name)
    model.save(tmp_path / "model.keras")
    twin = keras.saving.load_model(tmp_path / "model.keras")  # in safe mode, which refuses code
    np.testing.assert_array_equal(twin(x), model(x))
    assert twin.layers[0].get_config() == model.layers[0].get_config()
    model.save_weights(tmp_path / "model.weights.h5")
    other, _ = _model(name)
    other.layers[0].reset_parameters()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(x), model(x))


@pytest.mark.parametrize("name", EVERY)
def test_a_configuration_is_json_and_makes_the_layer_again(name):
    model, x = _model(name)
    layer = model.layers[0]
    config = json.loads(json.dumps(layer.get_config()))
    twin = type(layer).from_config(config)
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(x), layer(x))
    clone = keras.models.clone_model(model)
    assert clone.layers[0].get_config() == layer.get_config()


@pytest.mark.parametrize("name", ["one-circuit", "adaptive", "norm", "circuit"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["deepcopy", "pickle"])  # fmt: skip
def test_copies_are_equal_and_independent(name, copied):
    model, x = _model(name)
    twin = copied(model)
    np.testing.assert_array_equal(twin(x), model(x))
    twin.layers[0].reset_parameters()
    twin.layers[0].set_weights(
        [each + 0.5 for each in twin.layers[0].get_weights()[:1]] + twin.layers[0].get_weights()[1:]
    )
    assert not np.array_equal(twin(x), model(x))
    assert twin.layers[0].usage is not model.layers[0].usage


def test_what_keras_knows_of_a_layer_comes_back_too(tmp_path):
    with double():
        layer = qt.QuantumPooling(4, 2, trainable=True, name="pool", gradient_method="parameter_shift")
    layer.trainable = False
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save(tmp_path / "model.keras")
    twin = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    assert (twin.name, twin.trainable, twin.compute_dtype) == ("pool", False, "float64")
    assert twin.gradient_method == "parameter_shift"
    assert len(twin.non_trainable_variables) == 1
    mixed = qt.QuantumReadout(2, 2, dtype="mixed_float16")
    assert qt.QuantumReadout.from_config(mixed.get_config()).dtype_policy.name == "mixed_float16"


def test_an_optimizer_goes_on_where_it_stopped(tmp_path):
    model, x = _model("one-circuit")
    y = np.zeros((8, 3), np.float32)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(x, y, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    twin = keras.saving.load_model(tmp_path / "model.keras")
    losses = [each.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"] for each in (model, twin)]
    assert losses[0] == losses[1]


def test_how_deep_an_adaptive_layer_is_comes_back_with_the_weights(tmp_path):
    model, x = _model("adaptive")
    model.layers[0].grow()
    model.save_weights(tmp_path / "model.weights.h5")
    other, _ = _model("adaptive")
    other.load_weights(tmp_path / "model.weights.h5")
    assert other.layers[0].active_depth == 3
    np.testing.assert_array_equal(other(x), model(x))
    assert other.layers[0].to_layer().active_depth == 3


def test_a_backend_object_is_saved_by_name_with_a_word_about_it(tmp_path, caplog):
    class Own:
        name = "my-own"

        def __init__(self):
            self._inner = qs.get_backend("statevector")
            self.capabilities = self._inner.capabilities
            self.estimate, self.run, self.run_sync = (
                self._inner.estimate,
                self._inner.run,
                self._inner.run_sync,
            )

    for layer in (qt.QuantumLayer(n_qubits=2, depth=1, backend=Own()), qt.QuantumReadout(2, 2, backend=Own()),
                  qt.Sequential([qt.QuantumReadout(2, 2, backend=Own())])):  # fmt: skip
        model = keras.Sequential([keras.Input((2,)), layer])
        caplog.clear()
        with caplog.at_level(logging.WARNING, "qstore.tf"):
            model.save(tmp_path / "model.keras")
        assert "only its name is saved" in caplog.text
        twin = keras.saving.load_model(tmp_path / "model.keras")
        assert twin.layers[0].backend == "my-own"
        with pytest.raises(LookupError, match="my-own"):
            twin(np.zeros((1, 2)))
        twin.layers[0].backend = Own()
        np.testing.assert_array_equal(twin(np.zeros((1, 2))), model(np.zeros((1, 2))))


def test_a_gradient_method_without_a_name_is_not_dropped_silently():
    layer = qt.QuantumReadout(2, 2, gradient_method=GradientConfig(method="spsa").made)
    with pytest.raises(OptionError, match="cannot be saved"):
        layer.get_config()


def test_outputs_and_values_are_written_and_read():
    for outputs in (None, qs.StateVector(), qs.Probabilities(), qs.Probabilities([2, 0]), qs.Variance([qs.Z(1)]),
                    qs.Expectations([qs.I(), 0.0 * qs.Z(0), 2 * qs.X(0) @ qs.Y(3) - 0.25])):  # fmt: skip
        assert read_outputs(json.loads(json.dumps(written_outputs(outputs)))) == outputs
    for value in (
        core.QuantumDropout(0.1, seed=3),
        GradientConfig(method="finite_difference", epsilon=0.1),
        (1, "a"),
    ):
        assert read(json.loads(json.dumps(written(value)))) == (
            list(value) if isinstance(value, tuple) else value
        )
    assert {name for name in core.__all__ if name in qt.__all__} <= set(KINDS)
    with pytest.raises(OptionError, match=r"'os\.system'; this release"):
        read({"qstore": "os.system"})


def test_importing_the_distribution_is_enough_to_load_a_model_in_a_new_process(tmp_path):
    model, x = _model("one-circuit")
    model.save(tmp_path / "model.keras")
    program = (
        "import sys, qstore, qstore_tf; assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
        "del sys.modules['qstore_tf']\n"
        "import keras, qstore_tf, numpy as np\n"
        f"model = keras.saving.load_model({str(tmp_path / 'model.keras')!r})\n"
        f"print(model(np.array({x.tolist()}, 'float32')).numpy().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.float32(json.loads(done.stdout)), model(x))
