# SPDX-License-Identifier: Apache-2.0
"""Outcomes from probabilities, drawn on the client: the ideal simulator returns no shots.

Shot s of a row draws the number Philox4x32-10(key = the row's stream key, counter = s), the generator of the embedded
simulator: equal probabilities and an equal key give equal outcomes there and here, whatever was run beside them.
Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, table 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw", "uniforms"]

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_CHUNK = 1 << 20


def uniforms(key: int, start: int, stop: int) -> NDArray[np.float64]:
    """The numbers of shots `start` to `stop` of a stream, in [0, 1) with 53 random bits."""
    counters = np.arange(start, stop, dtype=np.uint64)
    c0, c1 = counters & _WORD, counters >> _HALF
    c2, c3 = np.zeros_like(counters), np.zeros_like(counters)
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1 = (p1 >> _HALF) ^ c1 ^ np.uint64(k0), p1 & _WORD
        c2, c3 = (p0 >> _HALF) ^ c3 ^ np.uint64(k1), p0 & _WORD
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    high, low = (c0 >> np.uint64(5)).astype(np.float64), (c1 >> np.uint64(6)).astype(np.float64)
    numbers: NDArray[np.float64] = (high * 67108864.0 + low) / 9007199254740992.0
    return numbers


def draw(
    outcomes: NDArray[np.int64], probabilities: NDArray[np.float64], shots: int, key: int
) -> NDArray[np.int64]:
    """The outcome of each shot, (shots,).

    Args:
        outcomes: in increasing order.
        probabilities: of those outcomes, not negative; their sum need not be exactly one.
        shots: how many.
        key: the row's stream key.
    """
    possible = probabilities > 0
    values, cumulative = outcomes[possible], np.cumsum(probabilities[possible])
    drawn = np.empty(shots, dtype=np.int64)
    for start in range(0, shots, _CHUNK):
        stop = min(start + _CHUNK, shots)
        places = np.searchsorted(cumulative, uniforms(key, start, stop) * cumulative[-1], side="right")
        drawn[start:stop] = values[np.minimum(places, len(values) - 1)]
    return drawn
