# SPDX-License-Identifier: Apache-2.0
"""Jobs at a service: sent once, found again, never paid twice."""

from qstore.execution.jobs.contract import (
    TERMINAL,
    Finished,
    JobBackend,
    JobRequest,
    JobService,
    NotAccepted,
    RemoteJob,
    RemoteState,
    TellsTime,
    Unclear,
)
from qstore.execution.jobs.desk import PollPolicy
from qstore.execution.jobs.runner import JobRunner
from qstore.execution.jobs.tags import job_tag

__all__ = [
    "TERMINAL",
    "Finished",
    "JobBackend",
    "JobRequest",
    "JobRunner",
    "JobService",
    "NotAccepted",
    "PollPolicy",
    "RemoteJob",
    "RemoteState",
    "TellsTime",
    "Unclear",
    "job_tag",
]
