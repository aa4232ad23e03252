# SPDX-License-Identifier: Apache-2.0
"""A program may change its working folder: a store stays where it was opened."""

import os
import subprocess
import sys

import numpy as np
import pytest

from qstore_storage import AsyncMetricsLogger, CheckpointManager, QuantumStateDB
from qstore_storage.metrics import read_metrics


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Two folders; the first is the working folder."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    return here, there


def test_checkpoints_stay_where_they_were_opened(elsewhere):
    here, there = elsewhere
    with CheckpointManager("runs of ü/c") as checkpoints:
        checkpoints.save(1, {"w": np.ones(2)})
        checkpoints.wait()
        os.chdir(there)
        checkpoints.save(2, {"w": np.ones(2)})
    assert not list(there.iterdir())
    with CheckpointManager(here / "runs of ü/c") as checkpoints:
        assert [info.step for info in checkpoints.list_checkpoints()] == [1, 2]


def test_metrics_stay_where_they_were_opened(elsewhere):
    here, there = elsewhere
    with AsyncMetricsLogger("runs of ü/m") as metrics:
        metrics.log(step=1, durable=True)
        os.chdir(there)
        metrics.log(step=2)
    assert not list(there.iterdir())
    assert read_metrics(here / "runs of ü/m", ["step"]).to_pydict() == {"step": [1, 2]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_finds_the_states_where_they_were_opened(elsewhere):
    here, there = elsewhere
    program = (
        "import os, sys; from qstore_storage import QuantumStateDB\n"
        "db = QuantumStateDB(directory='d'); db.store_state('a', [1, 0]); os.chdir(sys.argv[1])\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    db.store_state('b', [1, 0]); os._exit(0)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(there)], check=True, timeout=60, cwd=here)
    with QuantumStateDB(directory=here / "d") as db:
        assert db.ids() == ["a", "b"]


def test_no_name_of_a_file_keeps_states_in_memory_only(elsewhere):
    with QuantumStateDB(path=":memory:") as db:
        db.store_state("a", [1, 0])
    with QuantumStateDB(path=":memory:") as db:
        assert db.ids() == ["a"]


def test_the_folder_of_a_store_may_be_a_link(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "scratch", target_is_directory=True)
    with CheckpointManager(tmp_path / "link") as checkpoints:
        checkpoints.save(1, {"w": np.ones(2)})
    with CheckpointManager(tmp_path / "scratch") as checkpoints:
        assert [info.step for info in checkpoints.list_checkpoints()] == [1]
    with AsyncMetricsLogger(tmp_path / "link") as metrics:
        metrics.log(step=1)
    with QuantumStateDB(directory=tmp_path / "link") as db:
        db.store_state("a", [1, 0])
    assert read_metrics(tmp_path / "scratch", ["step"]).to_pydict() == {"step": [1]}
