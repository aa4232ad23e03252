# SPDX-License-Identifier: Apache-2.0
"""The examples for Keras, in short: they learn; the long ones are under `-m slow`."""

import subprocess
import sys
from decimal import Decimal

import keras
import pytest

import qstore as qs
from qstore.accounting import Ledger
from qstore.layers import Layer
from qstore.routing import CostOptimizer
from qstore_tf.examples import budget, hybrid_cnn, noisy, quantum_cnn
from qstore_tf.examples.digits import load

NAMES = ("budget", "hybrid_cnn", "multi_worker", "noisy", "quantum_cnn")


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path / "state"))


def test_the_quantum_network_has_no_classical_trainable_layer_and_learns():
    found = quantum_cnn.train(4, epochs=3)
    quantum, constant = found.model.layers
    assert isinstance(quantum.layer, Layer)
    assert len(quantum.layer.parts) == 1
    assert quantum.summary().quantum_share == 1.0
    assert constant.count_params() == 0
    assert found.accuracy > 0.7


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("classes", "bar"), [(4, 0.97), (10, 0.92)])
def test_the_quantum_network_reaches_its_bar(classes, bar):
    assert quantum_cnn.train(classes).accuracy >= bar


def test_the_hybrid_network_learns_in_all_its_parts():
    keras.utils.set_random_seed(1)
    before = hybrid_cnn.make_model().get_weights()
    model, accuracy = hybrid_cnn.train(epochs=6)
    assert all((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    assert accuracy > 0.5


def test_training_under_noise_lowers_the_loss_and_the_model_can_be_asked_elsewhere():
    model, losses = noisy.train(steps=25)
    assert losses[-1] < losses[0] - 0.1
    assert noisy.loss_under(model, 0.3) > noisy.loss_under(model, 0.0)


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


def test_the_digits_are_those_of_the_examples_for_torch():
    from qstore_torch.demo.data import load as torch_load

    ours, theirs = load(), torch_load("digits", None)
    assert (ours.train_x == theirs.train_x).all()
    assert (ours.test_y == theirs.test_y).all()
    assert set(load(4).test_y) == {0, 1, 2, 3}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NAMES)
def test_every_example_tells_what_it_is_for(name):
    done = subprocess.run(
        [sys.executable, "-m", f"qstore_tf.examples.{name}", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"python -m qstore_tf.examples.{name}" in done.stdout
