# SPDX-License-Identifier: Apache-2.0
"""Running batches: checks, splitting, what is derived from counts, and the way from sync callers to async backends."""

from qstore.execution.run import execute, execute_async, execute_many, execute_many_async, run, run_async
from qstore.execution.settings import configure, default_backend_name, resolve_backend

__all__ = [
    "configure",
    "default_backend_name",
    "execute",
    "execute_async",
    "execute_many",
    "execute_many_async",
    "resolve_backend",
    "run",
    "run_async",
]
