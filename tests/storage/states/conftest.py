# SPDX-License-Identifier: Apache-2.0
"""A database of each provider: embedded, LanceDB, and Pinecone's own SDK against a stand-in on the loopback."""

from contextlib import ExitStack

import pytest

from qstore_storage import QuantumStateDB
from torture.states.pinecone_stand_in import StandIn, serving


@pytest.fixture
def stand_in(monkeypatch):
    """An index at the stand-in, with its `address`."""
    index = StandIn(dimension=16)
    monkeypatch.setenv("PINECONE_API_KEY", index.key)
    with serving(index) as index.address:
        yield index


@pytest.fixture(params=["embedded", "lancedb", "pinecone"])
def open_db(request, tmp_path):
    """A function that opens a database of the provider, the same one at each call; closed by itself."""
    if request.param == "lancedb":
        pytest.importorskip("lancedb")
    if request.param == "pinecone":
        pytest.importorskip("pinecone")
    with ExitStack() as stack:

        def open_one(mixed=False, n_qubits=3, **options):
            if request.param == "pinecone":
                stand_in = request.getfixturevalue("stand_in")
                stand_in.dimension = 4**n_qubits if mixed else 2 << n_qubits
                options["host"] = stand_in.address
            else:
                options["directory"] = tmp_path
            if request.param != "embedded":
                options["mixed"] = mixed
            return stack.enter_context(QuantumStateDB(request.param, "test", **options))

        yield open_one


@pytest.fixture
def db(open_db):
    """A database of pure states of three qubits."""
    return open_db()


@pytest.fixture
def embedded(tmp_path):
    """An embedded database."""
    with QuantumStateDB(index_name="test", directory=tmp_path) as database:
        yield database
