# SPDX-License-Identifier: Apache-2.0
"""Running batches: checks, splitting, what is derived from counts, and the way from sync callers to async backends."""

from typing import TYPE_CHECKING

from qstore.execution.run import execute, execute_async, execute_many, execute_many_async, run, run_async
from qstore.execution.settings import (
    Settings,
    configure,
    configured,
    current_settings,
    default_backend_name,
    reload_settings,
    resolve_backend,
)
from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore.execution.caches import MultiLevelCache
    from qstore.execution.executor import AdaptiveBatchScheduler, AsyncQuantumExecutor

__all__ = [
    "AdaptiveBatchScheduler",
    "AsyncQuantumExecutor",
    "MultiLevelCache",
    "Settings",
    "configure",
    "configured",
    "current_settings",
    "default_backend_name",
    "execute",
    "execute_async",
    "execute_many",
    "execute_many_async",
    "reload_settings",
    "resolve_backend",
    "run",
    "run_async",
]

_LAZY = {
    "AdaptiveBatchScheduler": "qstore.execution.executor",
    "AsyncQuantumExecutor": "qstore.execution.executor",
    "MultiLevelCache": "qstore.execution.caches",
}
"""Names whose modules need asyncio or are otherwise not for everyone."""
__getattr__ = _loader(__name__, _LAZY)
