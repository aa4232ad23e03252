# SPDX-License-Identifier: Apache-2.0
"""What comes back from a batch: the values, and the facts of how they came about."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError

__all__ = ["BatchResult", "bitstring"]

_LONGEST_NOTE = 80
"""In a repr; the whole of it is in `notes`."""


def bitstring(outcome: int, n_qubits: int) -> str:
    """An integer outcome as bits, qubit n-1 first.

    Example:
        >>> bitstring(1, 3)
        '001'
    """
    return format(outcome, f"0{n_qubits}b")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BatchResult:
    """Values and facts of one run; `qstore.batch.outputs` lists the shapes.

    Attributes:
        values: array with a leading batch axis; None for `Counts()`.
        standard_errors: as `values`, for estimates from shots; None for exact values.
        counts: for `Counts()`, a dict from integer outcome to count for each row.
        n_qubits: number of qubits of the circuit.
        backend: who ran it.
        shots: measurements per row, all measured bases together; None for exact.
        seed: what made the random outcomes; give it again to repeat them.
        job_ids: the service's names of the jobs, for remote backends.
        queued_s, run_s: seconds waited for and taken by the backend.
        estimated_usd, billed_usd: dollars; None where nothing is known.
        notes: what came about otherwise than asked or usual, in sentences: another backend than the first choice and why.
    """

    values: NDArray[Any] | None = None
    standard_errors: NDArray[np.float64] | None = None
    counts: tuple[dict[int, int], ...] | None = None
    n_qubits: int
    backend: str
    shots: int | None = None
    seed: int | None = None
    job_ids: tuple[str, ...] = ()
    queued_s: float = 0.0
    run_s: float = 0.0
    estimated_usd: Decimal | None = None
    billed_usd: Decimal | None = None
    notes: tuple[str, ...] = ()

    def bitstring_counts(self) -> tuple[dict[str, int], ...]:
        """`counts` with bit strings for keys, qubit n-1 first.

        Raises:
            OptionError: the output was not `Counts()`.
        """
        if self.counts is None:
            raise OptionError("This result has no counts; ask for outputs=qs.Counts() with shots.")
        return tuple({bitstring(k, self.n_qubits): v for k, v in row.items()} for row in self.counts)

    def __repr__(self) -> str:
        parts = [
            f"values {self.values.shape} {self.values.dtype}" if self.values is not None else "no values"
        ]
        if self.counts is not None:
            first = dict(sorted(self.bitstring_counts()[0].items(), key=lambda item: -item[1])[:3])
            parts = [f"counts of {len(self.counts)} rows, the first {first}"]
        if self.standard_errors is not None:
            parts.append(f"largest standard error {self.standard_errors.max():.2g}")
        parts.append("exact" if self.shots is None else f"{self.shots} shots, seed {self.seed}")
        if self.billed_usd is not None:
            parts.append(f"billed ${self.billed_usd}")
        parts += [note if len(note) <= _LONGEST_NOTE else f"{note[:_LONGEST_NOTE]}..." for note in self.notes]
        return f"<BatchResult from {self.backend!r}: {', '.join(parts)}>"
