# SPDX-License-Identifier: Apache-2.0
"""One peer in a process of its own: reads requests as JSON lines on stdin, answers as JSON lines on stdout.

Requests: {"op": "build", "case", "inputs", "results"} and {"op": "time", "what", "seconds"}; `inputs` and `results`
are paths of `.npz` files. The clock runs in here, around the peer's own call, so pipes and JSON are not measured.
Exit code 3 says that the peer is not installed.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from importlib import metadata
from typing import Any

import numpy as np

from bench.peers import LAYER_PEERS, PEERS
from bench.workload import Case, Workload

MISSING = 3
KNOWN = PEERS | LAYER_PEERS
# Pays what a process pays once: imports, thread pools, caches read from disk.
WARM_UP_CASE = Case(2, 1, 2, "linear")
MAX_REPEATS = 50


class Worker:
    """Holds the peer's module and the workload built last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = importlib.import_module(f"bench.peers.{KNOWN[name].module}")
        self.versions = {d: metadata.version(d) for d in KNOWN[name].distributions}
        self.workload: Workload | None = None
        self.module.build(WARM_UP_CASE, **WARM_UP_CASE.inputs_of(0)).step()

    def build(self, *, case: str, inputs: str, results: str) -> dict[str, Any]:
        """Build a case, take the first step (with whatever it compiles), and save what it returns."""
        arrays = dict(np.load(inputs))
        start = time.perf_counter()
        parsed = Case.parse(case)
        if not (parsed.is_plain or KNOWN[self.name].has_options):
            return {"refused": "only the plain circuit is written for this peer"}
        workload: Workload = self.module.build(parsed, **arrays)
        values, grad_x, grad_w = workload.step()
        first_s = time.perf_counter() - start
        forward = workload.forward()
        np.savez(results, values=values, grad_x=grad_x, grad_w=grad_w, forward=forward)
        self.workload = workload
        for what in ("step", "forward"):
            self.time(what=what, seconds=0.0)
        return {"first_s": first_s, "flops": workload.flops}

    def time(self, *, what: str, seconds: float) -> dict[str, Any]:
        """Repeat a call for about `seconds`, at least once."""
        call = getattr(self.workload, what)
        times: list[float] = []
        while not times or (sum(times) < seconds and len(times) < MAX_REPEATS):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return {"seconds": times}


def main() -> int:
    """Serve requests until stdin closes."""
    # Libraries that greet on stdout must not break the protocol: keep the pipe, point stdout at stderr.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        worker = Worker(sys.argv[1])
    except (ImportError, metadata.PackageNotFoundError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return MISSING
    replies.write(json.dumps({"versions": worker.versions}) + "\n")
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("op"))(**request)
        replies.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
