# SPDX-License-Identifier: Apache-2.0
"""`python -m torture metrics [--quick]`: all of it, some five minutes; the exit code says whether every promise was kept."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from torture.metrics import kills, limits

MILLION_S, P99_US = 60.0, 100.0


def bounded(measure: Callable[[Path], tuple[float, str]], limit: float) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        found, said = measure(folder)
        assert found <= limit, f"{said}: more than {limit:g}"
        return said

    return run


FULL: dict[str, Callable[[Path], str]] = {
    "control: the naive writer": kills.control,
    "kill -9 at random": lambda folder: kills.random_kills(folder, 60),
    "kill -9 before every operation": kills.kills_at_every_step,
    "eight writers": kills.eight_writers,
    "full buffer": limits.full_buffer,
    "torn parts": lambda folder: limits.torn_parts(folder, 1000),
    "full disk": limits.full_disk,
    "a million rows": bounded(limits.million, MILLION_S),
    "log() in a loop that works": bounded(limits.latency, P99_US),
    "log() in a burst": bounded(lambda folder: limits.latency(folder, pause_s=0.0), P99_US),
}
QUICK: dict[str, Callable[[Path], str]] = {
    "control: the naive writer": kills.control,
    "kill -9 at random": lambda folder: kills.random_kills(folder, 4),
    "kill -9 before every operation": lambda folder: kills.kills_at_every_step(folder, 12),
    "eight writers": lambda folder: kills.eight_writers(folder, 3, 0.6, 1),
    "full buffer": lambda folder: limits.full_buffer(folder, 400),
    "torn parts": limits.torn_parts,
    "full disk": lambda folder: limits.full_disk(folder, 2),
}


def main(arguments: list[str] | None = None) -> int:
    """Run everything, print a line for each; 1 if a promise was broken."""
    given = sys.argv[1:] if arguments is None else arguments
    broken = 0
    for name, part in (QUICK if "--quick" in given else FULL).items():
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                said = f"ok      {name}: {part(Path(folder) / 'run') if name != 'control: the naive writer' else part(Path(folder))}"
            except Exception:  # noqa: BLE001  # the other parts are run all the same
                said = f"BROKEN  {name}\n{traceback.format_exc()}"
                broken += 1
        print(f"{said}  [{time.perf_counter() - start:.0f} s]", flush=True)
    return 1 if broken else 0
