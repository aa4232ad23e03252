# SPDX-License-Identifier: Apache-2.0
"""A matrix on two or three qubits: arbitrary unitaries, and channels on a density matrix.

Row s of the qubits' joint state s (first qubit least significant) is `base ^ local[s]`. Coefficients are vectors
(re, im) per matrix element, row by row.
"""

from typing import Any

from qstore_sim.simd import fma, kernel, lanes_of, load, neg, store


@kernel
def multiply(
    psi: Any, base: int, table: Any, start: int, count: int, offset: int, masks: Any, local: int, size: int,
    matrix: Any, first: int, adjoint: bool, spare: Any,
) -> None:  # fmt: skip
    """Apply the matrix, or its adjoint, to the listed bases of the block at psi[base:]; `spare` holds 2 * size vectors."""
    lanes = lanes_of(psi)
    row = 2 * lanes
    for m in range(start, start + count):
        origin = table[m] ^ offset
        for s in range(size):
            a = base + (origin ^ masks[local + s]) * row
            store(spare, s * row, load(psi, a))
            store(spare, s * row + lanes, load(psi, a + lanes))
        for s in range(size):
            element = first + (s if adjoint else s * size) * row
            stride = size * row if adjoint else row
            x = load(spare, 0)
            y = load(spare, lanes)
            re = load(matrix, element)
            im = load(matrix, element + lanes)
            if adjoint:
                im = neg(im)
            total_re = fma(neg(im), y, re * x)
            total_im = fma(im, x, re * y)
            for t in range(1, size):
                x = load(spare, t * row)
                y = load(spare, t * row + lanes)
                re = load(matrix, element + t * stride)
                im = load(matrix, element + t * stride + lanes)
                if adjoint:
                    im = neg(im)
                total_re = fma(neg(im), y, fma(re, x, total_re))
                total_im = fma(im, x, fma(re, y, total_im))
            a = base + (origin ^ masks[local + s]) * row
            store(psi, a, total_re)
            store(psi, a + lanes, total_im)
