# SPDX-License-Identifier: Apache-2.0
"""The server's time: heard in its own fresh answers only, and carried on while this machine sleeps.

By it is decided how far back a search goes, and whether a job that is not in the list could still appear there.
"""

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import formatdate

import pytest

from ionq.fakes import FakeTransport, answer
from qstore.errors import QStoreError
from qstore.execution.jobs import NotAccepted, Unclear
from qstore_ionq.api import IonQApi, sleepless_s
from qstore_ionq.secret import Secret
from qstore_ionq.service import TAG, IonQService

NOW_S = 1795168800.0
DATE = formatdate(NOW_S, usegmt=True)
AHEAD = formatdate(NOW_S + 900.0, usegmt=True)
WINDOW_S = 300.0
FAILURES = [302, 400, 401, 404, 408, 409, 429, 500, 502, 503, 504]
REQUESTS = {"read": IonQApi.backends, "write": lambda api: api.cancel("job-1")}


def after(*answers, ask="read", clock=lambda: 0.0):
    """The API that has asked so often and heard these."""
    left = iter(answers)
    api = IonQApi(FakeTransport(lambda request: next(left)), Secret("test-key"), clock=clock)
    for _ in answers:
        with suppress(QStoreError, NotAccepted, Unclear):
            asyncio.run(REQUESTS[ask](api))
    return api


def test_the_time_goes_on_by_the_clock_that_is_given():
    ours_s = [100.0]
    api = after(answer([], date=DATE), clock=lambda: ours_s[0])
    assert api.server_time_s() == NOW_S
    ours_s[0] += 1800.0
    assert api.server_time_s() == NOW_S + 1800.0


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the clock that counts a sleep has another name"
)
def test_seconds_asleep_are_counted(monkeypatch):
    """`time.monotonic()` stands still meanwhile, and a search would take its job for settled too soon."""
    counted = {time.CLOCK_BOOTTIME: time.monotonic() + 1800.0}
    monkeypatch.setattr(time, "clock_gettime", counted.__getitem__)  # no test can put its machine to sleep
    assert sleepless_s() == counted[time.CLOCK_BOOTTIME]


def test_the_clock_does_not_go_back():
    assert sleepless_s() <= sleepless_s()


@pytest.mark.parametrize("ask", REQUESTS)
@pytest.mark.parametrize("status", FAILURES)
def test_the_date_of_a_failure_is_not_heard(status, ask):
    """A gateway answers by a clock of its own."""
    assert after(answer({}, status, date=AHEAD), ask=ask).server_time_s() is None
    known = after(answer([], date=DATE), answer({}, status, date=AHEAD), ask=ask)
    assert known.server_time_s() == NOW_S


@pytest.mark.parametrize("age", ["0", "600", "soon"])
def test_the_date_of_an_answer_out_of_a_cache_is_not_heard(age):
    assert after(answer([], date=DATE), answer([], date=AHEAD, age=age)).server_time_s() == NOW_S


def test_the_clock_of_a_gateway_hides_no_job():
    """Were it believed, our job would lie before the window, and the search end at the newer ones before it."""
    mine = "ab" * 32
    listed = [("ours", mine, 0), *((f"other-{i}", "cd" * 32, i) for i in range(250))]
    jobs = [
        {"id": name, "status": "completed", "metadata": {TAG: tag}, "parent_job_id": None,
         "submitted_at": datetime.fromtimestamp(NOW_S + at_s, UTC).isoformat()}
        for name, tag, at_s in reversed(listed)
    ]  # fmt: skip

    def handle(request):
        if request.path == "/backends":
            return answer({}, 502, date=AHEAD)
        at = int(request.query.get("next", 0))
        following = str(at + 100) if at + 100 < len(jobs) else None
        return answer({"jobs": jobs[at : at + 100], "next": following}, date=DATE)

    async def found():
        api = IonQApi(FakeTransport(handle), Secret("test-key"), clock=lambda: 0.0)
        service = IonQService(api, "qpu.aria-1")
        await service.find(mine, 0.0)  # its answers are on time
        with suppress(NotAccepted):
            await api.backends()
        return await service.find(mine, service.server_time_s() - WINDOW_S)

    assert [job.job_id for job in asyncio.run(found())] == ["ours"]
