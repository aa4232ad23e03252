# SPDX-License-Identifier: Apache-2.0
"""What waits in an executor: works, each a submission with a snapshot of its bindings; and what they have in common.

A snapshot is the bytes of every array, taken when the batch is submitted: a training loop that changes its weights in
place does not change what is on its way. Bytes are compared, hashed and strung together without a loop over rows.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qstore.batch import BatchResult, CircuitBatch, Output
from qstore.circuit import Template

if TYPE_CHECKING:
    from qstore.execution.executor.handle import Handle
    from qstore.execution.executor.queue import Request

__all__ = ["Kind", "Work", "array_of"]


@dataclass(eq=False, slots=True)
class Kind:
    """What works have in common that may travel as rows of one batch; kept as a compiled template.

    Attributes:
        circuit, outputs, shots: of the batches.
        circuits: how many circuits a backend runs for one row: one for each basis that is measured.
        complexity: how long one row takes, in operations.
        derived: the circuits that the backend gets in place of this one, empty if it gets this one; the same objects
            every time, so that whatever it keeps for them is found.
        names, shapes: of the parameters, in order.
    """

    circuit: Template
    outputs: Output
    shots: int | None
    circuits: int
    complexity: float
    derived: tuple[Template, ...]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]


class Work:
    """A submission on its way; several handles wait for it where the same was asked for again.

    Attributes:
        kind: what it has in common with others; None for a call (`call`).
        batch: as submitted.
        arrays: the bytes of its bindings, in the order of the kind's names.
        group: works of equal groups can be rows of one batch.
        key: of exact work, everything that its result depends on; None for shots.
        rows, weight: circuits of one batch axis, and circuits that the backend runs for each.
        taken: rows that were sent, or are being sent.
        left: rows without result.
        parts: results so far by first row, where there is more than one piece.
        mates: works that go into the same request, whatever else waits.
        context, scope: where the backend goes by the settings (`configured`): the context of the submission, in which its
            request is sent, and what works of one request must have in common for that; None elsewhere.
        pool_key: of shots that are added to earlier ones, what these have in common with it.
        requests: those that carry it now.
    """

    __slots__ = (
        "arrays", "batch", "call", "context", "group", "handles", "key", "kind", "left", "mates", "parts", "pool_key",
        "requests", "rows", "scope", "settled", "taken", "weight",
    )  # fmt: skip

    def __init__(
        self, kind: Kind | None, batch: CircuitBatch, arrays: tuple[bytes, ...], group: object, key: object,
        weight: int, *, call: Callable[[], Coroutine[Any, Any, Any]] | None = None, pool_key: object = None,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.batch = batch
        self.arrays = arrays
        self.group = group
        self.key = key
        self.rows = self.left = batch.size
        self.weight = weight
        self.call = call
        self.pool_key = pool_key
        self.taken = 0
        self.parts: dict[int, BatchResult] | None = None
        self.mates: tuple[Work, ...] = ()
        self.context: Context | None = None
        self.scope: int | None = None
        self.handles: tuple[Handle, ...] = ()
        self.settled = False
        self.requests: tuple[Request, ...] = ()


def array_of(data: bytes, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A snapshot as an array, read-only."""
    return np.frombuffer(data, dtype=np.float64).reshape(shape)
