# SPDX-License-Identifier: Apache-2.0
"""Kill the writer at random moments: what it acknowledged is there, what it was doing is there whole or not at all."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from qstore_storage import QuantumStateDB
from torture.states.writer import operation, state_of

TESTS = Path(__file__).resolve().parents[2]
NEVER = 10**9


def start(path, prefix, first, last=NEVER):
    """A writer in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "torture.states.writer", str(path), prefix, str(first), str(last)],
        stdout=subprocess.PIPE, cwd=TESTS, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, text=True,
    )  # fmt: skip


def killed_once(path, prefix, first, delay):
    """Let it write for `delay` seconds after its first acknowledgement, then kill it; the last step acknowledged."""
    writer = start(path, prefix, first)
    acknowledged = int(writer.stdout.readline())
    timer = threading.Timer(delay, lambda: os.kill(writer.pid, signal.SIGKILL))
    timer.start()
    with writer.stdout:
        for line in writer.stdout:
            if line.endswith("\n"):
                acknowledged = int(line)
    writer.wait()
    timer.join()
    assert writer.returncode == -signal.SIGKILL
    return acknowledged


def survivors(db, prefix, first, acknowledged, expected):
    """Add to `expected` what steps `first` to `acknowledged` did, and the step after if it came through; returns whether."""
    for number in range(first, acknowledged + 1):
        what, names = operation(prefix, number)
        (expected.update if what == "store" else expected.difference_update)(names)
    there = set(db.ids())
    what, names = operation(prefix, acknowledged + 1)
    present = there & set(names)
    assert len(present) in (0, len(names)), f"{len(present)} of {len(names)} states of one batch"
    through = bool(present) if what == "store" else not present
    if through:
        (expected.update if what == "store" else expected.difference_update)(names)
    assert there == expected, (sorted(expected - there)[:3], sorted(there - expected)[:3])
    return through


def check_contents(db, path, rng, sample=50):
    """The file is sound, counts agree, states are what they were, and the nearest is the state itself."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        strays = "SELECT count(*) FROM attributes WHERE state NOT IN (SELECT number FROM states)"
        assert connection.execute(strays).fetchone() == (0,)
    names = db.ids()
    assert len(db) == len(names) == db.count({"step": {"$gte": 0}})
    for name in rng.choice(names, min(sample, len(names)), replace=False):
        found = db.get(str(name))
        assert (found.state == state_of(str(name))).all()
        assert found.metadata["step"] == int(name.split("-")[1])
    name = str(rng.choice(names))
    (best,) = db.find_similar(state_of(name) * 1j, 1)
    assert best.id == name


def kill_often(path, kills, seed=1):
    """Kill so often, checking after each; returns (states left, steps acknowledged, unacknowledged steps that came through)."""
    rng = np.random.default_rng(seed)
    expected, first, through, steps = set(), 0, 0, 0
    for kill in range(kills):
        acknowledged = killed_once(path, "k", first, delay=float(rng.uniform(0, 0.25)))
        with QuantumStateDB(path=path) as db:
            through += survivors(db, "k", first, acknowledged, expected)
            check_contents(db, path, rng)
        steps += acknowledged - first + 1
        first = acknowledged + 2
        if kill % 10 == 9:
            print(f"  {kill + 1} kills, {len(expected)} states", flush=True)
    return len(expected), steps, through
