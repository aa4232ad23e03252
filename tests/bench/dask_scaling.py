# SPDX-License-Identifier: Apache-2.0
"""Throughput of one and of two Dask workers on circuits of 16 qubits: `python -m nox -s bench -- dask_scaling`.

Every process, the one with a single worker included, computes with one engine thread. All stay up and take turns, so that
what else the machine does meets them alike; the ratio of a round is that of neighbours in time, and the median of the rounds
is held against the bar. One and two plain processes run the same work as a control: on a busy machine they scale no better,
and then the figures say nothing about Dask. Values are compared with those of this process before anything is measured.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from itertools import pairwise
from statistics import median

import numpy as np

import qstore as qs
from qstore.plugins import Backend

QUBITS = 16
LAYERS = 3
BAR = 1.8
OUTPUT = qs.Expectations([qs.Z(0) @ qs.Z(5), qs.X(3), qs.Z(15)])


def workload(rows: int) -> qs.CircuitBatch:
    """Data on every qubit, then layers of rotations and a ring of CX."""
    x, w = qs.Parameter("x", (QUBITS,)), qs.Parameter("w", (LAYERS, QUBITS))
    circuit = qs.QuantumCircuit(QUBITS)
    for q in range(QUBITS):
        circuit.ry(q, x[q])
    for layer in range(LAYERS):
        for q in range(QUBITS):
            circuit.ry(q, w[layer, q])
        for q in range(QUBITS):
            circuit.cx(q, (q + 1) % QUBITS)
    rng = np.random.default_rng(0)
    bindings = {"x": rng.normal(size=(rows, QUBITS)), "w": rng.normal(size=(LAYERS, QUBITS))}
    return qs.CircuitBatch.of(circuit, bindings, OUTPUT)


@cache
def simulator() -> Backend:
    """This process's own engine, with one thread."""
    return qs.get_backend("statevector", threads=1)


def plain(batch: qs.CircuitBatch) -> np.ndarray:
    """The values of some rows, in whichever process."""
    return qs.run(batch.circuit, batch.bindings, OUTPUT, backend=simulator()).values


def in_processes(pool: ProcessPoolExecutor, count: int, batch: qs.CircuitBatch) -> np.ndarray:
    """The values, an equal share of the rows from each process."""
    ends = [batch.size * k // count for k in range(count + 1)]
    shares = [batch.rows(*pair) for pair in pairwise(ends)]
    return np.concatenate(list(pool.map(plain, shares)))


def measure(rows: int, rounds: int) -> Mapping[str, list[float]]:
    """Seconds of every round, by who worked."""
    batch = workload(rows)
    spawn = multiprocessing.get_context("spawn")
    ways: dict[str, Callable[[], np.ndarray]] = {}
    with ExitStack() as stack:
        for count in (1, 2):
            pool = stack.enter_context(ProcessPoolExecutor(count, mp_context=spawn))
            dask = stack.enter_context(qs.get_backend("dask", n_workers=count))
            ways[f"plain {count}"] = lambda pool=pool, count=count: in_processes(pool, count, batch)
            ways[f"dask {count}"] = lambda dask=dask: dask.run_sync(batch).values
        wanted = plain(batch)
        found: dict[str, list[float]] = {title: [] for title in ways}
        for run in ways.values():
            for _ in range(2):  # the first may compile kernels, and not every process need get a share of it
                np.testing.assert_allclose(run(), wanted, atol=1e-12)
        for _ in range(rounds):
            for title, run in ways.items():
                begin = time.perf_counter()
                run()
                found[title].append(time.perf_counter() - begin)
    return found


def main() -> int:
    """Measure, print, and say by the exit code whether the bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    # The linear algebra of numpy has threads of its own; the processes that are started here inherit this.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    found = measure(options.rows, options.rounds)
    ratios = {
        kind: median(a / b for a, b in zip(found[f"{kind} 1"], found[f"{kind} 2"], strict=True))
        for kind in ("plain", "dask")
    }
    print(
        f"{options.rows} circuits of {QUBITS} qubits, {options.rounds} rounds, load average {os.getloadavg()[0]:.1f}\n"
    )
    print("| processes | circuits/s (median) | rounds |\n| --- | --- | --- |")
    for title, times in found.items():
        rates = [options.rows / each for each in times]
        print(f"| {title} | {median(rates):.0f} | {', '.join(f'{rate:.0f}' for rate in rates)} |")
    print(f"\nTwo plain processes give {ratios['plain']:.2f} times the throughput of one (the control).")
    print(f"Two Dask workers give {ratios['dask']:.2f} times the throughput of one; the bar is {BAR}.")
    return 0 if ratios["dask"] >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
