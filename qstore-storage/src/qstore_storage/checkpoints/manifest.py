# SPDX-License-Identifier: Apache-2.0
"""MANIFEST.json: what a checkpoint consists of, with the SHA-256 of every file and of the manifest itself.

It is written last and vouches for everything: what it does not list is not read, and a checkpoint without it is none.
The file is exactly the canonical JSON of its content, so that no bit of it can change unseen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qstore.errors import CheckpointCorrupt, StorageError
from qstore_storage.checkpoints.dtypes import FILL_VALUES
from qstore_storage.checkpoints.metadata import LAST_STEP
from qstore_storage.checkpoints.strict_json import canonical, strict_loads

__all__ = ["MANIFEST", "MAX_MANIFEST_BYTES", "FileEntry", "Manifest", "shard_name"]

MANIFEST = "MANIFEST.json"
FORMAT = "qstore.checkpoint"
VERSION = 1
MAX_MANIFEST_BYTES = 64 << 20
MAX_SHARDS = 100_000
_DTYPES = "|".join(FILL_VALUES)
_FILE = re.compile(rf"shard-[0-9]{{5}}(\.zip|/zarr\.json|/({_DTYPES})/(zarr\.json|[0-9]{{1,9}}))")
_DATA = re.compile(r"(data-[0-9a-f]{32})?")
_KEYS = ["format", "version", "step", "created", "data", "shards", "bytes", "metadata", "files", "sha256"]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size in bytes and SHA-256 (hex) of a file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a checkpoint consists of.

    Attributes:
        step: its step.
        created: when it was published, ISO 8601 in UTC.
        data: folder that its files lie in; "" for the checkpoint's own.
        shards: how many processes saved it together.
        nbytes: size of all arrays in memory.
        metadata: the user's.
        files: every file but the manifest, by its name below `data`.
    """

    step: int
    created: str
    data: str
    shards: int
    nbytes: int
    metadata: Mapping[str, Any]
    files: Mapping[str, FileEntry]

    def to_bytes(self) -> bytes:
        """The file."""
        files = {name: [entry.size, entry.sha256] for name, entry in sorted(self.files.items())}
        document = {
            "format": FORMAT, "version": VERSION, "step": self.step, "created": self.created, "data": self.data,
            "shards": self.shards, "bytes": self.nbytes, "metadata": dict(self.metadata), "files": files,
        }  # fmt: skip
        return canonical({**document, "sha256": hashlib.sha256(canonical(document)).hexdigest()})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Manifest:
        """Read the file.

        Raises:
            CheckpointCorrupt: it is not what `to_bytes` wrote.
            StorageError: a later release wrote it.
        """
        document = strict_loads(raw, MANIFEST)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise CheckpointCorrupt(f"{MANIFEST} is not that of a checkpoint.")
        claimed = document.get("sha256")
        rest = {key: value for key, value in document.items() if key != "sha256"}
        try:
            fits = claimed == hashlib.sha256(canonical(rest)).hexdigest() and canonical(document) == raw
        except RecursionError:
            fits = False
        if not fits:
            raise CheckpointCorrupt(
                f"{MANIFEST} was changed after it was written: its checksum does not fit."
            )
        version = document.get("version")
        if version != VERSION:
            raise StorageError(
                f"The checkpoint has format {version!r}, this release reads up to {VERSION}: upgrade qstore-storage."
            )
        return cls._checked(document)

    @classmethod
    def _checked(cls, document: dict[str, Any]) -> Manifest:
        numbers = [document.get(key) for key in ("step", "shards", "bytes")]
        files = document.get("files")
        fits = (
            list(document) == _KEYS
            and all(type(number) is int and number >= 0 for number in numbers)
            and document["step"] <= LAST_STEP
            and 0 < document["shards"] <= MAX_SHARDS
            and isinstance(document["created"], str)
            and isinstance(document["data"], str)
            and _DATA.fullmatch(document["data"])
            and isinstance(document["metadata"], dict)
            and isinstance(files, dict)
            and all(_is_file(name, entry) for name, entry in files.items())
        )
        if not fits:
            raise CheckpointCorrupt(f"{MANIFEST} does not have the entries of format {VERSION}.")
        return cls(
            step=document["step"], created=document["created"], data=document["data"], shards=document["shards"],
            nbytes=document["bytes"], metadata=document["metadata"],
            files={name: FileEntry(size, digest) for name, (size, digest) in document["files"].items()},
        )  # fmt: skip

    def shard_files(self, shard: int) -> dict[str, FileEntry]:
        """The files of one shard."""
        name = shard_name(shard)
        return {
            key: entry for key, entry in self.files.items() if key.startswith((f"{name}/", f"{name}.zip"))
        }


def shard_name(shard: int) -> str:
    """What the files of a shard begin with."""
    return f"shard-{shard:05d}"


def _is_file(name: str, entry: Any) -> bool:
    # No name leads out of the checkpoint's folder: there is no way to write "..", a drive or a link in them.
    if not _FILE.fullmatch(name) or not isinstance(entry, list) or len(entry) != 2:
        return False
    size, digest = entry
    return (
        type(size) is int
        and size >= 0
        and isinstance(digest, str)
        and re.fullmatch(r"[0-9a-f]{64}", digest) is not None
    )
