# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in a folder of a local file system.

    step-000000000120/MANIFEST.json, shard-00000...     a checkpoint; its name appears by one rename
    .tmp-UUID/                                          one that is being written, and .tmp-UUID.lock while its writer lives
    .old-UUID/                                          one that is being removed
    .damaged-000000000120-UUID/                         one that could not be read when its step was saved again

write files -> fsync them -> fsync their folders -> rename -> fsync the parent folder -> only now it counts as stored.
A rename onto a folder that has something in it fails, so of two writers of one step one wins.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qstore.errors import AlreadyStored, CheckpointCorrupt, NotStored, StorageError
from qstore.execution.file_lock import FileLock
from qstore_storage.checkpoints.files import LocalFiles
from qstore_storage.checkpoints.manifest import MANIFEST, FileEntry
from qstore_storage.checkpoints.places import Parts, Place, digest
from qstore_storage.exclusive import exclusively

__all__ = ["LocalPlace"]

log = logging.getLogger("qstore.storage.checkpoints")

STEP = re.compile(r"step-(?P<step>[0-9]{12})")
_LEFT = re.compile(r"\.(tmp|old)-[0-9a-f]{32}(\.lock)?")
_TOKEN = re.compile(r"\.tmp-[0-9a-f]{32}")
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}


class LocalPlace:
    """A folder; it is made, durably, when the first checkpoint comes.

    Args:
        root: the folder.
        files: the operations, for tests.
        is_whole: whether the checkpoint of a step can be loaded; asked before one is moved out of the way.
    """

    def __init__(self, root: Path, files: LocalFiles, is_whole: Callable[[Place, int], bool]) -> None:
        self.root, self.files, self.is_whole = root, files, is_whole

    def __repr__(self) -> str:
        return repr(str(self.root))

    def path(self, step: int) -> Path:
        """The folder of a step."""
        return self.root / f"step-{step:012d}"

    def steps(self) -> list[int]:
        try:
            with os.scandir(self.root) as entries:
                found = [
                    int(match["step"])
                    for entry in entries
                    if (match := STEP.fullmatch(entry.name)) and entry.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return []
        return sorted(found)

    def stage(self, step: int) -> LocalStage:
        self._make_root()
        path = self.root / f".tmp-{uuid.uuid4().hex}"
        lock = FileLock.taken(path.with_name(f"{path.name}.lock"))
        stage = LocalStage(self, step, path, lock, owner=True)
        try:
            self.files.make_folder(path)
        except OSError:
            stage.discard()
            raise
        return stage

    def join(self, step: int, token: str) -> LocalStage:
        if not _TOKEN.fullmatch(token) or not (self.root / token).is_dir():
            raise StorageError(
                f"The first process writes {token!r:.80} in {self}, which this one does not see: all processes need the "
                "same folder."
            )
        return LocalStage(self, step, self.root / token, None, owner=False)

    def read(self, step: int, name: str, limit: int) -> bytes:
        path = self.path(step)
        try:
            for part in ("", *name.split("/")[:-1]):
                path /= part
                if path.is_symlink():
                    raise CheckpointCorrupt(f"{path} is a link; links are not followed.")
            return self.files.read(self.path(step) / name, limit)
        except FileNotFoundError as exc:
            raise NotStored(f"There is no {name} of step {step} in {self}.") from exc
        except OSError as exc:
            if exc.errno in {errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO}:
                raise CheckpointCorrupt(f"{self.path(step) / name} is no plain file.") from exc
            if exc.errno == errno.EIO:
                raise CheckpointCorrupt(
                    f"{self.path(step) / name} cannot be read: the disk reports an error."
                ) from exc
            raise

    def remove(self, step: int) -> None:
        # First the name goes, so that half of it is never taken for a checkpoint.
        aside = self.root / f".old-{uuid.uuid4().hex}"
        try:
            self.files.rename(self.path(step), aside)
        except FileNotFoundError:
            return  # another process was faster
        self.files.remove_tree(aside)

    def sweep(self, before: int) -> None:  # noqa: ARG002  # an object store needs it
        with suppress(FileNotFoundError), os.scandir(self.root) as entries:
            left = {entry.name.removesuffix(".lock") for entry in entries if _LEFT.fullmatch(entry.name)}
        for name in sorted(left if self.root.is_dir() else ()):
            with suppress(OSError):  # whatever it is, it is in nobody's way
                self._sweep(self.root / name)

    def _sweep(self, path: Path) -> None:
        lock_path = path.with_name(f"{path.name}.lock")
        lock = FileLock.taken(lock_path)
        if lock is None:
            return  # its writer lives
        try:
            if path.is_dir() and not path.is_symlink():
                log.info("Removing %s, which a process that died has left.", path)
                self.files.remove_tree(path)
            lock_path.unlink(missing_ok=True)
        finally:
            lock.release()

    def _make_root(self) -> None:
        missing = []
        path = self.root.absolute()
        while not path.exists():
            missing.append(path)
            path = path.parent
        for path in reversed(missing):
            with suppress(FileExistsError):
                self.files.make_folder(path)
            self.files.sync_folder(path.parent)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from moving checkpoints out of the way meanwhile.

        Raises:
            StorageError: one of them takes more than a minute.
        """
        with exclusively(self.root / ".lock"):
            yield


class LocalStage:
    """A folder with a name that no reader looks at."""

    data = ""

    def __init__(
        self, place: LocalPlace, step: int, path: Path, lock: FileLock | None, *, owner: bool
    ) -> None:
        self._place, self._files, self._step = place, place.files, step
        self._path, self._lock, self._owner = path, lock, owner
        self._written: list[Path] = []
        self._folders: list[Path] = []

    @property
    def token(self) -> str:
        return self._path.name

    def write(self, name: str, parts: Parts) -> FileEntry:
        parts = tuple(parts)
        path = self._path
        for part in name.split("/")[:-1]:
            path /= part
            if path not in self._folders:
                self._files.make_folder(path)
                self._folders.append(path)
        self._files.write(self._path / name, parts)
        self._written.append(self._path / name)
        return digest(parts)

    def sync(self) -> None:
        for path in self._written:
            self._files.sync_file(path)
        for path in reversed(self._folders):  # the inner ones first
            self._files.sync_folder(path)
        self._files.sync_folder(self._path)
        self._written, self._folders = [], []

    def missing(self, files: Iterable[tuple[str, FileEntry]]) -> list[str]:
        return [name for name, entry in files if _size(self._path / name) != entry.size]

    def publish(self, manifest: bytes) -> None:
        self.write(MANIFEST, (manifest,))
        self.sync()
        target = self._place.path(self._step)
        try:
            self._rename(target)
        except OSError as exc:
            if exc.errno not in _TAKEN and not (sys.platform == "win32" and target.exists()):
                raise
            self._replace_damaged(target)
        self._files.sync_folder(self._place.root)
        self._release()

    def discard(self) -> None:
        if not self._owner:
            return
        with suppress(OSError):  # the trouble that led here is what matters
            self._files.remove_tree(self._path)
        self._release()

    def _rename(self, target: Path) -> None:
        if target.is_symlink() or target.is_file():
            raise AlreadyStored(f"{target} is no folder; nothing was overwritten.")
        self._files.rename(self._path, target)

    def _replace_damaged(self, target: Path) -> None:
        """Take the place of a checkpoint that cannot be loaded, which is kept under another name."""
        with self._place.alone():
            if self._place.is_whole(self._place, self._step):
                raise AlreadyStored(
                    f"Step {self._step} is stored in {self._place} already; nothing was overwritten. Save another step, or "
                    "delete that one first."
                )
            aside = self._place.root / f".damaged-{self._step:012d}-{uuid.uuid4().hex}"
            log.warning("The checkpoint of step %d was damaged; it is kept as %s.", self._step, aside)
            self._files.rename(target, aside)
            self._rename(target)

    def _release(self) -> None:
        if self._lock is not None:
            with suppress(OSError):
                self._lock.path.unlink(missing_ok=True)
            self._lock.release()
            self._lock = None


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return -1
