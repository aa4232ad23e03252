# SPDX-License-Identifier: Apache-2.0
"""Multiplication by phases: RZ, P, CZ, CP, RZZ and their products, a whole layer at once.

The phase of row i depends on the parities of i with m basis masks: an m-bit index into a table of 2**m phases. Which
rows of a block have which index is a table made at compile time; the block's place adds a constant by exclusive or.
Shared angles keep one complex number per entry, per-sample angles a pair of vectors.
Derivative: Im(conj(lambda) psi) is summed per table entry, in a register while the rows of an entry are undone; a
Walsh-Hadamard transform then gives every rotation's derivative from these sums.
"""

from typing import Any

from qstore_sim.simd import accumulate, fma, inlined, kernel, lanes_of, load, neg, parity, splat, store


@inlined
def multiply_row(state: Any, a: int, c: Any, s: Any) -> None:
    """The row at state[a:] times c + i s."""
    lanes = lanes_of(state)
    x = load(state, a)
    y = load(state, a + lanes)
    store(state, a, fma(neg(s), y, c * x))
    store(state, a + lanes, fma(s, x, c * y))


@inlined
def multiply_rows(psi: Any, base: int, table: Any, start: int, count: int, c: Any, s: Any) -> None:
    """The listed rows times c + i s."""
    for m in range(start, start + count):
        multiply_row(psi, base + table[m] * 2 * lanes_of(psi), c, s)


@inlined
def undo_rows(
    psi: Any, lam: Any, base: int, table: Any, start: int, count: int, c: Any, s: Any, zero: Any
) -> Any:
    """The listed rows of psi and lambda times c + i s; returns the sum of Im(conj(lambda) psi)."""
    lanes = lanes_of(psi)
    plus = minus = zero
    for m in range(start, start + count):
        a = base + table[m] * 2 * lanes
        plus = fma(load(lam, a), load(psi, a + lanes), plus)
        minus = fma(load(lam, a + lanes), load(psi, a), minus)
        multiply_row(psi, a, c, s)
        multiply_row(lam, a, c, s)
    return plus - minus


# `table` holds, from `start` on, `entries` phase indices, then for each of them the `count` rows that have it.


@kernel
def phases_shared(
    psi: Any, base: int, table: Any, start: int, entries: int, count: int, offset: int, phases: Any, first: int
) -> None:  # fmt: skip
    """Multiply rows of the block at psi[base:] by the numbers (re, im) at phases[first:]."""
    for e in range(entries):
        entry = first + 2 * (table[start + e] ^ offset)
        rows = start + entries + e * count
        multiply_rows(psi, base, table, rows, count, splat(phases, entry), splat(phases, entry + 1))


@kernel
def phases_lanes(
    psi: Any, base: int, table: Any, start: int, entries: int, count: int, offset: int, phases: Any, first: int
) -> None:  # fmt: skip
    """As `phases_shared`, with vectors (re, im) at phases[first:]."""
    lanes = lanes_of(psi)
    for e in range(entries):
        entry = first + 2 * lanes * (table[start + e] ^ offset)
        rows = start + entries + e * count
        multiply_rows(psi, base, table, rows, count, load(phases, entry), load(phases, entry + lanes))


@kernel
def undo_phases_shared(
    psi: Any, lam: Any, base: int, table: Any, start: int, entries: int, count: int, offset: int, phases: Any,
    first: int, bins: Any, into: int, zero: Any,
) -> None:  # fmt: skip
    """Divide rows of psi and lambda by the phases of `phases_shared`; bins[into:] += Im(conj(lambda) psi) by phase index.

    Without bins (into < 0) nothing is added up.
    """
    for e in range(entries):
        index = table[start + e] ^ offset
        entry = first + 2 * index
        rows = start + entries + e * count
        c = splat(phases, entry)
        s = neg(splat(phases, entry + 1))
        total = undo_rows(psi, lam, base, table, rows, count, c, s, zero)
        if into >= 0:
            place = into + index * lanes_of(bins)
            store(bins, place, load(bins, place) + total)


@kernel
def undo_phases_lanes(
    psi: Any, lam: Any, base: int, table: Any, start: int, entries: int, count: int, offset: int, phases: Any,
    first: int, bins: Any, into: int, zero: Any,
) -> None:  # fmt: skip
    """As `undo_phases_shared`, with the phases of `phases_lanes`."""
    lanes = lanes_of(psi)
    for e in range(entries):
        index = table[start + e] ^ offset
        entry = first + 2 * lanes * index
        rows = start + entries + e * count
        c = load(phases, entry)
        s = neg(load(phases, entry + lanes))
        total = undo_rows(psi, lam, base, table, rows, count, c, s, zero)
        if into >= 0:
            place = into + index * lanes
            store(bins, place, load(bins, place) + total)


@kernel
def walsh_hadamard(values: Any, first: int, bits: int) -> None:
    """In place: entry c of 2**bits vectors becomes the sum over b of (-1)**parity(b & c) times entry b."""
    lanes = lanes_of(values)
    step = 1  # two bits at a time, so that each vector is loaded and stored half as often
    while 4 * step <= 1 << bits:
        for block in range(0, 1 << bits, 4 * step):
            for b in range(block, block + step):
                at = first + b * lanes
                far = step * lanes
                w, x = load(values, at), load(values, at + far)
                y, z = load(values, at + 2 * far), load(values, at + 3 * far)
                w, x = w + x, w - x
                y, z = y + z, y - z
                store(values, at, w + y)
                store(values, at + far, x + z)
                store(values, at + 2 * far, w - y)
                store(values, at + 3 * far, x - z)
        step *= 4
    if bits & 1:
        for b in range(step):
            at = first + b * lanes
            x = load(values, at)
            y = load(values, at + step * lanes)
            store(values, at, x + y)
            store(values, at + step * lanes, x - y)


@kernel
def fill_phases_shared(
    phases: Any, first: int, width: int, codes: Any, code: int, half_angles: Any, count: int
) -> None:
    """The table of shared phases for `count` rotations with cos, sin of half their angles in `half_angles`."""
    phases[first] = 1.0
    phases[first + 1] = 0.0
    size = 1
    for r in range(count):
        c = half_angles[2 * r]
        s = half_angles[2 * r + 1]
        grow = r < width
        for b in range(size):
            re = phases[first + 2 * b]
            im = phases[first + 2 * b + 1]
            plus = grow or parity(b & codes[code + r]) == 0
            t = -s if plus else s
            phases[first + 2 * b] = c * re - t * im
            phases[first + 2 * b + 1] = c * im + t * re
            if grow:
                phases[first + 2 * (b + size)] = c * re - s * im
                phases[first + 2 * (b + size) + 1] = c * im + s * re
        if grow:
            size *= 2


@kernel
def fill_phases_lanes(
    phases: Any, first: int, width: int, codes: Any, code: int, half_angles: Any, count: int
) -> None:
    """As `fill_phases_shared`, with a vector of each."""
    lanes = lanes_of(phases)
    for lane in range(lanes):
        phases[first + lane] = 1.0
        phases[first + lanes + lane] = 0.0
    size = 1
    for r in range(count):
        c = load(half_angles, 2 * r * lanes)
        s = load(half_angles, (2 * r + 1) * lanes)
        grow = r < width
        for b in range(size):
            entry = first + 2 * b * lanes
            re = load(phases, entry)
            im = load(phases, entry + lanes)
            t = s
            if grow or parity(b & codes[code + r]) == 0:
                t = neg(s)
            store(phases, entry, fma(neg(t), im, c * re))
            store(phases, entry + lanes, fma(t, re, c * im))
            if grow:
                entry = first + 2 * (b + size) * lanes
                store(phases, entry, fma(neg(s), im, c * re))
                store(phases, entry + lanes, fma(s, re, c * im))
        if grow:
            size *= 2


@kernel
def collect_bins(
    bins: Any, first: int, width: int, codes: Any, code: int, sums: Any, rotation: int, count: int
) -> None:
    """sums[rotation + r] += the derivative of each rotation; the bins are used up."""
    lanes = lanes_of(bins)
    walsh_hadamard(bins, first, width)
    for r in range(count):
        accumulate(sums, (rotation + r) * lanes, load(bins, first + codes[code + r] * lanes))
