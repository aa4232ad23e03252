# SPDX-License-Identifier: Apache-2.0
"""From a snapshot to a published checkpoint: the payload, then the manifest, then the name; alone or in a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qstore.errors import StorageError
from qstore_storage.checkpoints import archive, payload
from qstore_storage.checkpoints.manifest import FileEntry, Manifest, shard_name
from qstore_storage.checkpoints.places import Place, Stage, storing
from qstore_storage.checkpoints.sharding import ShardGroup
from qstore_storage.checkpoints.snapshot import Snapshot
from qstore_storage.checkpoints.strict_json import canonical, strict_loads

__all__ = ["SMALL_BYTES", "Layout", "publish"]

SMALL_BYTES = 16 << 20
"""Up to here a payload is one file by default."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a payload is written: in one file ("zip"), a folder, or by its size ("auto"); the level of zstd, if any."""

    payload: str
    zstd_level: int | None


def publish(
    place: Place,
    step: int,
    snapshot: Snapshot,
    metadata: Mapping[str, Any],
    layout: Layout,
    group: ShardGroup | None,
) -> Manifest:
    """Write a checkpoint; when this returns, it is there for good.

    Raises:
        AlreadyStored: the step has one; nothing was overwritten.
        StorageError: it could not be written, here or in another process of the group; nothing of it stays.
    """
    with storing(f"The checkpoint of step {step} was not stored in {place}"):
        if group is None:
            return _alone(place, step, snapshot, metadata, layout)
        return _together(place, step, snapshot, metadata, layout, group)


def _alone(
    place: Place, step: int, snapshot: Snapshot, metadata: Mapping[str, Any], layout: Layout
) -> Manifest:
    stage = place.stage(step)
    try:
        files = _shard(stage, 0, snapshot, layout)
        manifest = _manifest(stage, step, 1, snapshot.nbytes, metadata, files)
        stage.publish(manifest.to_bytes())
    except BaseException:
        stage.discard()
        raise
    return manifest


def _together(
    place: Place,
    step: int,
    snapshot: Snapshot,
    metadata: Mapping[str, Any],
    layout: Layout,
    group: ShardGroup,
) -> Manifest:
    stage: Stage | None = None
    turn = 0
    try:
        stage = place.stage(step) if group.rank == 0 else None
        turn = 1
        token = group.exchange(stage.token if stage is not None else "")[0]
        turn = 2
        own = stage if stage is not None else place.join(step, token)
        files = _shard(own, group.rank, snapshot, layout)
        own.sync()
        answer = {
            "bytes": snapshot.nbytes,
            "files": {name: [each.size, each.sha256] for name, each in files.items()},
        }
        turn = 3
        answers = group.exchange(canonical(answer).decode())
        turn = 4
        manifest = _joined(own, step, metadata, answers)
        if group.rank == 0:
            _check_seen(own, step, manifest)
            own.publish(manifest.to_bytes())
        turn = 5
        group.exchange()
        turn = 6
    except BaseException as exc:
        # Before an exchange (even turns) the others still wait for this process; in one, they heard each other.
        if turn % 2 == 0:
            group.exchange(error=exc)
        if stage is not None and turn < 5:
            stage.discard()
        raise
    return manifest


def _shard(stage: Stage, number: int, snapshot: Snapshot, layout: Layout) -> dict[str, FileEntry]:
    """Write the payload of one process."""
    name = shard_name(number)
    files = payload.composed(snapshot.trees, snapshot.arrays, layout.zstd_level)
    in_one = layout.payload == "zip" or (layout.payload == "auto" and snapshot.nbytes <= SMALL_BYTES)
    if in_one:
        return {f"{name}.zip": stage.write(f"{name}.zip", (archive.packed(files),))}
    return {f"{name}/{key}": stage.write(f"{name}/{key}", parts) for key, parts in files}


def _joined(stage: Stage, step: int, metadata: Mapping[str, Any], answers: list[str]) -> Manifest:
    """The manifest of all shards."""
    files: dict[str, FileEntry] = {}
    total = 0
    for rank, text in enumerate(answers):
        answer = strict_loads(text.encode(), f"The answer of process {rank}")
        total += int(answer["bytes"])
        files |= {name: FileEntry(int(size), str(sha256)) for name, (size, sha256) in answer["files"].items()}
    return _manifest(stage, step, len(answers), total, metadata, files)


def _check_seen(stage: Stage, step: int, manifest: Manifest) -> None:
    missing = stage.missing(manifest.files.items())
    if missing:
        raise StorageError(
            f"The checkpoint of step {step} lacks {', '.join(missing[:5])}, which another process has written: all "
            "processes need the same folder."
        )


def _manifest(
    stage: Stage,
    step: int,
    shards: int,
    nbytes: int,
    metadata: Mapping[str, Any],
    files: Mapping[str, FileEntry],
) -> Manifest:
    created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Manifest(
        step=step,
        created=created,
        data=stage.data,
        shards=shards,
        nbytes=nbytes,
        metadata=metadata,
        files=files,
    )
