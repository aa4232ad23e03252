# SPDX-License-Identifier: Apache-2.0
"""From bindings to cosines, phases and matrices; and from derivatives back to bindings.

Angles are evaluated in float64, whatever the precision of the state. What is shared is computed once, what differs
per sample once for each tile: `lanes` samples, one per lane; a last, partial tile repeats its last sample.
"""

import math
from typing import Any

from qstore_sim.kernels.diagonal import fill_phases_lanes, fill_phases_shared
from qstore_sim.program.layout import (
    COEFFICIENT,
    DENSE,
    DIAGONAL,
    FIRST,
    KIND,
    MASKS,
    N_ROTATIONS,
    PER_LANE,
    ROTATION_TRAINED,
    TERM_START,
    TERM_STOP,
    WIDTH,
)
from qstore_sim.simd import kernel, lanes_of


@kernel
def half_angle(program: Any, rotation: int, shared: Any, samples: Any, sample: int) -> Any:
    """Half the angle of a rotation for one sample."""
    angle = program.constants[rotation]
    for term in range(program.rotations[rotation, TERM_START], program.rotations[rotation, TERM_STOP]):
        entry = program.entries[term]
        value = shared[entry] if entry >= 0 else samples[sample, ~entry]
        angle += program.factors[term] * value
    return 0.5 * angle


@kernel
def prepare_shared(program: Any, shared: Any, samples: Any, numbers: Any, spare: Any) -> None:
    """Coefficients of all operations without per-sample angles; `spare` holds cos, sin of one diagonal's rotations."""
    for o in range(program.ops.shape[0]):
        op = program.ops[o]
        if op[PER_LANE] or op[KIND] == DENSE:
            continue
        for r in range(op[N_ROTATIONS]):
            angle = half_angle(program, op[FIRST] + r, shared, samples, 0)
            spare[2 * r] = math.cos(angle)
            spare[2 * r + 1] = math.sin(angle)
        if op[KIND] == DIAGONAL:
            width = op[WIDTH]
            fill_phases_shared(
                numbers, op[COEFFICIENT], width, program.masks, op[MASKS] + width, spare, op[N_ROTATIONS]
            )
        else:
            numbers[op[COEFFICIENT]] = spare[0]
            numbers[op[COEFFICIENT] + 1] = spare[1]


@kernel
def prepare_lanes(
    program: Any, shared: Any, samples: Any, dense: Any, first: int, batch: int, vectors: Any, spare: Any
) -> None:
    """Coefficients of all operations with per-sample angles, for the tile that starts at sample `first`."""
    lanes = lanes_of(vectors)
    place = 0  # in `dense`, whose matrices stand in the order of the operations
    for o in range(program.ops.shape[0]):
        op = program.ops[o]
        out = op[COEFFICIENT] * lanes
        if op[KIND] == DENSE:
            size = 2 << 2 * op[WIDTH]
            for lane in range(lanes):
                row = min(first + lane, dense.shape[0] - 1)
                for number in range(size):
                    vectors[out + number * lanes + lane] = dense[row, place + number]
            place += size
        elif op[PER_LANE]:
            diagonal = op[KIND] == DIAGONAL
            for r in range(op[N_ROTATIONS]):
                for lane in range(lanes):
                    angle = half_angle(program, op[FIRST] + r, shared, samples, min(first + lane, batch - 1))
                    c = math.cos(angle)
                    s = math.sin(angle)
                    if diagonal:
                        spare[2 * r * lanes + lane] = c
                        spare[(2 * r + 1) * lanes + lane] = s
                    else:
                        vectors[out + lane] = c
                        vectors[out + lanes + lane] = s
            if diagonal:
                width = op[WIDTH]
                fill_phases_lanes(
                    vectors, out, width, program.masks, op[MASKS] + width, spare, op[N_ROTATIONS]
                )


@kernel
def pull_back(
    program: Any,
    sums: Any,
    lanes: int,
    first: int,
    batch: int,
    shared_gradient: Any,
    tile: int,
    gradient: Any,
) -> None:
    """Derivatives by angle, (rotation, lane), onto entries: `shared_gradient[tile]` and `gradient[sample]`."""
    valid = min(lanes, batch - first)
    for r in range(program.rotations.shape[0]):
        if not program.rotations[r, ROTATION_TRAINED]:
            continue
        total = 0.0
        for lane in range(valid):
            total += sums[r * lanes + lane]
        for term in range(program.rotations[r, TERM_START], program.rotations[r, TERM_STOP]):
            entry = program.entries[term]
            factor = program.factors[term]
            if entry >= 0:
                shared_gradient[tile, entry] += factor * total
            else:
                for lane in range(valid):
                    gradient[first + lane, ~entry] += factor * sums[r * lanes + lane]
