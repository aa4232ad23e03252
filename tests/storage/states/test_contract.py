# SPDX-License-Identifier: Apache-2.0
"""What holds for every provider: embedded, LanceDB, and Pinecone through its own SDK."""

import numpy as np
import pytest

from qstore.errors import AlreadyStored, CapabilityError, NotStored, OptionError, StorageError
from qstore.plugins import StateStore
from torture.states.samples import (
    nearest_by_brute_force,
    random_mixed,
    random_states,
    similarity_by_definition,
)

RECORDS = {
    "a": {"accuracy": 0.9, "epoch": 1, "ansatz": "hea", "tags": ["best", "noisy"], "done": True},
    "b": {"accuracy": 0.85, "epoch": 2, "ansatz": "qaoa", "tags": [], "done": False},
    "c": {"accuracy": 0.1, "epoch": 3, "ansatz": "HEA", "note": None},
    "d": {"accuracy": 1, "epoch": 2**53 + 1, "üñí": "'; DROP TABLE states; --"},
    "e": {},
}
FILTERS = [
    ({}, "abcde"),
    ({"accuracy": {"$gte": 0.85}}, "abd"),
    ({"accuracy": {"$gt": 0.85, "$lt": 1}}, "a"),
    ({"accuracy": {"$lte": 0.1}}, "c"),
    ({"accuracy": 1.0}, "d"),
    ({"accuracy": {"$eq": True}}, ""),
    ({"accuracy": {"$gte": "0"}}, ""),
    ({"ansatz": "hea"}, "a"),
    ({"ansatz": {"$ne": "hea"}}, "bcde"),
    ({"ansatz": {"$gt": "a"}}, "ab"),
    ({"ansatz": {"$in": ["hea", "qaoa", 3]}}, "ab"),
    ({"ansatz": {"$in": []}}, ""),
    ({"ansatz": {"$nin": ["hea", "qaoa"]}}, "cde"),
    ({"tags": "best"}, "a"),
    ({"tags": {"$ne": "best"}}, "bcde"),
    ({"tags": {"$exists": True}}, "ab"),
    ({"note": {"$exists": True}}, "c"),
    ({"note": {"$exists": False}}, "abde"),
    ({"note": None}, "abcde"),
    ({"tags": None}, "cde"),
    ({"ansatz": {"$ne": None}}, "abc"),
    ({"done": {"$in": [True, None]}}, "acde"),
    ({"done": False}, "b"),
    ({"done": 0}, ""),
    ({"epoch": {"$gt": 2**53}}, "d"),
    ({"epoch": 2**53}, ""),
    ({"epoch": {"$lt": 2**53 + 1}}, "abc"),
    ({"üñí": "'; DROP TABLE states; --"}, "d"),
    ({"$or": [{"epoch": 1}, {"accuracy": {"$lt": 0.5}}]}, "ac"),
    ({"$and": [{"epoch": {"$gte": 1}}, {"$or": [{"done": True}, {"note": {"$exists": True}}]}]}, "ac"),
    ({"epoch": {"$gte": 2}, "ansatz": "qaoa"}, "b"),
]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def test_a_store_is_what_the_hook_promises(db):
    assert isinstance(db, StateStore)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64, np.float64, np.float32])
def test_a_state_comes_back_to_the_last_bit(db, rng, dtype):
    state = random_states(rng, 1, 8)[0]
    state = state.real / np.linalg.norm(state.real) if np.dtype(dtype).kind == "f" else state
    state = state.astype(dtype)
    metadata = {"accuracy": 0.1 + 0.2, "epoch": 2**62, "done": True, "note": None, "tags": ["a", "ü"]}
    db.store_state("s.1", state, metadata)
    found = db.get("s.1")
    assert found.id == "s.1"
    assert found.metadata == metadata
    assert found.metadata["done"] is True
    assert (found.state == state).all()
    assert found.state.dtype == (np.complex64 if np.dtype(dtype).itemsize in (4, 8) and dtype != np.float64 else np.complex128)  # fmt: skip
    assert (found.n_qubits, found.mixed) == (3, False)
    with pytest.raises(ValueError, match="read-only"):
        found.state[0] = 0


def test_the_nearest_are_those_of_brute_force_whatever_the_phase(db, rng):
    states = random_states(rng, 200, 8)
    db.store_states((f"s{place}", state) for place, state in enumerate(states))
    queries = random_states(rng, 10, 8)
    turned = queries * np.exp(2j * np.pi * rng.random(10))[:, None]
    results = db.find_similar_many([*queries, *turned], top_k=7)
    for query, result, same in zip(queries, results[:10], results[10:], strict=True):
        places, fidelities = nearest_by_brute_force(query, states, 7)
        assert [found.id for found in result] == [f"s{place}" for place in places]
        assert np.abs(np.array([found.fidelity for found in result]) - fidelities).max() < 1e-12
        assert [found.id for found in same] == [found.id for found in result]
        assert all(abs(a.fidelity - b.fidelity) < 1e-12 for a, b in zip(result, same, strict=True))
        assert all(found.proven for found in result)
        assert (result[0].state == states[places[0]]).all()


def test_one_query_is_the_first_of_many(db, rng):
    states = random_states(rng, 30, 8)
    db.store_states((f"s{place}", state) for place, state in enumerate(states))
    assert db.find_similar(states[3], top_k=4) == db.find_similar_many(states[3:5], top_k=4)[0]
    assert db.find_similar_many([]) == ()


def test_equal_states_come_in_the_order_of_their_ids(db, rng):
    state, other = random_states(rng, 2, 8)
    db.store_states([(name, state * np.exp(1j * place)) for place, name in enumerate("qxazm")])
    db.store_state("other", other)
    best = db.find_similar(state, top_k=5)
    assert {found.id for found in best} == set("qxazm")
    assert all(abs(found.fidelity - 1) < 1e-12 for found in best)
    db.store_states([(name, state) for name in "hbk"])
    db.store_states([(name, state) for name in "qxazm"], overwrite=True)
    assert [found.id for found in db.find_similar(state, top_k=6)] == list("abhkmq")


def test_filters_mean_the_same_everywhere(db, rng):
    states = random_states(rng, len(RECORDS), 8)
    db.store_states(zip(RECORDS, states, RECORDS.values(), strict=True))
    for condition, expected in FILTERS:
        found = "".join(sorted(each.id for each in db.find_similar(states[0], 10, condition)))
        assert (found, "".join(db.ids(condition)), db.count(condition)) == (expected, expected, len(expected)), condition  # fmt: skip


def test_a_filter_that_few_states_pass_still_finds_them(db, rng):
    states = random_states(rng, 500, 8)
    db.store_states((f"s{place}", state, {"place": place, "name": f"n{place:03}"}) for place, state in enumerate(states))  # fmt: skip
    far = nearest_by_brute_force(states[0], states, 500)[0][-2:]
    for condition in ({"place": {"$in": [int(place) for place in far]}}, {"name": {"$gte": f"n{max(far):03}", "$lte": f"n{max(far):03}"}}):  # fmt: skip
        found = db.find_similar(states[0], 1, condition)
        assert [each.metadata["place"] for each in found] in ([far[0]], [max(far)])


def test_mixed_and_pure_states_are_compared_by_hilbert_and_schmidt(open_db, rng):
    db = open_db(mixed=True, n_qubits=2)
    mixed, pure = random_mixed(rng, 30, 4), random_states(rng, 30, 4)
    db.store_states([*((f"m{k}", each) for k, each in enumerate(mixed)), *((f"p{k}", each) for k, each in enumerate(pure))])  # fmt: skip
    everything = {**{f"m{k}": each for k, each in enumerate(mixed)}, **{f"p{k}": each for k, each in enumerate(pure)}}  # fmt: skip
    for query in (mixed[0], pure[0], np.eye(4) / 4, random_states(rng, 1, 4)[0]):
        expected = {name: similarity_by_definition(query, each) for name, each in everything.items()}
        found = db.find_similar(query, top_k=60)
        assert len(found) == 60
        assert all(abs(each.fidelity - expected[each.id]) < 1e-12 for each in found)
        assert [each.fidelity for each in found] == sorted((each.fidelity for each in found), reverse=True)
        best = db.find_similar(query, top_k=5)
        worst = sorted(expected.values(), reverse=True)[4]
        assert all(expected[each.id] > worst - 1e-12 for each in best)
    assert (db.get("m3").state == mixed[3]).all()
    assert db.get("m3").mixed
    assert abs(db.find_similar(mixed[3], 1)[0].fidelity - 1) < 1e-12


def test_an_index_of_pure_states_says_so(request, db, rng):
    if "embedded" in request.node.name:
        pytest.skip("the embedded database takes both")
    db.store_state("a", random_states(rng, 1, 8)[0])
    with pytest.raises(CapabilityError, match="mixed=True"):
        db.store_state("b", np.eye(8) / 8)
    with pytest.raises(CapabilityError, match="mixed=True"):
        db.find_similar(np.eye(8) / 8)


def test_nothing_is_overwritten_unless_asked_for(db, rng):
    first, second, third = random_states(rng, 3, 8)
    db.store_state("a", first, {"epoch": 1})
    with pytest.raises(AlreadyStored, match="'a'; nothing was stored"):
        db.store_states([("b", second), ("a", second)])
    assert db.ids() == ["a"]
    assert (db.get("a").state == first).all()
    db.store_states([("b", second), ("a", third, {"epoch": 2})], overwrite=True)
    assert db.ids() == ["a", "b"]
    assert db.get("a").metadata == {"epoch": 2}
    assert db.find_similar(third, 1)[0].id == "a"
    assert db.count({"epoch": 1}) == 0


def test_what_is_deleted_is_found_no_more(db, rng):
    states = random_states(rng, 20, 8)
    db.store_states((f"s{place}", state, {"epoch": 1}) for place, state in enumerate(states))
    assert db.find_similar(states[4], 1)[0].id == "s4"
    assert db.delete("s4")
    assert not db.delete("s4")
    assert "s4" not in db
    assert "s5" in db
    assert len(db) == db.count({"epoch": 1}) == 19
    assert len(db.find_similar(states[4], 20)) == 19
    with pytest.raises(NotStored, match="'s4'"):
        db.get("s4")
    db.store_state("s4", states[5])
    assert [found.id for found in db.find_similar(states[5], 2)] == ["s4", "s5"]


def test_namespaces_know_nothing_of_each_other(db, rng):
    first, second = random_states(rng, 2, 8)
    other = db.in_namespace("other")
    db.store_state("a", first)
    other.store_state("a", second)
    assert db.namespaces() == other.namespaces() == ("default", "other")
    assert (db.get("a").state == first).all()
    assert (other.get("a").state == second).all()
    assert abs(other.find_similar(second)[0].fidelity - 1) < 1e-12
    other.delete("a")
    assert (len(db), len(other)) == (1, 0)
    assert db.namespaces() == ("default",)


def test_an_empty_database_answers(db, rng):
    assert db.find_similar(random_states(rng, 1, 8)[0]) == ()
    assert (len(db), db.ids(), db.namespaces(), list(db), bool(db)) == (0, [], (), [], True)
    assert not db.delete("a")
    assert db.store_states([]) == 0


def test_another_number_of_qubits_is_told(db, rng):
    db.store_state("a", random_states(rng, 1, 8)[0])
    with pytest.raises(OptionError, match="4 qubits"):
        db.find_similar(random_states(rng, 1, 16)[0])


def test_what_was_stored_is_there_when_it_is_opened_again(open_db, rng):
    first = open_db()
    states = random_states(rng, 150, 8)
    first.store_states((f"s{place}", state) for place, state in enumerate(states))
    second = open_db()
    assert second.find_similar(states[7], 1)[0].id == "s7"
    assert len(second.ids()) == len(second) == 150
    first.delete("s7")
    assert second.find_similar(states[7], 1)[0].id != "s7"
    first.close()
    first.close()
    with pytest.raises(StorageError, match="closed"):
        first.find_similar(states[7])
    assert len(second) == 149
