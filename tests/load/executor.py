# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand circuits through the executor: `python -m load.executor` (from tests/).

First against a backend in this process, then through HTTP against an IonQ emulator in a process of its own. Told and
judged: circuits under way as the other side sees them (at most 100), memory per circuit (less than 1 kB), how late the
event loops are (p99 less than 50 ms). Then: 32 samples of two seconds each in less than four, 20 circuits as one request.
"""

import argparse
import atexit
import os
import shutil
import sys
import tempfile

from bench.submissions import emulator
from load import runs


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m load.executor", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--circuits", type=int, default=100_000, help="circuits of each load (default: 100000)"
    )
    parser.add_argument(
        "--single", type=int, default=5_000, help="circuits that are a job each (default: 5000)"
    )
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("IONQ_API_KEY", "test")
    failed = []

    def tell(found):
        line, problems = found
        failed.extend(problems)
        print(line, *(f"FAILED {problem}" for problem in problems), sep="\n", flush=True)

    tell(runs.twenty())
    tell(runs.samples())
    tell(runs.delayed(chosen.circuits))
    tell(runs.delayed(chosen.circuits, batch_size=1))
    os.environ["QSTORE_HOME"] = folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)  # after the journals in it are closed, which are opened later
    with emulator(0.0) as root:
        tell(runs.twenty(root))
        tell(runs.emulated(root, chosen.single, batch_size=1))
        tell(runs.emulated(root, chosen.circuits))
    print(f"{len(failed)} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
