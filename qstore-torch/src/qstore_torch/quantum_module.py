# SPDX-License-Identifier: Apache-2.0
"""What all quantum layers for torch share: shapes, dtypes, devices, empty batches, compilation, counting.

Input shapes are `(..., *shape)`; all leading axes together are the batch.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

import torch
from qstore.errors import BindingError
from qstore.layers import Usage
from qstore.layers.agreement import FailureAgreement, agreed
from qstore.layers.inputs import Input, check_number, leading_axes
from qstore.plugins import GradientResult
from qstore_torch.autograd import ORDINARY, PLAIN, Arrays, Call, Runner, run_call
from torch import nn

__all__ = ["QuantumModule"]

CPU = torch.device("cpu")


class QuantumModule(nn.Module):
    """A layer whose values come from circuits.

    Attributes:
        weights: the trained weights by name.
        gradient_step: number of the training step, for methods that change over time; the training loop sets it.
        usage: what its circuits took so far; `usage.take()` starts again from nothing, and so does a copy.
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

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # What a copy does is counted once, by the copy; of a model and its average both may be read.
        memo[id(self.usage)] = Usage()
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

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
        if plain is None and True in [tensor.is_meta for tensor in tensors]:
            device = next(tensor.device for tensor in tensors if tensor.is_meta)
            return _zeros(shape, dtype, device, [each for each in tensors if size == 0 or each.is_meta])
        if size == 0 and self.agreement is None:
            return _zeros(shape, dtype, device, tensors)
        if len(lead) != 1:
            tensors[: len(inputs)] = [
                tensor.reshape(size, *each.shape) for tensor, each in zip(inputs, taken, strict=True)
            ]
        graph = torch.is_grad_enabled()
        runner = self._runner(dtype, device)
        if size == 0:
            runner = _Empty(runner, self.output_dim, self.agreement)
        call = Call(runner, tuple([graph and tensor.requires_grad for tensor in tensors]))
        values = run_call(call, tensors)
        return values if values.shape == shape else values.reshape(shape)


class _Empty:
    """A batch without rows: nothing runs, but the other processes are told so and stay in step.

    Args:
        runner: what would run.
        width: numbers per row.
        agreement: with the other processes.
    """

    def __init__(self, runner: Runner, width: int, agreement: FailureAgreement | None) -> None:
        self.n_inputs, self.merges_weights = runner.n_inputs, runner.merges_weights
        self.rows_are_independent = runner.rows_are_independent
        self.dtype, self.device = runner.dtype, runner.device
        self._width, self._agreement = width, agreement

    def forward(self, arrays: Arrays, wanted: tuple[bool, ...]) -> tuple[NDArray[Any], Arrays]:
        agreement = self._agreement if True in wanted else None
        return agreed(agreement, np.zeros, (0, self._width)), arrays

    def prepared(self, arrays: Arrays) -> Arrays:
        return arrays

    def backward(
        self,
        kept: Arrays,
        cotangent: NDArray[Any],  # noqa: ARG002  # there is none
        wanted: tuple[bool, ...],
    ) -> list[NDArray[Any] | None]:
        return agreed(
            self._agreement,
            lambda: [np.zeros(each.shape) if use else None for each, use in zip(kept, wanted, strict=True)],
        )


def _zeros(
    shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, tensors: Sequence[torch.Tensor]
) -> torch.Tensor:
    """What nothing has to run for; the tensors take part, so that a backward pass finds zeros for all of them."""
    zeros = torch.zeros(shape, dtype=dtype, device=device)
    for tensor in tensors:
        zeros = zeros + tensor.sum().to(device) * 0
    return zeros


def _plain_dtype(tensors: Sequence[torch.Tensor]) -> torch.dtype | None:
    """The dtype of ordinary tensors of the same one in the processor's memory, as they mostly are; None for all others."""
    dtype = getattr(tensors[0], "dtype", None) if tensors else None
    if dtype not in PLAIN:
        return None
    for tensor in tensors:
        if type(tensor) not in ORDINARY or tensor.dtype is not dtype or not tensor.is_cpu:
            return None
        if tensor.layout is not torch.strided or tensor.is_nested:
            return None
    return dtype


def _lead(inputs: tuple[torch.Tensor, ...], taken: Sequence[Input], *, checked: bool) -> tuple[int, ...]:
    """The leading axes, which all inputs share."""
    check_number(len(inputs), taken)
    for tensor, each in () if checked else zip(inputs, taken, strict=True):
        reason = _reason_against(tensor)
        if reason is not None:
            raise BindingError(f"Input {each.name!r} {reason}.")
    return cast("tuple[int, ...]", leading_axes([tensor.shape for tensor in inputs], taken))


def _reason_against(tensor: Any) -> str | None:
    """Why something cannot be an input; None where it can."""
    if not isinstance(tensor, torch.Tensor):
        return f"must be a tensor of real numbers, got {type(tensor).__name__}"
    if tensor.is_complex():
        return f"must be a tensor of real numbers, got {tensor.dtype}"
    if tensor.is_nested:
        return "is a nested tensor; give its rows one shape with torch.nested.to_padded_tensor"
    if tensor.layout is not torch.strided:
        return f"is a {tensor.layout} tensor; make it dense with .to_dense()"
    if tensor.is_quantized:
        return "is quantized; turn it into numbers with .dequantize()"
    if tensor.is_floating_point() and tensor.dtype.itemsize == 1:
        return f"is of {tensor.dtype}; nothing computes with that, so convert it with .float()"
    return None


def _common_dtype(tensors: Sequence[torch.Tensor]) -> torch.dtype:
    floating = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    if not floating:
        return torch.get_default_dtype()
    dtype = floating[0]
    for other in floating[1:]:
        if other is not dtype:
            dtype = torch.promote_types(dtype, other)
    return dtype
