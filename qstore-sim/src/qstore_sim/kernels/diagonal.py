# SPDX-License-Identifier: Apache-2.0
"""Multiplication by phases: RZ, P, CZ, CP, RZZ and their products, a whole layer at once.

The phase of row i depends on the parities of i with m basis masks: an m-bit index into a table of 2**m phases. The
index of each row of a block is a table made at compile time; the block's place adds a constant by exclusive or.
Shared angles keep one complex number per entry, per-sample angles a pair of vectors.
Derivative: Im(conj(lambda) psi) is summed per table entry; a Walsh-Hadamard transform then gives every rotation's
derivative from these sums.
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


@kernel
def phases_shared(
    psi: Any, base: int, table: Any, start: int, rows: int, offset: int, phases: Any, first: int
) -> None:
    """Multiply rows of the block at psi[base:] by the numbers (re, im) at phases[first:]."""
    for j in range(rows):
        entry = first + 2 * (table[start + j] ^ offset)
        multiply_row(psi, base + j * 2 * lanes_of(psi), splat(phases, entry), splat(phases, entry + 1))


@kernel
def phases_lanes(
    psi: Any, base: int, table: Any, start: int, rows: int, offset: int, phases: Any, first: int
) -> None:
    """As `phases_shared`, with vectors (re, im) at phases[first:]."""
    lanes = lanes_of(psi)
    for j in range(rows):
        entry = first + 2 * lanes * (table[start + j] ^ offset)
        multiply_row(psi, base + j * 2 * lanes, load(phases, entry), load(phases, entry + lanes))


@kernel
def undo_phases_shared(
    psi: Any, lam: Any, base: int, table: Any, start: int, rows: int, offset: int, phases: Any, first: int
) -> None:
    """Divide rows of psi and lambda by the phases of `phases_shared`."""
    for j in range(rows):
        entry = first + 2 * (table[start + j] ^ offset)
        c = splat(phases, entry)
        s = neg(splat(phases, entry + 1))
        multiply_row(psi, base + j * 2 * lanes_of(psi), c, s)
        multiply_row(lam, base + j * 2 * lanes_of(psi), c, s)


@kernel
def undo_phases_lanes(
    psi: Any, lam: Any, base: int, table: Any, start: int, rows: int, offset: int, phases: Any, first: int
) -> None:
    """Divide rows of psi and lambda by the phases of `phases_lanes`."""
    lanes = lanes_of(psi)
    for j in range(rows):
        entry = first + 2 * lanes * (table[start + j] ^ offset)
        c = load(phases, entry)
        s = neg(load(phases, entry + lanes))
        multiply_row(psi, base + j * 2 * lanes, c, s)
        multiply_row(lam, base + j * 2 * lanes, c, s)


@kernel
def gather_bins(
    psi: Any, lam: Any, base: int, table: Any, start: int, rows: int, offset: int, bins: Any, first: int
) -> None:
    """bins[phase index] += Im(conj(lambda) psi)."""
    lanes = lanes_of(psi)
    for j in range(rows):
        a = base + j * 2 * lanes
        entry = first + lanes * (table[start + j] ^ offset)
        total = fma(load(lam, a), load(psi, a + lanes), load(bins, entry))
        store(bins, entry, fma(neg(load(lam, a + lanes)), load(psi, a), total))


@kernel
def walsh_hadamard(values: Any, first: int, bits: int) -> None:
    """In place: entry c of 2**bits vectors becomes the sum over b of (-1)**parity(b & c) times entry b."""
    lanes = lanes_of(values)
    half = 1
    for _ in range(bits):
        for block in range(0, 1 << bits, 2 * half):
            for b in range(block, block + half):
                low = first + b * lanes
                high = low + half * lanes
                x = load(values, low)
                y = load(values, high)
                store(values, low, x + y)
                store(values, high, x - y)
        half *= 2


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
