# SPDX-License-Identifier: Apache-2.0
"""What all quantum layers for torch share: shapes, dtypes, devices, empty batches, compilation, counting.

Input shapes are `(..., *shape)`; all leading axes together are the batch.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from qstore.errors import BindingError
from qstore.layers import Usage
from qstore.layers.agreement import FailureAgreement
from qstore.layers.inputs import Input, check_number, leading_axes
from qstore.plugins import GradientResult
from qstore_torch.autograd import ORDINARY, PLAIN, Call, Runner, run_call
from torch import nn

__all__ = ["QuantumModule"]

CPU = torch.device("cpu")


class QuantumModule(nn.Module):
    """A layer whose values come from circuits.

    Attributes:
        weights: the trained weights by name.
        gradient_step: number of the training step, for methods that change over time; the training loop sets it.
        usage: what its circuits took so far; `usage.take()` starts again from nothing.
        agreement: how processes agree on failures; `qstore_torch.distributed.agree_on_failures` sets it.
    """

    weights: nn.ParameterDict

    def __init__(self) -> None:
        super().__init__()
        self.gradient_step = 0
        self.usage = Usage()
        self.agreement: FailureAgreement | None = None

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """Size of the last axis of the output."""

    @property
    @abstractmethod
    def last_gradient(self) -> GradientResult | None:
        """Everything about the last backward pass, standard errors included; None before the first."""

    @abstractmethod
    def _inputs(self) -> Sequence[Input]:
        """What `forward` takes, in order."""

    @abstractmethod
    def _runner(self, dtype: torch.dtype, device: torch.device) -> Runner:
        """What runs a batch in the present mode."""

    @abstractmethod
    def _value_dtype(self, real: torch.dtype) -> torch.dtype:
        """The dtype of the values, from that of inputs and weights together."""

    @property
    def n_parameters(self) -> int:
        """Number of trainable weights."""
        return sum(weight.numel() for weight in self.weights.values())

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Run the circuit for every sample.

        Args:
            inputs: one tensor per input, (..., *shape), the same leading axes in all.

        Raises:
            BindingError: number, shape or type of the inputs do not fit, or they are not finite.
            CapabilityError: the backend cannot do it.
        """
        # No tracer can look into a backend; a compiled model calls this from between its graphs.
        return self._eager(*inputs) if torch.compiler.is_compiling() else self._called(inputs)

    # Importing torch's compiler takes two seconds, which constructing an optimizer would take otherwise.
    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch's own
    def _eager(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self._called(inputs)

    def _called(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        taken = self._inputs()
        weights = list(self.weights.values())
        tensors = [*inputs, *weights]
        plain = _plain_dtype(tensors)
        lead = _lead(inputs, taken, checked=plain is not None)
        size = math.prod(lead)
        if plain is None:
            real, device = _common_dtype(tensors), tensors[0].device if tensors else CPU
        else:
            real, device = plain, CPU
        dtype = self._value_dtype(real)
        shape = (*lead, self.output_dim)
        if size == 0 or (plain is None and True in [tensor.is_meta for tensor in tensors]):
            # Nothing to run; the zeros keep the graph whole for a backward pass.
            device = next((tensor.device for tensor in tensors if tensor.is_meta), device)
            zeros = torch.zeros(shape, dtype=dtype, device=device)
            return zeros + sum((tensor.sum().to(device) * 0 for tensor in inputs if size == 0 or tensor.is_meta),
                               torch.zeros((), dtype=real, device=device))  # fmt: skip
        if len(lead) != 1:
            tensors[: len(inputs)] = [
                tensor.reshape(size, *each.shape) for tensor, each in zip(inputs, taken, strict=True)
            ]
        graph = torch.is_grad_enabled()
        call = Call(
            self._runner(dtype, device), tuple([graph and tensor.requires_grad for tensor in tensors])
        )
        values = run_call(call, tensors)
        return values if values.shape == shape else values.reshape(shape)


def _plain_dtype(tensors: Sequence[torch.Tensor]) -> torch.dtype | None:
    """The dtype of ordinary tensors of the same one in the processor's memory, as they mostly are; None for all others."""
    dtype = getattr(tensors[0], "dtype", None) if tensors else None
    if dtype not in PLAIN:
        return None
    for tensor in tensors:
        if type(tensor) not in ORDINARY or tensor.dtype is not dtype or not tensor.is_cpu:
            return None
    return dtype


def _lead(inputs: tuple[torch.Tensor, ...], taken: Sequence[Input], *, checked: bool) -> tuple[int, ...]:
    """The leading axes, which all inputs share."""
    check_number(len(inputs), taken)
    for tensor, each in () if checked else zip(inputs, taken, strict=True):
        if not isinstance(tensor, torch.Tensor) or tensor.is_complex():
            kind = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise BindingError(f"Input {each.name!r} must be a tensor of real numbers, got {kind}.")
    return cast("tuple[int, ...]", leading_axes([tensor.shape for tensor in inputs], taken))


def _common_dtype(tensors: Sequence[torch.Tensor]) -> torch.dtype:
    floating = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    if not floating:
        return torch.get_default_dtype()
    dtype = floating[0]
    for other in floating[1:]:
        if other is not dtype:
            dtype = torch.promote_types(dtype, other)
    return dtype
