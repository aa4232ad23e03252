# SPDX-License-Identifier: Apache-2.0
"""Outputs that are linear in the state, which shift rules need, and how the others are made of them.

A variance is <O**2> - <O>**2: run as the expectations of O and O**2, its derivative is d<O**2> - 2 <O> d<O>.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Expectations, Output, Probabilities, Variance
from qstore.errors import CapabilityError

__all__ = ["linear_cotangent", "linear_outputs", "original_result"]

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
    msg = f"Shifted circuits give no gradient of {kind}; ask for Expectations, Variance or Probabilities."
    raise CapabilityError(msg)


def original_result(batch: CircuitBatch, result: BatchResult) -> BatchResult:
    """The result of the batch as it was asked for, from that of its linear output."""
    if not isinstance(batch.outputs, Variance):
        return result
    assert result.values is not None
    mean, square = np.split(result.values, 2, axis=1)
    errors = None
    if result.standard_errors is not None:
        mean_error, square_error = np.split(result.standard_errors, 2, axis=1)
        errors = np.hypot(square_error, 2 * mean * mean_error)
    facts = {name: getattr(result, name) for name in ("n_qubits", "backend", "shots", "seed", "job_ids", "queued_s",
                                                      "run_s", "estimated_usd", "billed_usd")}  # fmt: skip
    return BatchResult(values=square - mean**2, standard_errors=errors, **facts)


def linear_cotangent(batch: CircuitBatch, result: BatchResult, cotangent: Array) -> Array:
    """The cotangent of the linear output, from that of the output asked for."""
    if not isinstance(batch.outputs, Variance):
        return cotangent
    assert result.values is not None
    mean = result.values[:, : cotangent.shape[1]]
    return np.concatenate([-2 * mean * cotangent, cotangent], axis=1)
