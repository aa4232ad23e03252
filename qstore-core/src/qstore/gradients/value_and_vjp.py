# SPDX-License-Identifier: Apache-2.0
"""`value_and_vjp` and `vjp`: values and the gradient of `sum(cotangent * values)`, by any method on any backend."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.batch import CircuitBatch, Output
from qstore.circuit import QuantumCircuit, Template
from qstore.execution import resolve_backend
from qstore.gradients.differentiation import Method, differentiate, differentiate_async, native, prepared
from qstore.plugins import Backend, GradientResult, expands

__all__ = ["value_and_vjp", "value_and_vjp_async", "vjp", "vjp_async"]


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
        gradient_method: a registered name, a `GradientConfig` or a method; by default `adjoint` where the backend can,
            otherwise `parameter_shift`.
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
    chosen = resolve_backend(backend)
    method, names, weights = prepared(batch, chosen, cotangent, gradient_method, wrt)
    if not expands(method):  # straight through: on a small circuit every microsecond shows
        result, gradients = native(batch, chosen, weights, names)
    else:
        found = differentiate(batch, chosen, weights, method, names, step)
        result, gradients = found.result, found.gradients
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
    found = await differentiate_async(batch, resolve_backend(backend), cotangent, gradient_method, wrt, step)
    return cast("NDArray[Any]", found.result.values), dict(found.gradients)


def vjp(
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
) -> GradientResult:
    """As `value_and_vjp`, with everything that is known: the whole result, standard errors, notes.

    Returns:
        `result` of the batch itself, `gradients`, their `standard_errors` (None where nothing is random) and `notes`.

    Example:
        >>> import qstore as qs
        >>> circuit = qs.QuantumCircuit(1).rx(0, "t")
        >>> found = vjp(circuit, {"t": 0.4}, qs.Expectations([qs.Z(0)]), shots=10_000, seed=1)
        >>> print(f"{found.gradients['t']:.2f} +- {found.standard_errors['t']:.2f}")
        -0.39 +- 0.01
    """
    batch = CircuitBatch.of(circuit, bindings, outputs, shots=shots, seed=seed)
    return differentiate(batch, resolve_backend(backend), cotangent, gradient_method, wrt, step)


async def vjp_async(
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
) -> GradientResult:
    """The twin of `vjp` for coroutines."""
    batch = CircuitBatch.of(circuit, bindings, outputs, shots=shots, seed=seed)
    return await differentiate_async(batch, resolve_backend(backend), cotangent, gradient_method, wrt, step)
