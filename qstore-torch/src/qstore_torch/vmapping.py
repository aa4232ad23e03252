# SPDX-License-Identifier: Apache-2.0
"""Tensors with one more axis, that of `torch.func.vmap`: put in front, merged into the batch, or cut in slices."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["all_rows", "slices", "stacked", "with_rows"]

Tensors = Sequence[torch.Tensor]
Dims = Sequence[int | None]


def slices(tensors: Tensors, dims: Dims, index: int) -> list[torch.Tensor]:
    """One sample of the mapped axis; tensors without it as they are."""
    return [
        tensor if dim is None else tensor.select(dim, index)
        for tensor, dim in zip(tensors, dims, strict=True)
    ]


def all_rows(tensors: Tensors, dims: Dims, size: int) -> list[torch.Tensor]:
    """The mapped axis in front of every tensor: moved there, or repeated without a copy."""
    return [
        tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(tensors, dims, strict=True)
    ]


def with_rows(tensors: Tensors, dims: Dims, size: int, n_inputs: int) -> list[torch.Tensor]:
    """The mapped axis merged into the batch.

    Args:
        tensors: inputs (B, ...) and weights, some with the mapped axis.
        dims: where that axis is.
        size: its length V.
        n_inputs: how many tensors are inputs.

    Returns:
        Inputs (V * B, ...); weights as they are, or (V * B, ...) where they have the mapped axis.
    """
    inputs = all_rows(tensors[:n_inputs], dims[:n_inputs], size)
    rows = inputs[0].shape[1] if inputs else 1
    merged = [tensor.reshape(size * rows, *tensor.shape[2:]) for tensor in inputs]
    for tensor, dim in zip(tensors[n_inputs:], dims[n_inputs:], strict=True):
        merged.append(tensor if dim is None else tensor.movedim(dim, 0).repeat_interleave(rows, dim=0))
    return merged


def stacked(parts: Sequence[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """Tuples of tensors as one tuple of stacked tensors."""
    return tuple(torch.stack(column) for column in zip(*parts, strict=True))
