# SPDX-License-Identifier: Apache-2.0
"""What two processes of `DistributedDataParallel` make of two processors: `python -m bench.ddp`.

Three arms take turns, all with one engine thread and one framework thread in every process: one process with the joined
batch; two with half of it each, which average gradients over gloo; and, for control, two with half of it each that know
nothing of each other. The efficiency is the time of one process over twice that of two. The control says how much of it the
machine can give at all: processors that share a cache or a clock, or that others use, do not do twice the work. The losses
of both trained arms must be the same curve.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.layers import Model, circuit_of
from bench.report import machine, milliseconds, rows

FOLDER = Path(__file__).resolve().parents[1]
ALONE, TOGETHER, CONTROL = (
    "one process, the joined batch",
    "two processes, DDP over gloo",
    "two processes, no communication",
)
WANTED_EFFICIENCY = 0.85
WARM_UP = 3
TOLERANCE = 1e-5
LIMIT_S = 600


def work(part: int, parts: int, averaged: bool, model: Model, steps: int, port: int) -> dict[str, Any]:
    """Train on one part of the batch; seconds of each step and the losses of this part."""
    import qstore as qs
    import torch
    from qstore_torch import QuantumLayer
    from torch import distributed, nn

    torch.set_num_threads(1)
    backend = qs.get_backend("statevector", precision="single", threads=1)
    layer: nn.Module = QuantumLayer(circuit_of(model), backend=backend)
    x, w, g = (torch.tensor(array, dtype=torch.float32) for array in model.arrays())
    with torch.no_grad():
        layer.weights["weights"].copy_(w)
    rows_of_part = slice(part * model.batch // parts, (part + 1) * model.batch // parts)
    x, g = x[rows_of_part], g[rows_of_part]
    store = distributed.TCPStore("127.0.0.1", port, parts, is_master=part == 0) if parts > 1 else None
    if store is not None and averaged:
        distributed.init_process_group("gloo", store=store, rank=part, world_size=parts)
        layer = nn.parallel.DistributedDataParallel(layer)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    times, losses = [], []
    for step in range(WARM_UP + steps):
        if store is not None and not averaged and step == WARM_UP:
            store.add("ready", 1)  # the control starts together, too
            while int(store.add("ready", 0)) < parts:
                time.sleep(0.001)
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = (layer(x) * g).mean()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
        losses.append(loss.item())
    if store is not None:
        store.add("done", 1)
        while part == 0 and int(store.add("done", 0)) < parts:  # it serves the others
            time.sleep(0.001)
        if averaged:
            distributed.destroy_process_group()
    return {"seconds": times[WARM_UP:], "losses": losses}


def arm(parts: int, averaged: bool, model: Model, steps: int) -> tuple[float, np.ndarray]:
    """Seconds of a step, of the slowest process, and the losses of the whole batch."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bench.ddp",
                "--worker",
                json.dumps([part, parts, averaged, model, steps, port]),
            ],
            cwd=FOLDER,
            env=os.environ | one_thread,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(parts)
    ]
    try:
        said = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    if any(process.returncode for process in processes):
        raise RuntimeError(f"A process ended with {[process.returncode for process in processes]}.")
    found = [json.loads(text) for text in said]
    losses = np.mean([each["losses"] for each in found], axis=0)
    return max(median(each["seconds"]) for each in found), losses


def main() -> int:
    """Print the table; 1 if the losses differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--qubits", type=int, default=12)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30, help="of each arm in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        part, parts, averaged, model, steps, port = json.loads(given.worker)
        print(json.dumps(work(part, parts, averaged, Model(*model), steps, port)))
        return 0
    model = Model(given.qubits, given.depth, given.batch)
    arms = {ALONE: (1, False), TOGETHER: (2, True), CONTROL: (2, False)}
    times: dict[str, list[float]] = {name: [] for name in arms}
    losses: dict[str, np.ndarray] = {}
    order = list(arms)
    for index in range(given.rounds):
        for name in order[index % 3 :] + order[: index % 3]:
            seconds, losses[name] = arm(*arms[name], model, given.steps)
            times[name].append(seconds)
    cells = []
    for name, column in times.items():
        shares = [alone / (arms[name][0] * own) for alone, own in zip(times[ALONE], column, strict=True)]
        cells.append([name, milliseconds(median(column)), f"{median(shares):.2f}"])
    head = f"{model.qubits} qubits, depth {model.depth}, batch {model.batch}; {machine()}"
    print(rows(head, cells, ["arm", "step, ms", "efficiency"]))
    reached = median(control / own for control, own in zip(times[CONTROL], times[TOGETHER], strict=True))
    print(
        f"\nOf what the machine gives two processes, DDP keeps {reached:.2f}; wanted of all, {WANTED_EFFICIENCY}."
    )
    apart = float(np.abs(losses[ALONE] - losses[TOGETHER]).max())
    if apart > TOLERANCE:
        print(f"The losses of one process and of two differ by {apart:.1g}.")
    return int(apart > TOLERANCE)


if __name__ == "__main__":
    raise SystemExit(main())
