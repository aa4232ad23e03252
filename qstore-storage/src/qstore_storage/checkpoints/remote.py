# SPDX-License-Identifier: Apache-2.0
"""Checkpoints on an object store, by a URL that fsspec knows ("s3://bucket/run", "gs://...", "memory://run").

    step-000000000120/data-UUID/shard-00000...    files of one writer
    step-000000000120/MANIFEST.json               written last, where the store can: only if nobody has written it

There is no rename of many objects at once, so the manifest is the moment at which a checkpoint begins to exist, and it
names the data of the writer that won. Data without a manifest is what a process that died has left.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from qstore.errors import AlreadyStored, CheckpointCorrupt, NotStored, OptionError, StorageError
from qstore_storage.checkpoints.manifest import MANIFEST, FileEntry
from qstore_storage.checkpoints.places import Parts, digest

__all__ = ["RemotePlace"]

log = logging.getLogger("qstore.storage.checkpoints")

_STEP = re.compile(r"step-(?P<step>[0-9]{12})")
_TOKEN = re.compile(r"data-[0-9a-f]{32}")


class RemotePlace:
    """A prefix of an object store.

    Args:
        url: with the protocol.
        options: what the store's file system takes, such as credentials; never shown.

    Raises:
        OptionError: fsspec is missing, or does not know the protocol.
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        try:
            import fsspec

            self._fs, self._root = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError) as exc:
            raise OptionError(
                f"{url!r} cannot be opened: {exc}. Object stores need pip install 'qstore-storage[remote]', and the fsspec "
                "package of their protocol (s3fs for s3://, gcsfs for gs://)."
            ) from exc
        self._url, self._told = url, False

    def __repr__(self) -> str:
        return repr(self._url)

    def _path(self, step: int, name: str = "") -> str:
        return f"{self._root.rstrip('/')}/step-{step:012d}{'/' if name else ''}{name}"

    def steps(self) -> list[int]:
        return sorted(step for step, committed in self._found().items() if committed)

    def _found(self) -> dict[int, bool]:
        """Steps that have anything, and whether they have a manifest."""
        self._fs.invalidate_cache()  # other processes write, too
        try:
            names = [
                str(name).rstrip("/").rsplit("/", 1)[-1] for name in self._fs.ls(self._root, detail=False)
            ]
        except FileNotFoundError:
            return {}
        steps = [int(match["step"]) for name in names if (match := _STEP.fullmatch(name))]
        return {step: self._fs.exists(self._path(step, MANIFEST)) for step in steps}

    def stage(self, step: int) -> RemoteStage:
        return RemoteStage(self, step, f"data-{uuid.uuid4().hex}", owner=True)

    def join(self, step: int, token: str) -> RemoteStage:
        if not _TOKEN.fullmatch(token):
            raise StorageError(
                f"The first process writes to {token!r:.80}, which is no place for a checkpoint."
            )
        return RemoteStage(self, step, token, owner=False)

    def read(self, step: int, name: str, limit: int) -> bytes:
        path = self._path(step, name)
        try:
            content: bytes = self._fs.cat_file(path, start=0, end=limit + 1)
        except (FileNotFoundError, KeyError) as exc:
            raise NotStored(f"There is no {name} of step {step} in {self}.") from exc
        if len(content) > limit:
            raise CheckpointCorrupt(f"{path} has more than {limit} bytes.")
        return content

    def remove(self, step: int) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(step, MANIFEST))  # first, so that half of it is never a checkpoint
        with suppress(FileNotFoundError):
            self._fs.rm(self._path(step), recursive=True)

    def sweep(self, before: int) -> None:
        for step, committed in self._found().items():
            if not committed and step < before:
                log.info("Removing what a process that died has left of step %d in %s.", step, self)
                with suppress(FileNotFoundError):
                    self._fs.rm(self._path(step), recursive=True)

    def put(self, step: int, name: str, content: bytes, *, new: bool) -> None:
        """Write one object; with `new` only where there is none.

        Raises:
            FileExistsError: there is one.
        """
        path = self._path(step, name)
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        if not new:
            self._fs.pipe_file(path, content)
            return
        self._fs.invalidate_cache()
        if self._fs.exists(path):  # some stores take `mode` for granted, and overwrite
            raise FileExistsError(path)
        try:
            self._fs.pipe_file(path, content, mode="create")
        except (TypeError, NotImplementedError, ValueError):
            if not self._told:
                self._told = True
                log.warning(
                    "%s cannot create an object only if it is not there: of two writers that finish one step within a moment "
                    "of each other, both are told that they won.", self,
                )  # fmt: skip
            self._fs.pipe_file(path, content)

    def size(self, step: int, name: str) -> int:
        """Bytes of an object; -1 where there is none."""
        try:
            return int(self._fs.size(self._path(step, name)))
        except (FileNotFoundError, TypeError):
            return -1

    def forget(self, step: int, data: str) -> None:
        """Remove the data of a writer that did not win."""
        with suppress(OSError):
            self._fs.rm(self._path(step, data), recursive=True)


class RemoteStage:
    """Objects below a name of their own."""

    def __init__(self, place: RemotePlace, step: int, data: str, *, owner: bool) -> None:
        self._place, self._step, self.data, self._owner = place, step, data, owner

    @property
    def token(self) -> str:
        return self.data

    def write(self, name: str, parts: Parts) -> FileEntry:
        content = b"".join(parts)
        self._place.put(self._step, f"{self.data}/{name}", content, new=False)
        return digest((content,))

    def sync(self) -> None:
        """An object store acknowledges what is durable."""

    def missing(self, files: Iterable[tuple[str, FileEntry]]) -> list[str]:
        return [
            name for name, entry in files if self._place.size(self._step, f"{self.data}/{name}") != entry.size
        ]

    def publish(self, manifest: bytes) -> None:
        try:
            self._place.put(self._step, MANIFEST, manifest, new=True)
        except FileExistsError:
            raise AlreadyStored(
                f"Step {self._step} is stored in {self._place} already; nothing was overwritten. Save another step, or "
                "delete that one first."
            ) from None

    def discard(self) -> None:
        if self._owner:
            self._place.forget(self._step, self.data)
