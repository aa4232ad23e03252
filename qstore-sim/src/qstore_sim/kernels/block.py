# SPDX-License-Identifier: Apache-2.0
"""The interpreter: runs the operations of a pass on one block after the other, forwards or backwards.

A block is a coset of 2**k rows (see `program.passes`), copied to `block` and back, or the whole state. `place` is the
coset's representative: all that an operation must know of it is a few parities.
"""

from typing import Any

from qstore_sim.kernels.dense import multiply
from qstore_sim.kernels.diagonal import gather_bins, phases_lanes, phases_shared
from qstore_sim.kernels.rotation import rotate, rotate_back
from qstore_sim.program.layout import (
    BINS,
    COEFFICIENT,
    COSET_BITS,
    COSETS,
    COUNT_MINUS,
    COUNT_PLUS,
    DIAGONAL,
    DIMENSION,
    EVEN,
    FIRST,
    GATHERED,
    KIND,
    MASKS,
    OFFSETS,
    OP_START,
    OP_STOP,
    PER_LANE,
    ROTATION,
    TABLE,
    TAU,
    TRAINED,
    WIDTH,
    Z_MASK,
)
from qstore_sim.simd import accumulate, kernel, lanes_of, load, neg, parity, splat, splat_like, store


@kernel
def copy_in(
    state: Any, origin: int, block: Any, table: Any, offsets: int, rows: int, place: int, fresh: bool
) -> None:
    """block[j] = state[place ^ offset j]; with `fresh`, rows marked as zero are not read."""
    lanes = lanes_of(state)
    zero = splat_like(state, 0.0)
    for j in range(rows):
        offset = table[offsets + j]
        if offset < 0:
            if fresh:
                store(block, j * 2 * lanes, zero)
                store(block, j * 2 * lanes + lanes, zero)
                continue
            offset = ~offset
        a = origin + (offset ^ place) * 2 * lanes
        store(block, j * 2 * lanes, load(state, a))
        store(block, j * 2 * lanes + lanes, load(state, a + lanes))


@kernel
def copy_out(
    state: Any, origin: int, block: Any, table: Any, offsets: int, rows: int, place: int, fresh: bool
) -> None:
    """state[place ^ offset j] = block[j]; without `fresh`, rows marked as zero before the pass are left out."""
    lanes = lanes_of(state)
    for j in range(rows):
        offset = table[offsets + j]
        if offset < 0:
            if not fresh:
                continue
            offset = ~offset
        a = origin + (offset ^ place) * 2 * lanes
        store(state, a, load(block, j * 2 * lanes))
        store(state, a + lanes, load(block, j * 2 * lanes + lanes))


@kernel
def representative(coset: int, masks: Any, vectors: int, count: int) -> int:
    """The combination of the pass's coset vectors that the coset's number says."""
    place = 0
    for bit in range(count):
        if (coset >> bit) & 1:
            place ^= masks[vectors + bit]
    return place


@kernel
def phase_offset(masks: Any, start: int, width: int, place: int) -> int:
    """The index of a coset's representative in a diagonal's table."""
    offset = 0
    for bit in range(width):
        offset |= parity(masks[start + bit] & place) << bit
    return offset


@kernel
def dense_offset(masks: Any, start: int, width: int, place: int) -> int:
    """What moves the representative's row to the one where all qubits of a dense operation are 0."""
    offset = 0
    for q in range(width):
        if parity(masks[start + q] & place) ^ masks[start + width + q]:
            offset ^= masks[start + 2 * width + q]
    return offset


@kernel
def multiply_op(
    psi: Any, base: int, place: int, op: Any, program: Any, vectors: Any, adjoint: bool, spare: Any
) -> None:
    """One dense operation on one block."""
    width = op[WIDTH]
    multiply(
        psi, base, program.table, op[TABLE], op[COUNT_PLUS], dense_offset(program.masks, op[MASKS], width, place),
        program.masks, op[MASKS] + 3 * width, 1 << width, vectors, op[COEFFICIENT] * lanes_of(psi), adjoint, spare,
    )  # fmt: skip


@kernel
def rotate_op(psi: Any, base: int, table: Any, op: Any, c: Any, t: Any) -> None:
    """One rotation on one block: the pairs with sign +, then those with sign -."""
    rotate(psi, base, table, op[TABLE], op[COUNT_PLUS], op[EVEN], c, t)
    if op[COUNT_MINUS]:
        rotate(psi, base, table, op[TABLE] + op[COUNT_PLUS], op[COUNT_MINUS], op[EVEN], c, neg(t))


@kernel
def undo_rotation(psi: Any, lam: Any, base: int, table: Any, op: Any, c: Any, t: Any) -> Any:
    """Undo one rotation on psi and lambda; the sum of its generator."""
    zero = splat_like(psi, 0.0)
    total = rotate_back(psi, lam, base, table, op[TABLE], op[COUNT_PLUS], op[EVEN], c, t, zero)
    if op[COUNT_MINUS]:
        start = op[TABLE] + op[COUNT_PLUS]
        total = total - rotate_back(psi, lam, base, table, start, op[COUNT_MINUS], op[EVEN], c, neg(t), zero)
    return total


@kernel
def forward(
    psi: Any, base: int, rows: int, place: int, start: int, stop: int, program: Any, work: Any
) -> None:
    """Operations start to stop on the block at psi[base:]."""
    lanes = lanes_of(psi)
    table = program.table
    for o in range(start, stop):
        op = program.ops[o]
        if op[KIND] == ROTATION:
            if op[PER_LANE]:
                c = load(work.vectors, op[COEFFICIENT] * lanes)
                t = load(work.vectors, (op[COEFFICIENT] + 1) * lanes)
            else:
                c = splat(work.numbers, op[COEFFICIENT])
                t = splat(work.numbers, op[COEFFICIENT] + 1)
            if (op[TAU] < 0) ^ (parity(op[Z_MASK] & place) == 1):
                t = neg(t)
            rotate_op(psi, base, table, op, c, t)
        elif op[KIND] == DIAGONAL:
            offset = phase_offset(program.masks, op[MASKS], op[WIDTH], place)
            if op[PER_LANE]:
                phases_lanes(
                    psi, base, table, op[TABLE], rows, offset, work.vectors, op[COEFFICIENT] * lanes, False
                )
            else:
                phases_shared(psi, base, table, op[TABLE], rows, offset, work.numbers, op[COEFFICIENT], False)
        else:
            multiply_op(psi, base, place, op, program, work.vectors, False, work.spare)


@kernel
def backward(
    psi: Any, lam: Any, base: int, rows: int, place: int, start: int, stop: int, program: Any, work: Any
) -> None:
    """Undo operations stop - 1 down to start on psi and lambda, and add up their derivatives."""
    lanes = lanes_of(psi)
    table = program.table
    for o in range(stop - 1, start - 1, -1):
        op = program.ops[o]
        if op[KIND] == ROTATION:
            if op[PER_LANE]:
                c = load(work.vectors, op[COEFFICIENT] * lanes)
                t = load(work.vectors, (op[COEFFICIENT] + 1) * lanes)
            else:
                c = splat(work.numbers, op[COEFFICIENT])
                t = splat(work.numbers, op[COEFFICIENT] + 1)
            minus = (op[TAU] < 0) ^ (parity(op[Z_MASK] & place) == 1)
            if minus:
                t = neg(t)
            if op[TRAINED]:
                total = undo_rotation(psi, lam, base, table, op, c, t)
                accumulate(work.sums, op[FIRST] * lanes, neg(total) if minus else total)
            else:
                rotate_op(psi, base, table, op, c, neg(t))
                rotate_op(lam, base, table, op, c, neg(t))
        elif op[KIND] == DIAGONAL:
            offset = phase_offset(program.masks, op[MASKS], op[WIDTH], place)
            if op[TRAINED]:
                gather_bins(psi, lam, base, table, op[TABLE], rows, offset, work.bins, op[BINS] * lanes)
            if op[PER_LANE]:
                first = op[COEFFICIENT] * lanes
                phases_lanes(psi, base, table, op[TABLE], rows, offset, work.vectors, first, True)
                phases_lanes(lam, base, table, op[TABLE], rows, offset, work.vectors, first, True)
            else:
                first = op[COEFFICIENT]
                phases_shared(psi, base, table, op[TABLE], rows, offset, work.numbers, first, True)
                phases_shared(lam, base, table, op[TABLE], rows, offset, work.numbers, first, True)
        else:
            multiply_op(psi, base, place, op, program, work.vectors, True, work.spare)
            multiply_op(lam, base, place, op, program, work.vectors, True, work.spare)


@kernel
def forward_pass(psi: Any, origin: int, program: Any, number: int, first: int, last: int, work: Any) -> None:
    """Cosets first to last of a pass on the state at psi[origin:]."""
    visit = program.passes[number]
    rows = 1 << visit[DIMENSION]
    start, stop = visit[OP_START], visit[OP_STOP]
    if not visit[GATHERED]:
        forward(psi, origin, rows, 0, start, stop, program, work)
        return
    for coset in range(first, last):
        place = representative(coset, program.masks, visit[COSETS], visit[COSET_BITS])
        copy_in(psi, origin, work.block, program.table, visit[OFFSETS], rows, place, True)
        forward(work.block, 0, rows, place, start, stop, program, work)
        copy_out(psi, origin, work.block, program.table, visit[OFFSETS], rows, place, True)


@kernel
def backward_pass(
    psi: Any, lam: Any, origin: int, program: Any, number: int, first: int, last: int, work: Any
) -> None:
    """As `forward_pass`, undoing on psi and lambda."""
    visit = program.passes[number]
    rows = 1 << visit[DIMENSION]
    start, stop = visit[OP_START], visit[OP_STOP]
    if not visit[GATHERED]:
        backward(psi, lam, origin, rows, 0, start, stop, program, work)
        return
    for coset in range(first, last):
        place = representative(coset, program.masks, visit[COSETS], visit[COSET_BITS])
        copy_in(psi, origin, work.block, program.table, visit[OFFSETS], rows, place, False)
        copy_in(lam, origin, work.block2, program.table, visit[OFFSETS], rows, place, False)
        backward(work.block, work.block2, 0, rows, place, start, stop, program, work)
        copy_out(psi, origin, work.block, program.table, visit[OFFSETS], rows, place, False)
        copy_out(lam, origin, work.block2, program.table, visit[OFFSETS], rows, place, False)
