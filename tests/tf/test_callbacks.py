# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and metrics of Keras trainings in the stores of qstore-storage, reached by name only."""

import keras
import numpy as np
import pytest

from qstore.errors import AlreadyStored, BackendUnavailable, NotStored, OptionError, SchemaError, StorageError
from qstore.plugins import open_store
from qstore_storage.metrics import read_metrics
from qstore_tf.callbacks import CheckpointCallback, MetricsCallback, restore_training_state, training_state
from tf.callback_model import X, Y, fit, make


class Broken(keras.callbacks.Callback):
    """Ends a training in the middle of an epoch, as a power cut would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.now = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch:
            raise KeyboardInterrupt


def test_a_training_that_was_broken_off_continues_exactly(tmp_path):
    whole = fit(make(), 4)["loss"]
    first = CheckpointCallback(tmp_path, resume=True)
    with pytest.raises(KeyboardInterrupt):
        fit(make(), 4, first, Broken(2))
    first.close()
    # As in a new process: another model, whose weights are drawn anew and replaced.
    resumed = fit(make(), 4, CheckpointCallback(tmp_path, resume=True))["loss"]
    assert resumed == whole[2:]


def test_without_a_checkpoint_it_begins_and_with_all_of_them_it_does_nothing(tmp_path):
    model = make(eager=True)
    assert len(fit(model, 2, CheckpointCallback(tmp_path, resume=True))["loss"]) == 2
    weights = [np.array(each) for each in model.get_weights()]
    again = make(eager=True)
    assert fit(again, 2, CheckpointCallback(tmp_path, resume=True)) == {}
    assert all(np.array_equal(a, b) for a, b in zip(weights, again.get_weights(), strict=True))
    assert len(fit(again, 1)["loss"]) == 1  # where a resumed training began is forgotten


def test_metadata_says_which_epoch_and_how_it_went_and_every_skips(tmp_path):
    history = fit(
        make(eager=True), 5, CheckpointCallback(tmp_path, every=2, keep=None), validation_data=(X, Y)
    )
    with open_store("checkpoints", directory=tmp_path) as store:
        assert [each.step for each in store.list_checkpoints()] == [2, 4, 5]  # the end is kept, too
        metadata = store.load(4).metadata
    assert metadata["epoch"] == 4
    assert metadata["val_mae"] == pytest.approx(history["val_mae"][3])


def test_the_best_is_kept_by_what_keras_reports(tmp_path):
    history = fit(make(eager=True), 4, CheckpointCallback(tmp_path, keep=1, best="mae", mode="max"))
    with open_store("checkpoints", directory=tmp_path) as store:
        assert {each.step for each in store.list_checkpoints()} == {int(np.argmax(history["mae"])) + 1, 4}


def test_what_is_stored_is_not_trained_again_by_mistake(tmp_path):
    fit(make(eager=True), 2, CheckpointCallback(tmp_path))
    model = make(eager=True)
    before = model.get_weights()
    with pytest.raises(AlreadyStored, match="resume=True"):
        fit(model, 2, CheckpointCallback(tmp_path))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    fit(make(eager=True), 3, CheckpointCallback(tmp_path), initial_epoch=2)  # somebody knows what he does


def test_a_checkpoint_of_another_model_changes_nothing(tmp_path):
    fit(make(eager=True), 1, CheckpointCallback(tmp_path))
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    other.compile(optimizer="adam", loss="mse", run_eagerly=True)
    before = other.get_weights()
    with pytest.raises(StorageError, match="variables of the model"):
        fit(other, 2, CheckpointCallback(tmp_path, resume=True))
    assert all(np.array_equal(a, b) for a, b in zip(before, other.get_weights(), strict=True))
    wider = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    wider.compile(optimizer="adam", loss="mse", run_eagerly=True)
    with pytest.raises(StorageError, match=r"shape \(3, 1\) where the model has .*\(3, 2\)"):
        restore_training_state(wider, training_state(other))


def test_a_model_without_weights_or_optimizer_is_refused():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse", run_eagerly=True)
    with pytest.raises(OptionError, match="no weights yet"):
        training_state(model)
    with pytest.raises(OptionError, match="no optimizer"):
        training_state(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))


def test_an_open_store_is_used_and_left_open():
    class Fake:
        def __init__(self):
            self.said = []

        def save(self, step, model_state, optimizer_state=None, metadata=None):
            self.said.append((step, sorted(model_state), metadata["epoch"]))

        def load(self, step=None):
            raise NotStored("nothing")

        def wait(self):
            self.said.append("wait")

        def close(self):
            self.said.append("close")

    store = Fake()
    fit(make(eager=True), 2, CheckpointCallback(store=store))
    assert store.said == [(1, ["quantum", "variables"], 1), (2, ["quantum", "variables"], 2), "wait"]


def test_rows_have_what_keras_reports_and_what_circuits_took(tmp_path):
    history = fit(make(eager=True), 2, MetricsCallback(tmp_path, update_freq="batch"), validation_data=(X, Y))
    rows = read_metrics(tmp_path).to_pylist()
    assert [(row["step"], row["epoch"], row["val_loss"] is None) for row in rows] == [
        (1, 1, True), (2, 1, True), (2, 1, False), (3, 2, True), (4, 2, True), (4, 2, False),
    ]  # fmt: skip
    ends = [row for row in rows if row["val_loss"] is not None]
    for name, column in {
        "loss": "train_loss",
        "val_loss": "val_loss",
        "mae": "mae",
        "val_mae": "val_mae",
    }.items():
        assert [row[column] for row in ends] == pytest.approx(history[name])
    assert all(row["circuits"] > 0 and row["backend"] == "statevector" for row in rows)
    assert all(row["gradient_variance"] == 0 for row in rows)  # exact
    assert all(row["quantum_gradient_norm"] > 0 for row in rows)
    assert ends[0]["learning_rate"] < 0.05
    assert rows[0]["batch_time_s"] > 0


def test_a_model_without_circuits_is_logged_and_names_become_columns(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(
        optimizer="sgd",
        loss="mse",
        metrics=[keras.metrics.MeanAbsoluteError(name="how far off?")],
        run_eagerly=True,
    )
    fit(model, 2, MetricsCallback(tmp_path))
    fit(model, 3, MetricsCallback(tmp_path), initial_epoch=2)  # on in the same run
    rows = read_metrics(tmp_path).to_pylist()
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 2), (2, 4), (3, 6)]
    assert all(row["how_far_off_"] > 0 for row in rows)
    assert all(row["circuits"] is None for row in rows)


@pytest.mark.parametrize("first", ["batch", "epoch", 3])
@pytest.mark.parametrize("then", ["batch", "epoch", 3])
def test_a_run_goes_on_with_rows_of_other_times(tmp_path, first, then):
    model = _small()
    fit(model, 2, MetricsCallback(tmp_path, update_freq=first), validation_data=(X, Y))
    fit(model, 4, MetricsCallback(tmp_path, update_freq=then), initial_epoch=2, validation_data=(X, Y))
    rows = read_metrics(tmp_path).to_pylist()
    assert [row["epoch"] for row in rows if row["val_mae"] is not None] == [1, 2, 3, 4]
    assert not {"val_learning_rate", "val_epoch"} & set(rows[0])


def test_a_callback_is_used_again_where_an_epoch_is_shorter_than_its_rows(tmp_path):
    model, callback = _small(), MetricsCallback(tmp_path, update_freq=3)
    fit(model, 2, callback)
    fit(model, 3, callback, initial_epoch=2)
    assert [row["step"] for row in read_metrics(tmp_path).to_pylist()] == [2, 3, 4, 6, 6]


def test_a_rate_that_keras_reports_is_the_rate(tmp_path):
    model = _small()
    fit(model, 1, MetricsCallback(tmp_path, update_freq="batch"))
    slower = keras.callbacks.ReduceLROnPlateau(monitor="loss", min_delta=1e9, patience=1)
    fit(model, 4, slower, MetricsCallback(tmp_path), initial_epoch=1)
    rows = read_metrics(tmp_path).to_pylist()
    assert "val_learning_rate" not in rows[0]
    assert rows[-1]["learning_rate"] < rows[2]["learning_rate"]


def test_a_run_without_columns_of_validation_goes_on(tmp_path):
    with open_store("metrics", path=tmp_path, columns={"mae": float}) as store:
        store.log({"step": 1, "train_loss": 1.0, "mae": 0.5})
    fit(_small(), 1, MetricsCallback(tmp_path))
    assert [row["mae"] is None for row in read_metrics(tmp_path).to_pylist()] == [False, False]
    with pytest.raises(SchemaError, match="val_mae"):  # which would be logged in vain
        fit(_small(), 1, MetricsCallback(tmp_path), validation_data=(X, Y))


def _small():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"], run_eagerly=True)
    return model


def test_an_open_metrics_store_is_flushed_and_left_open():
    said = []

    class Fake:
        def log(self, row):
            said.append(row["epoch"])

        def flush(self):
            said.append("flush")

        def close(self):
            said.append("close")

    fit(make(eager=True), 2, MetricsCallback(store=Fake()))
    assert said == [1, 2, "flush"]


@pytest.mark.parametrize("callback", [CheckpointCallback, MetricsCallback])
def test_wrong_options_are_refused_when_the_callback_is_made(callback, tmp_path):
    for wrong in (
        {},
        {"store": object(), "directory" if callback is CheckpointCallback else "path": tmp_path},
    ):
        with pytest.raises(OptionError, match="one of these"):
            callback(**wrong)
    if callback is CheckpointCallback:
        with pytest.raises(OptionError, match="every must be"):
            callback(tmp_path, every=0)


def test_a_store_that_is_not_installed_is_named(tmp_path):
    with pytest.raises(BackendUnavailable, match=r"checkpoints\.nowhere"):
        fit(make(eager=True), 1, CheckpointCallback(tmp_path, store="checkpoints.nowhere"))
