# SPDX-License-Identifier: Apache-2.0
"""Pinecone's own SDK against a stand-in: its key, its limits, its failures."""

import logging

import numpy as np
import pytest

from qstore.errors import (
    AuthenticationError,
    NotStored,
    OptionError,
    StateCorrupt,
    StorageError,
    TransportError,
)
from qstore.plugins import open_store
from qstore_storage import QuantumStateDB
from qstore_storage.states.filters import parse_filter
from qstore_storage.states.pinecone_filters import service_filter
from torture.states.pinecone_stand_in import StandIn, serving
from torture.states.samples import nearest_by_brute_force, random_states

pytest.importorskip("pinecone")
CANARY = "pcsk-canary-3fA9"


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def db(stand_in):
    with QuantumStateDB("pinecone", "vqe", host=stand_in.address) as database:
        yield database


def test_the_hook_opens_it(stand_in):
    with open_store("states.pinecone", index_name="vqe", host=stand_in.address) as db:
        db.store_state("a", np.eye(8)[0])
        assert db.ids() == ["a"]


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(stand_in, monkeypatch, caplog, rng):
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("PINECONE_API_KEY")
    with pytest.raises(AuthenticationError, match="set PINECONE_API_KEY"):
        QuantumStateDB("pinecone", host=stand_in.address)
    with pytest.raises(OptionError, match="does not take these options"):
        QuantumStateDB("pinecone", host=stand_in.address, api_key=CANARY)
    monkeypatch.setenv("PINECONE_API_KEY", CANARY)
    told = []
    with QuantumStateDB("pinecone", host=stand_in.address) as db:
        told += [repr(db), str(vars(db)), str(vars(db._provider)), str(vars(db._provider._engine))]
        for use in (
            lambda: db.store_state("a", np.eye(8)[0]),
            lambda: len(db),
            lambda: db.find_similar(np.eye(8)[0]),
        ):
            with pytest.raises(AuthenticationError, match="Invalid API Key") as caught:
                use()
            told += [repr(caught.value), str(caught.value)]
        stand_in.key = CANARY
        db.store_state("a", random_states(rng, 1, 8)[0], {"k": 1})
        told.append(repr(db.get("a")))
    assert CANARY not in "".join([*told, caplog.text])


def test_an_index_that_is_not_there_is_told(stand_in, monkeypatch):
    monkeypatch.setenv("PINECONE_CONTROLLER_HOST", stand_in.address)
    with pytest.raises(NotStored, match="vqe"):
        QuantumStateDB("pinecone", "vqe")


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationError), (403, AuthenticationError), (404, NotStored), (400, StorageError), (409, StorageError)]
)  # fmt: skip
def test_refusals_become_ours(db, stand_in, status, error):
    stand_in.failing["fetch"] = [status]
    with pytest.raises(error, match="Pinecone, index 'vqe'"):
        db.get("a")


def test_a_service_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("PINECONE_API_KEY", "k")
    monkeypatch.setattr("pinecone._internal.http_client._retry_sleep", lambda _: None)
    with serving(StandIn(16)) as address:
        pass
    with QuantumStateDB("pinecone", host=address) as db, pytest.raises(TransportError, match="Pinecone"):
        db.get("a")


def test_every_exception_of_the_sdk_becomes_one_of_ours(db):
    from pinecone.errors import exceptions

    from qstore.errors import QStoreError
    from qstore_storage.states.pinecone import ERRORS

    engine = db._provider._engine
    theirs = [
        each
        for each in vars(exceptions).values()
        if isinstance(each, type) and issubclass(each, exceptions.PineconeError)
    ]
    assert len(theirs) > 15
    for each in theirs:
        assert issubclass(
            next(ours for foreign, ours in engine._errors if issubclass(each, foreign)), QStoreError
        )
    with pytest.raises(StorageError, match="why"), engine._in_words():
        raise exceptions.PineconeValueError("why")
    assert all(hasattr(exceptions, name) for name, _ in ERRORS)


def test_a_large_batch_goes_in_several_requests(db, stand_in, rng):
    stand_in.dimension = 512
    states = random_states(rng, 250, 256)
    db.store_states((f"s{place}", state, {"place": place}) for place, state in enumerate(states))
    assert stand_in.calls["upsert"] > 2
    assert len(db) == len(db.ids()) == 250
    query = states[7] + 0.1 * random_states(rng, 1, 256)[0]
    query /= np.linalg.norm(query)
    stand_in.calls.clear()
    found = db.find_similar(query, 3)
    assert [each.id for each in found] == [
        f"s{place}" for place in nearest_by_brute_force(query, states, 3)[0]
    ]
    assert stand_in.calls["query"] % 8 == 0
    assert stand_in.calls["fetch"] <= 6


def test_a_state_beyond_the_services_metadata_is_refused_before_it_is_sent(db, stand_in, rng):
    stand_in.dimension = 4096
    large = random_states(rng, 1, 2048)[0]
    with pytest.raises(OptionError, match="at most 40960"):
        db.store_states([("ok", np.eye(2048)[0]), ("large", large)])
    assert stand_in.calls["upsert"] == 0
    db.store_state("single", large.astype(np.complex64), normalize=True)
    with pytest.raises(OptionError, match="at most 40960"):
        db.store_state("wordy", np.eye(2048)[0], {"note": "ü" * 25_000})


def test_another_dimension_is_told(db):
    with pytest.raises(
        OptionError, match=r"vectors of 16 numbers \(states of 3 qubits\); states of 2 qubits need 8"
    ):
        db.store_state("a", [1, 0, 0, 0])


def test_a_record_of_somebody_elses_or_a_damaged_one_is_told(db, stand_in, rng):
    state = random_states(rng, 1, 8)[0]
    db.store_state("a", state)
    values, metadata = stand_in.records["default"]["a"]
    for change in (
        {"_qstore_state": "AAAA"},
        {"_qstore_state": "*"},
        {"_qstore_state": 5.0},
        {"_qstore_metadata": "{}x"},
    ):
        stand_in.records["default"]["a"] = (values, {**metadata, **change})
        with pytest.raises(StateCorrupt, match="'a'"):
            db.get("a")
        with pytest.raises(StateCorrupt, match="'a'"):
            db.find_similar(state)
    stand_in.records["default"]["a"] = (values, {})
    with pytest.raises(StateCorrupt, match="not stored by qstore"):
        db.get("a")
    assert db.find_similar(state) == ()  # it has none of our shapes
    assert db.delete("a")


def test_what_cannot_be_proven_says_so(db, stand_in, rng, caplog):
    states = random_states(rng, 300, 8)
    db.store_states((f"s{place}", state, {"name": f"n{place}"}) for place, state in enumerate(states))
    db._provider._engine.most_hits = 40
    far = nearest_by_brute_force(states[0], states, 300)[0][-1]
    found = db.find_similar(states[0], 3, {"name": {"$gt": "n0"}})
    assert all(each.proven for each in found)
    found = db.find_similar(states[0], 3, {"name": {"$lte": "n1"}})
    assert not all(each.proven for each in found)
    assert "may have missed" in caplog.text
    db._provider._engine.most_hits = 10_000
    found = db.find_similar(states[0], 1, {"name": {"$gte": f"n{far}", "$lte": f"n{far}"}})
    assert [(each.id, each.proven) for each in found] == [(f"s{far}", True)]


def test_a_state_that_vanishes_during_a_search_is_left_out(db, stand_in, rng):
    states = random_states(rng, 5, 8)
    db.store_states((f"s{place}", state) for place, state in enumerate(states))
    fetch = stand_in.fetch
    stand_in.fetch = lambda body: (stand_in.records["default"].pop("s2", None) and fetch(body)) or fetch(body)
    assert "s2" not in {found.id for found in db.find_similar(states[2])}


def test_the_service_is_asked_for_at_least_what_the_filter_means():
    def asked(condition):
        return service_filter(parse_filter(condition), "pure-1")["$and"][1]

    assert asked({"a": {"$gt": 2**53}}) == {"a": {"$gte": float(2**53)}}
    assert asked({"a": {"$gt": 2}}) == {"a": {"$gt": 2.0}}
    assert asked({"a": "x"}) == {"$or": [{"a": {"$in": ["x"]}}]}
    assert asked({"a": {"$gt": "x"}}) == {"a": {"$exists": True}}
    assert service_filter(parse_filter({"a": {"$ne": 1}}), "s") == {"_qstore_shape": {"$eq": "s"}}
    assert asked({"a": {"$ne": 1}, "b": True}) == {"$and": [{"$or": [{"b": {"$eq": True}}]}]}
    assert service_filter(parse_filter({"$or": [{"a": {"$ne": 1}}, {"b": 1}]}), "s") == {
        "_qstore_shape": {"$eq": "s"}
    }
