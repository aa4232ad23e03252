# SPDX-License-Identifier: Apache-2.0
"""Rows of a journal for tests: requests, and how a row gets to each state."""

from decimal import Decimal

from qstore.execution.job_rows import JobState
from qstore.execution.jobs import JobRequest, job_tag

S = JobState
PATHS = {
    S.NEW: (),
    S.RESERVED: (S.RESERVED,),
    S.SENT: (S.RESERVED, S.SENT),
    S.AMBIGUOUS: (S.SENT, S.AMBIGUOUS),
    S.HELD: (S.SENT, S.AMBIGUOUS, S.HELD),
    S.ACCEPTED: (S.SENT, S.ACCEPTED),
    S.DONE: (S.SENT, S.ACCEPTED, S.DONE),
    S.FAILED: (S.SENT, S.ACCEPTED, S.FAILED),
    S.CANCELLED: (S.SENT, S.ACCEPTED, S.CANCELLED),
}
"""How a row gets to each state."""


def job(number=0, *, paid=False):
    content = {"number": number}
    return JobRequest(
        job_tag("run", content, b"", {}), "fake.qpu", "qpu", content, 2, 100, paid, Decimal("1.5")
    )


def claim(journal, *requests, **options):
    return journal.claim(requests, **options).result()


def brought(journal, request, state):
    """The row of a request, brought to a state."""
    (row,) = claim(journal, request)
    for each in PATHS[state]:
        facts = {"job_id": "job-1"} if each is S.ACCEPTED else {"result": {"a": 1}} if each is S.DONE else {}
        row = journal.record(request.tag, each, **facts).result()
    return row
