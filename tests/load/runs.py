# SPDX-License-Identifier: Apache-2.0
"""The loads: each returns a line of figures and what is wrong with them."""

import asyncio
import json
import time
import urllib.request

import numpy as np

import qstore as qs
from load.backends import Delayed
from load.measuring import lags, resident_bytes, slope
from qstore.execution import AsyncQuantumExecutor

MOST_CIRCUITS = 100
MAX_SLOPE = 1000.0
MAX_LAG_S = 0.050
MAX_SAMPLES_S = 4.0
CIRCUIT = qs.QuantumCircuit(2).rx(0, "t").cx(0, 1)
OUTPUTS = qs.Expectations([qs.Z(0), qs.Z(1)])


def batch(number, shots=None):
    """A circuit that differs from the others in its angle."""
    return qs.CircuitBatch.of(
        CIRCUIT, {"t": 1e-5 * (number + 1)}, OUTPUTS, shots=shots, seed=number if shots else None
    )


async def mapped(executor, circuits, shots, check):
    """Everything through `map`: seconds, gauges, and memory on the way."""
    gauges = lags()
    memory, done, wrong = [], 0, 0
    step = max(circuits // 20, 1)
    start = time.perf_counter()
    async for result in executor.map(batch(number, shots) for number in range(circuits)):
        wrong += not check(done, result)
        done += 1
        if done % step == 0:
            memory.append((done, resident_bytes()))
    seconds = time.perf_counter() - start
    for gauge in gauges:
        gauge.stop()
    return seconds, gauges, slope(memory), done, wrong


def judged(title, circuits, seconds, gauges, bytes_each, done, wrong, most, *, single=False):
    """The line, and the problems.

    A hundred single requests at once keep qstore's own loop busy with reading and writing, which nobody else waits for:
    with `single` its lag is told but not judged.
    """
    late, own = (gauge.percentile(99) for gauge in gauges)
    line = (
        f"{title}: {done} circuits in {seconds:.1f} s ({done / seconds:.0f}/s), at most {most} under way, "
        f"{bytes_each:.0f} bytes per circuit, the caller's event loop late by {late * 1000:.1f} ms (p99), qstore's own by {own * 1000:.1f} ms"
    )
    checks = {
        f"{title}: {done} results of {circuits}": done == circuits,
        f"{title}: {wrong} wrong results": not wrong,
        f"{title}: {most} circuits under way": 0 < most <= MOST_CIRCUITS,
        f"{title}: {bytes_each:.0f} bytes per circuit": bytes_each < MAX_SLOPE,
        f"{title}: the caller's loop late by {late:.3f} s": late < MAX_LAG_S,
        f"{title}: qstore's own loop late by {own:.3f} s": own < MAX_LAG_S or single,
    }
    return line, [problem for problem, holds in checks.items() if not holds]


def delayed(circuits, latency_s=0.02, batch_size="adaptive", cache_bytes=16 << 20):
    """Against a backend in this process that takes `latency_s` for every request.

    The cache is full long before the end: what grows then is what is lost.
    """
    backend = Delayed(latency_s)

    def check(number, result):
        return abs(result.values[0, 0] - 1e-5 * (number + 1)) < 1e-12

    async def main():
        async with AsyncQuantumExecutor(
            backend, MOST_CIRCUITS, batch_size, cache_bytes=cache_bytes
        ) as executor:
            return await mapped(executor, circuits, None, check)

    title = f"delayed backend, {latency_s:g} s, batch_size={batch_size!r}"
    return judged(title, circuits, *asyncio.run(main()), backend.most_active, single=batch_size == 1)


def control(root, what, method="GET"):
    """What an emulator tells of itself, or does."""
    with urllib.request.urlopen(urllib.request.Request(f"{root}/_emulator/{what}", method=method)) as reply:
        return json.load(reply)


def emulated(root, circuits, batch_size=MOST_CIRCUITS // 2, shots=100):
    """Against an emulator in a process of its own, through HTTP and the journal.

    It counts jobs; with requests of one size, circuits are that many times as many.
    """
    backend = qs.get_backend("ionq.simulator", url=f"{root}/v0.4")
    control(root, "reset", "POST")

    def check(number, result):
        expected = np.cos(1e-5 * (number + 1))
        return np.abs(result.values - expected).max() <= 6 * np.sqrt((1 - expected**2) / shots) + 2 / shots

    async def main():
        async with AsyncQuantumExecutor(backend, MOST_CIRCUITS, batch_size, cache_bytes=1 << 20) as executor:
            found = await mapped(executor, circuits, shots, check)
            return found, executor.stats().requests

    (seconds, gauges, bytes_each, done, wrong), requests = asyncio.run(main())
    after = control(root, "stats")
    accepted = after["circuits"]
    title = f"IonQ emulator, batch_size={batch_size!r}"
    line, problems = judged(
        title,
        circuits,
        seconds,
        gauges,
        bytes_each,
        done,
        wrong,
        batch_size * after["max_jobs_in_flight"],
        single=batch_size == 1,
    )
    if accepted != circuits:
        problems.append(f"{title}: {accepted} circuits were accepted instead of {circuits}")
    if after["duplicates"]:
        problems.append(f"{title}: {after['duplicates']} duplicates")
    return f"{line}, {requests} requests", problems


def samples(number=32, latency_s=2.0):
    """As many samples, each submitted by itself, on a backend that takes two seconds for each request."""
    problems, lines = [], []
    for batch_size in ("adaptive", 1):
        backend = Delayed(latency_s)

        async def main(backend=backend, batch_size=batch_size):
            async with AsyncQuantumExecutor(backend, batch_size=batch_size) as executor:
                start = time.perf_counter()
                for handle in [executor.submit(batch(n)) for n in range(number)]:
                    await handle
                return time.perf_counter() - start

        seconds = asyncio.run(main())
        lines.append(
            f"{number} samples of {latency_s:g} s, batch_size={batch_size!r}: {seconds:.2f} s in {backend.requests} requests"
        )
        if seconds >= MAX_SAMPLES_S:
            problems.append(f"{number} samples took {seconds:.2f} s")
    return "\n".join(lines), problems


def twenty(root=None):
    """Twenty circuits are one request, and on IonQ one job."""
    backend = Delayed(0.01) if root is None else qs.get_backend("ionq.simulator", url=f"{root}/v0.4")
    posts = 0 if root is None else control(root, "stats")["posts"]

    async def main():
        async with AsyncQuantumExecutor(backend) as executor:
            for handle in [executor.submit(batch(10**6 + n, 10)) for n in range(20)]:
                await handle
            return executor.stats().requests

    requests = asyncio.run(main())
    sent = requests if root is None else control(root, "stats")["posts"] - posts
    where = backend.name
    line = f"20 circuits on {where}: {requests} request, {sent} arrived"
    return line, [] if requests == sent == 1 else [line]
