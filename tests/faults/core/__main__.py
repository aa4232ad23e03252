# SPDX-License-Identifier: Apache-2.0
"""All of the faults: `python -m faults.core --kills 200`, in `tests/`; about ten minutes on two processors."""

import argparse
import logging
import sys
import tempfile
import time

from faults.core.kills import Tally, at_points, at_random, naive_duplicates, together
from faults.core.matrix import matrix
from faults.core.storm import cancel_storm, load

NAIVE_JOBS, NAIVE_LEAST = 1000, 0.05
"""Of 100 requests 8 are accepted and not answered: fewer than 5 % duplicates of 1,000 would be chance once in 3,000 tries."""
TOGETHER = 5


def main():
    parser = argparse.ArgumentParser(prog="faults.core", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="kills at random moments (200)")
    parser.add_argument("--seeds", type=int, default=8, help="seeds of the fault matrix (8)")
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs under faults without kills (10,000)")
    parser.add_argument("--storm", type=float, default=10.0, help="seconds of cancelled callers (10)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other moments (0)")
    options = parser.parse_args()
    logging.getLogger("qstore").addHandler(logging.NullHandler())
    problems, start = [], time.monotonic()

    def say(text, found=()):
        problems.extend(found)
        print(f"{time.monotonic() - start:6.0f} s  {text}; {len(found)} problems", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        lost, killed = naive_duplicates(folder, jobs=NAIVE_JOBS, seed=options.seed)
        idle = (
            []
            if min(lost, killed) > NAIVE_LEAST * NAIVE_JOBS
            else ["the control arm: the harness proves nothing"]
        )
        say(
            f"control arm, {NAIVE_JOBS} jobs: {lost} duplicates of lost answers, {killed} with one kill", idle
        )
        number, found = matrix(options.seeds)
        say(f"matrix of faults: {number} cases", found)
        say(*load(folder, options.jobs, options.seed))
        with tempfile.TemporaryDirectory() as calm:
            number, found = cancel_storm(calm, options.storm, options.seed)
        say(f"{number} cancelled jobs in {options.storm:.0f} s", found)
        for name, trial in (
            ("killed at every point", lambda tally: at_points(folder, tally)),
            (
                "killed at random",
                lambda tally: at_random(folder, tally, kills=options.kills, seed=options.seed),
            ),
            (
                "processes of one run",
                lambda tally: [together(folder, tally, seed=n) for n in range(TOGETHER)],
            ),
        ):
            tally = Tally()
            trial(tally)
            say(f"{name}: {tally}", tally.problems)
    for problem in problems:
        print(f"PROBLEM {problem}")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
