# SPDX-License-Identifier: Apache-2.0
"""Batches that hold several copies of another batch's rows, and what the methods say about their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.batch.streams import derived_keys
from qstore.gradients.linear import linear_outputs
from qstore.gradients.sampled import BOUNDED, is_bounded

__all__ = ["copied_keys", "error_notes", "per_row", "roots", "stacked"]

Array = NDArray[np.float64]


def per_row(batch: CircuitBatch, name: str) -> Array:
    """The binding of every row, flat: (B, entries), a shared one repeated."""
    given = batch.bindings[name]
    if name in batch.per_sample:
        return given.reshape(batch.size, -1)
    return np.broadcast_to(given.reshape(1, -1), (batch.size, given.size))


def stacked(batch: CircuitBatch, moved: Mapping[str, Array], copies: int, *, first: int) -> CircuitBatch:
    """Copies of a batch, row = copy * B + sample, with some bindings replaced.

    Args:
        batch: what to copy.
        moved: (copies, B, entries) by parameter name.
        copies: how many.
        first: number of the first copy among all circuits made of the batch: no two share a stream.
    """
    bindings: dict[str, Array] = {}
    for name, array in batch.bindings.items():
        if name in moved:
            shape = array.shape[1:] if name in batch.per_sample else array.shape
            bindings[name] = moved[name].reshape(copies * batch.size, *shape)
        elif name in batch.per_sample:
            bindings[name] = np.tile(array, (copies, *[1] * (array.ndim - 1)))
        else:
            bindings[name] = array
    return batch.replace(bindings=bindings, **copied_keys(batch, copies, first=first))


def copied_keys(batch: CircuitBatch, copies: int, *, first: int) -> dict[str, Any]:
    """The stream keys of copies of a batch, as an argument of `replace`; nothing for an exact batch."""
    if batch.shots is None:
        return {}
    return {
        "_keys": np.concatenate([derived_keys(batch.stream_keys, first + index) for index in range(copies)])
    }


def roots(variances: Mapping[str, Array | None]) -> dict[str, Array] | None:
    """Standard errors of variances; None where nothing is random."""
    if not variances or any(variance is None for variance in variances.values()):
        return None
    return {
        name: np.asarray(np.sqrt(variance)) for name, variance in variances.items() if variance is not None
    }


def error_notes(batch: CircuitBatch, results: Sequence[BatchResult]) -> tuple[str, ...]:
    """A word on standard errors that are only bounds; `results` are those that the gradient is made of."""
    outputs = linear_outputs(batch.outputs)
    return (BOUNDED,) if any(is_bounded(result, outputs) for result in results) else ()
