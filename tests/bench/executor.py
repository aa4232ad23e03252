# SPDX-License-Identifier: Apache-2.0
"""What the executor saves and what it costs: `python -m bench.executor` (from tests/).

Saved: the time of 32 circuits on a backend that takes a while for every request, one after the other and through the
executor. Cost: seconds per circuit that the executor itself takes, with a backend that does nothing: each circuit is
submitted by itself, exact or with shots, known (from the cache) or not, and awaited; the batches are made beforehand, as
they are for a direct run. The time of the clock is told, and that of the processors (of both threads together), which
other programs on the machine disturb less: of several rounds the median, and the best.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import numpy as np

import qstore as qs
from load.backends import Delayed, Idle
from qstore.execution import AsyncQuantumExecutor

SPEED_UP, OVERHEAD_S = 16.0, 20e-6
CIRCUIT = qs.QuantumCircuit(4).ry(0, qs.Parameter("x", (4,))[0]).cx(0, 1).ry(1, qs.Parameter("w", (8,))[3])
OUTPUTS = qs.Expectations([qs.Z(0), qs.X(1)])


class Cost(NamedTuple):
    """What a circuit cost, by rounds: seconds of the clock, and of the processors."""

    title: str
    wall_s: list[float]
    cpu_s: list[float]


def batches(number: int, shots: int | None, start: int = 0) -> list[qs.CircuitBatch]:
    """Circuits that differ in x, of one template, with the same weights; their stream keys made, as for any run."""
    weights = np.linspace(0, 1, 8)
    made = [
        qs.CircuitBatch.of(
            CIRCUIT, {"x": np.full(4, 1e-6 * (start + i)), "w": weights}, OUTPUTS, shots=shots, seed=i
        )
        for i in range(number)
    ]
    for batch in made:
        if shots is not None:
            batch.stream_keys  # noqa: B018  # made at first use
    return made


async def submitted(executor: AsyncQuantumExecutor, some: list[qs.CircuitBatch]) -> None:
    """One submission for each."""
    handles = [executor.submit(batch) for batch in some]
    for handle in handles:
        await handle


async def mapped(executor: AsyncQuantumExecutor, some: list[qs.CircuitBatch]) -> None:
    """`map` over all of them."""
    async for _ in executor.map(some):
        pass


async def batched(executor: AsyncQuantumExecutor, some: list[qs.CircuitBatch]) -> None:
    """`submit_batch` of all of them."""
    for handle in executor.submit_batch(some):
        await handle


Way = Callable[[AsyncQuantumExecutor, list[qs.CircuitBatch]], Awaitable[None]]
WAYS: dict[str, tuple[Way, int | None, bool]] = {
    "submit, exact": (submitted, None, False),
    "submit, shots": (submitted, 100, False),
    "submit, from the cache": (submitted, None, True),
    "submit_batch, exact": (batched, None, False),
    "map, exact": (mapped, None, False),
}


async def cost(title: str, number: int, rounds: int) -> Cost:
    """Seconds per circuit of one way."""
    way, shots, known = WAYS[title]
    wall_s, cpu_s = [], []
    async with AsyncQuantumExecutor(Idle(), max_pending=number) as executor:
        if known:
            await way(executor, batches(number, shots))
        for turn in range(1 + rounds):
            some = batches(number, shots, 0 if known else number * turn)
            gc.collect()
            gc.freeze()  # the batches are not the executor's: its collections need not look at them
            start, cpu = time.perf_counter(), time.process_time()
            await way(executor, some)
            wall_s.append((time.perf_counter() - start) / number)
            cpu_s.append((time.process_time() - cpu) / number)
            gc.unfreeze()
    return Cost(title, wall_s[1:], cpu_s[1:])


async def speed_up(latency_s: float, circuits: int, batch_size: int | str) -> float:
    """How many times faster than one after the other."""
    backend = Delayed(latency_s)
    some = batches(circuits, None)
    start = time.perf_counter()
    one_by_one = [await backend.run(batch) for batch in some]
    sequential = time.perf_counter() - start
    async with AsyncQuantumExecutor(backend, batch_size=batch_size) as executor:
        start = time.perf_counter()
        found = [await handle for handle in executor.submit_batch(some)]
        at_once = time.perf_counter() - start
    if not all(np.array_equal(a.values, b.values) for a, b in zip(one_by_one, found, strict=True)):
        raise SystemExit("wrong answers")
    return sequential / at_once


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.executor", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--circuits", type=int, default=5000, help="circuits of each round (default: 5000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each way (default: 7)")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds of a request (default: 0.1)")
    chosen = parser.parse_args(arguments)
    missed = False
    print(f"32 circuits, {chosen.latency:g} s for every request, against one after the other:")
    for size in ("adaptive", 1):
        times = asyncio.run(speed_up(chosen.latency, 32, size))
        missed = missed or times < SPEED_UP
        print(f"  batch_size={size!r:10} {times:6.1f} times faster (bar: {SPEED_UP:g})")
    print(
        f"the executor's own time per circuit, median (best) of {chosen.rounds} rounds of {chosen.circuits}:"
    )
    for title in WAYS:
        found = asyncio.run(cost(title, chosen.circuits, chosen.rounds))
        missed = missed or min(found.wall_s) >= OVERHEAD_S
        figures = (
            f"{statistics.median(each) * 1e6:6.1f} ({min(each) * 1e6:5.1f})"
            for each in (found.wall_s, found.cpu_s)
        )
        print(
            f"  {title:24} {' clock, '.join(figures)} processors, microseconds (bar: {OVERHEAD_S * 1e6:g})",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
