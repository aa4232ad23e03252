# SPDX-License-Identifier: Apache-2.0
"""Measurement outcomes from probabilities, by a counter-based generator.

Shot s of a row draws the number Philox4x32-10(key = the row's stream key, counter = s), so it depends on nothing but
the row's key, its probabilities and s. Sums run in float64 in the order of the outcomes.
Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, table 2.
"""

from typing import Any

import numpy as np

from qstore_sim.simd import kernel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


@kernel
def uniform(key: Any, counter: Any) -> float:
    """A float64 in [0, 1) with 53 random bits; key and counter are uint64."""
    k0, k1 = key & _WORD, key >> _HALF
    c0, c1, c2, c3 = counter & _WORD, counter >> _HALF, np.uint64(0), np.uint64(0)
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _WORD, (p0 >> _HALF) ^ c3 ^ k1, p0 & _WORD
        k0 = (k0 + _W0) & _WORD
        k1 = (k1 + _W1) & _WORD
    return (float(c0 >> np.uint64(5)) * 67108864.0 + float(c1 >> np.uint64(6))) / 9007199254740992.0


@kernel
def draw(probabilities: Any, key: Any, outcomes: Any, cumulative: Any, guide: Any) -> None:
    """Fill `outcomes` (shots,) int64; `cumulative` and `guide` are scratch as long as `probabilities`."""
    size = len(probabilities)
    total = 0.0
    last = 0
    for i in range(size):
        if probabilities[i] > 0.0:
            last = i
        total += probabilities[i]
        cumulative[i] = total
    # guide[j]: no outcome before it can be the answer to a number from j/size on.
    place = 0
    for j in range(size):
        while place < last and cumulative[place] <= total * (j / size):
            place += 1
        guide[j] = place
    for shot in range(len(outcomes)):
        u = uniform(key, np.uint64(shot))
        value = u * total
        i = max(guide[int(u * size)] - 1, 0)
        while i < last and cumulative[i] <= value:
            i += 1
        outcomes[shot] = i
