# SPDX-License-Identifier: Apache-2.0
"""Compile random circuits and compare them with Cirq: `python -m fuzz.native --count 1000`.

Half of the circuits have symbolic parameters, bound to values in [-4 pi, 4 pi]; each is compiled for MS and for ZZ.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from qstore_ionq.native import compile_native

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ionq" / "native"))
import native_judge as judge

ALLOWED = 1e-9


def deviation(seed: int, number: int) -> float:
    """The larger deviation of one circuit's two programs from Cirq's unitary."""
    random = np.random.default_rng([seed, number])
    n = int(random.integers(1, 6))
    circuit = judge.random_circuit(random, n, int(random.integers(1, 40)), 0.5 if number % 2 else 0.0)
    values = judge.values_of(circuit, random)
    source = judge.source_unitary(circuit, values)
    return max(
        judge.deviation(compile_native(circuit, entangler).bind(values), 0, source)
        for entangler in ("ms", "zz")
    )


def main() -> int:
    """Run the cases; exit status 1 if any disagrees."""
    parser = argparse.ArgumentParser(prog="fuzz.native", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="number of circuits (1000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other circuits (0)")
    parser.add_argument("--only", type=int, help="the number of one case to repeat")
    options = parser.parse_args()
    numbers = range(options.count) if options.only is None else [options.only]
    failed, worst, start = 0, 0.0, time.monotonic()
    for done, number in enumerate(numbers, start=1):
        found = deviation(options.seed, number)
        worst = max(worst, found)
        if not found < ALLOWED:
            failed += 1
            print(
                f"FAILED by {found:.1e}: python -m fuzz.native --seed {options.seed} --only {number}",
                flush=True,
            )
        if done % 100 == 0:
            print(f"{done} circuits, {failed} failed, {time.monotonic() - start:.0f} s", flush=True)
    print(
        f"{len(numbers)} circuits of seed {options.seed}, compiled twice: {failed} off by {ALLOWED}, worst {worst:.1e}."
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
