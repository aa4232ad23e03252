# SPDX-License-Identifier: Apache-2.0
"""A circuit as an ordinary Keras layer: shapes, dtypes, gradients, and any backend."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import qstore as qs
import qstore_torch
import torch
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore_tf import QuantumLayer
from tf.finite import CLOSE, double, of_layer

EXACT = 1e-12


class CountsOnly:
    """The embedded simulator with everything but counts taken away."""

    name = "counts-only"

    def __init__(self):
        self._inner = qs.get_backend("statevector")
        self.capabilities = qs.Capabilities(max_qubits=6, shot_outputs=frozenset({"Counts"}))

    def estimate(self, batch):
        return self._inner.estimate(batch)

    async def run(self, batch):
        return self._inner.run_sync(batch)


def _two_inputs():
    a, b, w = qs.Parameter("a", (2,)), qs.Parameter("b"), qs.Parameter("w", (2,))
    circuit = qs.QuantumCircuit(2).ry(0, a[0]).ry(1, a[1] + b).cx(0, 1)
    return circuit.rx(0, w[0]).rz(1, 2 * w[1]).ry(1, b)


OUTPUTS = {
    "expectations": qs.Expectations([qs.Z(0), qs.X(0) @ qs.Y(1) + 0.5 * qs.Z(1)]),
    "variance": qs.Variance([qs.Z(0) + qs.X(1)]),
    "probabilities": qs.Probabilities([1]),
    "all-probabilities": qs.Probabilities(),
    "statevector": qs.StateVector(),
}


def _layer(outputs, **options):
    with double():
        return QuantumLayer(_two_inputs(), inputs=("a", "b"), outputs=outputs, **options)


def _inputs(*lead):
    random = np.random.default_rng(3)
    return random.normal(size=(*lead, 2)), random.normal(size=lead)


@pytest.mark.parametrize("name", OUTPUTS)
def test_values_and_gradients_are_those_of_torch(name):
    layer = _layer(OUTPUTS[name])
    twin = qstore_torch.QuantumLayer(_two_inputs(), inputs=("a", "b"), outputs=OUTPUTS[name]).double()
    arrays = _inputs(3)
    layer.build([(None, 2), (None,)])
    with torch.no_grad():
        twin.weights["w"].copy_(torch.from_numpy(layer.named_weights["w"].numpy()))
    tensors = [tf.constant(each) for each in arrays]
    theirs = [torch.from_numpy(each).requires_grad_() for each in arrays]
    random = np.random.default_rng(1)
    factor = random.normal(size=(3, layer.output_dim)) + 1j * random.normal(size=(3, layer.output_dim))
    if name != "statevector":
        factor = factor.real
    for run in (layer, tf.function(layer)):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            values = run(tensors)
            loss = tf.reduce_sum(tf.math.real(values * factor)) + tf.reduce_sum(tf.abs(values) ** 4)
        found = tape.gradient(loss, [*tensors, layer.named_weights["w"].value])
        other = twin(*theirs)
        wanted = torch.autograd.grad(
            (other * torch.from_numpy(factor)).real.sum() + other.abs().pow(4).sum(),
            [*theirs, twin.weights["w"]],
        )
        np.testing.assert_allclose(values, other.detach().numpy(), atol=EXACT)
        for ours, each in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, each.numpy(), atol=EXACT)


def test_gradients_are_those_of_finite_differences_with_amplitudes_too():
    for encoding, width in (("angle", 2), ("amplitude", 4), ("reupload", 2)):
        with double():
            layer = QuantumLayer(n_qubits=2, depth=2, encoding=encoding, measurement_bases="ZX")
        x = np.random.default_rng(0).random((2, width)) + 0.1
        layer.build(x.shape)
        cotangent = np.random.default_rng(1).normal(size=(2, layer.output_dim))
        expected_x, expected = of_layer(layer, x, cotangent)
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(layer(given) * cotangent)
        of_x, of_weights = tape.gradient(loss, [given, layer.trainable_variables[0].value])
        np.testing.assert_allclose(of_x, expected_x, atol=CLOSE)
        np.testing.assert_allclose(of_weights, expected["weights"], atol=CLOSE)


def test_several_inputs_come_as_a_list_or_by_name_with_any_leading_axes():
    layer = _layer(OUTPUTS["expectations"])
    a, b = _inputs(4, 3)
    values = layer([a, b])
    assert values.shape == (4, 3, 2)
    np.testing.assert_array_equal(values, layer({"b": b, "a": a}))
    np.testing.assert_allclose(layer([a[0, 0], b[0, 0]]), values[0, 0], atol=EXACT)
    symbolic = layer([keras.Input((3, 2)), keras.Input((3,))])
    assert symbolic.shape == (None, 3, 2)
    named = {name: keras.Input(shape, name=name, dtype="float64") for name, shape in (("a", (2,)), ("b", ()))}
    model = keras.Model(named, layer(named))
    np.testing.assert_allclose(model({"a": a[0], "b": b[0]}), values[0], atol=EXACT)


def test_a_circuit_without_inputs_is_a_layer_of_weights():
    with double():
        layer = QuantumLayer(qs.QuantumCircuit(1).ry(0, "angle"), inputs=(), initial_weights={"angle": 0.5})
    for run in (layer, tf.function(layer)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(run())
        assert loss.numpy() == pytest.approx(np.cos(0.5))
        (found,) = tape.gradient(loss, layer.trainable_variables)
        assert found.numpy() == pytest.approx(-np.sin(0.5))
    assert layer().shape == (1,)


def test_a_circuit_function_is_called_with_the_number_of_qubits():
    def product(n):
        x, w = qs.Parameter("x", (n,)), qs.Parameter("w", (n,))
        circuit = qs.QuantumCircuit(n)
        for q in range(n):
            circuit.rx(q, w[q] + x[q])
        return circuit

    with double():
        layer = QuantumLayer(product, n_qubits=3, initial_weights={"w": np.zeros(3)})
    x = np.random.default_rng(0).random((5, 3))
    np.testing.assert_allclose(layer(x), np.cos(x), atol=EXACT)


def test_values_have_the_dtype_of_the_layer_and_integers_are_numbers():
    x = np.array([[1, 2]])
    for dtype, wanted in (("float64", "float64"), ("float32", "float32"), ("mixed_bfloat16", "bfloat16"),
                          ("mixed_float16", "float16")):  # fmt: skip
        layer = QuantumLayer(
            n_qubits=2, depth=1, dtype=dtype, initial_weights={"weights": np.full((1, 2, 2), 0.3)}
        )
        with tf.GradientTape() as tape:
            values = layer(x)
        assert values.dtype == wanted
        assert layer.trainable_variables[0].dtype == ("float64" if dtype == "float64" else "float32")
        (gradient,) = tape.gradient(values, layer.trainable_variables)
        assert gradient.dtype == layer.trainable_variables[0].dtype
        np.testing.assert_allclose(tf.cast(values, tf.float64), layer(x.astype(np.float64)), atol=1e-2)
    state = QuantumLayer(n_qubits=2, depth=1, outputs=qs.StateVector())
    assert state(x).dtype == state(keras.Input((2,))).dtype == "complex64"


def test_a_backend_of_counts_is_trained_by_shifted_circuits():
    layer = QuantumLayer(n_qubits=2, depth=1, backend=CountsOnly(), shots=200, seed=1)
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((8, 2)), np.ones((8, 1)), batch_size=4, verbose=0)
    assert layer.last_gradient.standard_errors["weights"].max() > 0
    assert set(layer.last_gradient.gradients) == {"weights"}  # nobody needs the gradient of the data
    assert layer.usage.circuits > 8


def test_the_same_seed_draws_the_same_shots_and_none_draws_afresh():
    fixed = QuantumLayer(n_qubits=3, depth=1, shots=50, seed=7)
    fresh = QuantumLayer(n_qubits=3, depth=1, shots=50)
    x = np.random.default_rng(0).random((4, 3), np.float32)
    np.testing.assert_array_equal(fixed(x), fixed(x))
    program = tf.function(fresh)
    assert not np.array_equal(program(x), program(x))


def test_the_facts_of_a_layer_show():
    layer = QuantumLayer(n_qubits=4, depth=2, measurement_bases="ZX", name="q")
    assert (layer.n_qubits, layer.n_parameters, layer.output_dim) == (4, 16, 8)
    expected = "name='q', n_qubits=4, inputs=x(4,), output_dim=8, n_parameters=16, backend='auto', exact, built=False"
    assert repr(layer) == f"<QuantumLayer {expected}>"
    assert "RY(weights[0, 0, 0])" in str(layer.circuit)
    lines = []
    keras.Sequential([keras.Input((4,)), layer]).summary(print_fn=lambda text, **_: lines.append(text))
    assert "16" in "".join(lines)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (QuantumLayer, "Give a circuit, or n_qubits and depth"),
        (lambda: QuantumLayer(n_qubits=2, depth=0), "depth must be an integer of at least 1, got 0"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, entanglement="ful"), "Did you mean 'full'"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, measurement_bases="ZQ"), "letters out of 'XYZ'"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, encoding="angel"), "Did you mean 'angle'"),
        (lambda: QuantumLayer(_two_inputs(), inputs="z"), "no parameter 'z' for the input"),
        (lambda: QuantumLayer(_two_inputs(), n_qubits=3), "the circuit has 2"),
        (lambda: QuantumLayer(lambda n: None, n_qubits=3), "must return a QuantumCircuit"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, outputs=qs.Counts()), "which have gradients"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, shots=0), "shots must be an integer from 1"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, initial_weights={"w": 0}), "This layer has"),
        (lambda: QuantumLayer(qs.QuantumCircuit(1).rx(0, "a/b"), inputs=()), "slashes"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_at_once(make, text):
    with pytest.raises(OptionError, match=text):
        make()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda layer: layer(np.zeros((5, 3))), r"shape \(5, 3\), this layer takes \(..., 2\)"),
        (lambda layer: layer([np.zeros((5, 2)), np.zeros(5)]), r"takes 1 input\(s\) \['x'\], got 2"),
        (lambda layer: layer({"y": np.zeros((5, 2))}), r"takes the inputs \['x'\], got \['y'\]"),
        (lambda layer: layer(tf.zeros((5, 2), tf.complex64)), "got complex64"),
        (lambda layer: layer(np.array([[0.1, np.nan]])), "1 entries that are NaN or infinite"),
        (lambda layer: keras.Sequential([keras.Input((3,)), layer]), r"shape \(None, 3\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_the_shape_that_would(call, text):
    with pytest.raises(BindingError, match=text):
        call(QuantumLayer(n_qubits=2, depth=1))


def test_inputs_of_different_batches_are_refused():
    with pytest.raises(BindingError, match=r"different batch axes \[\(3,\), \(4,\)\]"):
        _layer(None)([np.zeros((3, 2)), np.zeros(4)])


def test_a_backend_without_the_outputs_is_refused_when_the_layer_is_made():
    with pytest.raises(CapabilityError, match="counts-only"):
        QuantumLayer(n_qubits=2, depth=1, backend=CountsOnly())
