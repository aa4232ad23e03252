# SPDX-License-Identifier: Apache-2.0
"""Several tapes of one structure as the bindings of one batch.

A tape has as many rows as it is broadcast to, one without; the rows of all tapes follow each other. A number that is the
same in all of them is bound once, which the engine makes use of; where each tape needs a gradient of its own it is
bound row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Template
from qstore_sim.guests.pennylane.structure import Taken, Templates

__all__ = ["Rows", "rows_of"]

Array = NDArray[np.float64]


class Rows(NamedTuple):
    """What one batch is made of.

    Attributes:
        template, bindings: the circuit and its arrays.
        slices: the rows of each tape.
        size: how many rows there are; where nothing differs from row to row, the batch itself has one that stands for all.
        homes: for each number of a tape, the parameter and the entry that it is bound to.
    """

    template: Template
    bindings: dict[str, Array]
    slices: tuple[slice, ...]
    size: int
    homes: tuple[tuple[str, int], ...]

    def spread(self, values: Array) -> Array:
        """A batch's values for all rows, also where one row stands for all."""
        return values if len(values) == self.size else np.broadcast_to(values, (self.size, *values.shape[1:]))

    def gradient(self, gradients: Mapping[str, Array], number: int, rows: slice, broadcast: bool) -> Array:
        """The gradient of one number of the tape in these rows, shaped as the number is."""
        name, entry = self.homes[number]
        if name not in gradients:  # nothing measures it, such as a global phase
            return np.zeros(rows.stop - rows.start if broadcast else ())
        found = gradients[name][..., entry]
        if found.ndim == 0:
            return np.asarray(found)
        return found[rows] if broadcast else np.asarray(found[rows].sum())


def rows_of(
    tapes: Sequence[Taken], sizes: Sequence[int | None], templates: Templates, *, apart: bool = False
) -> Rows:
    """The rows of tapes of one structure.

    Args:
        tapes: taken apart; not empty.
        sizes: what each of them is broadcast to; None where it is not.
        templates: makes the template.
        apart: every tape needs its own gradient, so several tapes share no number.
    """
    lengths = [size or 1 for size in sizes]
    ends = np.cumsum(lengths)
    slices = tuple(slice(int(end) - length, int(end)) for end, length in zip(ends, lengths, strict=True))
    total, width = int(ends[-1]), len(tapes[0].numbers)
    if len(tapes) == 1:
        numbers = [np.asarray(number, dtype=float) for number in tapes[0].numbers]
        shared = tuple(number.ndim == 0 for number in numbers)
        table = np.empty((total, width))
        for column, number in enumerate(numbers):
            table[:, column] = number
    else:
        table = _table(tapes, sizes, slices, total)
        same = np.zeros(width, dtype=bool) if apart else (table == table[0]).all(axis=0)
        shared = tuple(same.tolist())
    mask = np.array(shared, dtype=bool)
    template = templates(tapes[0], shared)
    bindings = {"shared": table[0, mask], "rows": table[:, ~mask], **_amplitudes(tapes, lengths)}
    known = {parameter.name for parameter in template.parameters}
    kept = {name: array for name, array in bindings.items() if name in known}
    counts = {True: 0, False: 0}
    homes = []
    for is_shared in shared:
        homes.append(("shared" if is_shared else "rows", counts[is_shared]))
        counts[is_shared] += 1
    return Rows(template, kept, slices, total, tuple(homes))


def _table(tapes: Sequence[Taken], sizes: Sequence[int | None], slices: Sequence[slice], total: int) -> Array:
    if not any(sizes):
        return np.array([tape.numbers for tape in tapes], dtype=float).reshape(total, -1)
    table = np.empty((total, len(tapes[0].numbers)))
    for tape, rows in zip(tapes, slices, strict=True):
        for column, number in enumerate(tape.numbers):
            table[rows, column] = number
    return table


def _amplitudes(tapes: Sequence[Taken], lengths: Sequence[int]) -> dict[str, Any]:
    if tapes[0].amplitudes is None:
        return {}
    if len(tapes) == 1:
        states = np.asarray(tapes[0].amplitudes)
    else:
        pairs = zip(tapes, lengths, strict=True)
        states = np.concatenate(
            [np.broadcast_to(tape.amplitudes, (size, tape.amplitudes.shape[-1])) for tape, size in pairs]
        )
    parts = {"real": np.ascontiguousarray(states.real, dtype=float)}
    if np.iscomplexobj(states):
        parts["imag"] = np.ascontiguousarray(states.imag)
    return parts
