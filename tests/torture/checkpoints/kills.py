# SPDX-License-Identifier: Apache-2.0
"""kill -9: at random moments, and at every operation of the protocol; and a naive writer that is seen to tear."""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

from qstore.errors import CheckpointCorrupt, NotStored
from torture.checkpoints.world import (
    KillingFiles,
    WatchedFiles,
    ended,
    fresh,
    in_child,
    manager,
    problem_of,
    state_of,
    stored,
)

LONGEST_S = 0.03
NAIVE_LENGTH = 200_000


def _writer(folder, first, pipe, payload):
    """Save one step after another, and report each that is durable."""
    with manager(folder, payload=payload) as checkpoints:
        for step in range(first, first + 100_000):
            checkpoints.save(step, state_of(step))
            checkpoints.wait()
            os.write(pipe, b"%d\n" % step)


def at_random(folder, kills, seed=0, payload="zip"):
    """Kill a writer at random moments; (kills, old ones loaded, new ones loaded, problems)."""
    rng = random.Random(seed)
    root = fresh(folder, f"random-{payload}")
    acknowledged, problems, found = 0, [], Counter()
    stored(root, 0, payload=payload)
    for number in range(kills):
        reading, writing = os.pipe()
        pid = in_child(_writer, root, acknowledged + 1, writing, payload)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            before = acknowledged
            pipe.readline()  # it works; the clock starts
            time.sleep(rng.random() * LONGEST_S)
            os.kill(pid, signal.SIGKILL)
            ended(pid)
            rest = pipe.read().split()
        acknowledged = max([before + 1, *map(int, rest)])
        problem, step = judged(root, acknowledged)
        found["unacknowledged" if step > acknowledged else "acknowledged"] += 1
        problems += [f"kill {number} at random ({payload}): {problem}"] if problem else []
        acknowledged = max(acknowledged, step)
    return found, problems


def judged(root, acknowledged):
    """What is wrong after a crash, and the step that is loaded."""
    with manager(root) as checkpoints:
        try:
            loaded = checkpoints.load()
        except (CheckpointCorrupt, NotStored) as exc:
            return f"nothing can be loaded: {exc}", -1
        if loaded.step < acknowledged:
            return f"step {acknowledged} was acknowledged, {loaded.step} is loaded", loaded.step
        broken = [each for each in checkpoints.verify() if not each.ok]
        return problem_of(loaded) or (
            f"step {broken[0].step} is torn in place: {broken[0].problem}" if broken else ""
        ), loaded.step


def _one_save(root, files, step, payload):
    with manager(root, files, payload=payload) as checkpoints:
        checkpoints.save(step, state_of(step))


def operations(folder, payload):
    """The labels of the operations of one save that also lets an old checkpoint go."""
    root = fresh(folder, f"dry-{payload}")
    for step in (1, 2):
        stored(root, step, payload=payload)
    files = WatchedFiles()
    _one_save(root, files, 3, payload)
    return files.labels


def at_every_operation(folder, times, seed=0, payload="zip"):
    """Kill at each operation; (kills by label, problems)."""
    rng = random.Random(seed)
    labels = operations(folder, payload)
    tally, problems = Counter(), []
    published = next(number for number, label in enumerate(labels, 1) if label == "rename to published")
    for number, label in enumerate(labels, 1):
        root = fresh(folder, f"points-{payload}")
        step = 2
        for each in (1, 2):
            stored(root, each, payload=payload)
        for _ in range(times):
            step += 1
            code = ended(in_child(_one_save, root, KillingFiles(number, rng.random()), step, payload))
            if code != -signal.SIGKILL:
                problems.append(f"{label}: the process ended with {code}, nobody killed it")
            tally[label] += 1
            problem, loaded = judged(root, step if number > published else step - 1)
            if problem or (loaded == step) != (number > published):
                problems.append(
                    f"killed at {label!r} ({payload}): {problem or f'loaded {loaded}, saved {step}'}"
                )
            if loaded < step:
                # The next attempt of the same step, which also sweeps what the dead one left.
                stored(root, step, payload=payload)
            left = [each.name for each in root.iterdir() if each.name.startswith(".tmp")]
            if loaded < step and left:
                problems.append(f"killed at {label!r}: {left} were not swept")
    return tally, problems


def _naive(path, pipe):
    """How one would do it first: overwrite the files in place."""
    step = 0
    while True:
        step += 1
        np.save(path / "float.npy", np.arange(NAIVE_LENGTH, dtype=np.float64) + step)
        np.save(path / "int.npy", np.full(NAIVE_LENGTH, step))
        os.write(pipe, b"%d\n" % step)


def naive_torn(folder, kills, seed=0):
    """How often a naive writer that is killed leaves no whole state."""
    rng, torn = random.Random(seed), 0
    root = fresh(folder, "naive")
    for _ in range(kills):
        reading, writing = os.pipe()
        pid = in_child(_naive, root, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            pipe.readline()
            time.sleep(rng.random() * LONGEST_S)
            os.kill(pid, signal.SIGKILL)
            ended(pid)
        torn += not _naive_whole(Path(root))
    return torn


def _naive_whole(root):
    with suppress(ValueError, EOFError, OSError):
        floats, ints = np.load(root / "float.npy"), np.load(root / "int.npy")
        step = int(ints[0])
        return bool((ints == step).all() and np.array_equal(floats, np.arange(NAIVE_LENGTH) + step))
    return False
