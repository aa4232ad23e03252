# SPDX-License-Identifier: Apache-2.0
"""`value_and_vjp`: values and the gradient of `sum(cotangent * values)`, by any method on any backend."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.batch import BatchResult, CircuitBatch, Output, StateVector
from qstore.batch.circuit_batch import is_finite
from qstore.batch.outputs import DIFFERENTIABLE
from qstore.circuit import QuantumCircuit, Template
from qstore.errors import BindingError, CapabilityError, OptionError, nearest_names
from qstore.execution import execute_many, execute_many_async, resolve_backend
from qstore.execution.plan import check
from qstore.plugins import (
    Backend,
    DifferentiableBackend,
    GradientMethod,
    Gradients,
    NativeGradientMethod,
    expands,
    get_gradient_method,
    is_native,
    is_sync_differentiable,
)

__all__ = ["differentiate", "differentiate_async", "value_and_vjp", "value_and_vjp_async"]

Method = GradientMethod | NativeGradientMethod | str | None
PREFERRED, ALWAYS = "adjoint", "parameter_shift"
_made: dict[str, GradientMethod | NativeGradientMethod] = {}


def value_and_vjp(  # noqa: D417  # arguments that mean the same as in `run` share a line
    circuit: QuantumCircuit | Template,
    bindings: Mapping[str, ArrayLike] | None = None,
    outputs: Output | None = None,
    cotangent: ArrayLike | None = None,
    *,
    shots: int | None = None,
    seed: int | None = None,
    backend: Backend | str | None = None,
    gradient_method: Method = None,
    wrt: Collection[str] | None = None,
    step: int = 0,
) -> tuple[NDArray[Any], dict[str, NDArray[np.float64]]]:
    """Values of a batch, and the gradient of `sum(cotangent * values)` with respect to the bindings.

    Args:
        circuit, bindings, shots, seed, backend: as for `run`.
        outputs: `Expectations`, `Variance`, `Probabilities`, or `StateVector` (exact, on a simulator).
        cotangent: an array of the shape of the values; ones by default. For a statevector it is complex, in torch's
            convention dL/dRe + i dL/dIm.
        gradient_method: a registered name or a method; by default `adjoint` where the backend can, otherwise
            `parameter_shift`.
        wrt: names of the parameters to differentiate; by default all.
        step: number of the training step, for methods that change over time.

    Returns:
        The values (B, ...) and a dict with one gradient per parameter, shaped like its binding.

    Raises:
        BindingError: the arrays do not fit the circuit, or the cotangent the values.
        OptionError: no such method or parameter, or shots and outputs that do not go together.
        CapabilityError: the method or the backend cannot do it.

    Example:
        >>> import numpy as np, qstore as qs
        >>> circuit = qs.QuantumCircuit(1).rx(0, "t")
        >>> values, grads = qs.value_and_vjp(circuit, {"t": np.array([np.pi / 6, np.pi / 2])}, qs.Expectations([qs.Z(0)]))
        >>> values.round(6).tolist(), grads["t"].round(6).tolist()
        ([[0.866025], [0.0]], [-0.5, -1.0])
    """
    batch = CircuitBatch.of(circuit, bindings, outputs, shots=shots, seed=seed)
    result, gradients = differentiate(batch, resolve_backend(backend), cotangent, gradient_method, wrt, step)
    return cast("NDArray[Any]", result.values), dict(gradients)


async def value_and_vjp_async(
    circuit: QuantumCircuit | Template,
    bindings: Mapping[str, ArrayLike] | None = None,
    outputs: Output | None = None,
    cotangent: ArrayLike | None = None,
    *,
    shots: int | None = None,
    seed: int | None = None,
    backend: Backend | str | None = None,
    gradient_method: Method = None,
    wrt: Collection[str] | None = None,
    step: int = 0,
) -> tuple[NDArray[Any], dict[str, NDArray[np.float64]]]:
    """The twin of `value_and_vjp` for coroutines."""
    batch = CircuitBatch.of(circuit, bindings, outputs, shots=shots, seed=seed)
    result, gradients = await differentiate_async(
        batch, resolve_backend(backend), cotangent, gradient_method, wrt, step
    )
    return cast("NDArray[Any]", result.values), dict(gradients)


def differentiate(
    batch: CircuitBatch,
    backend: Backend,
    cotangent: ArrayLike | None = None,
    gradient_method: Method = None,
    wrt: Collection[str] | None = None,
    step: int = 0,
) -> tuple[BatchResult, Gradients]:
    """`value_and_vjp` for a batch that exists already; returns the whole result."""
    method, names, weights = _prepared(batch, backend, cotangent, gradient_method, wrt)
    if not expands(method):
        if is_sync_differentiable(backend):
            return backend.vjp_sync(batch, weights, names)
        from qstore.execution.bridge import (
            wait_for,  # asyncio is only needed for backends that wait for something
        )

        return wait_for(cast("DifferentiableBackend", backend).vjp(batch, weights, names))
    results = execute_many(method.expand(batch, wrt=names, step=step), backend)
    return method.combine(batch, results, weights, wrt=names, step=step)


async def differentiate_async(
    batch: CircuitBatch,
    backend: Backend,
    cotangent: ArrayLike | None = None,
    gradient_method: Method = None,
    wrt: Collection[str] | None = None,
    step: int = 0,
) -> tuple[BatchResult, Gradients]:
    """The twin of `differentiate` for coroutines."""
    method, names, weights = _prepared(batch, backend, cotangent, gradient_method, wrt)
    if not expands(method):
        return await cast("DifferentiableBackend", backend).vjp(batch, weights, names)
    results = await execute_many_async(method.expand(batch, wrt=names, step=step), backend)
    return method.combine(batch, results, weights, wrt=names, step=step)


def _prepared(
    batch: CircuitBatch, backend: Backend, cotangent: ArrayLike | None, gradient_method: Method,
    wrt: Collection[str] | None,
) -> tuple[GradientMethod | NativeGradientMethod, tuple[str, ...], NDArray[Any]]:  # fmt: skip
    if not isinstance(batch.outputs, DIFFERENTIABLE):
        kind = type(batch.outputs).__name__
        raise CapabilityError(
            f"{kind} has no gradient; ask for Expectations, Variance, Probabilities or StateVector."
        )
    method = _chosen(batch, backend, gradient_method)
    return method, _names(batch, wrt), _cotangent(batch, cotangent)


def _chosen(batch: CircuitBatch, backend: Backend, wanted: Method) -> GradientMethod | NativeGradientMethod:
    method = (
        _by_name(PREFERRED if wanted is None else wanted)
        if wanted is None or isinstance(wanted, str)
        else wanted
    )
    if expands(method):
        return method
    if not is_native(method):
        raise OptionError(f"gradient_method must be a registered name or a method, got {wanted!r}.")
    reason = method.reason_against(batch, backend)
    if reason is None:
        check(batch, backend.capabilities, backend.name)
        return method
    if wanted is None and not isinstance(batch.outputs, StateVector):
        return _by_name(ALWAYS)
    raise CapabilityError(
        f"No native gradient here: {reason}. Use gradient_method='parameter_shift' or another backend."
    )


def _by_name(name: str) -> GradientMethod | NativeGradientMethod:
    if name not in _made:
        _made[name] = get_gradient_method(name)
    return _made[name]


def _names(batch: CircuitBatch, wrt: Collection[str] | None) -> tuple[str, ...]:
    if wrt is None:
        return tuple(batch.bindings)
    if not isinstance(wrt, Iterable):
        raise OptionError(f"wrt must be parameter names, got {wrt!r}.")
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in names:
        if name not in batch.bindings:
            hint = nearest_names(str(name), list(batch.bindings))
            raise OptionError(
                f"wrt names {name!r}, which is not a parameter.{hint} There are {list(batch.bindings)}."
            )
    return names


def _cotangent(batch: CircuitBatch, given: ArrayLike | None) -> NDArray[Any]:
    outputs, n = batch.outputs, batch.circuit.n_qubits
    if hasattr(outputs, "observables"):
        width = len(outputs.observables)
    else:
        qubits = getattr(outputs, "qubits", None)
        width = 1 << (n if qubits is None else len(qubits))
    shape = (batch.size, width)
    dtype = np.complex128 if isinstance(outputs, StateVector) else np.float64
    if given is None:
        return np.ones(shape, dtype=dtype)
    try:
        array = np.asarray(given)
        if array.dtype != dtype:
            array = array.astype(dtype, casting="same_kind")
    except TypeError as exc:
        raise BindingError(f"The cotangent of real values must be real: {exc}") from exc
    if array.shape != shape:
        raise BindingError(f"The cotangent has shape {array.shape}, the values have {shape}.")
    if not is_finite(array):
        raise BindingError(
            "The cotangent has entries that are NaN or infinite; check the loss and the learning rate."
        )
    return array
