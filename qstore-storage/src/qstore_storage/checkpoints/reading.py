# SPDX-License-Identifier: Apache-2.0
"""From a place to a state: nothing is decoded before its SHA-256 fits the manifest, and the manifest its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from qstore.errors import CheckpointCorrupt, NotStored
from qstore_storage.checkpoints import archive, payload
from qstore_storage.checkpoints.manifest import MANIFEST, MAX_MANIFEST_BYTES, FileEntry, Manifest, shard_name
from qstore_storage.checkpoints.places import Place, storing
from qstore_storage.checkpoints.snapshot import PARTS

__all__ = ["check", "read_manifest", "read_shard"]

Array = NDArray[Any]


def read_manifest(place: Place, step: int) -> Manifest:
    """The manifest of a step.

    Raises:
        NotStored: the step has no checkpoint.
        CheckpointCorrupt: it has no manifest, or a damaged one.
        StorageError: it cannot be read.
    """
    with storing(f"The checkpoint of step {step} in {place} cannot be read"):
        try:
            raw = place.read(step, MANIFEST, MAX_MANIFEST_BYTES)
        except NotStored as exc:
            if step in place.steps():
                raise CheckpointCorrupt(
                    f"The checkpoint of step {step} in {place} has no {MANIFEST}."
                ) from exc
            known = place.steps()
            has = f"it has {known[0]} to {known[-1]}, {len(known)} in all" if known else "it is empty"
            raise NotStored(f"There is no checkpoint of step {step} in {place}; {has}.") from exc
        try:
            manifest = Manifest.from_bytes(raw)
        except CheckpointCorrupt as exc:
            raise CheckpointCorrupt(f"Step {step} in {place}: {exc}") from exc
    if manifest.step != step:
        raise CheckpointCorrupt(f"Step {step} in {place} holds the checkpoint of step {manifest.step}.")
    return manifest


def check(place: Place, step: int, manifest: Manifest, shard: int | None = None) -> None:
    """Compare every file, or those of one shard, with the manifest.

    Raises:
        CheckpointCorrupt: one is missing or differs; names it.
        StorageError: one cannot be read.
    """
    files = manifest.files if shard is None else manifest.shard_files(shard)
    for _ in _contents(place, step, manifest, dict(files)):
        pass
    shards = range(manifest.shards) if shard is None else (shard,)
    for each in shards:
        if not manifest.shard_files(each):
            raise CheckpointCorrupt(f"Step {step} in {place} has no files of {shard_name(each)}.")


def read_shard(
    place: Place, step: int, manifest: Manifest, shard: int, max_bytes: int
) -> tuple[dict[str, Any], dict[str, Array]]:
    """The trees and packed arrays of one shard.

    Raises:
        CheckpointCorrupt: its files are not what the manifest says, or not what a checkpoint consists of.
        StorageError: one cannot be read.
    """
    entries = manifest.shard_files(shard)
    total = sum(entry.size for entry in entries.values())
    if total > 2 * max_bytes + MAX_MANIFEST_BYTES:
        raise CheckpointCorrupt(
            f"Step {step} in {place} has files of {total} bytes; raise max_bytes if they are yours."
        )
    found = dict(_contents(place, step, manifest, entries))
    name = shard_name(shard)
    try:
        if list(found) == [f"{name}.zip"]:
            files = archive.unpacked_files(found[f"{name}.zip"], f"{name}.zip")
        else:
            files = {key.removeprefix(f"{name}/"): content for key, content in found.items()}
        trees, arrays = payload.read(files, max_bytes)
    except CheckpointCorrupt as exc:
        raise CheckpointCorrupt(f"Step {step} in {place}, {name}: {exc}") from exc
    if tuple(trees) != PARTS:
        raise CheckpointCorrupt(
            f"Step {step} in {place}, {name}: its index has the parts {list(trees)!r:.100}."
        )
    return trees, arrays


def _contents(
    place: Place, step: int, manifest: Manifest, entries: dict[str, FileEntry]
) -> Iterator[tuple[str, bytes]]:
    prefix = f"{manifest.data}/" if manifest.data else ""
    for name, entry in entries.items():
        with storing(f"{name} of step {step} in {place} cannot be read"):
            try:
                content = place.read(step, prefix + name, entry.size)
            except NotStored as exc:
                raise CheckpointCorrupt(f"Step {step} in {place} lacks {name}.") from exc
        if len(content) != entry.size or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise CheckpointCorrupt(
                f"{name} of step {step} in {place} is not what was saved: its checksum differs."
            )
        yield name, content
