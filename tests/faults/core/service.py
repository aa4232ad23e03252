# SPDX-License-Identifier: Apache-2.0
"""A JobService over `Server`, and the faults on the way to it.

A fault is a word in a list per method, used up one per call; an empty word is no fault. "always:WORD" goes on for ever.
"""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

from faults.core.server import PRICE
from qstore.errors import AuthenticationError, OptionError, ServiceError, TransportError
from qstore.execution.jobs import NotAccepted, RemoteJob, RemoteState, Unclear

STATES = {
    "queued": RemoteState.QUEUED,
    "running": RemoteState.RUNNING,
    "completed": RemoteState.COMPLETED,
    "failed": RemoteState.FAILED,
    "cancelled": RemoteState.CANCELLED,
}

TROUBLE = {
    "refused": lambda: NotAccepted(True, reason="connection refused"),
    "throttled": lambda: NotAccepted(True, throttled=True, reason="429"),
    "throttled 2 s": lambda: NotAccepted(True, 2.0, reason="429"),
    "throttled 300 s": lambda: NotAccepted(True, 300.0, reason="429"),
    "not accepted": lambda: NotAccepted(False, reason="413"),
    "lost": lambda: Unclear("connection reset"),
    "timeout": lambda: Unclear("no answer", timeout=True),
    "unavailable 5 s": lambda: Unclear("503", retry_after_s=5.0),
    "transport": lambda: TransportError("the network is gone"),
    "garbage": lambda: ServiceError("the answer has no 'id'"),
    "wrong key": lambda: AuthenticationError("the key is not accepted"),
    "rejected": lambda: OptionError("too many qubits"),
    "mistake": lambda: ZeroDivisionError("a mistake in the client"),
}
AFTER = "accepted, "
"""A word that begins with this lets the service accept the job first."""


class FakeService:
    name = "fake.qpu"

    def __init__(self, server, *, latency_s=0.0, sleep=asyncio.sleep, **faults):
        self.server, self.faults = server, {name: list(words) for name, words in faults.items()}
        self.calls, self.times = Counter(), []
        self.active = self.most_active = 0
        self.latency_s, self.sleep = latency_s, sleep
        self.before, self.after = {}, {}

    async def submit(self, request):
        word = self._word("submit")
        async with self._in_flight():
            await self.sleep(self.latency_s)
            if not word or word.startswith(AFTER):
                job_id = self.server.accept(request.tag, request.content, request.content.get("course"))
                self._hook("after", "accept")
            if word:
                trouble = TROUBLE[word.removeprefix(AFTER)]
                raise trouble()
            return RemoteJob(job_id, RemoteState.QUEUED)

    async def find(self, tag, since_s):
        async with self._asked("find"):
            jobs = [row for row in self.server.listing(since_s) if row[1] == tag]
            return [self._job(job_id, at_s, look=True) for job_id, _, at_s in reversed(jobs)]

    async def poll(self, job_id):
        async with self._asked("poll"):
            return self._job(job_id)

    async def fetch(self, request, job):
        async with self._asked("fetch"):
            return self.server.result(job.job_id)

    async def cancel(self, job_id):
        async with self._asked("cancel"):
            self.server.cancel(job_id)

    def _job(self, job_id, at_s=None, *, look=False):
        word = self.server.state(job_id, look=look)
        state = STATES.get(word, RemoteState.UNKNOWN)
        billed = PRICE if state is RemoteState.COMPLETED else None
        failure = "it broke" if state is RemoteState.FAILED else ""
        return RemoteJob(job_id, state, {"status": word}, failure=failure, billed_usd=billed, created_s=at_s)

    @asynccontextmanager
    async def _asked(self, method):
        word = self._word(method)
        await self.sleep(self.latency_s)
        if word:
            trouble = TROUBLE[word]
            raise trouble()
        yield
        self._hook("after", method)

    @asynccontextmanager
    async def _in_flight(self):
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            yield
        finally:
            self.active -= 1

    def _word(self, method):
        self.calls[method] += 1
        self.times.append((method, self.server.clock()))
        self._hook("before", method)
        words = self.faults.get(method)
        if not words:
            return ""
        return words[0].removeprefix("always:") if words[0].startswith("always:") else words.pop(0)

    def _hook(self, when, what):
        hook = getattr(self, when).get(what)
        if hook is not None:
            hook()


class ClockService(FakeService):
    """The same, telling the server's time."""

    def server_time_s(self):
        return self.server.clock()
