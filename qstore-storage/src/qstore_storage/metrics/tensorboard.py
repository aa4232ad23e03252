# SPDX-License-Identifier: Apache-2.0
"""Rows shown in TensorBoard, too: event files written through the format's own protocol buffers (extra `tensorboard`).

Neither torch nor TensorFlow is needed. Text columns are left out; the step of a row is its `step`, or its number.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from qstore.errors import OptionError, StorageError

__all__ = ["ScalarWriter", "TensorBoardMirror"]


@runtime_checkable
class ScalarWriter(Protocol):
    """What is used of a `torch.utils.tensorboard.SummaryWriter`."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Write one number."""


class TensorBoardMirror:
    """Writes saved rows as scalars.

    Args:
        target: a folder for event files, or a writer with `add_scalar(tag, value, step)`.
        rank: ranks other than 0 get a folder of their own in it.

    Raises:
        OptionError: the target is neither, or the extra is not installed.
        StorageError: the folder cannot be written.

    Example:
        >>> class Printer:
        ...     def add_scalar(self, tag, value, step):
        ...         print(tag, value, step)
        >>> TensorBoardMirror(Printer()).write(1, [{"step": 7, "train_loss": 0.5, "backend": "auto"}])
        train_loss 0.5 7
    """

    def __init__(self, target: Any, rank: int = 0) -> None:
        self._file: _EventFile | None = None
        if isinstance(target, (str, os.PathLike)):
            folder = Path(target) / f"rank-{rank}" if rank else Path(target)
            self._writer: ScalarWriter = _EventFile(folder)
            self._file = self._writer
        elif isinstance(target, ScalarWriter):
            self._writer = target
        else:
            raise OptionError(f"tensorboard is a folder or a writer with add_scalar; got {target!r:.80}.")

    def write(self, first: int, rows: list[dict[str, Any]]) -> None:
        """One scalar for every number of every row."""
        for seq, row in enumerate(rows, first):
            step = row.get("step", seq)
            for name, value in row.items():
                if name not in {"step", "timestamp"} and not isinstance(value, str):
                    if self._file is not None:
                        self._file.add(name, float(value), step, row["timestamp"])
                    else:
                        self._writer.add_scalar(name, float(value), step)
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the event file; a user's own writer stays open."""
        if self._file is not None:
            self._file.close()


class _EventFile:
    """An event file: records of length, CRC, protocol buffer, CRC."""

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as exc:
            raise OptionError(
                f"tensorboard={str(folder)!r} needs TensorBoard ({exc}): pip install 'qstore-storage[tensorboard]'"
            ) from exc
        self._event, self._summary = Event, Summary
        now = time.time()
        name = f"events.out.tfevents.{int(now)}.{socket.gethostname()}.{os.getpid()}.{os.urandom(2).hex()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / name).open("wb")
        except OSError as exc:
            raise StorageError(f"TensorBoard's event file in {folder} cannot be made: {exc}.") from exc
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        self.flush()

    def add(self, tag: str, value: float, step: int, wall_time: float) -> None:
        """Write one number of a moment."""
        summary = self._summary(value=[self._summary.Value(tag=tag, simple_value=value)])
        self._write(self._event(wall_time=wall_time, step=step, summary=summary))

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.add(tag, scalar_value, global_step, time.time())

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
