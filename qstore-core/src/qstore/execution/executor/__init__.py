# SPDX-License-Identifier: Apache-2.0
"""The asynchronous executor: submissions from anywhere, merged into few requests, each run once and told to all who asked."""

from qstore.execution.executor.executor import AsyncQuantumExecutor
from qstore.execution.executor.handle import Handle
from qstore.execution.executor.scheduler import AdaptiveBatchScheduler
from qstore.execution.executor.stats import ExecutorStats
from qstore.execution.executor.sync_facade import SyncExecutor

__all__ = ["AdaptiveBatchScheduler", "AsyncQuantumExecutor", "ExecutorStats", "Handle", "SyncExecutor"]
