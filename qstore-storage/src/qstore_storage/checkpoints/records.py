# SPDX-License-Identifier: Apache-2.0
"""What a manager of checkpoints returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qstore_storage.checkpoints.manifest import Manifest

__all__ = ["Checkpoint", "CheckpointInfo", "Verification"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """A stored checkpoint, by its manifest; its arrays are not read.

    Attributes:
        step: its step.
        created: when it was stored, ISO 8601 in UTC.
        nbytes: size of its arrays in memory.
        shards: how many processes saved it.
        metadata: the user's.
    """

    step: int
    created: str
    nbytes: int
    shards: int
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, manifest: Manifest) -> CheckpointInfo:
        """What a manifest says."""
        return cls(step=manifest.step, created=manifest.created, nbytes=manifest.nbytes, shards=manifest.shards,
                   metadata=manifest.metadata)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        step: its step.
        model_state, optimizer_state, random_state: what was saved, with copies of its arrays.
        metadata: the user's.
        info: the rest of what is known.
    """

    step: int
    model_state: Any = field(repr=False)
    optimizer_state: Any = field(repr=False)
    random_state: Any = field(repr=False)
    metadata: Mapping[str, Any]
    info: CheckpointInfo = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a checkpoint is whole.

    Attributes:
        step: its step.
        problem: what is wrong with it; "" for nothing.
    """

    step: int
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problem
