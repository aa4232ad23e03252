# SPDX-License-Identifier: Apache-2.0
"""The examples of torch, in short: they learn; the long ones are under `-m slow`."""

from decimal import Decimal

import pytest

import qstore as qs
from qstore.accounting import Ledger
from qstore.layers import Layer
from qstore.routing import CostOptimizer
from qstore_torch.examples import budget, hybrid_cnn, noisy, quantum_cnn
from torch import nn


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path / "state"))


def test_the_quantum_network_has_no_classical_trainable_layer_and_learns():
    found = quantum_cnn.train(4, epochs=5)
    assert isinstance(found.model.layer, Layer)
    assert len(found.model.layer.parts) == 1
    assert found.model.summary().quantum_share == 1.0
    assert not [each for each in found.model.modules() if isinstance(each, (nn.Linear, nn.Conv2d))]
    assert found.accuracy > 0.8


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "bar"), [(4, 0.97), (10, 0.92)])
def test_the_quantum_network_reaches_its_bar(classes, bar):
    assert quantum_cnn.train(classes).accuracy >= bar


def test_the_hybrid_network_learns_in_all_its_parts():
    model, accuracy = hybrid_cnn.train(epochs=6)
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert accuracy > 0.5


def test_training_under_noise_lowers_the_loss():
    _, losses = noisy.train(steps=25)
    assert losses[-1] < losses[0] - 0.1


def test_a_budget_that_runs_out_in_the_middle_of_training_falls_back(tmp_path):
    from qstore_ionq.emulator import Emulator

    with Emulator(seed=7) as emulator, Ledger(tmp_path / "costs.sqlite") as ledger:
        machine = qs.get_backend("ionq.aria-1", url=emulator.url, api_key="any")
        policy = CostOptimizer(
            total_budget=65,
            fallback_chain=[{"backend": machine}, {"backend": "statevector"}],
            name="thesis",
            ledger=ledger,
        )
        steps = budget.train(policy, steps=4)
        spent = policy.get_cost_report()
    assert set(steps[0].circuits) == {machine.name}
    assert set(steps[-1].circuits) == {"statevector"}
    assert set(steps[2].circuits) == {machine.name, "statevector"}  # spent between the two passes of a step
    assert steps[0].dollars > 0 == steps[-1].dollars
    assert Decimal(0) < spent.total_usd <= 65
