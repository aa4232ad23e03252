# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: every fault, for one job and for twenty, on the first, the third and every attempt, over many seeds.

What must hold of all of it: no job is billed twice; it ends, by results or by an error of ours; and what was not
completed can be taken up by the next process, with the fault gone.
"""

import asyncio
import random
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from faults.core.clock import FakeClock
from faults.core.server import PRICE, Server
from faults.core.service import AFTER, TROUBLE, ClockService, FakeService
from qstore.accounting import Budget, Ledger
from qstore.errors import JobAmbiguous, QStoreError
from qstore.execution.jobs import JobRequest, JobRunner, job_tag
from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder

ASKING = tuple(word for word in TROUBLE if word not in ("not accepted", "wrong key", "rejected", "mistake"))
FAULTS = (
    *(("submit", word) for word in TROUBLE),
    *(
        ("submit", AFTER + word)
        for word in ("lost", "timeout", "transport", "garbage", "mistake", "unavailable 5 s")
    ),
    *((method, word) for method in ("poll", "fetch") for word in ASKING),
    *(("find", word) for word in ASKING),
)
"""(method, fault); a fault of `find` needs a request that was lost before it."""
COURSES = (
    "stuck",
    "odd word",
    "backwards",
    "cancelled under us",
    "fails",
    "unknown for a while",
    "unknown for ever",
)
ATTEMPTS = {
    "first": lambda word: [word],
    "third": lambda word: ["", "", word],
    "all": lambda word: [f"always:{word}"],
}
LAGS_S = (0.0, 2.0, 30.0)
SETTLE_S, DEADLINE_S = 60.0, 900.0


@dataclass(frozen=True)
class Case:
    method: str
    word: str
    attempts: str
    jobs: int
    paid: bool
    seed: int

    def __str__(self):
        money = "paid" if self.paid else "free"
        return f"{self.method} {self.word!r}, {self.attempts} attempts, {self.jobs} {money} jobs, seed {self.seed}"


def cases(seeds):
    for seed in range(seeds):
        for jobs in (1, 20):
            for method, word in FAULTS:
                for attempts in ATTEMPTS:
                    yield Case(method, word, attempts, jobs, bool(seed % 2), seed)
            for course in COURSES:
                yield Case("course", course, "all", jobs, bool(seed % 2), seed)


def run(case, folder):
    """What is wrong with one case: a list of sentences."""
    chance = random.Random(f"{case}")
    clock = FakeClock()
    server = Server(
        lag_s=chance.choice(LAGS_S), clock=clock.true_time, course="quick", page=chance.randint(1, 7)
    )
    clock.wall_shift_s = chance.choice((0.0, 3600.0, -3600.0, 86400.0, -86400.0))
    requests = [a_request(n, case.paid) for n in range(case.jobs)]
    ledger = Ledger(Path(folder) / "ledger.sqlite") if case.paid else None
    problems = []
    try:
        first = _attempt(case, server, clock, chance, folder, ledger, requests, faulty=True)
        if not isinstance(first, (list, QStoreError)):
            problems.append(f"{case}: it raised {first!r}")
        clock.now += 1000.0  # the listing catches up
        server.course = "quick"
        for _ in range(case.jobs + 1):
            last = _attempt(case, server, clock, chance, folder, ledger, requests, faulty=False)
            if not isinstance(last, JobAmbiguous):
                break
        if not isinstance(last, list) and not _may_end_so(case, last):
            problems.append(f"{case}: after the fault it raised {last!r}")
        twice = {tag[:12]: number for tag, number in server.billed().items() if number > _bills(case)}
        if twice:
            problems.append(f"{case}: billed more than once: {twice}")
        if (
            ledger is not None
            and sum(each.settled_usd for each in ledger.report().values()) > case.jobs * PRICE
        ):
            problems.append(f"{case}: spent more than the budget: {ledger.report()}")
    finally:
        if ledger is not None:
            ledger.close()
        server.close()
    return problems


def _attempt(case, server, clock, chance, folder, ledger, requests, *, faulty):
    """One process: its results, or what it raised. One that must hold a job sends it again when it is told to."""
    service = (ClockService if chance.random() < 0.7 else FakeService)(
        server, sleep=clock.sleep, **_faults(case, faulty)
    )
    if faulty and case.method == "course":
        server.course = case.word
    journal = Journal(RunFolder("matrix", folder))
    runner = JobRunner(
        service, journal=journal, ledger=ledger, budget=Budget(len(requests) * PRICE) if ledger else None, clock=clock,
        chance=chance, settle_s=SETTLE_S, deadline_s=DEADLINE_S, on_ambiguous="hold" if faulty else "resubmit",
    )  # fmt: skip
    try:
        return asyncio.run(runner.run(requests))
    except Exception as exc:  # noqa: BLE001  # whatever it is, it is judged
        return exc
    finally:
        journal.close()


def _faults(case, faulty):
    if not faulty or case.method == "course":
        return {}
    words = {case.method: ATTEMPTS[case.attempts](case.word)}
    return words | ({"submit": ["accepted, lost"] * 20} if case.method == "find" else {})


def _bills(case):
    # A free job that failed or was cancelled under us is sent anew when it is asked for again: that is a second one.
    return 2 if case.word in ("fails", "cancelled under us") and not case.paid else 1


def _may_end_so(case, error):
    """What a paid job that failed, or that stays stuck, goes on saying."""
    lasting = {
        "fails": "JobFailed",
        "cancelled under us": "JobCancelled",
        "stuck": "StillRunning",
        "unknown for ever": "StillRunning",
    }
    wanted = lasting.get(case.word)
    return (
        case.method == "course" and wanted == type(error).__name__ and (case.paid or wanted == "StillRunning")
    )


def a_request(number, paid):
    content = {"number": number}
    usd = PRICE if paid else Decimal(0)
    return JobRequest(job_tag("matrix", content, b"", {}), "fake.qpu", "qpu", content, 1, 100, paid, usd)


def matrix(seeds, say=lambda text: None):
    """All cases: how many, and what is wrong."""
    problems, number = [], 0
    for case in cases(seeds):
        with tempfile.TemporaryDirectory() as folder:
            problems += run(case, Path(folder))
        number += 1
        if number % 500 == 0:
            say(f"{number} cases, {len(problems)} problems")
    return number, problems
