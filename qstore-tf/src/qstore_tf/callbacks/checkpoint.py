# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a training in a checkpoint store, and training that continues from the newest one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

import keras

from qstore.errors import AlreadyStored, NotStored, OptionError
from qstore.plugins import CheckpointStore, open_store
from qstore_tf.callbacks.state import TrainingState, finite, restore_training_state, training_state

__all__ = ["CheckpointCallback"]

logger = logging.getLogger("qstore.tf.checkpoints")


class CheckpointCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no annotations
    """Saves model and optimizer after epochs, and continues from what was saved.

    A resumed `fit` with the same arguments runs the epochs that are missing, and its losses are those of a training that was
    never interrupted, if the data comes in the same order: with `shuffle=False`, or in an order that depends on the epoch
    alone. State of other callbacks is not saved. A checkpoint is numbered by the epochs that are done, from 1; its metadata has
    that number as "epoch" and what Keras reported of the last one, so that `best="val_loss"` can keep the best as well.

    Args:
        directory: where the checkpoints are.
        store: registered name of the store, which is opened with `directory=`; or an open one, which is left open.
        resume: continue from the newest checkpoint; without one, begin.
        every: save after each so many epochs, and when training ends.
        options: more options for the store, such as `keep=3` or `best="val_loss"`.

    Raises:
        OptionError: neither a directory nor an open store, both, or `every` below 1; when training begins, a model that has
            no weights yet.
        BackendUnavailable: no such store is installed; when training begins.
        StorageError: when training begins, the newest checkpoint is one of another model.
        AlreadyStored: when training begins, there are checkpoints of later epochs, and `resume` is not set.

    Example:
        >>> CheckpointCallback("runs/first/checkpoints", resume=True, keep=2).resume
        True
    """

    def __init__(
        self,
        directory: Any = None,
        *,
        store: str | CheckpointStore = "checkpoints",
        resume: bool = False,
        every: int = 1,
        **options: Any,
    ) -> None:
        super().__init__()
        if isinstance(store, str) == (directory is None):
            raise OptionError(
                "A checkpoint store is opened with directory=..., or given open with store=...; one of these."
            )
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise OptionError(f"every must be a number of epochs from 1, got {every!r}.")
        self.directory, self.resume, self.every = directory, resume, every
        self._name = store if isinstance(store, str) else None
        self._store: CheckpointStore | None = None if isinstance(store, str) else store
        self._options = options
        self._epochs = self._saved = self._stored = 0
        self._metrics: dict[str, float] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Open the store; continue from the newest checkpoint."""
        if self._name is not None and self._store is None:
            self._store = open_store(self._name, directory=self.directory, **self._options)
        self._epochs = self._saved = self._stored = 0
        try:
            found = cast("CheckpointStore", self._store).load()
        except NotStored:
            logger.info("There is no checkpoint yet; training begins.")
            return
        self._stored = int(found.metadata.get("epoch", found.step))
        if self.resume:
            self._restore(found)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Refuse to train what is stored already; better now than after an epoch that was paid for."""
        # Another `fit` of the model shall begin where it is told to.
        self.model._initial_epoch = None
        if epoch < self._stored:
            raise AlreadyStored(
                f"There is a checkpoint of epoch {self._stored} already, and this training begins after {epoch}. Continue from it "
                "with resume=True, or take another directory."
            )
        self._stored = 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save, every so many epochs."""
        self._epochs, self._metrics = epoch + 1, finite(logs)
        if self._epochs % self.every == 0:
            self._save()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Save the end, and have everything on the disk."""
        self.model._initial_epoch = None
        if self._epochs > self._saved:
            self._save()
        self.close()

    def close(self) -> None:
        """Wait until all is on the disk; for a training that ended with an exception, which Keras tells no callback."""
        store = self._store
        if store is None:
            return
        if self._name is None:
            store.wait()
        else:
            self._store = None
            store.close()

    def _save(self) -> None:
        state = training_state(self.model)
        metadata = {**self._metrics, "epoch": self._epochs}
        cast("CheckpointStore", self._store).save(self._epochs, state.model, state.optimizer, metadata)
        self._saved = self._epochs

    def _restore(self, found: Any) -> None:
        restore_training_state(self.model, TrainingState(found.model_state, found.optimizer_state))
        self._epochs = self._saved = self._stored
        # What Keras' own BackupAndRestore sets, for there is no public way; `fit` looks at it after this method.
        self.model._initial_epoch = self._epochs
        logger.info("Continuing after %d epochs.", self._epochs)
