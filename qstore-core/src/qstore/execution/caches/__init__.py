# SPDX-License-Identifier: Apache-2.0
"""What is remembered of earlier runs: exact results, samples that add up, compiled templates, bound parameters."""

from qstore.execution.caches.levels import MultiLevelCache
from qstore.execution.caches.lru import CacheStats, LruCache
from qstore.execution.caches.results import ResultCache
from qstore.execution.caches.shot_pool import ShotPool

__all__ = ["CacheStats", "LruCache", "MultiLevelCache", "ResultCache", "ShotPool"]
