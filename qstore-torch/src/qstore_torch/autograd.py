# SPDX-License-Identifier: Apache-2.0
"""The one place where tensors become bindings and results become tensors, forwards and backwards.

Backends compute on the CPU in float64 interfaces; values and gradients return with the dtype and device of the
tensors they belong to. The batch of the forward pass is kept for the backward pass, so that with shots both are drawn
for the same stream keys. Gradients of gradients are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import torch
from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import CapabilityError
from qstore.plugins import Gradients

__all__ = ["BatchFunction", "Runner"]


@dataclass(frozen=True, slots=True)
class Runner:
    """What the autograd function needs of a layer.

    Attributes:
        names: the parameter's name for each tensor argument.
        make: bindings to a batch.
        run: a batch to its result.
        differentiate: batch, cotangent and names to the gradients for these names.
        dtype: the dtype of the values, complex for statevectors.
        device: where the values go.
    """

    names: tuple[str, ...]
    make: Callable[[Mapping[str, NDArray[np.float64]]], CircuitBatch]
    run: Callable[[CircuitBatch], BatchResult]
    differentiate: Callable[[CircuitBatch, NDArray[Any], tuple[str, ...]], Gradients]
    dtype: torch.dtype
    device: torch.device


class BatchFunction(torch.autograd.Function):
    """A batch of circuits as a differentiable function of its bindings."""

    @staticmethod
    def forward(ctx: Any, runner: Runner, *tensors: torch.Tensor) -> torch.Tensor:
        """Run the batch: (B, ...) values."""
        batch = runner.make(
            {name: _array(tensor) for name, tensor in zip(runner.names, tensors, strict=True)}
        )
        result = runner.run(batch)
        if any(ctx.needs_input_grad):
            ctx.runner, ctx.batch = runner, batch
            # Nothing is read from them again; torch watches them for changes in place between the two passes.
            ctx.save_for_backward(*tensors)
        return torch.as_tensor(result.values).to(device=runner.device, dtype=runner.dtype)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Run the vector-Jacobian product: gradients shaped like the tensors."""
        needed = ctx.needs_input_grad[1:]
        found = _Vjp.apply(ctx.runner, ctx.batch, needed, cotangents[0], *ctx.saved_tensors)  # type: ignore[no-untyped-call]  # torch's own
        gradients = iter(found)
        return (None, *(next(gradients) if wanted else None for wanted in needed))


class _Vjp(torch.autograd.Function):
    """The backward pass as a function of its own, so that its missing derivative is an error and not a silent zero."""

    @staticmethod
    def forward(
        _ctx: Any, runner: Runner, batch: CircuitBatch, needed: tuple[bool, ...], cotangent: torch.Tensor,
        *tensors: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:  # fmt: skip
        """The gradients that are needed, in order."""
        wanted = {
            name: tensor for name, tensor, use in zip(runner.names, tensors, needed, strict=True) if use
        }
        gradients = runner.differentiate(batch, _array(cotangent), tuple(wanted))
        return tuple(
            torch.as_tensor(gradients[name]).to(device=tensor.device, dtype=tensor.dtype)
            for name, tensor in wanted.items()
        )

    @staticmethod
    def backward(_ctx: Any, *_cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Refuse: a gradient of a gradient would need circuits of its own."""
        msg = (
            "QuantumLayer has no second derivatives. Detach its gradients, or take this part of the loss by finite "
            "differences of first derivatives."
        )
        raise CapabilityError(msg)


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """A copy on the CPU in double precision: an optimizer may change the tensor in place before the backward pass."""
    target = torch.complex128 if tensor.is_complex() else torch.float64
    array: NDArray[Any] = tensor.detach().to(device="cpu", dtype=target, copy=True).resolve_conj().numpy()
    return array
