# SPDX-License-Identifier: Apache-2.0
"""Cosines and sines of many angles at once.

One call of the C library for each of a thousand samples' angles takes longer than a small circuit. These loops have no
branches and no calls, so that they become vector instructions. The angle is reduced to [-pi/4, pi/4] by three parts of
pi/2 (Cody and Waite); the polynomials are those of fdlibm's k_sin.c and k_cos.c. Errors stay below 2e-16.
"""

import math
from typing import Any

from qstore_sim.simd import kernel

LARGE = 1e5
"""Beyond, the product of a quarter turn's parts with their number would no longer be exact: the C library does it."""
QUARTERS = 2.0 / math.pi
PART_1 = 1.57079632673412561417e00  # pi/2, its first 33 bits
PART_2 = 6.07710050630396597660e-11  # the next 33
PART_3 = 2.02226624879595063154e-21  # the rest


@kernel
def cosines_and_sines(angles: Any, cosines: Any, sines: Any, first: int, last: int) -> None:
    """cosines[i], sines[i] = cos, sin of angles[i] for first <= i < last, in float64."""
    largest = 0.0
    for i in range(first, last):
        size = abs(angles[i])
        largest = max(largest, size)
        if not (size <= LARGE):
            largest = 2 * LARGE  # not a number, too
    if largest > LARGE:
        for i in range(first, last):
            cosines[i] = math.cos(angles[i])
            sines[i] = math.sin(angles[i])
        return
    for i in range(first, last):
        x = angles[i]
        turns = math.floor(x * QUARTERS + 0.5)
        x = ((x - turns * PART_1) - turns * PART_2) - turns * PART_3
        z = x * x
        r = 1.58969099521155010221e-10
        r = r * z - 2.50507602534068634195e-08
        r = r * z + 2.75573137070700676789e-06
        r = r * z - 1.98412698298579493134e-04
        r = r * z + 8.33333333332248946124e-03
        r = r * z - 1.66666666666666324348e-01
        s = x + x * z * r
        r = -1.13596475577881948265e-11
        r = r * z + 2.08757232129817482790e-09
        r = r * z - 2.75573143513906633035e-07
        r = r * z + 2.48015872894767294178e-05
        r = r * z - 1.38888888888741095749e-03
        r = r * z + 4.16666666666666019037e-02
        c = 1.0 - 0.5 * z + z * z * r
        quarter = turns - 4.0 * math.floor(0.25 * turns)  # 0, 1, 2 or 3
        odd = abs(quarter - 2.0) == 1.0
        u = s if odd else c
        v = c if odd else s
        cosines[i] = -u if abs(quarter - 1.5) < 1.0 else u
        sines[i] = -v if quarter >= 2.0 else v
