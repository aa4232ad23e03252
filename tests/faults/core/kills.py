# SPDX-License-Identifier: Apache-2.0
"""Kill an ordinary script, start it again under the same run name, and count what was billed."""

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from faults.core.killing import POINTS
from faults.core.world import World

MODES = {
    "free": {"backend": "fake.sim"},
    "paid, resubmit": {"backend": "fake.qpu", "on_ambiguous": "resubmit"},
    "paid, hold": {"backend": "fake.qpu"},
}
SETTLE_S, LAG_S = 0.3, 0.1
"""The listing lags behind; what is not in it after the settle time was not accepted."""
RESTARTS = 12
SHARE = {
    "": 0.88,
    "accepted, lost": 0.07,
    "lost": 0.02,
    "refused": 0.01,
    "throttled": 0.01,
    "accepted, garbage": 0.01,
}
"""How often requests go wrong on top of the kills: an eighth of them, most after they were accepted."""


@dataclass
class Tally:
    """What came of a series of trials."""

    trials: int = 0
    kills: int = 0
    jobs: int = 0
    held: int = 0
    left: Counter = field(default_factory=Counter)
    problems: list = field(default_factory=list)

    def add(self, world, name):
        self.trials += 1
        self.jobs += world.jobs
        self.problems += [f"{name}: {problem}" for problem in world.problems()]

    def __str__(self):
        left = ", ".join(f"{state.value} {number}" for state, number in self.left.most_common())
        return (f"{self.trials} runs of {self.jobs} jobs, {self.kills} kills, {self.held} times held; "
                f"rows as the killed left them: {left or 'none'}")  # fmt: skip


def faults_of(chance, number=60):
    """Words for the first requests of a process."""
    return chance.choices(list(SHARE), weights=list(SHARE.values()), k=number)


def killed_at(folder, point, mode, tally, **size):
    """Kill a script once at a point of the protocol, then start it again until it finishes."""
    name = f"{mode}, killed at {point!r}"
    world = World(folder, settle_s=SETTLE_S, lag_s=LAG_S, **MODES[mode], **size)
    if "paid" in mode:
        world.plan["budget"] = str(world.jobs * 0.5)
    status, _, err = world.finish(kill_at=point)
    if status == -signal.SIGKILL:
        tally.kills += 1
        tally.left += world.known()[1]
    elif status:
        tally.problems.append(f"{name}: exit status {status}: {err[-500:]}")
    finish(world, name, tally)


def killed_at_random(folder, kills, mode, chance, tally, **size):
    """Kill a script several times while it is at work, then let it finish; how many kills struck."""
    world = World(folder, settle_s=SETTLE_S, lag_s=LAG_S, latency_s=0.01, **MODES[mode], **size)
    struck = 0
    for _ in range(kills):
        process = world.start(submit=faults_of(chance))
        # The moment is random, but not before the work begins: how long a process takes to start says nothing.
        wait_for_bills(world, process, chance.randint(0, 2 * world.jobs // kills))
        time.sleep(chance.uniform(0.0, 0.05))
        process.kill()
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            struck += 1
            tally.left += world.known()[1]
    tally.kills += struck
    finish(world, f"{mode}, {folder}", tally, submit=faults_of(chance))
    return struck


def wait_for_bills(world, process, number):
    """Wait until so many more jobs are billed, or the process ends, or nothing has been billed for a while."""
    before = last = len(world.server.ids())
    quiet = time.monotonic()
    while process.poll() is None and last < before + number and time.monotonic() < quiet + 3.0:
        time.sleep(0.002)
        now = len(world.server.ids())
        if now != last:
            last, quiet = now, time.monotonic()


def finish(world, name, tally, **plan):
    """Start the script until it finishes; what is held is sent again by the command, as its user would."""
    for _ in range(RESTARTS):
        status, out, err = world.finish(**plan)
        plan = {}
        if status == 0 and out.endswith("finished\n"):
            break
        if "JobAmbiguous" not in err:
            tally.problems.append(f"{name}: exit status {status}: {err[-2000:]}")
            break
        tally.held += 1
        status, said = world.command("resume", "--resubmit", "--settle", str(SETTLE_S))
        if "Traceback" in said:
            tally.problems.append(f"{name}: resume: {said[-500:]}")
    else:
        tally.problems.append(f"{name}: not finished after {RESTARTS} starts")
    tally.add(world, name)
    world.close()


def at_points(folder, tally, *, occurrences=(1, 4), modes=tuple(MODES), points=POINTS):
    """Every point of the protocol in every mode."""
    for mode in modes:
        for point in points:
            for number in occurrences:
                target = Path(folder) / f"{mode}-{point}-{number}".replace(" ", "_").replace(",", "")
                target.mkdir()
                killed_at(target, f"{point}:{number}", mode, tally)


def at_random(folder, tally, *, kills, kills_a_run=5, seed=0, modes=tuple(MODES), size=(5, 10)):
    """Runs of several kills each, in all modes in turn, until so many kills have struck."""
    number = struck = 0
    while struck < kills:
        target = Path(folder) / f"random-{number}"
        target.mkdir()
        chance = random.Random(f"{seed}-{number}")
        mode = modes[number % len(modes)]
        struck += killed_at_random(target, kills_a_run, mode, chance, tally, batches=size[0], rows=size[1])
        number += 1


def together(folder, tally, *, processes=3, kills=2, seed=0):
    """Start the script several times at once under one name, kill some, and let one finish."""
    chance = random.Random(seed)
    target = Path(folder) / f"together-{seed}"
    target.mkdir()
    world = World(target, settle_s=SETTLE_S, lag_s=LAG_S, latency_s=0.005, batches=4, rows=10)
    started = [world.start() for _ in range(processes)]
    wait_for_bills(world, started[0], 5)
    for process in chance.sample(started, kills):
        process.kill()
        tally.kills += 1
    for process in started:
        _, err = process.communicate(timeout=110)
        if process.returncode not in (0, -signal.SIGKILL):
            tally.problems.append(f"together: {err[-1000:]}")
    finish(world, "together", tally)


def naive_duplicates(folder, *, jobs=200, seed=0):
    """Duplicates that the control arm makes of the same faults without any kill, and with one: two numbers."""
    found = []
    for name, kills in (("lost", 0), ("killed", 1)):
        target = Path(folder) / f"naive-{name}"
        target.mkdir()
        chance = random.Random(seed)
        world = World(target, backend="fake.naive", batches=jobs // 10, rows=10, latency_s=0.002)
        for _ in range(kills):
            process = world.start(submit=faults_of(chance, 2 * jobs))
            while process.poll() is None and sum(world.server.billed().values()) <= jobs // 2:
                time.sleep(0.005)
            process.kill()
            process.communicate()
        world.finish(submit=faults_of(chance, 2 * jobs))
        found.append(world.server.duplicates())
        world.close()
    return found
