# SPDX-License-Identifier: Apache-2.0
"""What the quantum layers of a Keras model did since one looked last, for TensorBoard or any other logger.

Per layer: circuits, seconds and dollars (forward passes and all circuits of gradients), how much of it each backend did,
and norm, variance and signal-to-noise of the last gradient of the weights. The tags are those of `qstore_torch.tensorboard`.
Event files are written without TensorFlow, so that they come from Keras on PyTorch and JAX as well.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from qstore.errors import CapabilityError
from qstore.layers.reading import Memory, ScalarWriter, since, write_scalars
from qstore_tf.callbacks.reading import quantum_layers, reading_of

__all__ = ["EventFile", "log_quantum_metrics", "quantum_metrics"]

_NUMBERS = itertools.count()
"""Tells apart files that one process opens within a second."""
_LOGGED: Memory = WeakKeyDictionary()


class EventFile:
    """An event file that TensorBoard shows: numbers by tag and step.

    Args:
        folder: where the file goes; made where it is missing. TensorBoard shows one run for each folder.

    Raises:
        CapabilityError: the package tensorboard is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = EventFile(folder)
        ...     writer.add_scalar("loss", 0.5, 1)
        ...     writer.close()
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            # These three import no TensorFlow, which the writers of tensorboard do where it is installed.
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as exc:
            raise CapabilityError(
                "Event files take the package tensorboard: pip install 'qstore-tf[tensorboard]'"
            ) from exc
        self._event, self._summary = Event, Summary
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = RecordWriter(path.open("xb"))
        self._write(file_version="brain.Event:2")  # what a reader looks for first

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Write one number."""
        value = self._summary.Value(tag=tag, simple_value=scalar_value)
        self._write(step=global_step, summary=self._summary(value=[value]))

    def flush(self) -> None:
        """Hand what was written to the file, where TensorBoard sees it."""
        self._writer.flush()

    def close(self) -> None:
        """Flush, and close the file; a second time does nothing."""
        if not self._writer.closed:
            self._writer.close()

    def _write(self, **facts: Any) -> None:
        self._writer.write(self._event(wall_time=time.time(), **facts).SerializeToString())


def quantum_metrics(model: Any) -> dict[str, float]:
    """The numbers by tag, since this was asked last; whoever else looks at the counts is not disturbed.

    Tags are "quantum/LAYER/" and "circuits", "seconds", "dollars", "backends/NAME" (circuits on it), "gradient_norm",
    "gradient_variance" and "gradient_snr"; what is unknown or infinite is left out.

    Args:
        model: a Keras model with quantum layers, or one such layer.

    Raises:
        OptionError: the model has no quantum layer.
    """
    found: dict[str, float] = {}
    for name, layer in quantum_layers(model):
        found |= reading_of(name, layer, since(layer, _LOGGED)).tagged
    return found


def log_quantum_metrics(writer: ScalarWriter, model: Any, step: int) -> dict[str, float]:
    """Write `quantum_metrics(model)`; they are returned as well.

    Args:
        writer: an `EventFile`, or anything with `add_scalar(tag, value, step)`.
        model: a model with quantum layers.
        step: the step to write at.

    Raises:
        OptionError: the model has no quantum layer.
    """
    metrics = quantum_metrics(model)
    write_scalars(writer, metrics, step)
    return metrics
