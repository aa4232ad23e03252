# SPDX-License-Identifier: Apache-2.0
"""How a program and its scratch reach the kernels: as addresses.

Numba looks at every array of a call, which takes longer than a small circuit runs. What stays the same from call to
call therefore goes in as one array of (address, length) pairs; whoever makes it keeps the arrays alive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_sim.addresses import elements_at, float64_at, int32_at, int64_at, int64_table_at
from qstore_sim.program.layout import (
    GROUP_COLUMNS,
    OP_COLUMNS,
    PASS_COLUMNS,
    ROTATION_COLUMNS,
    TERM_COLUMNS,
    ProgramArrays,
    Readout,
    Work,
)
from qstore_sim.simd import kernel

_PROGRAM = len(ProgramArrays._fields)
_READOUT = _PROGRAM + len(Readout._fields)
_BINS = _READOUT + Work._fields.index("bins")
SUMS = _READOUT + Work._fields.index("sums")
MEANS = _READOUT + Work._fields.index("means")


def handles(program: ProgramArrays, readout: Readout, work: Work, pieces: int) -> NDArray[np.int64]:
    """Addresses and lengths (of the first axis) of all arrays, (n, 2) int64, and the number of pieces."""
    arrays = (*program, *readout, *work)
    rows = [[array.ctypes.data, len(array)] for array in arrays]
    return np.array([*rows, [pieces, 0]], dtype=np.int64)


@kernel
def program_at(handle: Any) -> Any:
    """The program."""
    return ProgramArrays(
        int64_table_at(handle[0, 0], handle[0, 1], OP_COLUMNS),
        int64_table_at(handle[1, 0], handle[1, 1], PASS_COLUMNS),
        int64_table_at(handle[2, 0], handle[2, 1], ROTATION_COLUMNS),
        int32_at(handle[3, 0], handle[3, 1]),
        int64_at(handle[4, 0], handle[4, 1]),
        float64_at(handle[5, 0], handle[5, 1]),
        int64_at(handle[6, 0], handle[6, 1]),
        float64_at(handle[7, 0], handle[7, 1]),
        int64_at(handle[8, 0], handle[8, 1]),
    )


@kernel
def readout_at(handle: Any) -> Any:
    """The readout."""
    first = _PROGRAM
    return Readout(
        int64_at(handle[first, 0], handle[first, 1]),
        int64_at(handle[first + 1, 0], handle[first + 1, 1]),
        int64_table_at(handle[first + 2, 0], handle[first + 2, 1], GROUP_COLUMNS),
        int64_table_at(handle[first + 3, 0], handle[first + 3, 1], TERM_COLUMNS),
        float64_at(handle[first + 4, 0], handle[first + 4, 1]),
    )


@kernel
def pieces_of(handle: Any) -> Any:
    """The most pieces of a step."""
    return handle[handle.shape[0] - 1, 0]


@kernel
def work_at(state: Any, handle: Any, piece: int) -> Any:
    """The scratch as one piece of a step sees it."""
    at = _READOUT
    pieces = pieces_of(handle)
    bins = handle[at + 5, 1] // pieces
    sums = handle[at + 6, 1] // pieces
    means = handle[at + 7, 1] // pieces
    return Work(
        elements_at(state, handle[at, 0], handle[at, 1]),
        elements_at(state, handle[at + 1, 0], handle[at + 1, 1]),
        elements_at(state, handle[at + 2, 0], handle[at + 2, 1]),
        elements_at(state, handle[at + 3, 0], handle[at + 3, 1]),
        elements_at(state, handle[at + 4, 0], handle[at + 4, 1]),
        elements_at(state, handle[at + 5, 0] + piece * bins * state.itemsize, bins),
        float64_at(handle[at + 6, 0] + piece * sums * 8, sums),
        float64_at(handle[at + 7, 0] + piece * means * 8, means),
        elements_at(state, handle[at + 8, 0], handle[at + 8, 1]),
        elements_at(state, handle[at + 9, 0], handle[at + 9, 1]),
        elements_at(state, handle[at + 10, 0], handle[at + 10, 1]),
        float64_at(handle[at + 11, 0], handle[at + 11, 1]),
        float64_at(handle[at + 12, 0], handle[at + 12, 1]),
        float64_at(handle[at + 13, 0], handle[at + 13, 1]),
        float64_at(handle[at + 14, 0], handle[at + 14, 1]),
        float64_at(handle[at + 15, 0], handle[at + 15, 1]),
        float64_at(handle[at + 16, 0], handle[at + 16, 1]),
    )


@kernel
def clear_sums(state: Any, handle: Any) -> None:
    """Set the sums of all pieces to zero."""
    elements_at(state, handle[_BINS, 0], handle[_BINS, 1])[:] = 0.0
    float64_at(handle[SUMS, 0], handle[SUMS, 1])[:] = 0.0
    float64_at(handle[MEANS, 0], handle[MEANS, 1])[:] = 0.0


@kernel
def add_pieces(handle: Any, place: int) -> None:
    """Add the parts of all pieces up in the first one, in their order."""
    values = float64_at(handle[place, 0], handle[place, 1])
    number = pieces_of(handle)
    size = len(values) // number
    for piece in range(1, number):
        for index in range(size):
            values[index] += values[piece * size + index]
