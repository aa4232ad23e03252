# SPDX-License-Identifier: Apache-2.0
"""What is logged of quantum layers in Keras, in real event files, with the tags of qstore_torch."""

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import qstore_tf as qt
import qstore_torch
import torch
from layers.backends import Limited
from qstore.errors import OptionError
from qstore_tf.callbacks import QuantumTensorBoard
from qstore_tf.tensorboard import EventFile, log_quantum_metrics, quantum_metrics
from qstore_torch.tensorboard import quantum_metrics as torch_metrics

X, Y = np.random.default_rng(1).random((8, 2)).astype("float32"), np.zeros((8, 1), "float32")


def _model(**options):
    layer = qt.QuantumFeatureExtractor(2, 1, name="features", **options)
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model


def _events(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_a_training_writes_what_its_circuits_took_by_epoch(tmp_path):
    callback = QuantumTensorBoard(tmp_path)
    _model(shots=100, seed=1).fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    events = _events(tmp_path)
    facts = {"circuits", "seconds", "dollars", "backends/statevector", "gradient_norm", "gradient_variance", "gradient_snr"}  # fmt: skip
    sums = {f"quantum_epoch/{name}" for name in ("circuits", "seconds", "dollars")}
    assert set(events) == {f"quantum/features/{fact}" for fact in facts} | sums
    assert [step for step, _ in events["quantum/features/circuits"]] == [0, 1]
    assert events["quantum/features/circuits"] == events["quantum_epoch/circuits"]
    assert events["quantum/features/gradient_variance"][0][1] > 0
    assert events["quantum/features/seconds"][0][1] > 0


def test_it_writes_by_batches_as_well_and_epochs_have_their_sums(tmp_path):
    callback = QuantumTensorBoard(tmp_path, update_freq=2)
    _model().fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[callback])
    events = _events(tmp_path)
    assert [step for step, _ in events["quantum/features/circuits"]] == [2, 4, 6, 8]
    by_batches = sum(value for _, value in events["quantum/features/circuits"])
    assert by_batches == sum(value for _, value in events["quantum_epoch/circuits"]) > 0
    assert "quantum/features/gradient_snr" not in events  # infinite: its gradient is exact


def test_the_tags_and_numbers_are_those_of_torch():
    backend = {"backend": Limited(differentiable_outputs=frozenset()), "weights_seed": 3}
    ours, theirs = qt.QuantumFeatureExtractor(2, 1, name="0", **backend), qstore_torch.QuantumFeatureExtractor(2, 1, **backend)  # fmt: skip
    model = keras.Sequential([keras.Input((2,)), ours])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss=lambda _, values: keras.ops.sum(values))
    model.train_on_batch(X, np.zeros((8, 6), "float32"))
    sequential = torch.nn.Sequential(theirs)
    sequential(torch.from_numpy(X)).sum().backward()
    found, wanted = quantum_metrics(model), torch_metrics(sequential)
    assert set(found) == set(wanted)
    timed = "quantum/0/seconds"
    assert found.pop(timed) > 0 < wanted.pop(timed)
    assert found == pytest.approx(wanted, rel=1e-5)
    assert quantum_metrics(model)["quantum/0/circuits"] == 0  # since one looked


def test_two_callbacks_and_somebody_else_who_counts_do_not_disturb_each_other(tmp_path):
    first, second = (
        QuantumTensorBoard(tmp_path / "a"),
        QuantumTensorBoard(tmp_path / "b", update_freq="batch"),
    )
    model = _model()
    asks = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: quantum_metrics(model) if epoch else None
    )
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[first, second, asks])
    (a, b) = (_events(tmp_path / name)["quantum_epoch/circuits"] for name in "ab")
    assert a == b
    assert len({value for _, value in a}) == 1


def test_counts_that_somebody_empties_at_every_batch_are_logged_all_the_same(tmp_path):
    model = _model()
    layer = model.layers[0]
    asks = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: quantum_metrics(model))
    empties = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: layer.usage.take())
    for name, other in {"asked": asks, "emptied": empties}.items():
        callback = QuantumTensorBoard(tmp_path / name, update_freq="batch")
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[callback, other])
    asked, emptied = (_events(tmp_path / name)["quantum/features/circuits"] for name in ("asked", "emptied"))
    assert asked == emptied
    assert {value for _, value in asked} == {8.0}


def test_any_writer_will_do():
    said = []

    class Writer:
        def add_scalar(self, *given):
            said.append(given)

    model = _model()
    model(X)
    metrics = log_quantum_metrics(Writer(), model, 7)
    assert said == [(tag, value, 7) for tag, value in metrics.items()]
    assert metrics["quantum/features/circuits"] == 8


def test_what_cannot_be_logged_is_said(tmp_path):
    with pytest.raises(OptionError, match="no quantum layer"):
        quantum_metrics(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    for wrong in (0, True, "day", -1, 1.5):
        with pytest.raises(OptionError, match="update_freq"):
            QuantumTensorBoard(tmp_path, wrong)
    writer = EventFile(tmp_path / "new" / "folder")
    writer.close()
    writer.close()
