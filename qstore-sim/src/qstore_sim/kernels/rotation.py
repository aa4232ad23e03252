# SPDX-License-Identifier: Apache-2.0
"""exp(-i theta/2 P) for any Pauli string P that flips something: every rotation gate, H, SX, RXX, CRY ...

P pairs row i with row i ^ x. On such a pair the rotation is two *real* plane rotations, whatever P is:
    P has an odd number of Y:  (re_i, re_j) and (im_i, im_j), both by tau
    P has an even number of Y: (re_i, im_j) by tau and (im_i, re_j) by -tau
with (u, v) -> (c u + tau s v, c v - tau s u), c = cos(theta/2), s = sin(theta/2). So one loop of 8 multiply-adds serves
them all; which rows meet is a table made at compile time, and tau, constant in each half of the table, is +1 or -1.
A row is 2 * lanes numbers: the real parts of all lanes, then the imaginary parts.
Derivative, by the generator of the same plane rotations: tau (lambda_u v - lambda_v u), summed over pairs.
"""

from qstore_sim.simd import fma, kernel, lanes_of, load, neg, store


@kernel
def rotate(psi, base, table, start, count, even, c, t):  # type: ignore[no-untyped-def]  # numba infers
    """Rotate the listed pairs of the block at psi[base:]; t = tau * s."""
    lanes = lanes_of(psi)
    row = 2 * lanes
    offset_u = lanes if even else 0
    offset_v = lanes - offset_u
    t2 = t
    if even:
        t2 = neg(t)
    for m in range(start, start + count):
        pair = table[m]
        a = base + (pair & 0xFFFF) * row
        b = base + (pair >> 16) * row
        x = load(psi, a)
        y = load(psi, a + lanes)
        u = load(psi, b + offset_u)
        v = load(psi, b + offset_v)
        store(psi, a, fma(t, u, c * x))
        store(psi, a + lanes, fma(t2, v, c * y))
        store(psi, b + offset_u, fma(neg(t), x, c * u))
        store(psi, b + offset_v, fma(neg(t2), y, c * v))


@kernel
def rotate_back(psi, lam, base, table, start, count, even, c, t, zero):  # type: ignore[no-untyped-def]  # numba infers
    """Undo the rotation on psi and lambda; returns the sum of the generator for tau = 1."""
    lanes = lanes_of(psi)
    row = 2 * lanes
    offset_u = lanes if even else 0
    offset_v = lanes - offset_u
    t2 = t
    if even:
        t2 = neg(t)
    xu = zero
    ux = zero
    yv = zero
    vy = zero
    for m in range(start, start + count):
        pair = table[m]
        a = base + (pair & 0xFFFF) * row
        b = base + (pair >> 16) * row
        x = load(psi, a)
        y = load(psi, a + lanes)
        u = load(psi, b + offset_u)
        v = load(psi, b + offset_v)
        lx = load(lam, a)
        ly = load(lam, a + lanes)
        lu = load(lam, b + offset_u)
        lv = load(lam, b + offset_v)
        xu = fma(lx, u, xu)
        ux = fma(lu, x, ux)
        yv = fma(ly, v, yv)
        vy = fma(lv, y, vy)
        store(psi, a, fma(neg(t), u, c * x))
        store(psi, a + lanes, fma(neg(t2), v, c * y))
        store(psi, b + offset_u, fma(t, x, c * u))
        store(psi, b + offset_v, fma(t2, y, c * v))
        store(lam, a, fma(neg(t), lu, c * lx))
        store(lam, a + lanes, fma(neg(t2), lv, c * ly))
        store(lam, b + offset_u, fma(t, lx, c * lu))
        store(lam, b + offset_v, fma(t2, ly, c * lv))
    total = xu - ux
    rest = yv - vy
    if even:
        return total - rest
    return total + rest
