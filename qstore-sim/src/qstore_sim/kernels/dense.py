# SPDX-License-Identifier: Apache-2.0
"""A matrix M on two or three qubits.

With s the joint state of the qubits (first qubit least significant) at an amplitude, and F(d) the flip that changes s
to s ^ d, the new amplitude i is the sum over d of M[s, s ^ d] psi[i ^ F(d)]. Coefficients are vectors (re, im) for each
s and d, since the lanes of a row may differ in s (`program.lanes`); F may exchange lanes as well as rows.
"""

from typing import Any

from qstore_sim.program.layout import COEFFICIENT, COUNTS, MASKS, TABLE, WIDTH
from qstore_sim.simd import exchange, fma, kernel, lanes_of, load, neg, parity, splat_like, store


@kernel
def joint_state(masks: Any, first: int, width: int, place: int, row: int) -> int:
    """S of a local row, lanes aside; masks: on representatives, on local rows, then signs."""
    state = 0
    for q in range(width):
        bit = (
            parity(masks[first + q] & place)
            ^ parity(masks[first + width + q] & row)
            ^ masks[first + 2 * width + q]
        )
        state |= bit << q
    return state


@kernel
def multiply(
    psi: Any, base: int, place: int, op: Any, program: Any, matrix: Any, adjoint: bool, spare: Any
) -> None:
    """Apply the matrix, or its adjoint, to the block at psi[base:]; `spare` holds 2 * size vectors."""
    lanes = lanes_of(psi)
    row = 2 * lanes
    width = op[WIDTH]
    size = 1 << width
    masks = program.masks
    rows_of = op[MASKS] + 3 * width
    lanes_flip = rows_of + size
    changes = lanes_flip + size
    coefficients = op[COEFFICIENT] * lanes
    zero = splat_like(psi, 0.0)
    for m in range(op[TABLE], op[TABLE] + op[COUNTS]):
        origin = program.table[m]
        state = joint_state(masks, op[MASKS], width, place, origin)
        for d in range(size):
            a = base + (origin ^ masks[rows_of + d]) * row
            store(spare, d * row, load(psi, a))
            store(spare, d * row + lanes, load(psi, a + lanes))
        for out in range(size):
            s = state ^ masks[changes + out]
            total_re = zero
            total_im = zero
            for d in range(size):
                x = load(spare, (out ^ d) * row)
                y = load(spare, (out ^ d) * row + lanes)
                if masks[lanes_flip + d]:
                    x = exchange(x, masks[lanes_flip + d])
                    y = exchange(y, masks[lanes_flip + d])
                # The adjoint's element (s, s ^ d) is the conjugate of element (s ^ d, s).
                element = coefficients + ((s ^ d if adjoint else s) * size + d) * row
                re = load(matrix, element)
                im = load(matrix, element + lanes)
                if adjoint:
                    im = neg(im)
                total_re = fma(neg(im), y, fma(re, x, total_re))
                total_im = fma(im, x, fma(re, y, total_im))
            a = base + (origin ^ masks[rows_of + out]) * row
            store(psi, a, total_re)
            store(psi, a + lanes, total_im)
