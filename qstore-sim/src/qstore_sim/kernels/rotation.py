# SPDX-License-Identifier: Apache-2.0
"""exp(-i theta/2 P) for any Pauli string P that flips something: every rotation gate, H, SX, RXX, CRY ...

P pairs amplitude i with amplitude i ^ x. On such a pair the rotation is two *real* plane rotations, whatever P is:
    P has an odd number of Y:  (re_i, re_j) and (im_i, im_j), both by t
    P has an even number of Y: (re_i, im_j) by t and (im_i, re_j) by -t
with (u, v) -> (c u + t v, c v - t u), c = cos(theta/2), t = +-sin(theta/2). So one loop serves them all: which rows
meet is a table made at compile time, and an even number of Y only exchanges where the second row's parts are read.
A row is 2 * lanes numbers: the real parts of all lanes, then the imaginary parts.

Three things make it fast. Rows are loaded for two rotations at once. With c = 1 and t = tan(theta/2) a plane rotation
is two multiply-adds instead of four; the factor cos(theta/2) that is then missing is known, and the last rotation of a
pass brings it back (`coefficients.balance`). And nothing branches inside the loops but on what the whole loop shares.
A flip may also exchange lanes (see `program.lanes`): then the rows of the flipped side are loaded exchanged.

Derivative, by the generator of the same plane rotations: lambda_u v - lambda_v u, summed over pairs with the sign of t.
"""

from typing import Any

from qstore_sim.simd import exchange, fma, inlined, kernel, lanes_of, load, neg, store


@inlined
def signed(t: Any, negative: Any) -> Any:
    """T or -t."""
    if negative:
        return neg(t)
    return t


@inlined
def turn(u: Any, v: Any, c: Any, t: Any, plain: bool) -> Any:
    """One plane rotation; without `plain` c is 1."""
    if plain:
        return fma(t, v, c * u), fma(neg(t), u, c * v)
    return fma(t, v, u), fma(neg(t), u, v)


@inlined
def cross(lu: Any, lv: Any, u: Any, v: Any, total: Any) -> Any:
    """Total + lambda_u v - lambda_v u."""
    return fma(neg(lv), u, fma(lu, v, total))


# ---- two rotations at once ------------------------------------------------------------------------------------------
# On rows r, r ^ x1, r ^ x2, r ^ x1 ^ x2, called a, b, c, d: the first rotation turns (a, b) by t1 and (c, d) by s1, the
# second (a, c) by t2 and (b, d) by s2. A plane is the real or the imaginary part of row a and what meets it.
# rows: (table, start, count); flips: (x1, x2); places: offsets of the plane's parts in rows a to d; lanes: (whether
# lanes are exchanged, by which masks for the two rotations); angles: (c1, t1, s1, c2, t2, s2).


@inlined
def addresses(base: int, r: int, row: int, flips: Any, places: Any) -> Any:
    """Where the parts of rows a to d are."""
    x1, x2 = flips
    return (
        base + places[0] + r * row,
        base + places[1] + (r ^ x1) * row,
        base + places[2] + (r ^ x2) * row,
        base + places[3] + (r ^ x1 ^ x2) * row,
    )


@inlined
def load_four(state: Any, at: Any, lanes: Any) -> Any:
    """Four vectors, with the lanes of b, c, d moved to those of a."""
    a, b, c, d = load(state, at[0]), load(state, at[1]), load(state, at[2]), load(state, at[3])
    if lanes[0]:
        b, c, d = exchange(b, lanes[1]), exchange(c, lanes[2]), exchange(d, lanes[1] ^ lanes[2])
    return a, b, c, d


@inlined
def store_four(state: Any, at: Any, lanes: Any, vectors: Any) -> None:
    """The reverse of `load_four`."""
    a, b, c, d = vectors
    if lanes[0]:
        b, c, d = exchange(b, lanes[1]), exchange(c, lanes[2]), exchange(d, lanes[1] ^ lanes[2])
    store(state, at[0], a)
    store(state, at[1], b)
    store(state, at[2], c)
    store(state, at[3], d)


@inlined
def rotate_plane(
    psi: Any, base: int, rows: Any, places: Any, flips: Any, lanes: Any, angles: Any, plain: bool
) -> None:
    """One plane of the listed rows."""
    table, start, count = rows
    c1, t1, s1, c2, t2, s2 = angles
    row = 2 * lanes_of(psi)
    for m in range(start, start + count):
        at = addresses(base, table[m], row, flips, places)
        a, b, c, d = load_four(psi, at, lanes)
        a, b = turn(a, b, c1, t1, plain)
        c, d = turn(c, d, c1, s1, plain)
        a, c = turn(a, c, c2, t2, plain)
        b, d = turn(b, d, c2, s2, plain)
        store_four(psi, at, lanes, (a, b, c, d))


@inlined
def undo_plane(
    psi: Any, lam: Any, base: int, rows: Any, places: Any, flips: Any, lanes: Any, angles: Any, plain: bool, zero: Any
) -> Any:  # fmt: skip
    """Undo one plane on psi and lambda; returns the generators' sums over (a, b), (c, d), (a, c) and (b, d)."""
    table, start, count = rows
    c1, t1, s1, c2, t2, s2 = angles
    row = 2 * lanes_of(psi)
    ab = cd = ac = bd = zero
    t1, s1, t2, s2 = neg(t1), neg(s1), neg(t2), neg(s2)
    for m in range(start, start + count):
        at = addresses(base, table[m], row, flips, places)
        a, b, c, d = load_four(psi, at, lanes)
        la, lb, lc, ld = load_four(lam, at, lanes)
        ac = cross(la, lc, a, c, ac)
        bd = cross(lb, ld, b, d, bd)
        a, c = turn(a, c, c2, t2, plain)
        b, d = turn(b, d, c2, s2, plain)
        la, lc = turn(la, lc, c2, t2, plain)
        lb, ld = turn(lb, ld, c2, s2, plain)
        ab = cross(la, lb, a, b, ab)
        cd = cross(lc, ld, c, d, cd)
        a, b = turn(a, b, c1, t1, plain)
        c, d = turn(c, d, c1, s1, plain)
        la, lb = turn(la, lb, c1, t1, plain)
        lc, ld = turn(lc, ld, c1, s1, plain)
        store_four(psi, at, lanes, (a, b, c, d))
        store_four(lam, at, lanes, (la, lb, lc, ld))
    return ab, cd, ac, bd


@inlined
def places_of(lanes: int, imaginary: int, even1: int, even2: int) -> Any:
    """Where a plane's parts stand in rows a to d."""
    o1 = lanes if even1 ^ imaginary else 0
    o2 = lanes if even2 ^ imaginary else 0
    o3 = lanes if even1 ^ even2 ^ imaginary else 0
    return lanes * imaginary, o1, o2, o3


@kernel
def rotate_double(
    psi: Any, base: int, rows: Any, first: Any, second: Any, c1: Any, t1: Any, c2: Any, t2: Any, plain: bool
) -> None:
    """Two rotations on the listed rows and those their flips connect them with.

    `first` and `second` are, for each rotation, (local flip, lane flip, even number of Y, sign change along the other).
    """
    x1, l1, even1, cross1 = first
    x2, l2, even2, cross2 = second
    x = x1, x2
    s1, s2 = signed(t1, cross1), signed(t2, cross2)
    for imaginary in range(2):
        p = places_of(lanes_of(psi), imaginary, even1, even2)
        angles = c1, t1, s1, c2, t2, s2
        # The flags are constants here, so that LLVM makes a loop without branches of each line.
        if l1 | l2:
            if plain:
                rotate_plane(psi, base, rows, p, x, (True, l1, l2), angles, True)
            else:
                rotate_plane(psi, base, rows, p, x, (True, l1, l2), angles, False)
        elif plain:
            rotate_plane(psi, base, rows, p, x, (False, 0, 0), angles, True)
        else:
            rotate_plane(psi, base, rows, p, x, (False, 0, 0), angles, False)
        t1, s1 = signed(t1, even1), signed(s1, even1)
        t2, s2 = signed(t2, even2), signed(s2, even2)


@kernel
def undo_double(
    psi: Any, lam: Any, base: int, rows: Any, first: Any, second: Any, c1: Any, t1: Any, c2: Any, t2: Any, plain: bool,
    zero: Any,
) -> Any:  # fmt: skip
    """Undo two rotations on psi and lambda; returns the sums of both generators for positive t."""
    x1, l1, even1, cross1 = first
    x2, l2, even2, cross2 = second
    x = x1, x2
    s1, s2 = signed(t1, cross1), signed(t2, cross2)
    one = two = zero
    for imaginary in range(2):
        p = places_of(lanes_of(psi), imaginary, even1, even2)
        angles = c1, t1, s1, c2, t2, s2
        if l1 | l2:
            if plain:
                sums = undo_plane(psi, lam, base, rows, p, x, (True, l1, l2), angles, True, zero)
            else:
                sums = undo_plane(psi, lam, base, rows, p, x, (True, l1, l2), angles, False, zero)
        elif plain:
            sums = undo_plane(psi, lam, base, rows, p, x, (False, 0, 0), angles, True, zero)
        else:
            sums = undo_plane(psi, lam, base, rows, p, x, (False, 0, 0), angles, False, zero)
        ab, cd, ac, bd = sums
        one = one + signed(ab + signed(cd, cross1), even1 & imaginary)
        two = two + signed(ac + signed(bd, cross2), even2 & imaginary)
        t1, s1 = signed(t1, even1), signed(s1, even1)
        t2, s2 = signed(t2, even2), signed(s2, even2)
    return one, two


# ---- one rotation ---------------------------------------------------------------------------------------------------
# flip: (local flip, lane flip, even number of Y); offset: where row b's part of the first plane stands.


@inlined
def load_pair(state: Any, a: int, b: int, offset: int, lanes: Any) -> Any:
    """The parts (re_a, im_a, what the first meets, what the second meets)."""
    width = lanes_of(state)
    u, v = load(state, b + offset), load(state, b + width - offset)
    if lanes[0]:
        u, v = exchange(u, lanes[1]), exchange(v, lanes[1])
    return load(state, a), load(state, a + width), u, v


@inlined
def turn_pair(
    state: Any, a: int, b: int, offset: int, lanes: Any, parts: Any, angles: Any, plain: bool
) -> None:
    """Turn what `load_pair` gave and store it."""
    width = lanes_of(state)
    x, y, u, v = parts
    c, t, t2 = angles
    x, u = turn(x, u, c, t, plain)
    y, v = turn(y, v, c, t2, plain)
    if lanes[0]:
        u, v = exchange(u, lanes[1]), exchange(v, lanes[1])
    store(state, a, x)
    store(state, a + width, y)
    store(state, b + offset, u)
    store(state, b + width - offset, v)


@inlined
def rotate_pairs(
    psi: Any, base: int, rows: Any, x: int, offset: int, lanes: Any, angles: Any, plain: bool
) -> None:
    """One rotation on the listed rows r and on r ^ x."""
    table, start, count = rows
    row = 2 * lanes_of(psi)
    for m in range(start, start + count):
        a = base + table[m] * row
        b = base + (table[m] ^ x) * row
        turn_pair(psi, a, b, offset, lanes, load_pair(psi, a, b, offset, lanes), angles, plain)


@inlined
def undo_pairs(
    psi: Any, lam: Any, base: int, rows: Any, x: int, offset: int, lanes: Any, angles: Any, plain: bool, zero: Any
) -> Any:  # fmt: skip
    """Undo one rotation on psi and lambda; returns the generator's sums over both planes."""
    table, start, count = rows
    row = 2 * lanes_of(psi)
    c, t, t2 = angles
    back = c, neg(t), neg(t2)
    one = two = zero
    for m in range(start, start + count):
        a = base + table[m] * row
        b = base + (table[m] ^ x) * row
        p = load_pair(psi, a, b, offset, lanes)
        q = load_pair(lam, a, b, offset, lanes)
        one = cross(q[0], q[2], p[0], p[2], one)
        two = cross(q[1], q[3], p[1], p[3], two)
        turn_pair(psi, a, b, offset, lanes, p, back, plain)
        turn_pair(lam, a, b, offset, lanes, q, back, plain)
    return one, two


@kernel
def rotate_single(psi: Any, base: int, rows: Any, flip: Any, c: Any, t: Any, plain: bool) -> None:
    """One rotation on the listed rows r and on r ^ x."""
    x, lane_flip, even = flip
    offset = lanes_of(psi) if even else 0
    angles = c, t, signed(t, even)
    if lane_flip:
        rotate_pairs(psi, base, rows, x, offset, (True, lane_flip), angles, True)
    elif plain:
        rotate_pairs(psi, base, rows, x, offset, (False, 0), angles, True)
    else:
        rotate_pairs(psi, base, rows, x, offset, (False, 0), angles, False)


@kernel
def undo_single(
    psi: Any, lam: Any, base: int, rows: Any, flip: Any, c: Any, t: Any, plain: bool, zero: Any
) -> Any:
    """Undo one rotation on psi and lambda; returns the generator's sum for positive t."""
    x, lane_flip, even = flip
    offset = lanes_of(psi) if even else 0
    angles = c, t, signed(t, even)
    # The flags are constants here, so that LLVM makes a loop without branches of each line.
    if lane_flip:
        sums = undo_pairs(psi, lam, base, rows, x, offset, (True, lane_flip), angles, True, zero)
    elif plain:
        sums = undo_pairs(psi, lam, base, rows, x, offset, (False, 0), angles, True, zero)
    else:
        sums = undo_pairs(psi, lam, base, rows, x, offset, (False, 0), angles, False, zero)
    return sums[0] + signed(sums[1], even)


# ---- one rotation inside rows ---------------------------------------------------------------------------------------


@kernel
def rotate_within(psi: Any, base: int, rows: Any, flip: Any, c: Any, t: Any) -> None:
    """One rotation that pairs the lanes of each listed row; its sign in t already differs from lane to lane."""
    table, start, count = rows
    _, lane_flip, even = flip
    lanes = lanes_of(psi)
    row = 2 * lanes
    offset = lanes if even else 0
    t2 = signed(t, even)
    for m in range(start, start + count):
        a = base + table[m] * row
        u = exchange(load(psi, a + offset), lane_flip)
        v = exchange(load(psi, a + lanes - offset), lane_flip)
        store(psi, a, fma(t, u, c * load(psi, a)))
        store(psi, a + lanes, fma(t2, v, c * load(psi, a + lanes)))


@kernel
def sum_within(psi: Any, lam: Any, base: int, rows: Any, flip: Any, zero: Any) -> Any:
    """The generator's sum over the listed rows for positive t; the sign of each lane is the caller's."""
    table, start, count = rows
    _, lane_flip, even = flip
    lanes = lanes_of(psi)
    row = 2 * lanes
    offset = lanes if even else 0
    total = rest = zero
    for m in range(start, start + count):
        a = base + table[m] * row
        total = fma(load(lam, a), exchange(load(psi, a + offset), lane_flip), total)
        rest = fma(load(lam, a + lanes), exchange(load(psi, a + lanes - offset), lane_flip), rest)
    return total + signed(rest, even)
