# SPDX-License-Identifier: Apache-2.0
"""Checks of databases of quantum states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import AlreadyStored, CapabilityError, NotStored, OptionError
from qstore.testing.check import NotClaimed, require
from qstore.testing.stores.exam import StoreExam, StoreTable, closing

__all__ = ["CHECKS"]

CHECKS = StoreTable("states")
PEOPLE: dict[str, dict[str, Any]] = {
    "a": {"accuracy": 0.5, "name": "ansatz", "good": True},
    "b": {"accuracy": 0.85, "name": "Ansatz", "good": False},
    "c": {"accuracy": 0.9, "epoch": 3},
    "d": {"accuracy": 1, "epoch": 1, "name": "é'; --"},
    "e": {},
}
FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "equality": ({"name": "ansatz"}, "a"),
    "$eq": ({"epoch": {"$eq": 3}}, "c"),
    "$gt": ({"accuracy": {"$gt": 0.85}}, "cd"),
    "$gte": ({"accuracy": {"$gte": 0.85}}, "bcd"),
    "$lt": ({"accuracy": {"$lt": 0.85}}, "a"),
    "$lte": ({"accuracy": {"$lte": 0.85}}, "ab"),
    "$in": ({"epoch": {"$in": [1, 2, 3]}}, "cd"),
    "$exists": ({"epoch": {"$exists": True}}, "cd"),
    "$exists: false": ({"name": {"$exists": False}}, "ce"),
    "two conditions": ({"accuracy": {"$gt": 0.5, "$lt": 0.9}}, "b"),
    "two keys": ({"accuracy": {"$gte": 0.9}, "epoch": 1}, "d"),
    "$and": ({"$and": [{"accuracy": {"$gte": 0.85}}, {"epoch": {"$exists": True}}]}, "cd"),
    "$or": ({"$or": [{"epoch": 1}, {"name": "ansatz"}]}, "ad"),
    "a truth is no number": ({"good": 1}, ""),
    "quotes are text": ({"name": "é'; --"}, "d"),
}
"""A filter and the ids of those in `PEOPLE` that it lets through."""


def random_states(count: int, n_qubits: int = 3, seed: int = 1) -> NDArray[np.complex128]:
    """Isotropic ones, (count, 2^n)."""
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(count, 1 << n_qubits)) + 1j * rng.normal(size=(count, 1 << n_qubits))
    unit: NDArray[np.complex128] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def _close(found: Any, expected: NDArray[Any], of: str) -> None:
    array = np.asarray(found)
    require(array.shape == expected.shape, f"{of} has the shape {array.shape}, it had {expected.shape}")
    off = float(np.abs(array - expected).max())
    require(off < 1e-6, f"{of} is off by {off:.2g}")


@CHECKS.check("a state comes back with its phase and its metadata")
def there_and_back(exam: StoreExam) -> None:
    """Each with its own."""
    states = random_states(5)
    with closing(exam.open()) as store:
        for number, state in enumerate(states):
            store.store_state(f"s{number}", state, {"number": number, "note": "é", "good": True})
        for number, state in enumerate(states):
            found = store.get(f"s{number}")
            _close(found.state, state, f"state {number}")
            wanted = {"number": number, "note": "é", "good": True}
            require(found.id == f"s{number}", f"the id of s{number} is {found.id!r}")
            require(dict(found.metadata) == wanted, f"the metadata {wanted} came back as {found.metadata}")


@CHECKS.check("a density matrix comes back")
def mixed(exam: StoreExam) -> None:
    """Two qubits, full rank, not real."""
    vectors = random_states(3, 2)
    rho = sum(weight * np.outer(v, v.conj()) for weight, v in zip((0.5, 0.3, 0.2), vectors, strict=True))
    with closing(exam.open()) as store:
        try:
            store.store_state("rho", rho)
        except CapabilityError as exc:
            raise NotClaimed(f"it refuses density matrices: {exc}"[:160]) from exc
        _close(store.get("rho").state, np.asarray(rho), "the density matrix")


@CHECKS.check("the most similar are found in order of fidelity, however a state's phase is turned")
def ranking(exam: StoreExam) -> None:
    """Ten of two hundred, against |<a|b>|^2 of all of them."""
    states = random_states(200)
    phases = np.exp(2j * np.pi * np.random.default_rng(2).random(200))
    with closing(exam.open()) as store:
        for number, state in enumerate(states):
            store.store_state(f"s{number}", state * phases[number])
        for query in random_states(5, seed=3) * 1j:
            fidelities = np.abs(states.conj() @ query) ** 2
            best = [f"s{number}" for number in np.argsort(-fidelities)[:10]]
            found = store.find_similar(query, top_k=10)
            require(
                [each.id for each in found] == best, f"found {[each.id for each in found]}, best are {best}"
            )
            off = max(abs(each.fidelity - fidelities[int(each.id[1:])]) for each in found)
            require(off < 1e-6, f"a fidelity is off by {off:.2g}")


@CHECKS.check("when fewer are stored than asked for, all of them are found; of none, none")
def few(exam: StoreExam) -> None:
    """No padding."""
    states = random_states(3)
    with closing(exam.open()) as store:
        require(len(store.find_similar(states[0], top_k=5)) == 0, "an empty database found something")
        for number, state in enumerate(states):
            store.store_state(f"s{number}", state)
        found = [each.id for each in store.find_similar(states[1], top_k=50)]
        require(sorted(found) == ["s0", "s1", "s2"] and found[0] == "s1", f"of three states it found {found}")


@CHECKS.check("a filter with {} lets through what it says", each=tuple(FILTERS))
def filters(exam: StoreExam, name: str) -> None:
    """A key that is missing fits nothing but `$exists: false`."""
    condition, expected = FILTERS[name]
    with closing(exam.open()) as store:
        for state, (state_id, metadata) in zip(random_states(5), PEOPLE.items(), strict=True):
            store.store_state(state_id, state, metadata)
        found = "".join(sorted(each.id for each in store.find_similar(random_states(1)[0], 10, condition)))
    require(found == expected, f"{condition} let through {found!r}, expected is {expected!r}")


@CHECKS.check(
    "a filter that is none is refused: {}", each=("$regex", "$and of no list", "a name that is no text")
)
def bad_filter(exam: StoreExam, what: str) -> None:
    """Not read as "everything"."""
    bad: Any = {"$regex": {"name": {"$regex": "a"}}, "$and of no list": {"$and": {"name": "a"}},
                "a name that is no text": {3: 1}}[what]  # fmt: skip
    with closing(exam.open()) as store:
        store.store_state("a", random_states(1)[0], {"name": "a"})
        exam.refuses(
            lambda: store.find_similar(random_states(1)[0], 1, bad), f"the filter {bad}", OptionError
        )


@CHECKS.check("what is deleted is gone, from searches too; the others stay")
def deleting(exam: StoreExam) -> None:
    """And can be stored again."""
    states = random_states(3)
    with closing(exam.open()) as store:
        for number, state in enumerate(states):
            store.store_state(f"s{number}", state)
        store.delete("s1")
        exam.refuses(lambda: store.get("s1"), "get() of a deleted state", NotStored)
        found = sorted(each.id for each in store.find_similar(states[1], 5))
        require(found == ["s0", "s2"], f"after s1 was deleted a search found {found}")
        store.store_state("s1", states[0])
        _close(store.get("s1").state, states[0], "the state that was stored again")


@CHECKS.check("an id is never overwritten unasked")
def overwriting(exam: StoreExam) -> None:
    """The first state stays."""
    first, second = random_states(2)
    with closing(exam.open()) as store:
        store.store_state("a", first, {"n": 1})
        exam.refuses(lambda: store.store_state("a", second, {"n": 2}), "an id that is taken", AlreadyStored)
        _close(store.get("a").state, first, "the first state")


@CHECKS.check("an id that is not stored is an error")
def missing(exam: StoreExam) -> None:
    """Not None."""
    with closing(exam.open()) as store:
        exam.refuses(lambda: store.get("nothing"), "get() of an unknown id", NotStored)


@CHECKS.check(
    "the id {} is refused", each=("", "../outside", "/etc/passwd", "a/b", "a\\b", "nul\0", "-x", "a" * 200)
)
def bad_id(exam: StoreExam, bad: str) -> None:
    """Safe as a file name and in a URL."""
    with closing(exam.open()) as store:
        exam.refuses(lambda: store.store_state(bad, random_states(1)[0]), f"the id {bad!r:.40}", OptionError)


@CHECKS.check(
    "what is no state is refused: {}",
    each=("a norm of 2", "NaN", "three amplitudes", "zeros", "text", "objects"),
)
def no_state(exam: StoreExam, what: str) -> None:
    """Nothing is stored."""
    bad: Any = {"a norm of 2": [2.0, 0.0], "NaN": [np.nan, 1.0], "three amplitudes": [1.0, 0.0, 0.0], "zeros": [0.0, 0.0],
                "text": "ground state", "objects": np.array([{}, None], dtype=object)}[what]  # fmt: skip
    with closing(exam.open()) as store:
        exam.refuses(lambda: store.store_state("a", bad), what, OptionError)
        exam.refuses(lambda: store.get("a"), f"after {what} was refused, get()", NotStored)


@CHECKS.check("closed and opened again, the database has what it had")
def reopened(exam: StoreExam) -> None:
    """Stored and deleted."""
    folder, states = exam.folder(), random_states(3)
    with closing(exam.open(folder)) as store:
        for number, state in enumerate(states):
            store.store_state(f"s{number}", state, {"number": number})
        store.delete("s0")
    with closing(exam.open(folder)) as store:
        found = store.find_similar(states[2], 5)
        require(
            [each.id for each in found][:1] == ["s2"], "the state that was asked for is not the most similar"
        )
        require(len(found) == 2, f"{len(found)} states are there, 2 were left")
        require(dict(store.get("s1").metadata) == {"number": 1}, "the metadata of s1 are gone")


@CHECKS.check("an array that is changed after store_state() has returned is kept as it was")
def snapshot(exam: StoreExam) -> None:
    """A copy."""
    state, metadata = random_states(1)[0], {"n": 1}
    before = state.copy()
    with closing(exam.open()) as store:
        store.store_state("a", state, metadata)
        state[:] = 0
        metadata["n"] = 2
        found = store.get("a")
        _close(found.state, before, "the state")
        require(found.metadata["n"] == 1, "the metadata changed with the dictionary that was given")
