# SPDX-License-Identifier: Apache-2.0
"""Many jobs at once, under faults, and callers that change their minds; in real time."""

import asyncio
import random
import resource
import time
from pathlib import Path

from faults.core.kills import LAG_S, SETTLE_S, faults_of
from faults.core.matrix import a_request
from faults.core.server import Server
from faults.core.service import ClockService
from qstore.execution.clock import SYSTEM_CLOCK
from qstore.execution.jobs import JobRunner, PollPolicy
from qstore.execution.journal import Journal
from qstore.execution.retry import Backoff, RetryQuota
from qstore.execution.runs_folder import RunFolder

MOST_IN_FLIGHT = 100
POLL = PollPolicy(first_s=0.005, cap_s=0.1)


class Storm:
    """A service with a millisecond of latency, and a runner of 100 jobs at a time."""

    def __init__(self, folder, *, words=(), latency_s=0.001, max_in_flight=MOST_IN_FLIGHT):
        self.server = Server(lag_s=LAG_S, page=100)
        self.service = ClockService(self.server, latency_s=latency_s, submit=words)
        self.journal = Journal(RunFolder("storm", Path(folder)))
        self.runner = JobRunner(
            self.service, journal=self.journal, settle_s=SETTLE_S, poll=POLL, max_in_flight=max_in_flight,
            retry=RetryQuota(100_000), backoff=Backoff(throttled_s=0.05, cap_s=0.2),
        )  # fmt: skip

    def close(self):
        self.journal.close()
        self.server.close()


def load(folder, jobs, seed=0):
    """Ten thousand jobs under faults: a line of figures, and what is wrong."""
    storm = Storm(folder, words=faults_of(random.Random(seed), jobs))
    start = time.monotonic()
    try:
        results = asyncio.run(storm.runner.run([a_request(n, paid=False) for n in range(jobs)]))
        seconds = time.monotonic() - start
        duplicates = storm.server.duplicates()
        billed, most = storm.server.billed(), storm.service.most_active
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        checks = {
            f"load: {duplicates} duplicates": not duplicates,
            f"load: {len(billed)} jobs billed instead of {jobs}": len(billed) == jobs,
            "load: results out of order": [each.result["echo"]["number"] for each in results]
            == list(range(jobs)),
            f"load: {most} requests in flight": most <= MOST_IN_FLIGHT,
        }
    finally:
        storm.close()
    report = (
        f"{jobs} jobs under faults in {seconds:.1f} s, at most {most} requests in flight, {memory:.0f} MiB, "
        f"{duplicates} duplicates"
    )
    return report, [problem for problem, holds in checks.items() if not holds]


def cancel_storm(folder, seconds, seed=0, workers=20):
    """Callers that cancel at random, for so long; afterwards everything still works: what is wrong."""
    chance = random.Random(seed)
    storm = Storm(folder, max_in_flight=10, latency_s=0.003)
    end = SYSTEM_CLOCK.monotonic() + seconds
    numbers = iter(range(10**9))
    asked = []

    async def worker():
        while SYSTEM_CLOCK.monotonic() < end:
            requests = [a_request(next(numbers), paid=False) for _ in range(chance.randint(1, 3))]
            asked.extend(requests)
            task = asyncio.create_task(storm.runner.run(requests))
            await asyncio.wait({task}, timeout=chance.uniform(0.0, 0.05))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def all_of_it():
        await asyncio.gather(*(worker() for _ in range(workers)))
        after = await asyncio.wait_for(
            storm.runner.run([a_request(10**9 + n, paid=False) for n in range(20)]), 30
        )
        again = await asyncio.wait_for(storm.runner.run(asked), 100)
        return len(after), len(again)

    try:
        after, again = asyncio.run(all_of_it())
        checks = {
            f"cancelled: {after} of 20 requests worked afterwards": after == 20,
            f"cancelled: {again} of {len(asked)} cancelled ones could be taken up": again == len(asked),
            f"cancelled: {storm.server.duplicates()} duplicates": not storm.server.duplicates(),
            f"cancelled: {len(storm.server.billed())} billed": len(storm.server.billed()) == len(asked) + 20,
            f"cancelled: {storm.service.active} requests left over": not storm.service.active,
            "cancelled: slots are lost": storm.runner._slots._free == 10,
            "cancelled: flights are lost": not storm.journal.flights._open,
            f"cancelled: {storm.service.most_active} at a time": storm.service.most_active <= 10,
        }
    finally:
        storm.close()
    return len(asked), [problem for problem, holds in checks.items() if not holds]
