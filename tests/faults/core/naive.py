# SPDX-License-Identifier: Apache-2.0
"""The control arm: a client that repeats a request that got no answer, and keeps no journal.

If it shows no duplicates, the harness proves nothing. It is what the public clients of today do.
"""

import asyncio

from faults.core.backend import FakeBackend
from qstore.errors import ServiceError
from qstore.execution.jobs import NotAccepted, RemoteState, Unclear

TRIES = 5


class NaiveBackend(FakeBackend):
    """As `FakeBackend`, without the job core."""

    async def run_many(self, batches):
        service = self._service = getattr(self, "_service", None) or self.job_service("machine")
        room = asyncio.Semaphore(self.plan.get("max_in_flight", 8))

        async def one(request):
            async with room:
                return await submitted(service, request)

        requests = [request for batch in batches for request in self._requests(batch)]
        jobs = iter(await asyncio.gather(*map(one, requests)))
        return [self._result(batch, [next(jobs) for _ in range(batch.size)]) for batch in batches]


async def submitted(service, request):
    """Send until there is an answer, then wait for the end."""
    for _ in range(TRIES):
        try:
            job = await service.submit(request)
            break
        except (Unclear, NotAccepted, ServiceError):
            continue
    while job.state is not RemoteState.COMPLETED:
        job = await service.poll(job.job_id)
    return job
