# SPDX-License-Identifier: Apache-2.0
"""Gradients by differences: slow, and right for whatever can be evaluated.

Formula: f'(x) = (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / (12 h), five points.
Error:   h**4 f'''''/30 plus rounding/h: below 1e-11 for circuits whose angles enter with factors up to 3 or so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch

__all__ = ["pulled_back"]

STEP = 1e-3
_POINTS = ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0))
Row = Mapping[str, NDArray[np.float64]]


def pulled_back(
    values: Callable[[Row], NDArray[Any]], batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str]
) -> dict[str, NDArray[np.float64]]:
    """The gradient of `sum(Re(conj(cotangent) * values))` by name, each shaped like its binding.

    For real values that is `sum(cotangent * values)`; for amplitudes it is torch's convention.

    Args:
        values: the values of one row from that row's bindings.
        batch: whose rows and shapes are meant.
        cotangent: (B, ...) as the values.
        wrt: names of the parameters.
    """
    found = {}
    for name in wrt:
        rows = np.stack(
            [_row(values, batch.row_bindings(row), name, cotangent[row]) for row in range(batch.size)]
        )
        found[name] = rows if name in batch.per_sample else np.asarray(rows.sum(axis=0))
    return found


def _row(
    values: Callable[[Row], NDArray[Any]], row: Row, name: str, cotangent: NDArray[Any]
) -> NDArray[np.float64]:
    gradient = np.zeros(row[name].shape)
    for index in np.ndindex(row[name].shape):
        slope = 0.0
        for steps, weight in _POINTS:
            moved = np.array(row[name])
            moved[index] += steps * STEP
            slope += weight * float(np.sum(np.conj(cotangent) * values({**row, name: moved})).real)
        gradient[index] = slope / (12 * STEP)
    return gradient
