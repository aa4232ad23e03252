# SPDX-License-Identifier: Apache-2.0
"""`row_result`: many `BatchResult`s of few rows each, made in a tenth of the time that its constructor takes.

The constructor of a frozen dataclass sets every field through `object.__setattr__`: 3 microseconds, more than merging and
splitting a circuit takes otherwise. A draft with the same slots is filled in and then becomes a `BatchResult`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult

__all__ = ["row_result"]


class _Draft:
    """A `BatchResult` that is not frozen yet."""

    __slots__ = BatchResult.__slots__


def row_result(
    values: NDArray[Any] | None, standard_errors: NDArray[np.float64] | None, counts: tuple[dict[int, int], ...] | None,
    seed: int | None, run_s: float, estimated_usd: Decimal | None, billed_usd: Decimal | None, whole: BatchResult,
) -> BatchResult:  # fmt: skip
    """A result with values, seed, time and money of its own, and the facts of the whole that it is a part of."""
    draft: Any = _Draft()
    draft.values = values
    draft.standard_errors = standard_errors
    draft.counts = counts
    draft.n_qubits = whole.n_qubits
    draft.backend = whole.backend
    draft.shots = whole.shots
    draft.seed = seed
    draft.job_ids = whole.job_ids
    draft.queued_s = whole.queued_s
    draft.run_s = run_s
    draft.estimated_usd = estimated_usd
    draft.billed_usd = billed_usd
    draft.notes = whole.notes
    draft.__class__ = BatchResult
    made: BatchResult = draft
    return made
