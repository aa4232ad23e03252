# SPDX-License-Identifier: Apache-2.0
"""Summaries of models say what a training step really sends."""

import numpy as np
import pytest

from layers.backends import Limited
from qstore.errors import OptionError
from qstore.layers import (
    DecodingLayer,
    EncodingLayer,
    QuantumBatchNorm,
    QuantumFeatureExtractor,
    QuantumReadout,
    Sequential,
)

BATCH = 8
SHIFT = {"gradient_method": "parameter_shift"}
MODELS = {
    **{
        encoding: lambda encoding=encoding: [
            QuantumFeatureExtractor(4, 2, encoding=encoding, **SHIFT),
            QuantumReadout(4, 2),
        ]
        for encoding in ("angle", "reupload", "amplitude", "iqp")
    },
    "native": lambda: [QuantumFeatureExtractor(2, 1), QuantumReadout(2, 2)],
    "two-circuits": lambda: [
        QuantumFeatureExtractor(2, 1, **SHIFT),
        QuantumBatchNorm(6),
        QuantumFeatureExtractor(6, 1, **SHIFT),
    ],
    "behind-numbers": lambda: [DecodingLayer(3), QuantumReadout(3, 2, **SHIFT)],
    "nothing-to-train": lambda: [EncodingLayer(2, **SHIFT), DecodingLayer(2)],
}


@pytest.mark.parametrize("layers", MODELS.values(), ids=MODELS)
def test_circuits_of_a_summary_are_those_that_a_step_sends(layers):
    model = Sequential(layers())
    summary = model.summary(batch_size=BATCH, samples=BATCH)
    x = np.random.default_rng(0).random((BATCH, model.n_features))
    passed = model.forward(x, training=True, differentiable=True, features=False)
    model.backward(passed, np.ones_like(passed.values), features=False)
    sent = [circuit.usage.circuits for _, circuit in model.circuit_layers()]
    assert [row.circuits_per_step for row in summary.rows if row.starts_circuit] == sent
    assert summary.notes == ()


def test_a_summary_says_why_a_cost_is_unknown():
    model = Sequential([QuantumFeatureExtractor(2, 1), QuantumReadout(2, 2)])
    summary = model.summary(backend=Limited(max_qubits=1))
    assert summary.rows[0].circuits_per_step is None
    assert summary.usd_per_epoch is None
    (note,) = summary.notes
    assert note.startswith("Circuits and dollars of [angle] QuantumFeatureExtractor are unknown: ")
    assert "qubits" in note
    assert str(summary).endswith("\n" + note)


@pytest.mark.parametrize("name", ["batch_size", "samples"])
@pytest.mark.parametrize("given", [1.5, 0, True, "8"])
def test_a_summary_takes_whole_numbers(name, given):
    model = Sequential([QuantumReadout(2, 2)])
    with pytest.raises(OptionError, match=f"{name} must be an integer from 1 up"):
        model.summary(**{name: given})
    assert model.summary(**{name: np.int64(8)}).parameters == 4
