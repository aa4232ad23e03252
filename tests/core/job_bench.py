# SPDX-License-Identifier: Apache-2.0
"""What the tests of jobs stand on: a server that bills, a service, a journal and a clock."""

import asyncio
import random
from decimal import Decimal

from faults.core.clock import FakeClock
from faults.core.server import PRICE, Server
from faults.core.service import ClockService, FakeService
from qstore.execution.jobs import (
    JobRequest,
    JobRunner,
    job_tag,
)
from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder


class Bench:
    """A server, a service, a journal and a clock; `runner` makes a JobRunner of them."""

    def __init__(self, home, *, course="quick", lag_s=0.0, tells_time=True, **faults):
        self.home, self.clock = home, FakeClock()
        self.server = Server(course=course, lag_s=lag_s, clock=self.clock.true_time)
        self.service = self.new_service(tells_time, **faults)
        self.journal = Journal(RunFolder("bench", home))
        self.journals = [self.journal]

    def new_service(self, tells_time=True, **faults):
        kind = ClockService if tells_time else FakeService
        return kind(self.server, sleep=self.clock.sleep, **faults)

    def runner(self, **options):
        options = {"chance": random.Random(5), "clock": self.clock} | options
        return JobRunner(self.service, journal=self.journal, **options)

    def run(self, *requests, **options):
        call = {name: options.pop(name) for name in ("deadline_s", "pay_again") if name in options}
        return asyncio.run(self.runner(**options).run(requests, **call))

    def restart(self, **faults):
        """As after a crash: a journal of a new process, which finds what the old one left."""
        self.journal.close()
        self.journal = Journal(RunFolder("bench", self.home))
        self.journals.append(self.journal)
        self.service = self.new_service(isinstance(self.service, ClockService), **faults)

    def row(self, request):
        return self.journal.row(request.tag).result()

    def billed(self, request):
        return self.server.billed().get(request.tag, 0)

    def close(self):
        for journal in self.journals:
            journal.close()
        self.server.close()


def job(number=0, *, paid=True, usd=PRICE, **content):
    content = {"number": number} | content
    tag = job_tag("bench", content, b"", {})
    return JobRequest(tag, "fake.qpu", "qpu", content, 1, 100, paid, Decimal(usd))


async def until(condition):
    while not condition():  # noqa: ASYNC110  # what is waited for happens in code that knows no event
        await asyncio.sleep(0.0005)
