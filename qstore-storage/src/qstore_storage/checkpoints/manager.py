# SPDX-License-Identifier: Apache-2.0
"""The manager of checkpoints: what users call."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from qstore.errors import AlreadyStored, CheckpointCorrupt, NotStored, OptionError, QStoreError, StorageError
from qstore_storage.checkpoints.background import BackgroundWriter
from qstore_storage.checkpoints.catalogue import Catalogue, is_whole
from qstore_storage.checkpoints.describing import described
from qstore_storage.checkpoints.files import LocalFiles
from qstore_storage.checkpoints.local import LocalPlace
from qstore_storage.checkpoints.manifest import Manifest
from qstore_storage.checkpoints.metadata import checked_metadata, checked_step
from qstore_storage.checkpoints.places import Place, storing
from qstore_storage.checkpoints.publishing import Layout, publish
from qstore_storage.checkpoints.reading import read_manifest, read_shard
from qstore_storage.checkpoints.records import Checkpoint, CheckpointInfo, Verification
from qstore_storage.checkpoints.remote import RemotePlace
from qstore_storage.checkpoints.retention import Retention
from qstore_storage.checkpoints.sharding import ShardGroup
from qstore_storage.checkpoints.snapshot import PARTS, Snapshot, SnapshotPool
from qstore_storage.checkpoints.structure import unpacked

__all__ = ["CheckpointManager"]

log = logging.getLogger("qstore.storage.checkpoints")

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
MAX_BYTES = 16 << 30


class CheckpointManager:
    """Keeps the state of a training run by step. What it loads is exactly what was saved, or it raises.

    `save` copies the state and returns; a thread writes the copy, makes it durable, gives it its name in one rename and
    only then lets older checkpoints go. What goes wrong in that thread is raised by the next `save`, `wait` or `close`.

    Args:
        directory: a folder, made where it is missing, or a URL of an object store ("s3://bucket/run").
        keep: how many of the newest checkpoints to keep; None for all.
        keep_every: also keep every step that this divides.
        best: a number in the metadata by which the best checkpoint is kept, too; the first save without it is told of in the log.
        mode: "min" where less of it is better, "max" where more is.
        keep_best: how many of the best.
        payload: "zip" for one file of arrays, "folder" for one file per dtype and 32 MiB, "auto" by size.
        compression: None or "zstd".
        compression_level: of zstd, 1 to 22.
        queue_size: checkpoints that may wait behind the one being written; each holds a copy of the state. A `save`
            that finds the queue full waits.
        max_bytes: largest state that is saved or loaded.
        group: the processes that save together, each its own shard; see `torch_shard_group`.
        storage_options: for an object store, what its fsspec file system takes.
        files: operations on the local file system; tests replace them.

    Raises:
        OptionError: an argument outside its range.

    Example:
        >>> import numpy as np, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, CheckpointManager(folder) as checkpoints:
        ...     checkpoints.save(10, {"weights": np.arange(3.0)}, metadata={"loss": 0.25})
        ...     checkpoints.wait()
        ...     loaded = checkpoints.load()
        >>> loaded.step, loaded.model_state["weights"], loaded.metadata
        (10, array([0., 1., 2.]), {'loss': 0.25})
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        keep: int | None = 3,
        *,
        keep_every: int | None = None,
        best: str | None = None,
        mode: str = "min",
        keep_best: int = 1,
        payload: str = "auto",
        compression: str | None = None,
        compression_level: int = 3,
        queue_size: int = 1,
        max_bytes: int = MAX_BYTES,
        group: ShardGroup | None = None,
        storage_options: Mapping[str, Any] | None = None,
        files: LocalFiles | None = None,
    ) -> None:
        self.retention = Retention(
            keep=keep, keep_every=keep_every, best=best, mode=mode, keep_best=keep_best
        )
        self._layout = _layout(payload, compression, compression_level)
        self._writer = BackgroundWriter(queue_size)
        if type(max_bytes) is not int or max_bytes < 1:
            raise OptionError(f"max_bytes must be a whole number from 1, got {max_bytes!r}.")
        self._max_bytes, self._group = max_bytes, group
        self._pool = SnapshotPool(max_bytes)
        self._place = self._opened(directory, storage_options, files)
        self._catalogue = Catalogue(self._place, self.retention)
        self._keeper = group is None or group.rank == 0  # whose metadata is stored
        self._closed = self._told_of_best = False

    def _opened(
        self, directory: str | os.PathLike[str], options: Mapping[str, Any] | None, files: LocalFiles | None
    ) -> Place:
        try:
            text = os.fspath(directory)
        except TypeError:
            text = ""
        if not isinstance(text, str) or not text or "\0" in text:
            raise OptionError(f"directory must be a folder or a URL, got {directory!r:.80}.")
        if _URL.match(text) and not text.startswith("file://"):
            return RemotePlace(text, dict(options or {}))
        try:
            folder = Path(text.removeprefix("file://")).expanduser()
        except RuntimeError as exc:
            raise OptionError(f"{text!r} is no folder: {exc}") from exc
        with storing(f"{text!r} cannot be opened"):
            folder = folder.absolute()  # the program may change its working folder
            if folder.exists() and not folder.is_dir():
                raise OptionError(f"{text!r} is a file; checkpoints need a folder.")
        return LocalPlace(folder, files or LocalFiles(), is_whole)

    def __repr__(self) -> str:
        rule = ", ".join(
            f"{name}={value!r}"
            for name, value in (
                ("keep", self.retention.keep),
                ("keep_every", self.retention.keep_every),
                ("best", self.retention.best),
            )
            if value is not None or name == "keep"
        )
        state = "closed" if self._closed else f"queued={self._writer.queued}"
        stored = ""
        if isinstance(self._place, LocalPlace):
            with suppress(OSError):
                steps = self._place.steps()
                stored = f", steps={steps}" if len(steps) < 5 else f", steps=[{steps[0]}, ..., {steps[-1]}]"
        return f"CheckpointManager({self._place}, {rule}{stored}, {state})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except QStoreError as exc:
            if error is None:
                raise
            error.add_note(f"And a checkpoint failed: {type(exc).__name__}: {exc}")

    def save(
        self,
        step: int,
        model_state: Any,
        optimizer_state: Any = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        random_state: Any = None,
    ) -> None:
        """Copy a state and queue it; what changes afterwards does not reach the checkpoint.

        Args:
            step: from 0; its checkpoint must not be there yet.
            model_state: dicts, lists, tuples, numbers, strings, bytes, None, arrays and tensors, nested as they come: a
                torch `state_dict()`, Keras weights, numpy arrays.
            optimizer_state: likewise.
            metadata: what to know about it without loading it, as JSON; finite numbers only.
            random_state: what `capture_random_state()` returned, or any state of that kind.

        Raises:
            OptionError: a state holds something that is not data, or the metadata is not JSON; nothing was queued.
            AlreadyStored: the step has a checkpoint.
            StorageError: an earlier checkpoint could not be written, or the manager is closed; nothing was queued.
        """
        number = checked_step(step)
        facts = checked_metadata(metadata)
        self._check_open()
        self._writer.raise_errors()
        if self._keeper and not self._told_of_best and (lacking := self.retention.lacking(facts)):
            self._told_of_best = True
            log.warning("Step %d is never kept as the best: %s", number, lacking)
        # Told at once where it costs no round trip; else by the thread.
        if self._group is None and isinstance(self._place, LocalPlace) and self._catalogue.has(number):
            raise AlreadyStored(f"Step {number} is stored in {self._place} already; nothing was overwritten.")
        self._writer.reserve()
        try:
            values = dict(zip(PARTS, (model_state, optimizer_state, random_state), strict=True))
            snapshot = self._pool.take(values)
            self._writer.put(self._write, number, snapshot, facts)
        except BaseException:
            self._writer.release()
            raise

    async def save_async(
        self,
        step: int,
        model_state: Any,
        optimizer_state: Any = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        random_state: Any = None,
    ) -> None:
        """`save`, without holding up the event loop while the copy is made."""
        call = partial(self.save, step, model_state, optimizer_state, metadata, random_state=random_state)
        await asyncio.to_thread(call)

    def wait(self) -> None:
        """Return when everything queued is on the disk.

        Raises:
            StorageError: something could not be written; what was stored before is untouched.
        """
        self._writer.settle()
        self._writer.raise_errors()

    async def wait_async(self) -> None:
        """`wait`, without holding up the event loop."""
        await asyncio.to_thread(self.wait)

    def close(self) -> None:
        """Write what is queued and end the thread; a second time does nothing.

        Raises:
            StorageError: something could not be written.
        """
        self._closed = True
        self._writer.settle()
        self._writer.stop()
        self._writer.raise_errors()

    def load(
        self, step: int | None = None, *, shard: int | None = None, as_numpy: bool = False
    ) -> Checkpoint:
        """The checkpoint of a step, or the newest one that is whole; waits for what is queued.

        Args:
            step: its step; None for the newest. Damaged ones are then passed over, with a warning in the log.
            shard: of a checkpoint that several processes saved, whose; by default this process's own.
            as_numpy: torch's tensors come back as numpy arrays. They come back on the CPU in any case.

        Raises:
            NotStored: there is no such checkpoint, or none at all.
            CheckpointCorrupt: it is damaged, or all of them are; names the file.
            StorageError: it cannot be read, or other processes than these saved it.
        """
        self._writer.settle()
        if step is not None:
            number = checked_step(step)
            manifest = read_manifest(self._place, number)
            return self._loaded(manifest, shard, as_numpy=as_numpy)
        problems: dict[int, str] = {}
        # Another process may store a newer one, and let go of these, while they are read.
        while fresh := [number for number in self._catalogue.steps() if number not in problems]:
            for number in reversed(fresh):
                try:
                    manifest = read_manifest(self._place, number)
                    found = self._loaded(manifest, shard, as_numpy=as_numpy)
                    problem = ""
                except (CheckpointCorrupt, NotStored) as exc:
                    problem = str(exc)
                problem = self._agreed(problem)
                if not problem:
                    return found
                log.warning("Passing over a damaged checkpoint: %s", problem)
                self._catalogue.forget(number)
                problems[number] = problem
            if self._group is not None:
                break  # all processes try the same ones
        left = [problems[number] for number in self._catalogue.steps() if number in problems]
        if left:
            raise CheckpointCorrupt(
                f"None of the {len(left)} checkpoints in {self._place} is whole. {left[-1]}"
            )
        raise NotStored(f"There is no checkpoint in {self._place}.")

    async def load_async(
        self, step: int | None = None, *, shard: int | None = None, as_numpy: bool = False
    ) -> Checkpoint:
        """`load`, without holding up the event loop."""
        return await asyncio.to_thread(partial(self.load, step, shard=shard, as_numpy=as_numpy))

    def list_checkpoints(self) -> list[CheckpointInfo]:
        """Every stored checkpoint with a readable manifest, by step; `verify` reads all of each."""
        self._writer.settle()
        return list(self._catalogue.stored().values())

    def best_checkpoint(self) -> CheckpointInfo | None:
        """The one that is best by the metadata that the manager was told to compare; None where none has it, or it was told none."""
        self._writer.settle()
        return self._catalogue.best()

    def verify(self, step: int | None = None) -> list[Verification]:
        """Read every byte of a checkpoint, or of all, and compare.

        Raises:
            NotStored: there is no checkpoint of that step.
        """
        self._writer.settle()
        return self._catalogue.verify(None if step is None else checked_step(step))

    def describe(self, step: int | None = None, *, shard: int = 0) -> dict[str, Any]:
        """What is in a checkpoint: `step`, `created`, `metadata`, and under `entries` a line for each array and number.

        Raises:
            NotStored, CheckpointCorrupt, StorageError: as for `load`.
        """
        number = self.load(None, shard=shard, as_numpy=True).step if step is None else checked_step(step)
        manifest = read_manifest(self._place, number)
        trees, _ = read_shard(self._place, number, manifest, shard, self._max_bytes)
        return {
            "step": number,
            "created": manifest.created,
            "metadata": dict(manifest.metadata),
            "entries": described(trees),
        }

    def delete(self, step: int) -> None:
        """Remove the checkpoint of a step, whole or not.

        Raises:
            NotStored: there is none.
        """
        number = checked_step(step)
        self._check_open()
        self._writer.settle()
        self._catalogue.remove(number)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError(f"The manager of {self._place} is closed; make another one.")

    def _loaded(self, manifest: Manifest, shard: int | None, *, as_numpy: bool) -> Checkpoint:
        size = 1 if self._group is None else self._group.world_size
        if shard is None:
            shard = 0 if self._group is None else self._group.rank
            if manifest.shards != size:
                raise StorageError(
                    f"Step {manifest.step} was saved by {manifest.shards} processes and is loaded by {size}; say which shard: "
                    f"load({manifest.step}, shard=0)."
                )
        if type(shard) is not int or not 0 <= shard < manifest.shards:
            raise OptionError(f"shard must be from 0 to {manifest.shards - 1}, got {shard!r}.")
        trees, arrays = read_shard(self._place, manifest.step, manifest, shard, self._max_bytes)
        model, optimizer, random = (unpacked(trees[name], arrays, as_numpy=as_numpy) for name in PARTS)
        return Checkpoint(
            step=manifest.step, model_state=model, optimizer_state=optimizer, random_state=random,
            metadata=manifest.metadata, info=CheckpointInfo.of(manifest),
        )  # fmt: skip

    def _agreed(self, problem: str) -> str:
        """What is wrong with a checkpoint for any process of the group: all load the same one."""
        return problem if self._group is None else self._group.agree(problem) or ""

    def _write(self, step: int, snapshot: Snapshot, metadata: Mapping[str, Any]) -> None:
        # In the writer's thread.
        if self._keeper:
            self._catalogue.sweep()
        try:
            manifest = publish(self._place, step, snapshot, metadata, self._layout, self._group)
        finally:
            self._pool.give_back(snapshot)
        self._catalogue.add(CheckpointInfo.of(manifest))
        if self._keeper:
            self._catalogue.prune(step)


def _layout(payload: str, compression: str | None, level: int) -> Layout:
    if payload not in {"auto", "zip", "folder"}:
        raise OptionError(f"payload must be 'auto', 'zip' or 'folder', got {payload!r}.")
    if compression not in {None, "zstd"}:
        raise OptionError(f"compression must be None or 'zstd', got {compression!r}.")
    if type(level) is not int or not 1 <= level <= 22:
        raise OptionError(f"compression_level must be from 1 to 22, got {level!r}.")
    return Layout(payload, None if compression is None else level)
