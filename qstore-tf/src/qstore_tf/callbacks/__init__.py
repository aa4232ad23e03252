# SPDX-License-Identifier: Apache-2.0
"""Callbacks for `fit`: quantum metrics for TensorBoard, rows for a metrics store, checkpoints for a checkpoint store.

They work with Keras on TensorFlow, PyTorch and JAX. Stores are reached by their registered names; `pip install qstore-storage`
brings ours.
"""

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore_tf.callbacks.checkpoint import CheckpointCallback
    from qstore_tf.callbacks.metrics import MetricsCallback
    from qstore_tf.callbacks.state import TrainingState, restore_training_state, training_state
    from qstore_tf.callbacks.tensorboard import QuantumTensorBoard

__all__ = [
    "CheckpointCallback",
    "MetricsCallback",
    "QuantumTensorBoard",
    "TrainingState",
    "restore_training_state",
    "training_state",
]

_HOMES = {
    "CheckpointCallback": "checkpoint",
    "MetricsCallback": "metrics",
    "QuantumTensorBoard": "tensorboard",
    "TrainingState": "state",
    "restore_training_state": "state",
    "training_state": "state",
}
__getattr__ = _loader(__name__, {name: f"{__name__}.{module}" for name, module in _HOMES.items()})
