# SPDX-License-Identifier: Apache-2.0
"""The same layers under Keras on PyTorch and on JAX, each in a process of its own."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import qstore_tf
from qstore.errors import OptionError
from qstore.plugins import FrameworkSpec
from qstore_storage.metrics import read_metrics
from qstore_tf import adapters, plugin
from qstore_tf.callbacks import CheckpointCallback
from tf.callback_model import fit, make

TESTS = Path(__file__).parents[1]
FRAMEWORKS = ("torch", "jax")


def _program(*arguments, **variables):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=280, cwd=TESTS, env=environment
    )  # fmt: skip


@pytest.mark.timeout(300)  # JAX compiles for half a minute
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_layers_work_under_another_framework_which_continues_a_training_of_this_one(framework, tmp_path):
    whole = fit(make(dropout=False), 4)["loss"]
    fit(make(dropout=False), 2, CheckpointCallback(tmp_path / "checkpoints"))
    done = _program("-m", "tf.checks", str(tmp_path), KERAS_BACKEND=framework)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["framework"] == framework
    failed = {name: words for name, words in said["checks"].items() if words != "passed"}
    assert not failed, "\n".join(failed.values())
    assert len(said["checks"]) >= 14
    assert said["losses"] == pytest.approx(whole[2:], rel=1e-4)
    rows = read_metrics(tmp_path / "metrics").to_pylist()
    assert [row["step"] for row in rows] == [5, 6, 6, 7, 8, 8]
    assert all(row["circuits"] > 0 for row in rows)
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [each.step for each in events.Scalars("quantum_epoch/circuits")] == [2, 3]


def test_a_framework_that_cannot_train_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(OptionError, match="on tensorflow, torch, jax; KERAS_BACKEND is 'numpy'"):
        adapters.adapter.__wrapped__()


def test_each_framework_is_imported_by_its_adapter_alone():
    """Outside of `adapters` nothing of the layers imports a framework; an adapter imports its own and no other."""
    home = Path(qstore_tf.__file__).parent
    rooms = [*home.glob("*.py"), *(home / "adapters").glob("*.py")]
    known = {"tensorflow", "torch", "jax"}
    for room in rooms:
        tree = ast.parse(room.read_text())
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in ([each.name for each in node.names] if isinstance(node, ast.Import)
                         else [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        }  # fmt: skip
        allowed = {room.stem} if room.parent.name == "adapters" else set()
        if room.name not in {"distributed.py", "tensorboard.py"}:  # these are about TensorFlow
            assert imported & known <= allowed, room


def test_the_plugin_lists_the_layers_without_importing_keras():
    (spec,) = plugin.qstore_frameworks()
    assert isinstance(spec, FrameworkSpec)
    names = {each.partition(":")[2] for each in spec.layers}
    assert names <= set(qstore_tf.__all__)
    assert spec.name == "keras"
    done = _program(
        "-c",
        "import sys, qstore, qstore_tf.plugin as p; p.qstore_frameworks(); import qstore.plugins as q; q.get_backend('statevector')\n"
        "sys.exit(bool({'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)))",
    )
    assert done.returncode == 0, done.stderr
