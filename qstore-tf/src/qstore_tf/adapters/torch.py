# SPDX-License-Identifier: Apache-2.0
"""PyTorch under Keras: an autograd function, as in qstore-torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

import torch
from qstore.errors import CapabilityError
from qstore_tf.circuit_call import CircuitCall, Kept

__all__ = ["SUPPORTS_JIT", "apply", "check", "untraced"]

SUPPORTS_JIT = True
"""`torch.compile` leaves the layer out, with one graph before it and one behind it."""
Tensors = Sequence[torch.Tensor]


def check(dtype: str) -> None:
    """Every dtype will do."""


def untraced(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a function; no tracer can look into a backend, so a compiled model calls it from between its graphs."""
    call = _outside if torch.compiler.is_compiling() else _inside
    return call(function, *arguments, **named)


def _inside(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return function(*arguments, **named)


_outside = torch.compiler.disable(_inside)  # type: ignore[no-untyped-call]  # torch's own


def apply(
    call: CircuitCall, inputs: Tensors, weights: Tensors, state: Tensors, dtype: str
) -> list[torch.Tensor]:
    """Values (B, width) and new state."""
    differentiable = [*inputs, *weights]
    of_values = getattr(torch, dtype)
    if any(each.is_meta for each in differentiable):
        # Keras asks for shapes; nothing runs.
        size = inputs[0].shape[0] if inputs else 1
        unknown = [torch.empty_like(each) for each in state[: call.runner.n_updates]]
        return [torch.empty((size, call.runner.width), dtype=of_values, device="meta"), *unknown]
    recording = torch.is_grad_enabled()
    call.inputs_wanted = recording and any(each.requires_grad for each in inputs)
    call.weights_wanted = recording and any(each.requires_grad for each in weights)
    device = next((each.device for each in differentiable), torch.device("cpu"))
    updates: list[NDArray[Any]] = []
    arrays = [_array(each) for each in state]
    values = _Circuits.apply(call, arrays, updates, of_values, device, *differentiable)  # type: ignore[no-untyped-call]  # torch's own
    new = (_tensor(each, old.device, old.dtype) for each, old in zip(updates, state, strict=False))
    return [values, *new]


class _Circuits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: CircuitCall, state: list[NDArray[Any]], updates: list[NDArray[Any]], dtype: torch.dtype,
        device: torch.device, *tensors: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Run the batch: (B, width) values."""
        (values, *new), kept = call.forward([*map(_array, tensors), *state])
        updates.extend(new)
        if call.differentiable:
            # torch watches saved tensors for changes in place between the two passes.
            ctx.save_for_backward(*tensors)
            ctx.call, ctx.kept = call, kept
        return _tensor(values, device, dtype)

    @staticmethod
    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch's own
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Run the vector-Jacobian product: gradients shaped like the tensors."""
        wanted = ctx.needs_input_grad[5:]
        found = iter(_Gradient.apply(ctx.call, ctx.kept, wanted, cotangents[0], *ctx.saved_tensors))  # type: ignore[no-untyped-call]  # torch's own
        return (None, None, None, None, None, *(next(found) if each else None for each in wanted))


class _Gradient(torch.autograd.Function):
    """The backward pass as a function of its own, so that its missing derivative is an error and not a silent zero."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ARG004  # torch's contract
        call: CircuitCall,
        kept: Kept,
        wanted: Sequence[bool],
        cotangent: torch.Tensor,
        *tensors: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """The gradients that are wanted, in order."""
        found = call.gradients(kept, _array(cotangent), wanted)
        return tuple(
            _tensor(gradient, tensor.device, tensor.dtype)
            for gradient, tensor in zip(found, tensors, strict=True)
            if gradient is not None
        )

    @staticmethod
    def backward(_ctx: Any, *_cotangents: torch.Tensor) -> NoReturn:
        """Refuse: a gradient of a gradient would need circuits of its own."""
        raise CapabilityError(
            "Quantum layers have no second derivatives. Detach the first ones, or take this part of the loss by finite "
            "differences of them."
        )


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    target = torch.complex128 if tensor.is_complex() else torch.float64
    array: NDArray[Any] = tensor.detach().to("cpu", target).resolve_conj().numpy()
    return array


def _tensor(array: NDArray[Any], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A copy: the values are kept for the backward pass, and the caller may change the tensor in place."""
    return torch.from_numpy(np.array(array)).to(device, dtype)
