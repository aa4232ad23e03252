# SPDX-License-Identifier: Apache-2.0
"""Hooks of a torch loop: training that is cut anywhere and goes on ends with the very same numbers."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import qstore as qs
import torch
from qstore.errors import AlreadyStored, OptionError, SchemaError
from qstore.layers import QuantumDropout
from qstore.plugins import open_store
from qstore_torch import QuantumFeatureExtractor
from qstore_torch.tensorboard import quantum_metrics
from qstore_torch.training_hooks import CheckpointHook, MetricsHook

STEPS = 6


def made(shots=None, dropout=True):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    masks = QuantumDropout(qubit=0.3, seed=4) if dropout else None
    quantum = QuantumFeatureExtractor(2, depth=1, shots=shots, dropout=masks, weights_seed=1)
    model = torch.nn.Sequential(torch.nn.Dropout(0.2), quantum, torch.nn.Linear(quantum.output_dim, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return model, optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=STEPS)


def trained(folder, stop=STEPS, every=1, shots=None, resume=True, **options):
    """Train, stop after some steps, and tell the weights and the losses."""
    model, optimizer, schedule = made(shots)
    order = np.random.default_rng(5)
    with CheckpointHook(
        folder, model, optimizer, scheduler=schedule, every=every, generators={"order": order}, **options
    ) as hook:
        start = hook.resume() if resume else 0
        losses = list(hook.progress or [])
        for step in range(start, stop):
            x = torch.tensor(order.random((4, 2)), dtype=torch.float32)
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            hook.progress = losses
            hook.after_step(step, {"loss": loss.item(), "bad": float("nan")}, last=step == STEPS - 1)
    return start, losses, [weight.detach().clone() for weight in model.parameters()]


@pytest.mark.parametrize("shots", [None, 50])
def test_a_training_that_goes_on_ends_with_the_same_weights(tmp_path, shots):
    # With shots the outcomes follow from the run's name, the content, and how often it came: each training has the name, and
    # the second starts with the count of the first one's checkpoint.
    with qs.run_context(f"hooks-{shots}"):
        state = qs.batch.current_run().get_state() if shots else None
        _, losses, weights = trained(tmp_path / "whole", shots=shots)
        if shots:
            qs.batch.current_run().set_state(state)
        assert trained(tmp_path / "cut", stop=3, every=2, shots=shots)[0] == 0
        start, more, again = trained(tmp_path / "cut", shots=shots)
    assert start == 2  # the checkpoint after step 1 is the last one
    assert more == losses
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))
    if shots is None:  # with shots, only under the same name
        assert trained(tmp_path / "cut", stop=0)[1] == losses  # and it is stored


PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
import test_training_hooks as t
from qstore_torch.training_hooks import CheckpointHook
stop = int(sys.argv[2])
def after(self, step, metrics=None, *, last=False, real=CheckpointHook.after_step):
    real(self, step, metrics, last=last)
    if step == stop:
        self.store.wait()
        os.kill(os.getpid(), signal.SIGKILL)
CheckpointHook.after_step = after
t.trained(sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_training_that_is_killed_goes_on_to_the_same_weights(tmp_path):
    _, losses, weights = trained(tmp_path / "whole")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "killed"), "3", str(Path(__file__).parent)]
    assert subprocess.run(command, check=False, timeout=100).returncode == -signal.SIGKILL
    start, more, again = trained(tmp_path / "killed")
    assert start == 4
    assert more == losses
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))


def test_metrics_that_json_does_not_have_are_left_out(tmp_path):
    trained(tmp_path, stop=1)
    with open_store("checkpoints", directory=tmp_path) as store:
        assert set(store.load().metadata) == {"loss"}


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.float16])
def test_a_loss_that_is_no_number_does_not_end_the_training(tmp_path, kind):
    model = torch.nn.Linear(1, 1)
    with CheckpointHook(tmp_path, model) as checkpoints:
        assert checkpoints.after_step(0, {"loss": kind("nan"), "rate": kind("inf"), "good": kind(0.5)})
    with open_store("checkpoints", directory=tmp_path) as store:
        assert store.load().metadata == {"good": 0.5}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_tensors_of_one_number_are_numbers(tmp_path, dtype):
    model = torch.nn.Linear(1, 1)
    loss = torch.tensor(0.5, dtype=dtype, requires_grad=True)
    metrics = {
        "train_loss": loss, "nan": loss * float("nan"), "inf": loss * float("inf"), "one": loss.reshape(1),
        "count": torch.tensor(3), "array": np.array(0.25), "array_nan": np.array(np.nan),
    }  # fmt: skip
    with CheckpointHook(tmp_path / "c", model, best="train_loss") as checkpoints:
        checkpoints.after_step(0, metrics)
    with open_store("checkpoints", directory=tmp_path / "c") as store:
        assert store.load().metadata == {"train_loss": 0.5, "one": 0.5, "count": 3, "array": 0.25}
    with MetricsHook(tmp_path / "m") as logged:
        logged.after_step(0, metrics)
        logged.store.flush()
        assert logged.store.rows()[0]["one"] == 0.5


def test_generators_of_torch_go_on_where_they_were(tmp_path):
    def made_hook(generator):
        return CheckpointHook(tmp_path, torch.nn.Linear(1, 1), generators={"order": generator})

    order = torch.Generator().manual_seed(4)
    with made_hook(order) as hook:
        torch.rand(3, generator=order)
        hook.save(0)
        expected = torch.rand(3, generator=order)
    again = torch.Generator()
    with made_hook(again) as hook:
        assert hook.resume() == 1
        assert torch.equal(torch.rand(3, generator=again), expected)
    with (
        made_hook(np.random.default_rng(0)) as hook,
        pytest.raises(OptionError, match="'order'"),
    ):
        hook.resume()


def test_generators_are_of_numpy_or_torch(tmp_path):
    with pytest.raises(
        OptionError, match=r"generators\['order'\] must be a numpy.random.Generator or a torch.Generator"
    ):
        CheckpointHook(tmp_path, torch.nn.Linear(1, 1), generators={"order": np.random.RandomState(0)})
    assert not any(tmp_path.iterdir())  # nothing was opened


def test_a_checkpoint_that_is_refused_changes_no_weight(tmp_path):
    def refused(reason, *parts, **options):
        model = torch.nn.Linear(2, 2)
        before = [weight.detach().clone() for weight in model.parameters()]
        with (
            CheckpointHook(tmp_path, model, *(part(model) for part in parts), **options) as hook,
            pytest.raises(OptionError, match=reason),
        ):
            hook.resume()
        assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))

    def adam(model):
        return torch.optim.Adam(model.parameters())

    def of_groups(model):
        return torch.optim.Adam([{"params": [model.weight]}, {"params": [model.bias]}])

    saved = torch.nn.Linear(2, 2)
    with CheckpointHook(tmp_path, saved, adam(saved)) as hook:
        hook.save(0)
    refused("saved with an optimizer; give one")
    refused("different number of parameter groups", of_groups)
    refused("generators", adam, generators={"order": np.random.default_rng(0)})
    sgd = torch.optim.SGD(saved.parameters())
    refused("saved without a scheduler; give none", adam, scheduler=torch.optim.lr_scheduler.ConstantLR(sgd))


def test_a_checkpoint_of_another_training_is_refused_with_its_step(tmp_path):
    trained(tmp_path, stop=2)
    other = torch.nn.Linear(2, 2)
    with (
        CheckpointHook(tmp_path, other) as hook,
        pytest.raises(OptionError, match="step 1 does not fit this training"),
    ):
        hook.resume()
    model, optimizer, _ = made()
    with (
        CheckpointHook(tmp_path, model, optimizer) as hook,
        pytest.raises(OptionError, match="with a scheduler"),
    ):
        hook.resume()
    model, optimizer, schedule = made()
    with (
        CheckpointHook(tmp_path, model, optimizer, scheduler=schedule) as hook,
        pytest.raises(OptionError, match="generators"),
    ):
        hook.resume()


def test_a_store_that_is_open_is_used_and_stays_open(tmp_path):
    with open_store("checkpoints", directory=tmp_path, keep=1) as store:
        model = torch.nn.Linear(1, 1)
        with CheckpointHook(store, model) as hook:
            assert hook.resume() == 0
            hook.after_step(0)
        store.save(7, {})
        with pytest.raises(OptionError, match="this one is open"):
            CheckpointHook(store, model, keep=3)
        hook.save(7)
        with pytest.raises(AlreadyStored):
            hook.close()


@pytest.mark.parametrize("hook", [CheckpointHook, MetricsHook])
@pytest.mark.parametrize("every", [0, True, 1.5])
def test_every_is_a_number_of_steps(tmp_path, hook, every):
    with pytest.raises(OptionError, match="every must be a number of steps"):
        hook(tmp_path, torch.nn.Linear(1, 1), every=every)


def test_metrics_have_the_rate_the_time_and_what_the_quantum_layer_did(tmp_path):
    model, optimizer, schedule = made(shots=20, dropout=False)
    with MetricsHook(tmp_path / "run", model, optimizer, every=2) as hook:
        for step in range(5):
            model(torch.rand(3, 2)).sum().backward()
            optimizer.step()
            schedule.step()
            assert hook.after_step(step, {"train_loss": 0.5}, last=step == 4) == (step in {1, 3, 4})
        with pytest.raises(SchemaError):
            hook.after_step(5, {"train_loss": "text"})
        hook.store.flush()
        rows = hook.store.rows()
    assert [row["step"] for row in rows] == [1, 3, 4]
    assert all(row["circuits"] > 0 and row["batch_time_s"] > 0 and row["train_loss"] == 0.5 for row in rows)
    assert rows[0]["backend"] == "statevector"
    assert rows[0]["quantum_gradient_norm"] > 0
    assert rows[0]["learning_rate"] != rows[2]["learning_rate"]


def test_whoever_looks_at_the_counts_sees_all_of_them(tmp_path):
    layer = QuantumFeatureExtractor(2, depth=1, gradient_method="parameter_shift")
    layer(torch.rand(5, 2))  # before the run
    before = layer.usage.circuits
    with MetricsHook(tmp_path / "run", layer) as hook, MetricsHook(tmp_path / "other", layer) as other:
        logged = 0
        for step in range(3):
            layer(torch.rand(3, 2)).sum().backward()
            hook.after_step(step)
            logged += quantum_metrics(layer)["quantum/QuantumFeatureExtractor/circuits"]
            other.after_step(step)
        hook.store.flush()
        other.store.flush()
        rows, others = hook.store.rows(), other.store.rows()
    steps = [row["circuits"] for row in rows]
    assert len(set(steps)) == 1
    assert before + sum(steps) == layer.usage.circuits == logged  # which nobody had asked before the run
    assert [row["circuits"] for row in others] == steps


def test_counts_that_somebody_empties_begin_again(tmp_path):
    layer = QuantumFeatureExtractor(2, depth=1)
    with MetricsHook(tmp_path, layer) as hook:
        for step in range(3):
            layer(torch.rand(3, 2))
            hook.after_step(step)
            layer.usage.take()  # and the next step does as much again
        hook.store.flush()
        assert [row["circuits"] for row in hook.store.rows()] == [3, 3, 3]


def test_the_demo_that_is_cut_ends_with_the_report_of_one_that_is_not(tmp_path):
    from qstore_torch.demo.data import load
    from qstore_torch.demo.model import classical_model
    from qstore_torch.demo.training import Keeping, Settings, train

    data, settings = load("digits", None), Settings(epochs=4, batch_size=256, learning_rate=0.05)

    def make():
        return classical_model(64, 10, 300)

    class Cut(Exception):
        pass

    def cut(epoch, seen=[]):  # noqa: B006  # counts calls
        seen.append(epoch)
        if len(seen) == 3:
            raise Cut

    keeping = Keeping(checkpoints=tmp_path / "c", metrics=tmp_path / "m", every=1)
    whole = train(make, data, 1, settings, lambda _: None)
    with pytest.raises(Cut):
        train(make, data, 1, settings, cut, keeping)
    reported = []
    again = train(make, data, 1, settings, reported.append, keeping)
    assert [epoch.loss for epoch in again.history] == [epoch.loss for epoch in whole.history]
    assert len(reported) == 4
    np.testing.assert_array_equal(again.confusion, whole.confusion)
    other = Settings(epochs=5, batch_size=256, learning_rate=0.05)
    with pytest.raises(OptionError, match="give another folder"):
        train(make, data, 1, other, lambda _: None, keeping)
