# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of training: never torn, verified byte by byte, written in the background, without pickle."""

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore.execution.random_state import capture_random_state, restore_random_state
    from qstore_storage.checkpoints.manager import CheckpointManager
    from qstore_storage.checkpoints.records import Checkpoint, CheckpointInfo, Verification
    from qstore_storage.checkpoints.safetensors_files import export_safetensors, import_safetensors
    from qstore_storage.checkpoints.sharding import ShardGroup, torch_shard_group

__all__ = [
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointManager",
    "ShardGroup",
    "Verification",
    "capture_random_state",
    "export_safetensors",
    "import_safetensors",
    "restore_random_state",
    "torch_shard_group",
]

_HOMES = {
    **dict.fromkeys(("Checkpoint", "CheckpointInfo", "Verification"), "qstore_storage.checkpoints.records"),
    **dict.fromkeys(("ShardGroup", "torch_shard_group"), "qstore_storage.checkpoints.sharding"),
    **dict.fromkeys(("capture_random_state", "restore_random_state"), "qstore.execution.random_state"),
    **dict.fromkeys(
        ("export_safetensors", "import_safetensors"), "qstore_storage.checkpoints.safetensors_files"
    ),
    "CheckpointManager": "qstore_storage.checkpoints.manager",
}
__getattr__ = _loader(__name__, _HOMES)
