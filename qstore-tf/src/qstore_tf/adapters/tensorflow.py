# SPDX-License-Identifier: Apache-2.0
"""TensorFlow: the circuits run in `tf.numpy_function` inside a `tf.function`, and directly outside of one.

Inputs and weights pass through an identity each, whose gradient is only reached where somebody wants it. So a gradient
that nobody asks for is never computed, and a pass that nobody differentiates keeps nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from qstore.errors import CapabilityError
from qstore_tf.circuit_call import CircuitCall, Kept
from qstore_tf.failures import recorded

__all__ = ["SUPPORTS_JIT", "apply", "check", "untraced"]

SUPPORTS_JIT = False
"""XLA cannot call Python on TensorFlow."""
NAME = "circuits_run_in_Python_which_XLA_cannot_compile"
"""Of the operations: it stands in the error of whoever tries."""
REFUSAL = (
    "Quantum layers have no second derivatives and no forward mode. Take tf.stop_gradient of the first derivatives, or take "
    "this part of the loss by finite differences of them."
)
Tensors = list[tf.Tensor]
Pull = Callable[[tf.Tensor], Tensors]


def check(dtype: str) -> None:
    """Every dtype will do."""


def untraced(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a function."""
    return function(*arguments, **named)


def apply(
    call: CircuitCall, inputs: Sequence[tf.Tensor], weights: Sequence[tf.Tensor], state: Sequence[tf.Tensor], dtype: str
) -> Tensors:  # fmt: skip
    """Values (B, width) and new state."""
    run = _directly if tf.executing_eagerly() else _in_a_graph
    given, trained, remembered = (
        list(map(tf.convert_to_tensor, group)) for group in (inputs, weights, state)
    )
    return run(call, given, trained, remembered, tf.as_dtype(dtype))


def _directly(
    call: CircuitCall, inputs: Tensors, weights: Tensors, state: Tensors, dtype: tf.DType
) -> Tensors:
    inputs, call.inputs_wanted = _watched(inputs)
    weights, call.weights_wanted = _watched(weights)
    tensors = [*inputs, *weights]
    outputs, kept = call.forward([tensor.numpy() for tensor in (*tensors, *state)])
    values = tf.constant(outputs[0], dtype)
    if call.differentiable:
        values = _with_gradient(*tensors, values=values, pull=_pulled(call, kept, tensors))
    return [values, *(tf.constant(new, old.dtype) for new, old in zip(outputs[1:], state, strict=False))]


def _watched(tensors: Tensors) -> tuple[Tensors, bool]:
    """The tensors behind an identity, and whether a tape watches any of them."""
    if not tensors:
        return tensors, False

    making = [True]

    def pull(*cotangents: tf.Tensor) -> Tensors:
        if making:  # a forward accumulator asks at once
            raise CapabilityError(REFUSAL)
        return list(cotangents)

    found = _as_list(_identity(*tensors, pull=pull))
    making.clear()
    # A tape that records an operation holds on to its gradient. Without a tape nobody does.
    known = weakref.ref(pull)
    del pull
    return found, known() is not None


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's own
def _identity(*tensors: tf.Tensor, pull: Callable[..., Tensors]) -> Any:
    return list(tensors), pull


def _pulled(call: CircuitCall, kept: Kept, tensors: Tensors) -> Pull:
    dtypes = _dtypes(tensors)

    def compute(cotangent: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return _typed(call.all_gradients(kept, cotangent), dtypes)

    def pull(cotangent: tf.Tensor) -> Tensors:
        if tf.executing_eagerly():
            return list(map(tf.constant, compute(cotangent.numpy())))
        # `tape.jacobian` traces the gradient of what ran without a graph.
        return _in_python(compute, [cotangent], tensors)

    return pull


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's own
def _with_gradient(*tensors: tf.Tensor, values: tf.Tensor, pull: Pull) -> Any:
    """Values whose gradient with respect to the tensors is `pull`."""

    def gradient(cotangent: tf.Tensor) -> Tensors:
        if tf.executing_eagerly():
            return _as_list(_first(cotangent, *tensors, pull=pull))
        return pull(cotangent)

    return tf.identity(values), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's own
def _first(cotangent: tf.Tensor, *_tensors: tf.Tensor, pull: Pull) -> Any:
    """The gradient as a function of its own, so that its missing derivative is an error and not a silent None."""
    return pull(cotangent), _refuse


def _in_a_graph(
    call: CircuitCall, inputs: Tensors, weights: Tensors, state: Tensors, dtype: tf.DType
) -> Tensors:
    inputs, weights = _noticed(call, inputs, "inputs_wanted"), _noticed(call, weights, "weights_wanted")
    tensors, updates = [*inputs, *weights], state[: call.runner.n_updates]
    made = [dtype, *(each.dtype for each in updates)]
    dtypes = [each.as_numpy_dtype for each in made]
    of_gradients = _dtypes(tensors)

    def run(*arrays: NDArray[Any]) -> tuple[Any, ...]:
        outputs, number = call.remembered(arrays)
        return np.int64(number), *_typed(outputs, dtypes)

    def run_back(number: NDArray[Any], cotangent: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return _typed(call.all_gradients(call.numbered(int(number)), cotangent), of_gradients)

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's own
    def circuits(*arguments: tf.Tensor) -> Any:
        number, values, *new = tf.numpy_function(recorded(run), arguments, [tf.int64, *made], name=NAME)
        number.set_shape(())
        values.set_shape((inputs[0].shape[0] if inputs else 1, call.runner.width))
        for fresh, old in zip(new, updates, strict=True):
            fresh.set_shape(old.shape)

        def gradient(cotangent: tf.Tensor, *_of_state: tf.Tensor) -> Any:
            @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's own
            def first(cotangent: tf.Tensor, *_tensors: tf.Tensor) -> Any:
                return _in_python(run_back, [number, cotangent], tensors), _refuse

            return [*_as_list(first(cotangent, *tensors)), *(None for _ in state)]

        return [values, *new], gradient

    return _as_list(circuits(*tensors, *state))


def _noticed(call: CircuitCall, tensors: Tensors, wanted: str) -> Tensors:
    """The tensors behind an identity, which tells the call when a gradient is traced: before anything runs."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's own
    def identity(*given: tf.Tensor) -> Any:
        def gradient(*cotangents: tf.Tensor) -> Tensors:
            setattr(call, wanted, True)
            return list(cotangents)

        return [tf.identity(each) for each in given], gradient

    return _as_list(identity(*tensors)) if tensors else tensors


def _refuse(*_cotangents: tf.Tensor) -> NoReturn:
    raise CapabilityError(REFUSAL)


def _in_python(
    function: Callable[..., tuple[NDArray[Any], ...]], arguments: Tensors, tensors: Tensors
) -> Tensors:
    """A function of arrays as an operation; its results are shaped like the tensors."""
    dtypes = [each.dtype for each in tensors]
    found = _as_list(tf.numpy_function(recorded(function), arguments, dtypes, name=NAME))
    for each, tensor in zip(found, tensors, strict=True):
        each.set_shape(tensor.shape)
    return found


def _dtypes(tensors: Tensors) -> list[Any]:
    return [each.dtype.as_numpy_dtype for each in tensors]


def _typed(arrays: Sequence[NDArray[Any]], dtypes: Sequence[Any]) -> tuple[NDArray[Any], ...]:
    """Copies of these dtypes; TensorFlow may write into what it is given."""
    return tuple([np.array(array, dtype) for array, dtype in zip(arrays, dtypes, strict=True)])


def _as_list(found: Any) -> Tensors:
    return list(found) if isinstance(found, (list, tuple)) else [found]
