# SPDX-License-Identifier: Apache-2.0
"""All of it, with the figures: `python -m torture states [--kills 100] [--cases 20000] [--states 100000] [--only NAME]`."""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from qstore_storage import QuantumStateDB
from torture.states.filter_cases import check
from torture.states.kills import kill_often
from torture.states.processes import write_together
from torture.states.recall import recall
from torture.states.speed import measure

INSERT_S, QUERY_MS, PHASE = 60.0, 100.0, 1e-6
CASES_AT_ONCE = 2_000
COSINE_MOST = 0.5
"""The control arm: a method that is known to be wrong must be seen to miss, or the harness sees nothing."""


def try_recall(options, folder):
    with QuantumStateDB(directory=folder) as db:
        found, error, change, cosine = recall(db, np.random.default_rng(1), options.recalled, 1000)
    print(f"  1,000 turned states among {options.recalled:,} x 256: recall@10 {found:.4f}, fidelity off by at most {error:.1e}, "
          f"changed by a phase by at most {change:.1e}; control: recall@10 of the cosine {cosine:.2f}")  # fmt: skip
    return found == 1.0 and change <= PHASE and error <= PHASE and cosine <= COSINE_MOST


def try_lancedb(options, folder):
    with QuantumStateDB("lancedb", directory=folder) as db:
        found, error, change, cosine = recall(db, np.random.default_rng(2), 10_000, 50)
    print(
        f"  LanceDB, 50 turned states among 10,000 x 256: recall@10 {found:.4f}, fidelity off by at most {error:.1e}"
    )
    return found == 1.0 and change <= PHASE and error <= PHASE and cosine <= COSINE_MOST


def try_pinecone(options, folder):
    from unittest import mock

    from torture.states.pinecone_stand_in import StandIn, serving

    index = StandIn(dimension=512)
    with ExitStack() as stack:
        address = stack.enter_context(serving(index))
        stack.enter_context(mock.patch.dict("os.environ", PINECONE_API_KEY=index.key))
        db = stack.enter_context(QuantumStateDB("pinecone", host=address))
        found, error, change, cosine = recall(db, np.random.default_rng(3), 2_000, 20)
    print(f"  Pinecone's SDK and a stand-in, 20 turned states among 2,000 x 256: recall@10 {found:.4f}, fidelity off by at "
          f"most {error:.1e}")  # fmt: skip
    return found == 1.0 and change <= PHASE and error <= PHASE and cosine <= COSINE_MOST


def try_filters(options, folder):
    through = stopped = 0
    for start in range(0, options.cases, CASES_AT_ONCE):  # it remembers all cases of a call, and slows down
        some = check(min(CASES_AT_ONCE, options.cases - start), start)
        through, stopped = through + some[0], stopped + some[1]
        print(f"  {start + CASES_AT_ONCE:,} cases", flush=True)
    print(
        f"  {options.cases:,} cases, {through:,} rows let through and {stopped:,} stopped: all providers' filters agree"
    )
    return through > options.cases // 10 and stopped > options.cases // 10


def try_kills(options, folder):
    left, steps, through = kill_often(folder / "states.sqlite3", options.kills)
    print(f"  {options.kills} kills: {steps:,} steps acknowledged, {left:,} states left, none lost; {through} steps were "
          "committed but not yet acknowledged")  # fmt: skip
    return True


def try_processes(options, folder):
    left, searches = write_together(folder / "states.sqlite3", writers=2, steps=1000)
    print(f"  2 writing processes and a searching one: {left:,} states, {searches} searches, all as expected")
    return searches > 0


def try_speed(options, folder):
    with QuantumStateDB(directory=folder) as db:
        figures = measure(db, np.random.default_rng(4), options.states)
    print(
        f"  {options.states:,} x 256: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    )
    return figures["insert_s"] <= INSERT_S and figures["query_p95_ms"] <= QUERY_MS


TRIALS = {
    "recall": try_recall, "lancedb": try_lancedb, "pinecone": try_pinecone, "filters": try_filters,
    "processes": try_processes, "speed": try_speed, "kills": try_kills,
}  # fmt: skip


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m torture states", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--states", type=int, default=100_000)
    parser.add_argument("--recalled", type=int, default=20_000)
    parser.add_argument("--only", choices=TRIALS, action="append")
    options = parser.parse_args(arguments)
    failed = []
    for name in options.only or TRIALS:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}:", flush=True)
            good = TRIALS[name](options, Path(folder))
        print(f"  {'ok' if good else 'FAILED'} after {time.perf_counter() - start:.0f} s", flush=True)
        failed += [] if good else [name]
    return int(bool(failed))
