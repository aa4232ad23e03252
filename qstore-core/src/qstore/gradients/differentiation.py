# SPDX-License-Identifier: Apache-2.0
"""A batch, a backend and a method to a `GradientResult`: what `vjp`, `value_and_vjp` and the framework layers stand on.

Everything that can be refused is refused here or in `expand`, before anything runs. All circuits of a step go to the
backend together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from operator import is_
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.batch import BatchResult, CircuitBatch, StateVector
from qstore.batch.circuit_batch import is_finite
from qstore.batch.outputs import DIFFERENTIABLE
from qstore.errors import BindingError, CapabilityError, OptionError, PluginError, nearest_names
from qstore.execution import execute
from qstore.execution.plan import check
from qstore.execution.run import checked_result
from qstore.plugins import (
    Backend,
    DifferentiableBackend,
    GradientMethod,
    GradientResult,
    Gradients,
    NativeGradientMethod,
    Pullback,
    checks_batches,
    chooses,
    expands,
    get_gradient_method,
    is_native,
    is_sync_differentiable,
    pulls_back_sync,
)

if TYPE_CHECKING:
    from qstore.gradients.config import GradientConfig

__all__ = [
    "Forward",
    "Method",
    "check_gradient",
    "differentiate",
    "differentiate_async",
    "forward",
    "native",
    "prepared",
]

Method: TypeAlias = "GradientMethod | NativeGradientMethod | GradientConfig | str | None"
"""What `gradient_method=` takes."""
PREFERRED, ALWAYS = "adjoint", "parameter_shift"
_made: dict[str, GradientMethod | NativeGradientMethod] = {}
_latest: tuple[tuple[object, ...], GradientMethod | NativeGradientMethod] | None = None
"""What was asked last, and the method that was found."""


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """A batch that has run and whose gradient will be asked for.

    Attributes:
        result: of the batch.
        pullback: the backend's own backward pass, if it has kept what that needs; it takes memory until it is dropped.
        names: the parameters whose gradients the pullback gives.
        gradient_method: as it was given.
    """

    result: BatchResult
    pullback: Pullback | None = None
    names: tuple[str, ...] = ()
    gradient_method: Method = None


def forward(
    batch: CircuitBatch, backend: Backend, gradient_method: Method = None, wrt: Collection[str] | None = None
) -> Forward:
    """Run a batch whose gradient will be asked for: `differentiate` takes what this returns as `known`.

    Where the backend can, it keeps what its backward pass needs, so that the circuits do not run twice. A gradient that
    the method or the backend cannot give is refused before anything runs.

    Args:
        batch: what runs.
        backend: where it runs.
        gradient_method: as for `vjp`.
        wrt: names of the parameters whose gradients will be asked for; by default all.

    Raises:
        OptionError: no such method or parameter.
        CapabilityError: the method or the backend cannot do it.

    Example:
        >>> import qstore as qs
        >>> circuit = qs.QuantumCircuit(1).rx(0, "t")
        >>> batch = qs.CircuitBatch.of(circuit, {"t": [0.0, 0.5]}, qs.Expectations([qs.Z(0)]))
        >>> backend = qs.get_backend("statevector")
        >>> passed = forward(batch, backend)
        >>> cotangent = 2 * passed.result.values  # of the loss sum(values ** 2)
        >>> differentiate(batch, backend, cotangent, known=passed).gradients["t"].round(3).tolist()
        [0.0, -0.841]
    """
    _check_outputs(batch)
    method = _chosen(batch, backend, gradient_method)
    if expands(method):
        if checks_batches(method):
            method.check(batch)
    elif pulls_back_sync(backend):
        names = _names(batch, wrt)
        found = backend.pullback_sync(batch, names)
        if found is not None:
            return Forward(checked_result(found[0], batch, backend), found[1], names, gradient_method)
    return Forward(execute(batch, backend))


def differentiate(
    batch: CircuitBatch,
    backend: Backend,
    cotangent: ArrayLike | None = None,
    gradient_method: Method = None,
    wrt: Collection[str] | None = None,
    step: int = 0,
    *,
    known: BatchResult | Forward | None = None,
) -> GradientResult:
    """`vjp` for a batch that exists already; the other arguments are those of `vjp`.

    Where a forward pass has the batch's own result, give it as `known`: then the batch is not run a second time. What
    `forward` returned saves the backend's own backward pass a forward pass, too.
    """
    if isinstance(known, Forward):
        if known.pullback is not None and gradient_method is known.gradient_method:
            names = _names(batch, wrt)
            if set(names) <= set(known.names):
                found = known.pullback(_cotangent(batch, cotangent))
                return GradientResult(
                    known.result, {name: found[name] for name in names}, billed_usd=known.result.billed_usd
                )
        known = known.result
    method, names, weights = prepared(batch, backend, cotangent, gradient_method, wrt)
    step = _step(step)
    if not expands(method):
        result, gradients = native(batch, backend, weights, names)
        return GradientResult(result, gradients, billed_usd=result.billed_usd)
    batches = method.expand(batch, wrt=names, step=step)
    from qstore.gradients.sampled import execute_estimates  # the backend's own vjp does without

    first = _already(batch, batches, known)
    moved = execute_estimates(batches[len(first) :], backend)
    if _are_mixed(first, moved):
        moved = execute_estimates(batches, backend)
        first = ()
    return _combined(method, batch, first, moved, weights, names, step)


async def differentiate_async(
    batch: CircuitBatch,
    backend: Backend,
    cotangent: ArrayLike | None = None,
    gradient_method: Method = None,
    wrt: Collection[str] | None = None,
    step: int = 0,
    *,
    known: BatchResult | Forward | None = None,
) -> GradientResult:
    """The twin of `differentiate` for coroutines."""
    known = known.result if isinstance(known, Forward) else known
    method, names, weights = prepared(batch, backend, cotangent, gradient_method, wrt)
    step = _step(step)
    if not expands(method):
        result, gradients = await cast("DifferentiableBackend", backend).vjp(batch, weights, names)
        return GradientResult(result, gradients, billed_usd=result.billed_usd)
    batches = method.expand(batch, wrt=names, step=step)
    from qstore.gradients.sampled import execute_estimates_async  # as above

    first = _already(batch, batches, known)
    moved = await execute_estimates_async(batches[len(first) :], backend)
    if _are_mixed(first, moved):
        moved = await execute_estimates_async(batches, backend)
        first = ()
    return _combined(method, batch, first, moved, weights, names, step)


def check_gradient(batch: CircuitBatch, backend: Backend, gradient_method: Method = None) -> None:
    """Refuse a gradient before the batch itself is run, so that no forward pass is paid for in vain.

    Raises:
        OptionError: no such method.
        CapabilityError: the method or the backend cannot do it.
    """
    _check_outputs(batch)
    method = _chosen(batch, backend, gradient_method)
    if checks_batches(method):
        method.check(batch)


def prepared(
    batch: CircuitBatch, backend: Backend, cotangent: ArrayLike | None, gradient_method: Method,
    wrt: Collection[str] | None,
) -> tuple[GradientMethod | NativeGradientMethod, tuple[str, ...], NDArray[Any]]:  # fmt: skip
    """The method, the names of the parameters and the cotangent that are meant, all checked."""
    _check_outputs(batch)
    method = _chosen(batch, backend, gradient_method)
    return method, _names(batch, wrt), _cotangent(batch, cotangent)


def native(
    batch: CircuitBatch, backend: Backend, weights: NDArray[Any], names: tuple[str, ...]
) -> tuple[BatchResult, Gradients]:
    """The backend's own vjp, without an event loop where it has the synchronous twin."""
    if is_sync_differentiable(backend):
        return backend.vjp_sync(batch, weights, names)
    from qstore.execution.bridge import (
        wait_for,
    )  # asyncio is only needed for backends that wait for something

    return wait_for(cast("DifferentiableBackend", backend).vjp(batch, weights, names))


def _already(
    batch: CircuitBatch, batches: tuple[CircuitBatch, ...], known: BatchResult | None
) -> tuple[BatchResult, ...]:
    """The result of the first batch, if it is the one that is known."""
    same = known is not None and batches and batches[0].circuit is batch.circuit
    return (known,) if same and known is not None and batches[0].outputs is batch.outputs else ()


def _are_mixed(known: tuple[BatchResult, ...], moved: tuple[BatchResult, ...]) -> bool:
    """Whether a router fell back since the batch itself was run: its own values would enter some gradients with another's."""
    return bool(known) and any(each.backend != known[0].backend for each in moved)


def _combined(
    method: GradientMethod, batch: CircuitBatch, known: tuple[BatchResult, ...], run: tuple[BatchResult, ...],
    weights: NDArray[Any], names: tuple[str, ...], step: int,
) -> GradientResult:  # fmt: skip
    found = method.combine(batch, (*known, *run), weights, wrt=names, step=step)
    if not isinstance(found, GradientResult):
        raise PluginError(
            f"{type(method).__name__}.combine returned {type(found).__name__}, not a GradientResult."
        )
    bills = [result.billed_usd for result in run if result.billed_usd is not None]
    told = dict.fromkeys(note for result in run for note in result.notes if note not in found.result.notes)
    if not bills and not told:
        return found
    return replace(found, billed_usd=sum(bills, Decimal(0)) if bills else None, notes=(*found.notes, *told))


def _check_outputs(batch: CircuitBatch) -> None:
    if not isinstance(batch.outputs, DIFFERENTIABLE):
        kind = type(batch.outputs).__name__
        raise CapabilityError(
            f"{kind} has no gradient; ask for Expectations, Variance, Probabilities or StateVector."
        )


def _chosen(batch: CircuitBatch, backend: Backend, wanted: Method) -> GradientMethod | NativeGradientMethod:
    global _latest  # noqa: PLW0603  # a training loop asks the same again and again
    asked = (batch.circuit, batch.outputs, batch.shots, backend, backend.capabilities, wanted)
    latest = _latest
    if latest is not None and all(map(is_, latest[0], asked)):
        return latest[1]
    method = _looked_up(batch, backend, wanted)
    if not expands(method) and not chooses(backend):  # what a router's candidates can may change
        _latest = asked, method
    return method


def _looked_up(
    batch: CircuitBatch, backend: Backend, wanted: Method
) -> GradientMethod | NativeGradientMethod:
    if wanted is None or isinstance(wanted, str):
        method = _by_name(PREFERRED if wanted is None else wanted)
    else:
        # A GradientConfig, asked by its attribute: most programs never load that class.
        method = cast("GradientMethod | NativeGradientMethod", getattr(wanted, "made", wanted))
    if expands(method):
        return method
    if not is_native(method):
        raise OptionError(
            f"gradient_method must be a registered name, a GradientConfig or a method, got {wanted!r}."
        )
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
    names = (wrt,) if isinstance(wrt, str) else tuple(dict.fromkeys(wrt))
    for name in names:
        if name not in batch.bindings:
            hint = nearest_names(str(name), list(batch.bindings))
            raise OptionError(
                f"wrt names {name!r}, which is not a parameter.{hint} There are {list(batch.bindings)}."
            )
    return names


def _step(given: int) -> int:
    if type(given) is not int or given < 0:
        from qstore.gradients.options import integer  # only for what looks odd, such as numpy's integers

        return integer("step, which counts training steps,", given)
    return given


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
