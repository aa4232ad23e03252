# SPDX-License-Identifier: Apache-2.0
"""Two TensorFlow processes train one model: as one process with the joined batch, and when one of them fails all of them stop.

Each test starts processes that import TensorFlow, which takes their processors several seconds.
"""

import copy
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qstore.errors import OptionError
from qstore_tf.distributed import Agreement, agree_on_failures

PATIENCE_S = 150
EXAMPLE = (sys.executable, "-m", "qstore_tf.examples.multi_worker")
pytestmark = pytest.mark.timeout(2 * PATIENCE_S)


def _example(*arguments):
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.run(
        [*EXAMPLE, *arguments],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def _pair(mode, folder):
    """What both processes of `workers.py` say: lines of name, seconds, outcome."""
    from qstore_tf.examples.multi_worker import places

    script = Path(__file__).with_name("workers.py")
    said = [(folder / f"{rank}.txt") for rank in range(2)]
    processes = []
    for place, path in zip(places(2), said, strict=True):
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "TF_CONFIG": place,
        }
        with path.open("w") as file, path.with_suffix(".err").open("w") as errors:
            processes.append(
                subprocess.Popen(
                    [sys.executable, str(script), mode], env=environment, stdout=file, stderr=errors
                )
            )
    until = time.monotonic() + PATIENCE_S
    try:
        for process in processes:
            process.wait(max(1.0, until - time.monotonic()))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [[line.split(" | ") for line in path.read_text().splitlines()] for path in said]


def test_two_processes_train_as_one_with_the_joined_batch(tmp_path):
    from qstore_tf.examples.multi_worker import train_here

    file = tmp_path / "losses.json"
    done = _example("--workers", "2", "--steps", "4", "--losses", str(file))
    assert done.returncode == 0, done.stderr[-2000:]
    both, alone = json.loads(file.read_text()), train_here(4)
    assert both == pytest.approx(alone, rel=1e-9)
    assert alone[-1] < alone[0]


def test_when_one_process_fails_all_raise_at_the_same_step_and_one_that_is_gone_is_missed(tmp_path):
    first, second = _pair("forward,backward,gone", tmp_path)
    failed = "PeerFailedError: The circuits of process 1 failed: BudgetExceeded: The budget of this process is spent. All"
    own = "BudgetExceeded: The budget of this process is spent."
    names = ["first", "restored", "forward", "after forward", "backward", "after backward"]
    assert [line[0] for line in second] == names
    assert [line[2] for line in second] == ["ran", "ran", own, "ran", own, "ran"]
    assert [line[0] for line in first] == [*names, "gone"]
    assert [line[2][: len(failed)] for line in first[:-1]] == ["ran", "ran", failed, "ran", failed, "ran"]
    assert first[-1][2].startswith("PeerFailedError: Another process did not answer within 4 s")
    assert float(first[-1][1]) < 30


@pytest.mark.slow
def test_without_an_agreement_the_others_hear_nothing_while_the_failing_process_lives(tmp_path):
    """The control: the other process stays in the averaging of gradients for as long as the first one lives, at least."""
    try:
        first, second = _pair("alone", tmp_path)
    except subprocess.TimeoutExpired:  # or for ever
        return
    assert second[1][2] == "BudgetExceeded: The budget of this process is spent."
    assert float(first[1][1]) >= 5
    assert not first[1][2].startswith(("PeerFailedError", "BudgetExceeded", "ran"))


@pytest.mark.slow
def test_fit_of_this_keras_fails_under_the_strategy_without_any_quantum_layer():
    """The control: where it passes one day, the documents and the example can use `fit`."""
    done = _example("--workers", "2", "--fit")
    assert done.returncode != 0
    assert "ValueError: Attempt to convert a value (PerReplica:" in done.stderr


def test_an_agreement_does_not_travel():
    for twin in (
        copy.deepcopy(Agreement(object(), 1.0)),
        pickle.loads(pickle.dumps(Agreement(object(), 1.0))),
    ):
        assert twin.exchange(None) is None
        assert twin.exchange(ValueError("alone")) is None


def test_there_must_be_somebody_to_agree_with():
    import keras
    import tensorflow as tf

    with pytest.raises(OptionError, match="MultiWorkerMirroredStrategy has processes that can agree, got"):
        agree_on_failures(keras.Sequential([keras.Input((1,))]), tf.distribute.get_strategy())
    with pytest.raises(OptionError, match="seconds above 0"):
        agree_on_failures(keras.Sequential([keras.Input((1,))]), tf.distribute.get_strategy(), timeout_s=0)


def test_a_worker_that_ends_badly_ends_the_others(monkeypatch):
    from qstore_tf.examples import multi_worker

    monkeypatch.setattr(multi_worker, "PATIENCE_S", 0.2)
    script = (
        "import json, os, sys, time\n"
        "place = json.loads(os.environ['TF_CONFIG'])\n"
        "assert len(set(place['cluster']['worker'])) == 3\n"
        "sys.exit(7) if place['task']['index'] == 1 else time.sleep(60)\n"
    )
    start = time.monotonic()
    assert multi_worker.start(3, [sys.executable, "-c", script]) == 7
    assert time.monotonic() - start < 30
    assert multi_worker.start(2, [sys.executable, "-c", ""]) == 0
