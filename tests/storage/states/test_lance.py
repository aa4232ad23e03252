# SPDX-License-Identifier: Apache-2.0
"""What is LanceDB's own: two kinds of folders, two handles, and its exceptions."""

import numpy as np
import pytest

from qstore.errors import OptionError, StateCorrupt, StorageError
from qstore.plugins import open_store
from qstore_storage import QuantumStateDB
from torture.states.samples import random_states

lancedb = pytest.importorskip("lancedb")


def test_the_hook_opens_it(tmp_path):
    with open_store("states.lancedb", directory=tmp_path, index_name="mine") as db:
        db.store_state("a", [1, 0], {"it's": "'); DROP TABLE x; --"})
        assert db.ids({"it's": "'); DROP TABLE x; --"}) == ["a"]
    assert (tmp_path / "mine.lance").is_dir()
    with pytest.raises(OptionError, match="mixed=False"):
        QuantumStateDB("lancedb", "mine", directory=tmp_path, mixed=True)


def test_the_same_id_with_another_size_replaces(tmp_path):
    with QuantumStateDB("lancedb", directory=tmp_path) as db:
        db.store_states([("a", [1, 0]), ("b", [0, 1])])
        db.store_state("a", [1, 0, 0, 0], overwrite=True)
        assert db.ids() == ["a", "b"]
        assert db.get("a").n_qubits == 2
        assert [found.id for found in db.find_similar([1, 0])] == ["b"]


def test_more_hits_than_a_chunk_are_read(tmp_path):
    states = random_states(np.random.default_rng(1), 600, 4)
    with QuantumStateDB("lancedb", directory=tmp_path) as db:
        db.store_states((f"s{place}", state) for place, state in enumerate(states))
        assert len(db.find_similar(states[0], 550)) == 550
        assert len(db.find_similar(states[0], 10_000)) == 600


def test_damage_is_told(tmp_path):
    with QuantumStateDB("lancedb", directory=tmp_path) as db:
        db.store_states([("a", [1, 0]), ("b", [0, 1])])
        table = lancedb.connect(str(tmp_path / "states.lance")).open_table("p1.default")
        table.update(where="id = 'a'", values={"metadata": '{"x":1}'})
        with pytest.raises(StateCorrupt, match="'a' is damaged"):
            db.get("a")
        assert db.get("b").id == "b"


def test_a_folder_that_is_lost_is_told(tmp_path):
    with QuantumStateDB("lancedb", directory=tmp_path) as db:
        db.store_state("a", [1, 0])
        for path in (tmp_path / "states.lance").rglob("*.lance"):
            if path.is_file():
                path.write_bytes(b"nothing")
        with pytest.raises(StorageError, match="cannot be used"):
            db.get("a")
