# SPDX-License-Identifier: Apache-2.0
"""About how long an encoded program takes, to choose between ways of cutting a circuit into passes.

Larger blocks mean fewer visits of the state; smaller ones leave more of the work to early passes, when most of the state
is still zero. Units: the time of two rotations, there and back, on one row. Weights were measured on the training steps
of tests/bench, see `docs/benchmarks.md`.
"""

from __future__ import annotations

from qstore_sim.program import layout
from qstore_sim.width import VECTOR_BYTES

WEIGHTS = {
    layout.DOUBLE: 1.0,
    layout.SINGLE: 0.6,
    layout.WITHIN: 0.6,
    layout.DIAGONAL: 0.6,
    layout.DENSE: 4.0,
}
"""By kind of operation."""
OPERATION_ROWS = 12
"""Reading an operation and its coefficients takes as long as so many rows."""
VISIT, FAR_VISIT = 1.4, 2.3
"""Copying a row in and out, from the second-level cache and from beyond."""
CACHE_BYTES = 1 << 20
"""State and adjoint state beyond this are far."""


def price(program: layout.ProgramArrays) -> float:
    """The time of one tile's passes."""
    row_bits = int(program.tables[0] - program.tables[1])
    far = 4 * VECTOR_BYTES << row_bits > CACHE_BYTES
    total = 0.0
    for visit in program.passes:
        rows = 1 << int(visit[layout.DIMENSION])
        cosets = 1 << int(visit[layout.COSET_BITS]) if visit[layout.GATHERED] else 1
        time = rows * (FAR_VISIT if far else VISIT) if visit[layout.GATHERED] else 0.0
        for op in program.ops[visit[layout.OP_START] : visit[layout.OP_STOP]]:
            time += WEIGHTS[int(op[layout.KIND])] * (OPERATION_ROWS + rows_of(op, rows))
        total += cosets * time
    return total


def rows_of(op: layout.Ints, rows: int) -> int:
    """Rows that an operation works on, of the `rows` of a block."""
    if op[layout.KIND] not in layout.IS_ROTATION:
        return rows
    meet = {layout.DOUBLE: 4, layout.SINGLE: 2, layout.WITHIN: 1}[int(op[layout.KIND])]
    return meet * int(op[layout.COUNTS : layout.COUNTS + 4].sum())
