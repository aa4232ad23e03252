# SPDX-License-Identifier: Apache-2.0
"""The interpreter: runs the operations of a pass on one block after the other, forwards or backwards.

A block is a coset of 2**k rows (see `program.passes`), copied to `block` and back, or the whole state. `place` is the
coset's representative: all that an operation must know of it is a few parities.
"""

from typing import Any

from qstore_sim.kernels.dense import multiply
from qstore_sim.kernels.diagonal import (
    phases_lanes,
    phases_shared,
    undo_phases_lanes,
    undo_phases_shared,
)
from qstore_sim.kernels.rotation import (
    rotate_double,
    rotate_single,
    rotate_within,
    signed,
    sum_within,
    undo_double,
    undo_single,
)
from qstore_sim.program.layout import (
    BINS,
    COEFFICIENT,
    COSET_BITS,
    COSETS,
    COUNTS,
    CROSS,
    DIAGONAL,
    DIMENSION,
    DOUBLE,
    EVEN,
    FIRST,
    FLIP,
    FLIP_LANES,
    GATHERED,
    KIND,
    MASKS,
    NEGATIVE,
    NUMBERS,
    OFFSETS,
    OP_START,
    OP_STOP,
    OWN,
    PER_LANE,
    TABLE,
    TRAINED,
    VECTORS,
    WIDTH,
    WITHIN,
    Z_LANES,
    Z_ROWS,
)
from qstore_sim.simd import (
    accumulate,
    inlined,
    kernel,
    lanes_of,
    load,
    neg,
    parity,
    splat,
    splat_like,
    spliced,
    store,
)


@kernel
def copy_in(state: Any, block: Any, table: Any, offsets: int, rows: int, place: int, fresh: bool) -> None:
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
        a = (offset ^ place) * 2 * lanes
        store(block, j * 2 * lanes, load(state, a))
        store(block, j * 2 * lanes + lanes, load(state, a + lanes))


@kernel
def copy_out(state: Any, block: Any, table: Any, offsets: int, rows: int, place: int, fresh: bool) -> None:
    """state[place ^ offset j] = block[j]; without `fresh`, rows marked as zero before the pass are left out."""
    lanes = lanes_of(state)
    for j in range(rows):
        offset = table[offsets + j]
        if offset < 0:
            if not fresh:
                continue
            offset = ~offset
        a = (offset ^ place) * 2 * lanes
        store(state, a, load(block, j * 2 * lanes))
        store(state, a + lanes, load(block, j * 2 * lanes + lanes))


@spliced
def representative(coset: int, masks: Any, vectors: int, count: int) -> int:
    """The combination of the pass's coset vectors that the coset's number says."""
    place = 0
    for bit in range(count):
        if (coset >> bit) & 1:
            place ^= masks[vectors + bit]
    return place


@spliced
def phase_offset(masks: Any, start: int, width: int, place: int) -> int:
    """The index of a coset's representative in a diagonal's table."""
    offset = 0
    for bit in range(width):
        offset |= parity(masks[start + bit] & place) << bit
    return offset


@spliced
def coset_sign(rotation: Any, place: int) -> Any:
    """Whether a rotation's sign is negative where the parities of the local row are even."""
    return (rotation[NEGATIVE] ^ parity(rotation[Z_ROWS] & place)) == 1


@spliced
def shared_numbers(rotation: Any, work: Any, back: int) -> Any:
    """(c, t) of a rotation whose angle all samples share, as vectors; the lanes' own signs are in t."""
    at = rotation[NUMBERS] + back
    sign = load(work.signs, rotation[Z_LANES] * lanes_of(work.vectors))
    return splat(work.numbers, at), splat(work.numbers, at + 1) * sign


@spliced
def own_numbers(rotation: Any, work: Any) -> Any:
    """The same where each sample has its own angle."""
    lanes = lanes_of(work.vectors)
    at = rotation[VECTORS] * lanes
    sign = load(work.signs, rotation[Z_LANES] * lanes)
    return load(work.vectors, at), load(work.vectors, at + lanes) * sign


@spliced
def numbers_of(rotation: Any, work: Any, back: int) -> Any:
    """(c, t) of a rotation; back = 0 on the way forward, 2 on the way back."""
    if rotation[OWN]:
        return own_numbers(rotation, work)
    return shared_numbers(rotation, work, back)


@spliced
def is_plain(rotation: Any, work: Any, back: int) -> Any:
    """Whether a rotation's c differs from 1 somewhere."""
    return rotation[OWN] == 1 or work.numbers[rotation[NUMBERS] + back] != 1.0


@spliced
def rotate_op(psi: Any, base: int, place: int, op: Any, program: Any, work: Any) -> None:
    """The rotation of an operation that has but one, on one block."""
    rotation = program.rotations[op[FIRST]]
    flip = rotation[FLIP], rotation[FLIP_LANES], rotation[EVEN]
    c, t = numbers_of(rotation, work, 0)
    t = signed(t, coset_sign(rotation, place))
    plain = is_plain(rotation, work, 0)
    start = op[TABLE]
    for sign in range(0, 4, 2):
        rows = program.table, start, op[COUNTS + sign]
        if op[KIND] == WITHIN:
            rotate_within(psi, base, rows, flip, c, t)
        else:
            rotate_single(psi, base, rows, flip, c, t, plain)
        start += op[COUNTS + sign]
        t = neg(t)


@spliced
def undo_op(psi: Any, lam: Any, base: int, place: int, op: Any, program: Any, work: Any) -> None:
    """Undo the rotation of an operation that has but one on one block of psi and lambda, and add up its derivative."""
    lanes = lanes_of(psi)
    zero = splat_like(psi, 0.0)
    rotation = program.rotations[op[FIRST]]
    flip = rotation[FLIP], rotation[FLIP_LANES], rotation[EVEN]
    c, t = numbers_of(rotation, work, 2)
    minus = coset_sign(rotation, place)
    t = signed(t, minus)
    plain = is_plain(rotation, work, 2)
    start = op[TABLE]
    total = zero
    for sign in range(0, 4, 2):
        if op[COUNTS + sign]:
            rows = program.table, start, op[COUNTS + sign]
            if op[KIND] == WITHIN:
                part = sum_within(psi, lam, base, rows, flip, zero)
                rotate_within(psi, base, rows, flip, c, neg(t))
                rotate_within(lam, base, rows, flip, c, neg(t))
            else:
                part = undo_single(psi, lam, base, rows, flip, c, t, plain, zero)
            total = total + signed(part, sign == 2)
            start += op[COUNTS + sign]
        t = neg(t)
    accumulate(work.sums, op[FIRST] * lanes, signed(total, minus))


@inlined
def flip_of(rotation: Any, changes: int) -> Any:
    """What `rotate_double` must know of each of its rotations."""
    return rotation[FLIP], rotation[FLIP_LANES], rotation[EVEN], changes


@spliced
def double_op(psi: Any, base: int, place: int, op: Any, program: Any, work: Any) -> None:
    """Two rotations on one block."""
    one = program.rotations[op[FIRST]]
    two = program.rotations[op[FIRST] + 1]
    c1, t1 = numbers_of(one, work, 0)
    c2, t2 = numbers_of(two, work, 0)
    t1, t2 = signed(t1, coset_sign(one, place)), signed(t2, coset_sign(two, place))
    plain = is_plain(one, work, 0) or is_plain(two, work, 0)
    first, second = flip_of(one, op[CROSS]), flip_of(two, op[CROSS + 1])
    start = op[TABLE]
    for sign in range(4):
        if op[COUNTS + sign]:
            rows = program.table, start, op[COUNTS + sign]
            u1, u2 = signed(t1, sign & 2), signed(t2, sign & 1)
            rotate_double(psi, base, rows, first, second, c1, u1, c2, u2, plain)
            start += op[COUNTS + sign]


@spliced
def undo_double_op(psi: Any, lam: Any, base: int, place: int, op: Any, program: Any, work: Any) -> None:
    """Undo two rotations on one block of psi and lambda, and add up their derivatives."""
    lanes = lanes_of(psi)
    zero = splat_like(psi, 0.0)
    one = program.rotations[op[FIRST]]
    two = program.rotations[op[FIRST] + 1]
    c1, t1 = numbers_of(one, work, 2)
    c2, t2 = numbers_of(two, work, 2)
    minus1, minus2 = coset_sign(one, place), coset_sign(two, place)
    t1, t2 = signed(t1, minus1), signed(t2, minus2)
    plain = is_plain(one, work, 2) or is_plain(two, work, 2)
    first, second = flip_of(one, op[CROSS]), flip_of(two, op[CROSS + 1])
    start = op[TABLE]
    total1 = total2 = zero
    for sign in range(4):
        if op[COUNTS + sign]:
            rows = program.table, start, op[COUNTS + sign]
            u1, u2 = signed(t1, sign & 2), signed(t2, sign & 1)
            sum1, sum2 = undo_double(psi, lam, base, rows, first, second, c1, u1, c2, u2, plain, zero)
            total1 = total1 + signed(sum1, sign & 2)
            total2 = total2 + signed(sum2, sign & 1)
            start += op[COUNTS + sign]
    accumulate(work.sums, op[FIRST] * lanes, signed(total1, minus1))
    accumulate(work.sums, (op[FIRST] + 1) * lanes, signed(total2, minus2))


@spliced
def forward(psi: Any, base: int, place: int, start: int, stop: int, program: Any, work: Any) -> None:
    """Operations start to stop on the block at psi[base:]."""
    table = program.table
    for o in range(start, stop):
        op = program.ops[o]
        kind = op[KIND]
        if kind == DOUBLE:
            double_op(psi, base, place, op, program, work)
        elif kind <= WITHIN:
            rotate_op(psi, base, place, op, program, work)
        elif kind == DIAGONAL:
            offset = phase_offset(program.masks, op[MASKS], op[WIDTH], place)
            at, entries, count = op[TABLE], op[COUNTS], op[COUNTS + 1]
            if op[PER_LANE]:
                first = op[COEFFICIENT] * lanes_of(psi)
                phases_lanes(psi, base, table, at, entries, count, offset, work.vectors, first)
            else:
                phases_shared(psi, base, table, at, entries, count, offset, work.numbers, op[COEFFICIENT])
        else:
            multiply(psi, base, place, op, program, work.vectors, False, work.spare)


@spliced
def backward(
    psi: Any, lam: Any, base: int, place: int, start: int, stop: int, program: Any, work: Any
) -> None:
    """Undo operations stop - 1 down to start on psi and lambda, and add up their derivatives."""
    lanes = lanes_of(psi)
    table = program.table
    zero = splat_like(psi, 0.0)
    for o in range(stop - 1, start - 1, -1):
        op = program.ops[o]
        kind = op[KIND]
        if kind == DOUBLE:
            undo_double_op(psi, lam, base, place, op, program, work)
        elif kind <= WITHIN:
            undo_op(psi, lam, base, place, op, program, work)
        elif kind == DIAGONAL:
            offset = phase_offset(program.masks, op[MASKS], op[WIDTH], place)
            at, entries, count = op[TABLE], op[COUNTS], op[COUNTS + 1]
            bins = op[BINS] * lanes if op[TRAINED] else -1
            first = op[COEFFICIENT]
            if op[PER_LANE]:
                undo_phases_lanes(
                    psi, lam, base, table, at, entries, count, offset, work.vectors, first * lanes, work.bins, bins, zero
                )  # fmt: skip
            else:
                undo_phases_shared(
                    psi, lam, base, table, at, entries, count, offset, work.numbers, first, work.bins, bins, zero
                )  # fmt: skip
        else:
            multiply(psi, base, place, op, program, work.vectors, True, work.spare)
            multiply(lam, base, place, op, program, work.vectors, True, work.spare)


@kernel
def forward_pass(psi: Any, program: Any, number: int, first: int, last: int, work: Any) -> None:
    """Cosets first to last of a pass on the state psi."""
    visit = program.passes[number]
    gathered = visit[GATHERED]
    rows = 1 << visit[DIMENSION]
    block = work.block if gathered else psi
    for coset in range(first, last):
        place = representative(coset, program.masks, visit[COSETS], visit[COSET_BITS])
        if gathered:
            copy_in(psi, block, program.table, visit[OFFSETS], rows, place, True)
        forward(block, 0, place, visit[OP_START], visit[OP_STOP], program, work)
        if gathered:
            copy_out(psi, block, program.table, visit[OFFSETS], rows, place, True)


@kernel
def backward_pass(psi: Any, lam: Any, program: Any, number: int, first: int, last: int, work: Any) -> None:
    """As `forward_pass`, undoing on psi and lambda."""
    visit = program.passes[number]
    gathered = visit[GATHERED]
    rows = 1 << visit[DIMENSION]
    block = work.block if gathered else psi
    block2 = work.block2 if gathered else lam
    for coset in range(first, last):
        place = representative(coset, program.masks, visit[COSETS], visit[COSET_BITS])
        if gathered:
            copy_in(psi, block, program.table, visit[OFFSETS], rows, place, False)
            copy_in(lam, block2, program.table, visit[OFFSETS], rows, place, False)
        backward(block, block2, 0, place, visit[OP_START], visit[OP_STOP], program, work)
        if gathered:
            copy_out(psi, block, program.table, visit[OFFSETS], rows, place, False)
            copy_out(lam, block2, program.table, visit[OFFSETS], rows, place, False)
