# SPDX-License-Identifier: Apache-2.0
"""Compare random circuits with Cirq: `python -m fuzz.run --count 2000`."""

from __future__ import annotations

import argparse
import sys
import time

from fuzz.case import DisagreementError, check, make


def main() -> int:
    """Run the cases; exit status 1 if any disagrees."""
    parser = argparse.ArgumentParser(prog="fuzz.run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="number of circuits (2000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other circuits (0)")
    parser.add_argument("--only", type=int, help="the number of one case to repeat")
    options = parser.parse_args()
    numbers = range(options.count) if options.only is None else [options.only]
    failed = 0
    start = time.monotonic()
    for done, number in enumerate(numbers, start=1):
        case = make(options.seed, number)
        try:
            check(case)
        except DisagreementError as error:
            failed += 1
            print(
                f"FAILED {error}\nrepeat: python -m fuzz.run --seed {options.seed} --only {number}",
                flush=True,
            )
        if done % 100 == 0:
            print(f"{done} circuits, {failed} failed, {time.monotonic() - start:.0f} s", flush=True)
    print(f"{len(numbers)} circuits of seed {options.seed} against Cirq: {failed} disagree.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
