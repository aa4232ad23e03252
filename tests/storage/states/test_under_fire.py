# SPDX-License-Identifier: Apache-2.0
"""Small portions of `python -m torture states`."""

import numpy as np

from qstore_storage import QuantumStateDB
from torture.states.kills import kill_often
from torture.states.processes import write_together
from torture.states.recall import recall


def test_every_phase_finds_what_brute_force_finds(tmp_path):
    with QuantumStateDB(directory=tmp_path) as db:
        found, error, change, cosine = recall(db, np.random.default_rng(1), 1000, 50, dimension=64)
    assert found == 1.0
    assert max(error, change) < 1e-12
    assert cosine < 0.5


def test_acknowledged_states_survive_a_kill(tmp_path):
    left, steps, _ = kill_often(tmp_path / "states.sqlite3", kills=2)
    assert left > 0
    assert steps > 2


def test_two_processes_write_while_a_third_searches(tmp_path):
    left, searches = write_together(tmp_path / "states.sqlite3", writers=2, steps=60)
    assert left > 300
    assert searches > 0
