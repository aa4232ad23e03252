# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are never torn, metrics that are never lost, and a database of quantum states.

Names are loaded on first use (PEP 562): the plugin manager imports this package to list what is installed, and that
must not import Zarr or Arrow.
"""

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore_storage.checkpoints import (
        Checkpoint,
        CheckpointInfo,
        CheckpointManager,
        capture_random_state,
        restore_random_state,
    )
    from qstore_storage.metrics import (
        AsyncMetricsLogger,
        MetricsReader,
        QuantumMetrics,
        TrainingMetrics,
        read_metrics,
    )
    from qstore_storage.states import QuantumStateDB, SimilarState, StoredState, similarity

__all__ = [
    "AsyncMetricsLogger",
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointManager",
    "MetricsReader",
    "QuantumMetrics",
    "QuantumStateDB",
    "SimilarState",
    "StoredState",
    "TrainingMetrics",
    "capture_random_state",
    "read_metrics",
    "restore_random_state",
    "similarity",
]

__version__ = "0.1.0"

_HOMES = {
    "Checkpoint": "qstore_storage.checkpoints",
    "CheckpointInfo": "qstore_storage.checkpoints",
    "CheckpointManager": "qstore_storage.checkpoints",
    "capture_random_state": "qstore_storage.checkpoints",
    "restore_random_state": "qstore_storage.checkpoints",
    "AsyncMetricsLogger": "qstore_storage.metrics",
    "MetricsReader": "qstore_storage.metrics",
    "QuantumMetrics": "qstore_storage.metrics",
    "TrainingMetrics": "qstore_storage.metrics",
    "read_metrics": "qstore_storage.metrics",
    "QuantumStateDB": "qstore_storage.states",
    "SimilarState": "qstore_storage.states",
    "StoredState": "qstore_storage.states",
    "similarity": "qstore_storage.states",
}
__getattr__ = _loader(__name__, _HOMES)
