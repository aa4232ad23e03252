# SPDX-License-Identifier: Apache-2.0
"""JAX: `jax.pure_callback` with a derivative of its own (`jax.custom_vjp`), inside `jax.jit` and outside.

The cotangent of complex values is the conjugate of what the other frameworks have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
import numpy as np
from jax import numpy as jnp
from jax.custom_derivatives import SymbolicZero
from numpy.typing import NDArray

from qstore.errors import CapabilityError, OptionError
from qstore_tf.circuit_call import CircuitCall
from qstore_tf.failures import recorded

__all__ = ["SUPPORTS_JIT", "apply", "check", "untraced"]

SUPPORTS_JIT = True
"""A compiled program calls Python back for the circuits."""
Tensors = Sequence[jax.Array]


def check(dtype: str) -> None:
    """Refuse float64 while JAX has it switched off.

    Raises:
        OptionError: it is.
    """
    if dtype == "float64" and not jax.config.read("jax_enable_x64"):  # type: ignore[no-untyped-call]  # JAX's own
        raise OptionError(
            "JAX computes float64 as float32 unless told otherwise: call jax.config.update('jax_enable_x64', True) first, or "
            "give the layer dtype='float32'."
        )


def untraced(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a function."""
    return function(*arguments, **named)


def apply(
    call: CircuitCall, inputs: Tensors, weights: Tensors, state: Tensors, dtype: str
) -> list[jax.Array]:
    """Values (B, width) and new state."""
    groups = tuple(map(tuple, (inputs, weights, state)))
    size = inputs[0].shape[0] if inputs else 1
    shapes = (
        _shaped((size, call.runner.width), jnp.dtype(dtype)),
        *(_shaped(each.shape, each.dtype) for each in state[: call.runner.n_updates]),
    )
    return list(_circuits(call, shapes)(*groups))


def _circuits(call: CircuitCall, shapes: tuple[jax.ShapeDtypeStruct, ...]) -> Any:
    number_shape = _shaped((), np.dtype(np.int32))

    def run(*arrays: Any) -> tuple[NDArray[Any], ...]:
        outputs, number = call.remembered([np.asarray(each) for each in arrays])
        cast = (np.array(each, shape.dtype) for each, shape in zip(outputs, shapes, strict=True))
        return np.array(number, np.int32), *cast

    @jax.custom_vjp
    def called(*groups: Any) -> tuple[jax.Array, list[jax.Array]]:
        number, *outputs = _in_python(
            run, (number_shape, *shapes), [each for group in groups for each in group]
        )
        return number, outputs

    # Reached by the gradient of a gradient, which differentiates the forward pass as well.
    called.defvjp(lambda *groups: (called(*groups), None), _refuse)

    @jax.custom_vjp
    def circuits(*groups: Any) -> tuple[jax.Array, ...]:
        return tuple(called(*groups)[1])

    def forward(*groups: Any) -> tuple[tuple[jax.Array, ...], Any]:
        # Traced where a gradient is; what is perturbed is what it is asked for.
        inputs, weights, _ = groups
        call.inputs_wanted = any(each.perturbed for each in inputs)
        call.weights_wanted = any(each.perturbed for each in weights)
        plain = jax.tree.map(lambda each: each.value, groups, is_leaf=lambda each: hasattr(each, "perturbed"))
        number, outputs = called(*plain)
        return tuple(outputs), (number, plain)

    def backward(kept: Any, cotangents: Any) -> Any:
        number, (inputs, weights, state) = kept
        cotangent = cotangents[0]
        nothing = jax.tree.map(jnp.zeros_like, (inputs, weights)), tuple(None for _ in state)
        if isinstance(cotangent, SymbolicZero):
            return *nothing[0], nothing[1]
        found = _pulled(call, number, cotangent, inputs, weights)
        return *found, nothing[1]

    circuits.defvjp(forward, backward, symbolic_zeros=True)
    return circuits


def _pulled(call: CircuitCall, number: Any, cotangent: Any, inputs: Tensors, weights: Tensors) -> Any:
    """The gradients of inputs and weights; those that nobody asks for are zero and cost no circuits."""
    wanted = [call.inputs_wanted] * len(inputs) + [call.weights_wanted] * len(weights)
    everything = [*inputs, *weights]

    def run(number: Any, cotangent: Any) -> tuple[NDArray[Any], ...]:
        kept = call.numbered(int(number))
        found = call.gradients(kept, np.conj(np.asarray(cotangent)), wanted)
        return tuple(
            np.array(each, tensor.dtype)
            for each, tensor in zip(found, everything, strict=True)
            if each is not None
        )

    shapes = tuple(
        _shaped(each.shape, each.dtype) for each, use in zip(everything, wanted, strict=True) if use
    )

    @jax.custom_vjp
    def first(number: Any, cotangent: Any, *_tensors: Any) -> tuple[jax.Array, ...]:
        return tuple(_in_python(run, shapes, [number, cotangent]))

    first.defvjp(lambda *given: (first(*given), None), _refuse)
    found = iter(first(number, cotangent, *everything))
    gradients = [
        next(found) if use else jnp.zeros_like(each) for each, use in zip(everything, wanted, strict=True)
    ]
    return tuple(gradients[: len(inputs)]), tuple(gradients[len(inputs) :])


def _in_python(
    function: Callable[..., tuple[NDArray[Any], ...]], shapes: tuple[jax.ShapeDtypeStruct, ...], arguments: Sequence[Any]
) -> Sequence[jax.Array]:  # fmt: skip
    """A function of arrays, called back from a program, or called now where nothing is traced."""
    if any(isinstance(each, jax.core.Tracer) for each in arguments):
        found: Sequence[jax.Array] = jax.pure_callback(
            recorded(function), shapes, *arguments, vmap_method="sequential"
        )
        return found
    return [jnp.asarray(each) for each in function(*arguments)]


def _shaped(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]  # JAX's own


def _refuse(_kept: Any, _cotangents: Any) -> NoReturn:
    raise CapabilityError(
        "Quantum layers have no second derivatives. Take jax.lax.stop_gradient of the first ones, or take this part of the "
        "loss by finite differences of them."
    )
