# SPDX-License-Identifier: Apache-2.0
"""From bindings to cosines, phases and matrices; and from derivatives back to bindings.

Angles are evaluated in float64, whatever the precision of the state. What is shared is computed once, what differs
per sample once for each tile: `lanes` >> `lane_bits` samples, each in 2**lane_bits neighbouring lanes (`program.lanes`).
"""

import math
from typing import Any

from qstore_sim.kernels.diagonal import fill_phases_lanes, fill_phases_shared
from qstore_sim.kernels.trigonometry import cosines_and_sines
from qstore_sim.program.layout import (
    COEFFICIENT,
    DENSE,
    DIAGONAL,
    EARLIEST,
    FIRST,
    KIND,
    LAST,
    MASKS,
    N_ROTATIONS,
    NUMBERS,
    OP_START,
    OP_STOP,
    OWN,
    PER_LANE,
    ROTATION_TRAINED,
    TERM_START,
    TERM_STOP,
    VECTORS,
    WIDTH,
    WITHIN,
    Z_LANES,
)
from qstore_sim.simd import kernel, lanes_of, load, parity, signed_sum, splat_like, spliced, store

SMALL_COSINE = 2.0**-8
LARGE_SIZE = 2.0**16
"""Bounds on how much too large a state may become (`balance`); squares of it must stay far from a float32's limits."""


@spliced
def half_angle(program: Any, rotation: int, shared: Any) -> Any:
    """Half the angle of a rotation that all samples share."""
    angle = program.constants[rotation]
    for term in range(program.rotations[rotation, TERM_START], program.rotations[rotation, TERM_STOP]):
        angle += program.factors[term] * shared[program.entries[term]]
    return 0.5 * angle


@spliced
def prepare_shared(program: Any, shared: Any, work: Any) -> None:
    """Coefficients of all operations without per-sample angles."""
    spare = work.spare64
    for o in range(program.ops.shape[0]):
        op = program.ops[o]
        if op[KIND] == DENSE or (op[KIND] == DIAGONAL and op[PER_LANE]):
            continue
        for r in range(op[N_ROTATIONS]):
            number = op[FIRST] + r
            if program.rotations[number, OWN]:
                continue
            angle = half_angle(program, number, shared)
            spare[2 * r] = math.cos(angle)
            spare[2 * r + 1] = math.sin(angle)
            if op[KIND] != DIAGONAL:
                work.cosines[2 * number] = spare[2 * r]
                work.cosines[2 * number + 1] = spare[2 * r + 1]
        if op[KIND] == DIAGONAL:
            width = op[WIDTH]
            fill_phases_shared(
                work.numbers, op[COEFFICIENT], width, program.masks, op[MASKS] + width, spare, op[N_ROTATIONS]
            )
    for number in range(program.passes.shape[0]):
        balance(program, program.passes[number, OP_START], program.passes[number, OP_STOP], work)


@kernel
def balance(program: Any, start: int, stop: int, work: Any) -> None:
    """Choose how each shared rotation of a pass is done, on the way forward and on the way back.

    With (1, tan) instead of (cos, sin) a rotation leaves the state 1 / cos too large. `size` is by how much it is too
    large so far; the last rotation of the pass, or one where it would grow beyond bounds, is done with (cos, sin) over
    that size. Derivatives are products of psi and lambda, both too large on the way back: `scales` makes up for it.
    """
    size = 1.0
    for o in range(start, stop):
        if program.ops[o, KIND] <= WITHIN:
            for r in range(program.ops[o, N_ROTATIONS]):
                size = balanced(program, program.ops[o, FIRST] + r, LAST, 0, size, work)
    size = 1.0
    for o in range(stop - 1, start - 1, -1):
        for r in range(program.ops[o, N_ROTATIONS] - 1, -1, -1):
            number = program.ops[o, FIRST] + r
            work.scales[number] = 1.0 / (size * size)
            if program.ops[o, KIND] <= WITHIN:
                size = balanced(program, number, EARLIEST, 2, size, work)


@kernel
def balanced(program: Any, number: int, final: int, back: int, size: Any, work: Any) -> Any:
    """Write the coefficients of one rotation for one way; returns the size after it."""
    if program.rotations[number, OWN]:
        return size
    c = work.cosines[2 * number]
    s = work.cosines[2 * number + 1]
    at = program.rotations[number, NUMBERS] + back
    if program.rotations[number, final] or abs(c) < SMALL_COSINE or abs(size) > LARGE_SIZE:
        work.numbers[at] = c / size
        work.numbers[at + 1] = s / size
        return 1.0
    work.numbers[at] = 1.0
    work.numbers[at + 1] = s / c
    return size / c


@spliced
def prepare_lanes(program: Any, inputs: Any, lane_bits: int, tile: int, shared_too: bool, work: Any) -> None:
    """Coefficients of all operations with per-sample angles or phases per lane, for one tile.

    Without `shared_too` those that are the same for all tiles are left as they are.
    """
    lanes = lanes_of(work.vectors)
    first = tile * (lanes >> lane_bits)
    number = 0  # of the angles to take cosines of; all at once
    for rotation in range(program.rotations.shape[0]):
        if program.rotations[rotation, OWN]:
            lane_angles(program, inputs, rotation, first, lane_bits, lanes, work.angles, number * lanes)
            number += 1
    cosines_and_sines(work.angles, work.lane_cosines, work.lane_sines, 0, number * lanes)
    place = 0  # in `inputs.dense`, whose matrices stand in the order of the operations
    number = 0
    for o in range(program.ops.shape[0]):
        op = program.ops[o]
        if op[KIND] == DENSE:
            fill_dense(program, op, inputs.dense, place, first, lane_bits, work.vectors)
            place += 2 << 2 * op[WIDTH]
            continue
        per_lane = op[KIND] == DIAGONAL and op[PER_LANE] == 1
        stale = shared_too
        for r in range(op[N_ROTATIONS]):
            rotation = op[FIRST] + r
            own = program.rotations[rotation, OWN] == 1
            stale = stale or own
            if not (own or per_lane):
                continue
            into = work.spare if per_lane else work.vectors
            out = 2 * r * lanes if per_lane else program.rotations[rotation, VECTORS] * lanes
            if own:
                for lane in range(lanes):
                    into[out + lane] = work.lane_cosines[number * lanes + lane]
                    into[out + lanes + lane] = work.lane_sines[number * lanes + lane]
                number += 1
            else:
                angle = half_angle(program, rotation, inputs.shared)
                store(into, out, splat_like(into, into.dtype.type(math.cos(angle))))
                store(into, out + lanes, splat_like(into, into.dtype.type(math.sin(angle))))
            if per_lane:
                sign = load(work.signs, program.rotations[rotation, Z_LANES] * lanes)
                store(into, out + lanes, load(into, out + lanes) * sign)
        if per_lane and stale:
            width = op[WIDTH]
            fill_phases_lanes(
                work.vectors, op[COEFFICIENT] * lanes, width, program.masks, op[MASKS] + width, work.spare,
                op[N_ROTATIONS],
            )  # fmt: skip


@spliced
def lane_angles(
    program: Any, inputs: Any, rotation: int, first: int, lane_bits: int, lanes: int, angles: Any, place: int
) -> None:
    """Half the angle of a rotation in each lane; a tile's missing samples repeat the last."""
    for lane in range(lanes):
        angles[place + lane] = 0.5 * program.constants[rotation]
    for term in range(program.rotations[rotation, TERM_START], program.rotations[rotation, TERM_STOP]):
        entry = program.entries[term]
        factor = 0.5 * program.factors[term]
        for sample in range(lanes >> lane_bits):
            row = min(first + sample, inputs.batch[0] - 1)
            value = factor * (inputs.shared[entry] if entry >= 0 else inputs.samples[row, ~entry])
            for lane in range(sample << lane_bits, (sample + 1) << lane_bits):
                angles[place + lane] += value


@kernel
def fill_dense(
    program: Any, op: Any, dense: Any, place: int, first: int, lane_bits: int, vectors: Any
) -> None:
    """Element (s, s ^ d) of a matrix, for each lane with the lane's own part in s; see `dense`."""
    lanes = lanes_of(vectors)
    width = op[WIDTH]
    size = 1 << width
    lane_masks = op[MASKS] + 3 * width + 3 * size
    for lane in range(lanes):
        sample = min(first + (lane >> lane_bits), dense.shape[0] - 1)
        own = 0
        for q in range(width):
            own |= parity(program.masks[lane_masks + q] & lane) << q
        for s in range(size):
            for d in range(size):
                element = place + 2 * ((s ^ own) * size + (s ^ own ^ d))
                out = (op[COEFFICIENT] + 2 * (s * size + d)) * lanes + lane
                vectors[out] = dense[sample, element]
                vectors[out + lanes] = dense[sample, element + 1]


@spliced
def pull_back(
    program: Any,
    work: Any,
    lanes: int,
    lane_bits: int,
    tile: int,
    batch: int,
    shared_gradient: Any,
    gradient: Any,
) -> None:
    """Derivatives by angle, (rotation, lane), onto entries: `shared_gradient[tile]` and `gradient[sample]`."""
    first = tile * (lanes >> lane_bits)
    valid = min(lanes >> lane_bits, batch - first)
    sums = work.sums
    for r in range(program.rotations.shape[0]):
        if not program.rotations[r, ROTATION_TRAINED]:
            continue
        scale = work.scales[r]
        lane_mask = program.rotations[r, Z_LANES]
        if not program.rotations[r, OWN]:
            # Lanes without a sample hold zeros.
            total = scale * signed_sum(sums, r * lanes, work.signs, lane_mask * lanes)
            for term in range(program.rotations[r, TERM_START], program.rotations[r, TERM_STOP]):
                shared_gradient[tile, program.entries[term]] += program.factors[term] * total
            continue
        total = 0.0
        for sample in range(valid):
            part = sums[r * lanes + (sample << lane_bits)]
            for m in range(1, 1 << lane_bits):
                value = sums[r * lanes + (sample << lane_bits) + m]
                part += -value if parity(m & lane_mask) else value
            # The sample's own part is kept where its first lane was, which is not needed any more.
            sums[r * lanes + sample] = scale * part
            total += scale * part
        for term in range(program.rotations[r, TERM_START], program.rotations[r, TERM_STOP]):
            entry = program.entries[term]
            factor = program.factors[term]
            if entry >= 0:
                shared_gradient[tile, entry] += factor * total
            else:
                for sample in range(valid):
                    gradient[first + sample, ~entry] += factor * sums[r * lanes + sample]
