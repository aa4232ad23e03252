# SPDX-License-Identifier: Apache-2.0
"""Layers inside `tf.function`, `fit` and everything else that TensorFlow traces, and what they refuse there."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import qstore as qs
import qstore_tf as qt
from qstore.errors import BindingError, BudgetExceeded, CapabilityError, ExecutionError
from qstore_tf import circuit_call
from qstore_tf.circuit_call import CircuitCall
from tf.finite import double

EXACT = 1e-12
TURNS = circuit_call.MOST_STATES + 2


@pytest.fixture
def layer():
    with double():
        made = qt.QuantumFeatureExtractor(3, 2, "linear", "Z", weights_seed=1)
    made.build((None, 3))
    return made


@pytest.fixture
def x():
    return tf.constant(np.random.default_rng(0).random((4, 3)))


def _gradients(run, layer, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(run(x) ** 2)
    return tape.gradient(loss, [x, *(each.value for each in layer.trainable_variables)])


def _same(found, wanted):
    for ours, each in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, each, atol=EXACT)


def test_a_program_gives_the_gradients_whether_the_tape_is_inside_or_outside(layer, x):
    wanted = _gradients(layer, layer, x)
    _same(_gradients(tf.function(layer), layer, x), wanted)
    _same(tf.function(lambda x: _gradients(layer, layer, x))(x), wanted)


def test_one_trace_serves_every_batch_size_and_keeps_what_is_known_of_the_shape(layer):
    program = tf.function(layer, input_signature=[tf.TensorSpec((None, 3), tf.float64)])
    assert [program(tf.zeros((size, 3), tf.float64)).shape[0] for size in (1, 5, 0)] == [1, 5, 0]
    assert program.experimental_get_tracing_count() == 1
    assert program.get_concrete_function().output_shapes.as_list() == [None, 3]
    deep = tf.function(layer, input_signature=[tf.TensorSpec((None, 7, None, 3), tf.float64)])
    assert deep(tf.zeros((2, 7, 4, 3), tf.float64)).shape == (2, 7, 4, 3)


def test_a_width_that_is_only_known_when_it_runs_is_refused_then(layer):
    program = tf.function(layer, input_signature=[tf.TensorSpec((None, None), tf.float64)])
    assert program(tf.zeros((2, 3), tf.float64)).shape == (2, 3)
    with pytest.raises(tf.errors.OpError, match=r"shape \(2, 4\).*\(batch, 3\)"):
        program(tf.zeros((2, 4), tf.float64))


def test_a_loop_in_a_program_keeps_a_pass_for_each_turn(layer, x):
    def total(x, turns):
        found = tf.zeros((), tf.float64)
        for _ in turns:
            x = layer(x)
            found += tf.reduce_sum(x)
        return found

    def looped(x):
        return total(x, tf.range(TURNS))

    def step(x):
        return _gradients(looped, layer, x)

    _same(tf.function(step)(x), _gradients(lambda x: total(x, range(TURNS)), layer, x))


def test_jacobians_are_taken_by_tapes(layer, x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        values = layer(x)
    jacobian = tape.jacobian(values, x)
    with double():
        one = qt.QuantumFeatureExtractor(3, 2, "linear", "Z", weights_seed=1)
    for row in range(4):
        for column in range(3):
            given = x[row : row + 1]
            with tf.GradientTape() as tape:
                tape.watch(given)
                value = one(given)[0, column]
            np.testing.assert_allclose(jacobian[row, column, row], tape.gradient(value, given)[0], atol=EXACT)
    assert not np.any(jacobian[0, :, 1])


def test_two_tapes_and_two_losses_of_one_pass_have_gradients_of_their_own(layer, x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        values = layer(x)
        first, second = tf.reduce_sum(values[:, 0]), tf.reduce_sum(values[:, 1] ** 2)
    weight = layer.trainable_variables[0].value
    together = [tape.gradient(loss, [x, weight]) for loss in (first, second)]
    apart = [[tape.gradient(loss, x), tape.gradient(loss, weight)] for loss in (first, second)]
    crossed = [tape.gradient(first, x), tape.gradient(second, weight)]
    for a, b in zip(together, apart, strict=True):
        _same(a, b)
    _same(crossed, [together[0][0], together[1][1]])


def test_a_pass_that_nobody_differentiates_is_forgotten(layer, x):
    kept = []
    forward = CircuitCall.forward

    def spy(call, arrays, **options):
        outputs, each = forward(call, arrays, **options)
        kept.append(weakref.ref(each))
        return outputs, each

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CircuitCall, "forward", spy)
        program = tf.function(layer)
        for _ in range(3):
            layer(x)
            program(x)
        gc.collect()
        assert [each() for each in kept] == [None] * 6
        kept.clear()
        step = tf.function(lambda x: _gradients(layer, layer, x))
        for _ in range(4):
            step(x)
        gc.collect()
        assert sum(each() is not None for each in kept) == 1  # the last one


def test_passes_that_wait_for_no_backward_pass_are_bounded(layer, x, monkeypatch):
    monkeypatch.setattr(circuit_call, "MOST_PASSES", 2)
    runner = layer._runner(training=False)
    call = CircuitCall(runner)
    call.weights_wanted = True
    arrays = [x.numpy(), layer.trainable_variables[0].numpy()]
    numbers = [call.remembered(arrays)[1] for _ in range(3)]
    assert call.all_gradients(call.numbered(numbers[2]), np.ones((4, 3)))[1].shape == (2, 3, 2)
    with pytest.raises(ExecutionError, match="forward pass of this gradient is gone"):
        call.numbered(numbers[0])


@pytest.mark.parametrize("inside", [False, True])
def test_second_derivatives_are_refused(layer, x, inside):
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            slope = _gradients(layer, layer, x)[0]
        return outer.gradient(slope, x)

    with pytest.raises(CapabilityError, match="no second derivatives"):
        (tf.function(second) if inside else second)(x)


def test_forward_mode_is_refused(layer, x):
    with (
        tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)),
        pytest.raises(CapabilityError, match="no forward mode"),
    ):
        layer(x)


def test_xla_is_left_alone_by_keras_and_says_why_it_cannot(layer, x):
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("sgd", "mse")
    assert model.jit_compile is False
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        model.compile("sgd", "mse", jit_compile=True)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="circuits_run_in_Python_which_XLA_cannot_compile"
    ):
        tf.function(layer, jit_compile=True)(x)


def test_a_saved_model_of_tensorflow_is_refused(layer, tmp_path):
    model = keras.Sequential([keras.Input((3,)), layer])
    for write in (model.export, lambda path: tf.saved_model.save(model, path)):
        with pytest.raises(CapabilityError, match=r"cannot be exported.*\.keras"):
            write(str(tmp_path / "exported"))


@pytest.mark.parametrize("eagerly", [False, True])
def test_all_parts_of_a_model_learn(eagerly):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    model = keras.Sequential(
        [
            keras.layers.Dense(2),
            qt.QuantumBatchNorm(2),
            qt.QuantumFeatureExtractor(2, 2, dropout=qt.QuantumDropout(gate=0.05, seed=1)),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=eagerly,
    )
    model.build((None, 3))
    before = model.get_weights()
    history = model.fit(x, y, epochs=4 if eagerly else 30, batch_size=32, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < losses[0] - (0.02 if eagerly else 0.1)
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.evaluate(x, y, verbose=0)[1] > 0.5
    assert model.predict(x, verbose=0).shape == (64, 2)


def test_a_model_subclass_and_a_custom_loop_work(layer, x):
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layer, qt.QuantumReadout(3, 2, dtype="float64")

        def call(self, x, training=None):
            return self.second(self.first(x, training=training))

    model = Twice()
    model(x)  # makes the weights
    optimizer = keras.optimizers.SGD(0.5)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True)[:, 0])
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    losses = [float(step(x)) for _ in range(10)]
    assert losses[-1] < losses[0]


def test_frozen_weights_have_no_gradient_and_cost_none(layer, x):
    layer.trainable = False
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, dtype="float64"), layer])
    model.compile("sgd", "mse")
    before = layer.get_weights()
    model.fit(x, x, verbose=0)
    np.testing.assert_array_equal(before, layer.get_weights())
    assert layer.last_gradient.gradients["x"].any()


def test_mixed_precision_trains_and_passes_overflow_on_to_the_scaling_of_losses():
    keras.utils.set_random_seed(1)
    layer = qt.QuantumReadout(2, 2, dtype="mixed_float16")
    model = keras.Sequential([keras.Input((2,)), layer])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=2.0**40)
    model.compile(optimizer, "mse")
    x = np.random.default_rng(0).random((16, 2)).astype(np.float32)
    y = np.tile(np.float32([1, 0]), (16, 1))
    before = np.array(layer.get_weights()[0])
    model.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(before, layer.get_weights()[0])  # overflow: no step, a smaller scale
    assert float(optimizer.dynamic_scale.numpy()) < 2.0**40
    losses = model.fit(x, y, epochs=40, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


class Spent:
    """A backend whose budget is spent."""

    name = "spent"

    def __init__(self):
        self._inner = qs.get_backend("statevector")
        self.capabilities = self._inner.capabilities

    def estimate(self, batch):
        return self._inner.estimate(batch)

    async def run(self, batch):
        raise BudgetExceeded("Nothing is left of 5 dollars.")


def test_errors_of_programs_have_the_text_and_inside_original_errors_the_type():
    model = keras.Sequential([keras.Input((2,)), qt.QuantumFeatureExtractor(2, 1, backend=Spent())])
    model.compile("sgd", "mse")
    x, y = np.zeros((4, 2)), np.zeros((4, 6))
    with pytest.raises(tf.errors.OpError, match="BudgetExceeded: Nothing is left"):
        model.fit(x, y, verbose=0)
    with pytest.raises(BudgetExceeded, match=r"^Nothing is left of 5 dollars\.$"), qt.original_errors():
        model.fit(x, y, verbose=0)
    with pytest.raises(BudgetExceeded, match=r"^Nothing is left of 5 dollars\.$"):
        model(x)
    with pytest.raises(ZeroDivisionError), qt.original_errors():
        1 / 0  # noqa: B018  # somebody else's


def test_values_that_are_not_finite_are_named_in_programs_too(layer):
    program = tf.function(layer)
    with pytest.raises(BindingError, match="1 features are NaN"), qt.original_errors():
        program(tf.constant([[0.0, np.nan, 0.0]], tf.float64))
