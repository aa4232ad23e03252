# SPDX-License-Identifier: Apache-2.0
"""What is logged of quantum layers, into a real event file."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

import qstore_torch as qt
import torch
from layers.backends import Limited
from qstore.errors import OptionError
from qstore_torch.tensorboard import log_quantum_metrics, quantum_metrics
from torch import nn


def test_metrics_arrive_in_an_event_file(tmp_path):
    model = nn.Sequential(qt.QuantumFeatureExtractor(2, 1, shots=100, seed=1), nn.Linear(6, 2), qt.QuantumLayer(n_qubits=2, depth=1))  # fmt: skip
    writer = SummaryWriter(tmp_path)
    for step in range(2):
        model(torch.rand(4, 2)).sum().backward()
        log_quantum_metrics(writer, model, step)
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = set(events.Tags()["scalars"])
    facts = {"circuits", "seconds", "dollars", "backends/statevector", "gradient_norm", "gradient_variance"}
    assert {f"quantum/{layer}/{fact}" for layer in (0, 2) for fact in facts} <= tags
    noisy = events.Scalars("quantum/0/gradient_snr")
    assert len(noisy) == 2
    assert noisy[0].value > 1
    assert "quantum/2/gradient_snr" not in tags  # infinite: its gradient is exact


def test_looking_starts_the_counting_again():
    layer = qt.QuantumFeatureExtractor(2, 1, backend=Limited(differentiable_outputs=frozenset()))
    layer(torch.rand(3, 2)).sum().backward()
    first, second = quantum_metrics(layer), quantum_metrics(layer)
    tag = "quantum/QuantumFeatureExtractor/"
    assert (first[tag + "circuits"], second[tag + "circuits"]) == (3 * 9, 0)
    assert first[tag + "backends/statevector"] == 3 * 9


def test_a_model_without_circuits_has_nothing_to_log():
    with pytest.raises(OptionError, match="no quantum layer"):
        quantum_metrics(nn.Linear(2, 2))
