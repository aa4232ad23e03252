# SPDX-License-Identifier: Apache-2.0
"""Rows of a training for a metrics store: what Keras reports, and what the quantum layers did in the meantime."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

import keras

from qstore.errors import OptionError, SchemaError
from qstore.layers.reading import quantum_columns, together
from qstore.plugins import MetricsStore, open_store
from qstore_tf.callbacks.reading import Reader
from qstore_tf.callbacks.tensorboard import batches_of

__all__ = ["MetricsCallback"]

WORDS = {"loss": "train_loss", "accuracy": "train_accuracy"}
"""Keras' words that are other ones in the columns that every run has."""
RATE = "learning_rate"
LATER = {
    RATE: float,
    "quantum_gradient_norm": float,
    "gradient_variance": float,
    "gradient_snr": float,
}
"""Columns that may be missing in the first row."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_./-]")


class MetricsCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no annotations
    """Logs a row for each epoch, or for every so many batches as well, into a metrics store.

    A row has "step" (batches so far, from 1), "epoch" (from 1), what Keras reports ("loss" as "train_loss", "val_loss", other
    metrics under their names), "batch_time_s" (the mean since the row before) and, where the model has quantum layers, the
    columns of `qstore.layers.reading.quantum_columns`. Rows of epochs have "learning_rate" and validation as well.

    Args:
        path: the folder of the run.
        store: registered name of the store, which is opened with `path=` and `columns=`, names and types of the columns that
            will come; or an open store, which stays open and is only flushed.
        update_freq: "epoch", "batch", or a number of batches. Rows for epochs are logged in any case.
        columns: names and types (float, int, bool, str) of columns that other callbacks add to what Keras reports later than
            in the first row.
        options: more options for the store, by name.

    Raises:
        OptionError: neither a path nor an open store, both, or another `update_freq`.
        BackendUnavailable: no such store is installed; when the first row is logged.
        SchemaError: the folder has a run without columns that a row needs; when the row is logged.

    Example:
        >>> MetricsCallback("runs/first", update_freq=10).path
        'runs/first'
    """

    def __init__(
        self,
        path: Any = None,
        *,
        store: str | MetricsStore = "metrics",
        update_freq: str | int = "epoch",
        columns: Mapping[str, type] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if isinstance(store, str) == (path is None):
            raise OptionError(
                "A metrics store is opened with path=..., or given open with store=...; one of these."
            )
        self.path, self.every = path, batches_of(update_freq)
        self._name = store if isinstance(store, str) else None
        self._store: MetricsStore | None = None if isinstance(store, str) else store
        self._columns, self._options = dict(columns or {}), options
        self._reader: Reader | None = None
        self._batches = 0
        self._began = 0.0
        self._time_s, self._timed = 0.0, 0
        self._epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Look for quantum layers; a model without one is logged all the same."""
        try:
            self._reader = Reader(self.model)
        except OptionError:
            self._reader = None
        # A resumed training goes on counting where it was: every batch is a step of the optimizer.
        self._batches = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
        self._time_s, self._timed = 0.0, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Remember the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Log, every so many batches."""
        self._batches += 1
        self._time_s, self._timed = self._time_s + time.perf_counter() - self._began, self._timed + 1
        if self.every is not None and self._batches % self.every == 0:
            self._log(logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Log the epoch."""
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._log({RATE: rate, **(logs or {})})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras' contract
        """Have every row on the disk."""
        self.close()

    def close(self) -> None:
        """Flush, and close a store that was opened here; for a training that ended with an exception."""
        store, self._reader = self._store, None
        if store is None:
            return
        if self._name is None:
            store.flush()
        else:
            self._store = None
            store.close()

    def _log(self, logs: Mapping[str, Any]) -> None:
        row: dict[str, Any] = {"step": self._batches, "epoch": self._epoch}
        # Callbacks that change the rate report it as well: a column of every run, and nothing that validation will have.
        reported = {_column(name): float(value) for name, value in logs.items() if name != RATE}
        row |= reported
        if RATE in logs:
            row[RATE] = float(logs[RATE])
        if self._timed:
            row["batch_time_s"] = self._time_s / self._timed
        self._time_s, self._timed = 0.0, 0
        if self._reader is not None:
            readings = self._reader.read()
            row |= quantum_columns(together(readings), [each.noise for each in readings])
        self._opened(row, reported).log(row)

    def _opened(self, row: Mapping[str, Any], reported: Iterable[str]) -> MetricsStore:
        """The store; it hears of all columns at its first row, when those of validation are still to come."""
        if self._name is not None and self._store is None:
            kinds = {name: type(value) for name, value in row.items()}
            validation = {
                f"val_{name.removeprefix('train_')}": float
                for name in reported
                if not name.startswith("val_")
            }
            try:
                self._store = self._open({**LATER, **validation, **kinds, **self._columns})
            except SchemaError:
                # A run that exists, without columns that are only expected; those of this row it must have.
                self._store = self._open({**kinds, **self._columns})
        return cast("MetricsStore", self._store)

    def _open(self, columns: Mapping[str, type]) -> MetricsStore:
        return cast(
            "MetricsStore",
            open_store(cast("str", self._name), path=self.path, columns=columns, **self._options),
        )


def _column(name: str) -> str:
    return WORDS.get(name) or _NO_NAME.sub("_", name)
