# SPDX-License-Identifier: Apache-2.0
"""Columns of `QuantumMetrics` from what qstore counts itself, rows in TensorBoard, and what the schema says."""

import math
import struct
import sys
import time
from dataclasses import fields
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

import qstore as qs
from qstore.errors import OptionError, StorageError
from qstore.layers import QuantumFeatureExtractor
from qstore_storage.metrics import (
    AsyncMetricsLogger,
    QuantumMetrics,
    TrainingMetrics,
    quantum_metrics_of,
    read_metrics,
)
from qstore_storage.metrics.rows import KEYS, STANDARD
from qstore_storage.metrics.schema import KINDS

BELL = qs.QuantumCircuit(2).h(0).cx(0, 1)


def result(**facts):
    given = {
        "n_qubits": 2,
        "backend": "ionq.aria-1",
        "values": np.zeros((5, 1)),
        "shots": 100,
        "run_s": 0.5,
        "queued_s": 2.0,
    }
    return qs.BatchResult(**(given | facts))


def test_every_column_has_a_kind_a_unit_and_a_meaning_and_is_in_the_docstring():
    assert len({facts.name for facts in (*KEYS, *STANDARD)}) == len(KEYS) + len(STANDARD)
    for facts in (*KEYS, *STANDARD):
        assert facts.kind in KINDS
        assert facts.what
    for each in (TrainingMetrics, QuantumMetrics):
        for field in fields(each):
            assert field.name in each.__doc__


def test_a_result_fills_what_it_knows():
    found = quantum_metrics_of(result(billed_usd=Decimal("1.25")), circuit=BELL, expressibility=0.02)
    assert found == QuantumMetrics(
        backend="ionq.aria-1", n_qubits=2, circuits=5, circuit_time_s=0.5, circuits_per_s=10.0, circuit_depth=2, entangling_gates=1,
        shots=500, queue_time_s=2.0, cost_usd=1.25, expressibility=0.02,
    )  # fmt: skip


def test_several_results_are_added_up():
    found = quantum_metrics_of(
        result(estimated_usd=Decimal(1)), result(backend="statevector", shots=None, queued_s=0.0)
    )
    assert (found.backend, found.circuits, found.shots, found.cost_usd) == (
        "ionq.aria-1, statevector",
        10,
        500,
        1.0,
    )
    assert found.queue_time_s == 2.0


def test_counts_have_rows_too():
    found = quantum_metrics_of(qs.run(BELL, outputs=qs.Counts(), shots=50, seed=1))
    assert (found.circuits, found.shots, found.backend) == (1, 50, "statevector")


def test_a_layer_is_counted_from_the_last_time_on(tmp_path):
    layer = QuantumFeatureExtractor(2, 1, shots=100, seed=1, gradient_method="parameter_shift")
    x = np.random.default_rng(0).random((4, 2))
    layer.vjp(x)
    circuits = layer.usage.circuits
    found = quantum_metrics_of(layer)
    assert found.circuits == circuits > 4
    assert found.backend == "statevector"
    assert found.gradient_variance > 0
    assert found.gradient_snr >= 0
    assert found.quantum_gradient_norm > 0
    assert quantum_metrics_of(layer).circuits == 0
    with AsyncMetricsLogger(tmp_path) as logger:
        logger.log(TrainingMetrics(step=1, train_loss=0.5), found)
    assert read_metrics(tmp_path, ["circuits"])["circuits"].to_pylist() == [circuits]


def test_an_exact_gradient_has_no_noise():
    layer = QuantumFeatureExtractor(2, 1)
    layer.vjp([[0.1, 0.2]])
    found = quantum_metrics_of([layer, SimpleNamespace(usage=qs.layers.usage.Usage())])
    assert (found.gradient_variance, found.gradient_snr) == (0.0, math.inf)


@pytest.mark.parametrize("bad", [3, "model", SimpleNamespace(), [], [...]], ids=str)
def test_what_has_nothing_to_count_is_refused(bad):
    with pytest.raises(OptionError, match="nothing to count"):
        quantum_metrics_of(bad)
    with pytest.raises(OptionError, match="no loss; user columns go to log"):
        quantum_metrics_of(result(), loss=1)


def scalars(folder):
    """What is in the event file; TensorBoard's own reader would import TensorFlow for a quarter of a minute."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    (path,) = folder.iterdir()
    raw, at, found = path.read_bytes(), 0, {}
    while at < len(raw):
        (size,) = struct.unpack("<Q", raw[at : at + 8])
        record = raw[at + 12 : at + 12 + size]
        assert raw[at + 12 + size : at + 16 + size] == struct.pack("<I", masked_crc32c(record))
        event = Event.FromString(record)
        assert at > 0 or event.file_version == "brain.Event:2"
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
        at += 16 + size
    return found


def test_tensorboard_shows_every_row(tmp_path):
    pytest.importorskip("tensorboard")
    with AsyncMetricsLogger(tmp_path / "run", {"ok": bool}, tensorboard=tmp_path / "board") as logger:
        for step in (5, 6, 7):
            logger.log(step=step, train_loss=1 / step, backend="auto", ok=step > 5)
        logger.log(train_loss=math.nan)
    found = scalars(tmp_path / "board")
    assert set(found) == {"train_loss", "ok"}
    assert found["train_loss"][:3] == [(step, pytest.approx(1 / step)) for step in (5, 6, 7)]
    assert found["train_loss"][3][0] == 4
    assert found["ok"] == [(5, 0.0), (6, 1.0), (7, 1.0)]


def test_a_writer_of_the_users_own_is_told_what_was_saved(tmp_path):
    told = []
    writer = SimpleNamespace(add_scalar=lambda tag, value, step: told.append((tag, value, step)))
    with AsyncMetricsLogger(tmp_path, tensorboard=writer, rank=2) as logger:
        logger.log(step=3, shots=100)
    assert told == [("shots", 100.0, 3)]


def flush_until_told(logger):
    for _ in range(3000):
        logger.flush()
        time.sleep(0.01)


def test_a_mirror_that_fails_is_said_once_and_costs_no_row(tmp_path):
    def add_scalar(tag, value, step):
        raise RuntimeError("no space")

    logger = AsyncMetricsLogger(
        tmp_path, tensorboard=SimpleNamespace(add_scalar=add_scalar), flush_interval_s=0
    )
    logger.log(step=1, shots=1)
    with pytest.raises(StorageError, match=r"mirror of the metrics failed and is off now.*no space"):
        flush_until_told(logger)
    logger.log(step=2, shots=2)
    logger.close()
    assert read_metrics(tmp_path, ["step"])["step"].to_pylist() == [1, 2]


def test_a_missing_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(OptionError, match=r"pip install 'qstore-storage\[tensorboard\]'"):
        AsyncMetricsLogger(tmp_path, tensorboard=tmp_path / "board")
