# SPDX-License-Identifier: Apache-2.0
"""The whole grid of faults: `python -m faults.service --seeds 50`, in `tests/`."""

import argparse
import logging
import os
import sys
import tempfile
import time

from faults.service.grid import cases, run
from faults.service.naive import duplicates
from qstore_ionq.emulator import Emulator

NAIVE_JOBS, NAIVE_LEAST = 1000, 0.05


def main():
    parser = argparse.ArgumentParser(prog="faults.service", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=50, help="jobs side by side in each case (50)")
    parser.add_argument("--only", help="only faults whose name holds this text")
    options = parser.parse_args()
    logging.getLogger("qstore").addHandler(logging.NullHandler())
    start, failed, number = time.monotonic(), 0, 0
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Emulator(speed=float("inf")) as emulator,
    ):
        os.environ["QSTORE_HOME"] = folder
        twice = duplicates(emulator, NAIVE_JOBS)
        print(f"control arm: {twice} of {NAIVE_JOBS} jobs were billed more than once", flush=True)
        failed += twice < NAIVE_LEAST * NAIVE_JOBS
        for case in cases():
            if options.only and options.only not in case.fault:
                continue
            number += 1
            for problem in run(case, emulator, options.seeds):
                failed += 1
                print(f"FAILED {case}: {problem}", flush=True)
            if number % 50 == 0:
                print(
                    f"{time.monotonic() - start:6.0f} s  {number} cases of {options.seeds} seeds, {failed} problems",
                    flush=True,
                )
        print(
            f"{number} cases of {options.seeds} seeds in {time.monotonic() - start:.0f} s: {failed} problems."
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
