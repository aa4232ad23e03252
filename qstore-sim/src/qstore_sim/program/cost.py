# SPDX-License-Identifier: Apache-2.0
"""How many floating-point operations a run executes, for benchmarks: what the loops do, not what a textbook would.

A fused multiply-add counts as two. Coefficients, tables and the readout are left out; they are a few percent. Lanes
without a sample are counted as well, since they are computed.
"""

from __future__ import annotations

from typing import Any

from qstore.batch import CircuitBatch
from qstore_sim.program import layout
from qstore_sim.program.compile import Program
from qstore_sim.program.price import rows_of

_TANGENT, _PLAIN = (
    8,
    12,
)  # a plane rotation of a pair of complex numbers: 4 multiply-adds, or with 4 multiplications
_GENERATOR = 8
_PHASE, _BIN = 6, 4


def flops(program: Program, *, backward: bool) -> float:
    """Operations of one lane of one tile.

    Args:
        program: the compiled circuit.
        backward: whether the backward sweep is counted too.
    """
    total = 0.0
    for number, visit in enumerate(program.arrays.passes):
        rows = 1 << int(visit[layout.DIMENSION])
        cosets = 1 << visit[layout.COSET_BITS] if visit[layout.GATHERED] else 1
        ops = program.arrays.ops[visit[layout.OP_START] : visit[layout.OP_STOP]]
        for op in ops:
            visited = float(cosets * rows_of(op, rows))
            total += visited * _forward(program, op)
            if backward and number >= program.back_to >= 0:
                total += visited * (2 * _forward(program, op) + _derivative(op))
    return total


def _forward(program: Program, op: Any) -> float:
    """Operations per row."""
    if op[layout.KIND] in layout.IS_ROTATION:
        first = op[layout.FIRST]
        rotations = program.arrays.rotations[first : first + op[layout.N_ROTATIONS]]
        plain = bool((rotations[:, layout.OWN] | rotations[:, layout.LAST]).any())
        return len(rotations) * (_PLAIN if plain else _TANGENT) / 2
    if op[layout.KIND] == layout.DIAGONAL:
        return _PHASE
    return float(8 << op[layout.WIDTH])


def _derivative(op: Any) -> float:
    if not op[layout.TRAINED]:
        return 0.0
    return float(_BIN if op[layout.KIND] == layout.DIAGONAL else _GENERATOR / 2 * op[layout.N_ROTATIONS])


def flops_of(backend: Any, batch: CircuitBatch, *, gradient: bool) -> float:
    """Operations that a `StatevectorBackend` spends on a batch of a pure circuit with expectations."""
    engine = backend.runner(batch).engine(batch, frozenset(batch.bindings) if gradient else frozenset())
    return float(flops(engine.program, backward=gradient) * engine.lanes * engine.tiles(batch.size))
