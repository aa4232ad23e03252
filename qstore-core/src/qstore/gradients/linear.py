# SPDX-License-Identifier: Apache-2.0
"""Outputs that are linear in the state, which shift rules need, and how the others are made of them.

A variance is <O**2> - <O>**2: run as the expectations of O and O**2, its derivative is d<O**2> - 2 <O> d<O>.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Expectations, Output, Probabilities, Variance
from qstore.errors import CapabilityError
from qstore.gradients.sampled import combination_variance, plain_result

__all__ = ["contracted", "linear_cotangent", "linear_outputs", "original_result"]

Array = NDArray[np.float64]


def linear_outputs(outputs: Output) -> Output:
    """The linear output to run in place of `outputs`.

    Raises:
        CapabilityError: there is none (counts, samples, states).
    """
    if isinstance(outputs, (Expectations, Probabilities)):
        return outputs
    if isinstance(outputs, Variance):
        return Expectations(
            [*outputs.observables, *(observable.squared() for observable in outputs.observables)]
        )
    kind = type(outputs).__name__
    msg = f"Circuits with moved parameters give no gradient of {kind}; ask for Expectations, Variance or Probabilities."
    raise CapabilityError(msg)


def original_result(batch: CircuitBatch, result: BatchResult) -> BatchResult:
    """The result of the batch as it was asked for, from that of its linear output."""
    if not isinstance(batch.outputs, Variance):
        return plain_result(result)
    assert result.values is not None
    mean, square = np.split(result.values, 2, axis=1)
    errors = None
    if result.standard_errors is not None:
        mean_error, square_error = np.split(result.standard_errors, 2, axis=1)
        errors = np.hypot(square_error, 2 * mean * mean_error)
    facts = {field.name: getattr(result, field.name) for field in fields(BatchResult)}
    return BatchResult(**facts | {"values": square - mean**2, "standard_errors": errors})


def linear_cotangent(batch: CircuitBatch, result: BatchResult, cotangent: Array) -> Array:
    """The cotangent of the linear output, from that of the output asked for; the result may be of several copies.

    Shapes: cotangent (B, K); the result (copies * B, K) or, for a variance, (copies * B, 2 K).
    """
    assert result.values is not None
    tiled = np.tile(cotangent, (len(result.values) // len(cotangent), 1))
    if not isinstance(batch.outputs, Variance):
        return tiled
    mean = result.values[:, : cotangent.shape[1]]
    return np.concatenate([-2 * mean * tiled, tiled], axis=1)


def contracted(batch: CircuitBatch, result: BatchResult, cotangent: Array) -> tuple[Array, Array | None]:
    """`sum(cotangent * values)` of every row, and its variance by shots.

    Shapes: cotangent (B, K), the result of the batch's linear output for stacked copies of its rows, row = copy * B +
        sample; both arrays (copies, B), the variance None for exact values.
    """
    assert result.values is not None
    weights = linear_cotangent(batch, result, cotangent)
    if isinstance(batch.outputs, Variance):
        mean, square = np.split(result.values, 2, axis=1)
        scalars = np.einsum("rk,rk->r", weights[:, mean.shape[1] :], square - mean**2)
    else:
        scalars = np.einsum("rk,rk->r", weights, result.values)
    variances = combination_variance(result, linear_outputs(batch.outputs), weights[None])
    shape = (-1, len(cotangent))
    return scalars.reshape(shape), None if variances is None else variances.reshape(shape)
