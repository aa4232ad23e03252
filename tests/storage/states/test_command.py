# SPDX-License-Identifier: Apache-2.0
"""`qstore states`: what it prints and how it ends."""

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from qstore.cli import main
from qstore_storage import QuantumStateDB


@pytest.fixture
def path(tmp_path):
    """A file with two pure states and a mixed one."""
    with QuantumStateDB(index_name="vqe", directory=tmp_path) as db:
        db.store_state("zero", [1, 0], {"loss": 0.5})
        db.store_state("plus", [0.5**0.5, 0.5**0.5], {"loss": 0.25, "tags": ["ü"]})
        db.store_state("mixed", np.eye(2) / 2)
    return str(tmp_path / "vqe.sqlite3")


def test_list_shows_every_state(path, capsys):
    assert main(["states", path]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "id     qubits  kind   metadata",
        f"-----  ------  -----  {'-' * 29}",
        "mixed       1  mixed  {}",
        'plus        1  pure   {"loss": 0.25, "tags": ["ü"]}',
        'zero        1  pure   {"loss": 0.5}',
    ]


def test_list_takes_a_filter(path, capsys):
    assert main(["states", path, "list", "--filter", '{"loss": {"$lt": 0.4}}', "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["plus"]


def test_similar_ranks_by_fidelity(path, capsys):
    assert main(["states", path, "similar", "zero", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["id"], round(row["fidelity"], 6)) for row in rows] == [("zero", 1.0), ("mixed", 0.707107), ("plus", 0.5)]  # fmt: skip
    assert main(["states", path, "similar", "zero", "--top-k", "1"]) == 0
    assert "zero  1.000000" in capsys.readouterr().out


def test_show_tells_the_outcomes(path, capsys):
    assert main(["states", path, "show", "plus"]) == 0
    out = capsys.readouterr().out
    assert "plus: amplitudes of 1 qubits, complex128" in out
    assert "0           0.500000" in out
    assert main(["states", path, "show", "mixed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mixed"] is True


def test_verify_finds_damage(path, capsys):
    assert main(["states", path, "verify"]) == 0
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE states SET metadata = '{}' WHERE id = 'zero'")
    connection.close()
    assert main(["states", path, "verify"]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == ["zero: damaged", "3 states, 1 damaged"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["show"], "needs the ID"), (["show", "nobody"], "No state 'nobody'"), (["list", "--filter", "{"], "takes JSON"),
        (["list", "--namespace", "other"], "the file has: default"), (["similar", "zero", "--top-k", "0"], "top_k"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told(path, capsys, words, reason):
    assert main(["states", path, *words]) != 0
    assert reason in capsys.readouterr().err


def test_a_file_that_is_not_there_is_not_made(tmp_path, capsys):
    assert main(["states", str(tmp_path / "none.sqlite3")]) != 0
    assert "There is no database" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_listing_what_is_installed_imports_no_provider():
    program = (
        "import sys; from qstore.plugins import loaded_plugins; names = loaded_plugins().stores.names\n"
        "assert {'states', 'states.embedded', 'states.lancedb', 'states.pinecone'} <= set(names), names\n"
        "import qstore_storage\n"
        "found = {'numcodecs', 'lancedb', 'pinecone', 'pyarrow', 'zarr', 'qstore_storage.states'} & set(sys.modules)\n"
        "sys.exit(f'{found} were imported' if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr


def test_the_embedded_provider_imports_no_other():
    program = (
        "import sys, tempfile; from qstore.plugins import open_store\n"
        "open_store('states', directory=tempfile.mkdtemp()).close()\n"
        "found = {'lancedb', 'pinecone', 'pyarrow', 'zarr', 'torch', 'tensorflow'} & set(sys.modules)\n"
        "sys.exit(f'{found} were imported' if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
