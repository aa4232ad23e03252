# SPDX-License-Identifier: Apache-2.0
"""Quantum metrics of a training for TensorBoard, beside what Keras' own callback writes."""

from __future__ import annotations

import os
from typing import Any

import keras

from qstore.errors import OptionError
from qstore.layers.reading import sums, together
from qstore_tf.callbacks.reading import Reader
from qstore_tf.tensorboard import EventFile

__all__ = ["QuantumTensorBoard"]


class QuantumTensorBoard(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no annotations
    """Writes what the quantum layers did into an event file.

    Per layer, at each write, the tags of `qstore_tf.tensorboard.quantum_metrics`: circuits, seconds, dollars and circuits by
    backend since the write before, and norm, variance and signal-to-noise of the last gradient. At the end of each epoch
    also "quantum_epoch/circuits", "quantum_epoch/seconds" and "quantum_epoch/dollars": the epoch's sums over all layers,
    validation included.

    Args:
        log_dir: folder of the run; the same as that of `keras.callbacks.TensorBoard` shows both together.
        update_freq: "epoch", "batch", or a number of batches.

    Raises:
        OptionError: another `update_freq`; when training begins, a model without a quantum layer.
        CapabilityError: the package tensorboard is not installed; when training begins.

    Example:
        >>> callback = QuantumTensorBoard("runs/first", update_freq=10)
        >>> callback.every
        10
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs", update_freq: str | int = "epoch") -> None:
        super().__init__()
        self.log_dir = log_dir
        self.every = batches_of(update_freq)
        self._writer: EventFile | None = None
        self._reader: Reader | None = None
        self._sums: Reader | None = None
        self._batches = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Open the file."""
        self.close()  # of a training that was broken off
        self._reader, self._sums = Reader(self.model), Reader(self.model)
        self._writer = EventFile(self.log_dir)
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Write, every so many batches."""
        self._batches += 1
        if self.every is not None and self._batches % self.every == 0:
            self._write(self._batches)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Write, and what the epoch took as a whole."""
        if self.every is None:
            self._write(epoch)
        if self._sums is None or self._writer is None:
            return
        for name, number in sums(together(self._sums.read())).items():
            self._writer.add_scalar(f"quantum_epoch/{name}", number, epoch)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; for a training that ended with an exception, which Keras tells no callback."""
        if self._writer is not None:
            self._writer.close()
        self._writer = self._reader = self._sums = None

    def _write(self, step: int) -> None:
        if self._reader is None or self._writer is None:
            return
        for reading in self._reader.read():
            for tag, number in reading.tagged.items():
                self._writer.add_scalar(tag, number, step)
        self._writer.flush()


def batches_of(update_freq: str | int) -> int | None:
    """How many batches lie between two writes; None for one write at the end of each epoch.

    Raises:
        OptionError: it is neither a number of batches nor one of the two words.
    """
    words: dict[str | int, int | None] = {"epoch": None, "batch": 1}
    if update_freq in words and not isinstance(update_freq, bool):
        return words[update_freq]
    if isinstance(update_freq, bool) or not isinstance(update_freq, int) or update_freq < 1:
        raise OptionError(
            f'update_freq must be "epoch", "batch" or a number of batches from 1, got {update_freq!r}.'
        )
    return update_freq
