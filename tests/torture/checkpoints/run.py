# SPDX-License-Identifier: Apache-2.0
"""All of the torture of checkpoints, as a table: `python -m torture checkpoints --kills 500`, in `tests/`."""

import argparse
import logging
import os
import sys
import tempfile
import time

from torture.checkpoints import crash_states, damage, disks, kills, racing

SIZES_KB = (40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 2048, 4096)


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="torture checkpoints", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--kills", type=int, default=500, help="kills at random moments, for each of two layouts (500)"
    )
    parser.add_argument("--times", type=int, default=20, help="kills at each operation of the protocol (20)")
    parser.add_argument("--flips", type=int, default=1000, help="bits that flip (1000)")
    parser.add_argument("--rounds", type=int, default=200, help="races, and changes after a save (200)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other moments (0)")
    options = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        print("left out: this system has no fork and no SIGKILL")
        return 0
    logging.getLogger("qstore").setLevel(logging.CRITICAL)
    start, problems = time.monotonic(), []

    def row(name, what, found=()):
        problems.extend(f"{name}: {each}" for each in found)
        print(f"{time.monotonic() - start:6.0f} s  {name:<34} {what:<62} {len(found)} problems", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        torn = kills.naive_torn(folder, 100, options.seed)
        row("control: overwriting in place", f"{torn} of 100 killed writers left a torn state",
            [] if torn >= 20 else ["the harness proves nothing"])  # fmt: skip
        for payload in ("zip", "folder"):
            found, bad = kills.at_random(folder, options.kills, options.seed, payload)
            row(f"kill -9 at random, {payload}", f"{found.total()} kills, {dict(found)} loaded", bad)
        for payload in ("zip", "folder"):
            tally, bad = kills.at_every_operation(folder, options.times, options.seed, payload)
            few = [label for label, number in tally.items() if number < options.times]
            row(
                f"kill -9 at every operation, {payload}",
                f"{len(tally)} kinds of operations, {tally.total()} kills",
                bad + few,
            )
        for payload in ("zip", "folder"):
            _enumerate(folder, payload, options.seed, row)
        number, bad = damage.bit_flips(folder, options.flips, options.seed)
        row("flipped bits", f"{number} flips", bad)
        number, bad = damage.rough_damage(folder, options.seed)
        row("files lost, cut, lengthened, swapped", f"{number} cases", bad)
        for payload in ("zip", "folder"):
            number, bad = disks.injected(folder, payload)
            row(f"errors at every operation, {payload}", f"{number} cases", bad)
        number, bad = disks.forbidden()
        row("another user, no file left to open", f"{number} cases", bad)
        mounted = disks.small_disks(folder, SIZES_KB)
        if mounted is None:
            row("full and read-only disks", "left out: this user may not mount a tmpfs")
        else:
            row("full and read-only disks", f"{mounted[0]} file systems", mounted[1])
        wins, bad = racing.two_writers(folder, options.rounds)
        row("two writers of one step", f"{sum(wins)} rounds, won {wins[0]} to {wins[1]}", bad)
        number, bad = racing.changed_after_save(folder, options.rounds)
        row("state changed after save", f"{number} rounds", bad)
    for problem in problems:
        print(f"PROBLEM {problem}")
    print(f"{len(problems)} problems in {time.monotonic() - start:.0f} s")
    return 1 if problems else 0


def _enumerate(folder, payload, seed, row):
    root, before, log = crash_states.recorded(folder, payload)
    number, bad = crash_states.bad_states(root, before, log, seed=seed)
    row(f"states after a power failure, {payload}", f"{number} states of {len(log)} operations", bad)
    caught, missed = 0, []
    for name, mutant in crash_states.mutants(log):
        if name == crash_states.BELIEVING:
            if payload == "zip":
                continue  # the reader is written for folders
            load = crash_states.load_without_manifest
        else:
            load = None
        _, found = crash_states.bad_states(root, before, mutant, load=load, seed=seed, stop_at=1)
        caught += bool(found)
        missed += [] if found else [f"mutant not caught: {name}"]
    row(f"mutants of the protocol, {payload}", f"{caught} of {caught + len(missed)} caught", missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
