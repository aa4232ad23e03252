# SPDX-License-Identifier: Apache-2.0
"""The one place where tensors become arrays and results become tensors, forwards and backwards.

Backends compute on the CPU in float64 interfaces; values and gradients return with the dtype and device of the
tensors they belong to. What the forward pass found is kept for the backward pass, which does not run it again.
Gradients of gradients are refused. `torch.func.vmap` merges rows into the batch where it can: see `Runner`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

import torch
from qstore.errors import CapabilityError
from qstore_torch.vmapping import all_rows, slices, stacked, with_rows

__all__ = ["BatchFunction", "Call", "DirectFunction", "Runner", "run_call"]

Arrays = tuple[NDArray[Any], ...]

PLAIN: dict[torch.dtype | None, Any] = {torch.float32: np.float32, torch.float64: np.float64}
"""Dtypes that numpy has, too."""
ORDINARY = (torch.Tensor, torch.nn.Parameter)
# Torch's own questions; a version without them gets the answer that is always right.
_transforms_are_active: Callable[[], bool] = getattr(
    torch._C, "_are_functorch_transforms_active", lambda: True
)
_graph_is_kept: Callable[[], bool] = getattr(
    torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True
)


class Runner(Protocol):
    """What the autograd function needs of a layer: arrays in, arrays out. The inputs come first, then the weights.

    Attributes:
        n_inputs: how many of the arrays are inputs, which have the batch as their first axis.
        merges_weights: whether a weight with one more leading axis is bound per sample.
        rows_are_independent: whether a row of the values depends on that row of the inputs alone.
        dtype: of the values, complex for statevectors.
        device: where the values go.
    """

    n_inputs: int
    merges_weights: bool
    rows_are_independent: bool
    dtype: torch.dtype
    device: torch.device

    def forward(self, arrays: Arrays, wanted: tuple[bool, ...]) -> tuple[NDArray[Any], Any]:
        """The values (B, ...), and what `backward` needs; a gradient that is impossible is refused before a run.

        `wanted` says for each array whether its gradient will be.
        """

    def prepared(self, arrays: Arrays) -> Any:
        """What `backward` needs, of arrays that no forward pass was made for."""

    def backward(
        self, kept: Any, cotangent: NDArray[Any], wanted: tuple[bool, ...]
    ) -> Sequence[NDArray[Any] | None]:
        """The gradient for each array, or None where it is not wanted."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of a layer, shared by its forward and its backward pass.

    Attributes:
        runner: what runs.
        wanted: for each tensor, whether its gradient will be wanted.
        kept: what the forward pass kept.
        inner: under vmap, the calls that it was split into.
    """

    runner: Runner
    wanted: tuple[bool, ...]
    kept: Any = None
    inner: tuple[Call, ...] = ()

    @property
    def differentiable(self) -> bool:
        """Whether any gradient will be wanted."""
        return True in self.wanted

    def run(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """The forward pass: (B, ...) values."""
        runner = self.runner
        values, kept = runner.forward(tuple(map(_array, tensors)), self.wanted)
        if self.differentiable:
            self.kept = kept
        # A copy: the values are kept for the backward pass, and the caller may change the tensor in place.
        return _tensor(values, runner.device, runner.dtype)

    def pull_back(
        self, wanted: tuple[bool, ...], cotangent: torch.Tensor, tensors: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        """The backward pass: the gradients that are wanted, in order."""
        kept = self.kept
        if kept is None:
            kept = self.runner.prepared(tuple(map(_array, tensors)))
        gradients = self.runner.backward(kept, _array(cotangent), wanted)
        return tuple(
            _tensor(gradient, tensor.device, tensor.dtype)
            for gradient, tensor, use in zip(gradients, tensors, wanted, strict=True)
            if use
        )


def run_call(call: Call, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """A batch of circuits as a differentiable function of its inputs and weights: (B, ...) values."""
    if _transforms_are_active():
        values: torch.Tensor = BatchFunction.apply(call, *tensors)  # type: ignore[no-untyped-call]  # torch's own
    else:
        values = DirectFunction.apply(call, *tensors)  # type: ignore[no-untyped-call]  # torch's own
    return values


class BatchFunction(torch.autograd.Function):
    """A batch of circuits as a differentiable function of its inputs and weights."""

    @staticmethod
    def forward(call: Call, *tensors: torch.Tensor) -> torch.Tensor:
        """Run the batch: (B, ...) values."""
        return call.run(tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG004  # torch's contract
        """Keep the call; torch watches saved tensors for changes in place between the two passes."""
        ctx.call, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Run the vector-Jacobian product: gradients shaped like the tensors."""
        call: Call = ctx.call
        wanted, tensors = ctx.needs_input_grad[1:], ctx.saved_tensors
        if torch.is_grad_enabled() or _transforms_are_active():
            found = iter(_Vjp.apply(call, wanted, cotangents[0], *tensors))  # type: ignore[no-untyped-call]  # torch's own
        else:  # nobody can differentiate this, so nothing needs to watch
            found = iter(call.pull_back(wanted, cotangents[0], tensors))
            if not _graph_is_kept():
                call.kept = None  # the states that a backend has kept are the largest part of a graph
        return (None, *(next(found) if each else None for each in wanted))

    @staticmethod
    def jvp(_ctx: Any, *_tangents: Any) -> NoReturn:
        """Refuse forward-mode derivatives."""
        raise CapabilityError(
            "Quantum layers have no forward-mode derivatives (jvp, jacfwd, hessian); take jacrev or grad."
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], call: Call, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, int]:
        """Rows of the mapped axis join the batch; where they cannot, one call after another."""
        runner, size, dims = call.runner, info.batch_size, in_dims[1:]
        weights_mapped = any(dim is not None for dim in dims[runner.n_inputs :])
        tracked = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
        wanted = call.wanted if tracked else (False,) * len(tensors)
        # A gradient of each mapped sample by itself, vmap(grad(...)), needs what each forward pass kept.
        mergeable = runner.merges_weights or (not weights_mapped and (tracked or not call.differentiable))
        if mergeable and runner.rows_are_independent:
            merged = with_rows(tensors, dims, size, runner.n_inputs)
            values = BatchFunction.apply(Call(runner, wanted), *merged)  # type: ignore[no-untyped-call]  # torch's own
            return values.reshape(size, len(values) // max(size, 1), *values.shape[1:]), 0
        call.inner = tuple(Call(runner, call.wanted) for _ in range(size))
        found = [
            BatchFunction.apply(inner, *slices(tensors, dims, index))  # type: ignore[no-untyped-call]  # torch's own
            for index, inner in enumerate(call.inner)
        ]
        return torch.stack(found), 0


class DirectFunction(torch.autograd.Function):
    """`BatchFunction` where no transform of `torch.func` is active: torch calls it in half the time."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: torch.Tensor) -> torch.Tensor:
        """Run the batch and keep the call."""
        ctx.call = call
        ctx.save_for_backward(*tensors)
        return call.run(tensors)

    backward = staticmethod(BatchFunction.backward)
    jvp = staticmethod(BatchFunction.jvp)  # type: ignore[assignment]  # it never returns


class _Vjp(torch.autograd.Function):
    """The backward pass as a function of its own, so that its missing derivative is an error and not a silent zero."""

    @staticmethod
    def forward(
        call: Call, wanted: tuple[bool, ...], cotangent: torch.Tensor, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """The gradients that are wanted, in order."""
        return call.pull_back(wanted, cotangent, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Nothing is kept: there is no backward pass of the backward pass."""

    @staticmethod
    def backward(_ctx: Any, *_cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Refuse: a gradient of a gradient would need circuits of its own."""
        msg = (
            "QuantumLayer has no second derivatives. Detach its gradients, or take this part of the loss by finite "
            "differences of first derivatives."
        )
        raise CapabilityError(msg)

    @staticmethod
    def jvp(_ctx: Any, *_tangents: Any) -> NoReturn:
        """Refuse, as above."""
        BatchFunction.jvp(_ctx, *_tangents)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        call: Call,
        wanted: tuple[bool, ...],
        cotangent: torch.Tensor,
        *tensors: torch.Tensor,
    ) -> tuple[tuple[torch.Tensor, ...], tuple[int, ...]]:
        """The gradients of each mapped sample by itself."""
        runner, size, dims = call.runner, info.batch_size, in_dims[2:]
        given = (cotangent, *tensors)
        if all(dim is None for dim in dims[1:]):
            calls = (call,) * size
        elif call.inner:
            calls = call.inner
        elif runner.merges_weights and runner.rows_are_independent:
            found = _merged(call, wanted, given, dims, size)
            return found, (0,) * len(found)
        else:
            calls = tuple(Call(runner, wanted) for _ in range(size))
        parts = [
            _Vjp.apply(each, wanted, *slices(given, dims, index))  # type: ignore[no-untyped-call]  # torch's own
            for index, each in enumerate(calls)
        ]
        found = stacked(parts)
        return found, (0,) * len(found)


def _merged(
    call: Call, wanted: tuple[bool, ...], given: tuple[torch.Tensor, ...], dims: Sequence[int | None], size: int
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """All rows in one batch, with weights bound per sample so that each sample has a gradient of its own."""
    runner = call.runner
    cotangent, *tensors = all_rows(given, dims, size)
    rows = cotangent.shape[1]
    flat = [tensor.reshape(size * rows, *tensor.shape[2:]) for tensor in tensors[: runner.n_inputs]]
    flat += [tensor.repeat_interleave(rows, dim=0) for tensor in tensors[runner.n_inputs :]]
    merged = cotangent.reshape(size * rows, *cotangent.shape[2:])
    found = iter(_Vjp.apply(Call(runner, wanted), wanted, merged, *flat))  # type: ignore[no-untyped-call]  # torch's own
    split = []
    for index, use in enumerate(wanted):
        if use:
            each = next(found)
            each = each.reshape(size, rows, *each.shape[1:])
            split.append(each if index < runner.n_inputs else each.sum(dim=1))
    return tuple(split)


def _tensor(array: NDArray[Any] | None, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A copy; one of the same dtype on the CPU would share the array's memory."""
    like = PLAIN.get(dtype)
    if like is not None and device.type == "cpu":  # numpy's way takes half as long
        return torch.from_numpy(np.array(array, dtype=like, order="C"))
    found = torch.as_tensor(array)
    return found.clone() if found.dtype is dtype and device.type == "cpu" else found.to(device, dtype)


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """A copy on the CPU in double precision: an optimizer may change the tensor in place before the backward pass."""
    if tensor.dtype in PLAIN and tensor.is_cpu and type(tensor) in ORDINARY:  # numpy's way takes half as long
        try:
            return tensor.detach().numpy().astype(np.float64)
        except RuntimeError:
            pass  # a tensor without memory of its own: what follows knows how to read it, or why not
    target = torch.complex128 if tensor.is_complex() else torch.float64
    try:
        given = tensor.detach()
        same = given.dtype is target and given.device.type == "cpu"
        copied = given.clone() if same else given.to("cpu", target)
    except RuntimeError as exc:
        if "Batching rule" not in str(exc):
            raise
        raise CapabilityError(
            "Quantum layers know torch.func.vmap, not the older one behind jacobian(vectorize=True) and is_grads_batched; "
            "take torch.func.jacrev or torch.func.vmap."
        ) from exc
    array: NDArray[Any] = copied.resolve_conj().numpy()
    return array


for _forward in (BatchFunction.forward, _Vjp.forward):
    # Torch asks for the signature in every call, which takes as long as a small circuit; this is what it finds first.
    vars(_forward)["__signature__"] = inspect.signature(_forward)
