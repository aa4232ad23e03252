# SPDX-License-Identifier: Apache-2.0
"""The most multiply-adds this machine does, measured with the vectors that the simulator's kernels are made of."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np

from qstore_sim.simd import fma, kernel, lanes_of, load, store

REPEATS = 1_000_000
ROUNDS = 5


# Independent chains hide the latency of one multiply-add (4 cycles, two at a time). Ten of them fill AVX-512's registers;
# where a vector takes two registers (AVX2 has 16), five do, and ten would spill. The better number is the peak.


@kernel
def _five_chains(numbers: Any, repeats: int) -> None:
    lanes = lanes_of(numbers)
    a = load(numbers, 0)
    b = load(numbers, lanes)
    c0 = c1 = c2 = c3 = c4 = a
    for _ in range(repeats):
        c0, c1, c2, c3, c4 = fma(c0, b, a), fma(c1, b, a), fma(c2, b, a), fma(c3, b, a), fma(c4, b, a)
    store(numbers, 0, c0 + c1 + c2 + c3 + c4)


@kernel
def _ten_chains(numbers: Any, repeats: int) -> None:
    lanes = lanes_of(numbers)
    a = load(numbers, 0)
    b = load(numbers, lanes)
    c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = c8 = c9 = a
    for _ in range(repeats):
        c0, c1, c2, c3, c4 = fma(c0, b, a), fma(c1, b, a), fma(c2, b, a), fma(c3, b, a), fma(c4, b, a)
        c5, c6, c7, c8, c9 = fma(c5, b, a), fma(c6, b, a), fma(c7, b, a), fma(c8, b, a), fma(c9, b, a)
    store(numbers, 0, c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9)


def peak_flops(threads: int | None = None, dtype: Any = np.float32) -> float:
    """Floating-point operations per second of all threads together, a multiply-add counted as two."""
    count = threads or len(os.sched_getaffinity(0))
    lanes = 64 // np.dtype(dtype).itemsize
    best = 0.0
    for chains, loop in ((5, _five_chains), (10, _ten_chains)) * (ROUNDS + 1):
        gate = threading.Barrier(count)
        spans: list[float] = []

        def work(gate: threading.Barrier = gate, spans: list[float] = spans, loop: Any = loop) -> None:
            numbers = np.full(2 * lanes, 0.5, dtype=dtype)
            gate.wait()
            start = time.perf_counter()
            loop(numbers, REPEATS)
            spans.append(time.perf_counter() - start)

        workers = [threading.Thread(target=work) for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, count * 2.0 * chains * lanes * REPEATS / max(spans))
    return best
