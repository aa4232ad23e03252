# SPDX-License-Identifier: Apache-2.0
"""The embedded database: its file, its cache, other processes and threads, and everything that can be wrong with it."""

import multiprocessing
import os
import pickle
import shutil
import sqlite3
import threading

import numpy as np
import pytest

from qstore.errors import AlreadyStored, OptionError, StateCorrupt, StorageError
from qstore.plugins import open_store
from qstore_storage import QuantumStateDB
from qstore_storage.states import checked_state
from qstore_storage.states.blobs import Codec, encode_state
from qstore_storage.states.embedded import search
from torture.states.samples import nearest_by_brute_force, nearest_by_cosine, random_mixed, random_states


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def filled(db, rng, count=100, dimension=8, prefix="s"):
    states = random_states(rng, count, dimension)
    db.store_states((f"{prefix}{place}", state, {"place": place}) for place, state in enumerate(states))
    return states


def cache_of(db):
    return db._provider._cache


def execute(db, statement, *parameters):
    """As another program would."""
    connection = sqlite3.connect(db._provider.path, isolation_level=None)
    connection.execute(statement, parameters)
    connection.close()


def test_the_hook_opens_it_by_name(tmp_path):
    with open_store("states", directory=tmp_path, index_name="mine") as db:
        db.store_state("a", [1, 0])
    assert (tmp_path / "mine.sqlite3").is_file()
    with open_store("states.embedded", path=tmp_path / "mine.sqlite3") as db:
        assert db.ids() == ["a"]
    with pytest.raises(OptionError, match="does not take these options"):
        open_store("states", drectory=tmp_path)


def test_a_closed_database_leaves_one_file(tmp_path):
    with QuantumStateDB(directory=tmp_path / "new" / "folder") as db:
        db.store_state("a", [1, 0])
        assert "states" in repr(db)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["states.sqlite3"]
    with sqlite3.connect(tmp_path / "new" / "folder" / "states.sqlite3") as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (16384,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize("cache_bytes", [0, 1000, 10_000, 1 << 20])
def test_the_answer_does_not_depend_on_the_memory(tmp_path, rng, monkeypatch, cache_bytes):
    monkeypatch.setattr("qstore_storage.states.embedded.blocks.BLOCK_BYTES", 2000)
    with QuantumStateDB(directory=tmp_path, cache_bytes=cache_bytes) as db:
        states = filled(db, rng)
        others = random_states(rng, 50, 16)
        db.store_states((f"o{place}", state) for place, state in enumerate(others))
        for query in random_states(rng, 4, 8):
            places, _ = nearest_by_brute_force(query, states, 5)
            assert [found.id for found in db.find_similar(query, 5)] == [f"s{place}" for place in places]
            assert db.find_similar(others[3], 1)[0].id == "o3"
            assert cache_of(db).nbytes <= cache_bytes
        for place in range(0, 100, 3):
            db.delete(f"s{place}")
        left = np.delete(np.arange(100), np.s_[::3])
        more = filled(db, rng, 40, prefix="t")
        names = [*(f"s{place}" for place in left), *(f"t{place}" for place in range(40))]
        everything = np.concatenate((states[left], more))
        for query in random_states(rng, 4, 8):
            places, _ = nearest_by_brute_force(query, everything, 9)
            assert [found.id for found in db.find_similar(query, 9)] == [names[place] for place in places]


def test_single_precision_decides_nothing(embedded, rng, monkeypatch):
    """States that only double precision tells apart, and the margin that single precision needs for it."""
    base, other = random_states(rng, 2, 64)
    angles = 1e-5 * rng.permutation(200)
    near = np.cos(angles)[:, None] * base + np.sin(angles)[:, None] * (other - base * (base.conj() @ other))
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    embedded.store_states((f"s{place}", state) for place, state in enumerate(near))
    right, fidelities = nearest_by_brute_force(base, near, 10)
    assert fidelities[0] - fidelities[-1] < 1e-7
    assert [found.id for found in embedded.find_similar(base)] == [f"s{place}" for place in right]
    monkeypatch.setattr(search, "tolerance", lambda *_: -(2.0**-23))
    assert [found.id for found in embedded.find_similar(base)] != [f"s{place}" for place in right]


def test_the_cosine_of_real_vectors_would_miss_them(embedded, rng):
    """The control: what a database of real vectors answers is wrong, so that a right answer says something."""
    states = filled(embedded, rng, 1000, 64)
    queries = states[:20] * np.exp(2j * np.pi * rng.random(20))[:, None]
    queries = 0.6 * queries + 0.8 * random_states(rng, 20, 64)
    missed = 0
    for query in queries:
        query = query / np.linalg.norm(query)
        right = {f"s{place}" for place in nearest_by_brute_force(query, states, 10)[0]}
        assert {found.id for found in embedded.find_similar(query)} == right
        missed += len(right - {f"s{place}" for place in nearest_by_cosine(query, states, 10)})
    assert missed > 100


def test_many_queries_at_once_are_cut_to_fit(embedded, rng, monkeypatch):
    states = filled(embedded, rng)
    whole = embedded.find_similar_many(states[:20], 3)
    monkeypatch.setattr(search, "_SCORES_AT_ONCE", 4 * 100 * 3)
    assert embedded.find_similar_many(states[:20], 3) == whole


def test_states_of_several_sizes_and_kinds_live_side_by_side(embedded, rng):
    filled(embedded, rng, 20, 8)
    filled(embedded, rng, 20, 16, prefix="t")
    mixed = random_mixed(rng, 20, 8)
    embedded.store_states((f"m{place}", state, {"place": place}) for place, state in enumerate(mixed))
    assert len(embedded) == 60
    found = embedded.find_similar(mixed[2], 40)
    assert found[0].id == "m2"
    assert {each.id[0] for each in found} == {"s", "m"}
    assert embedded.count({"place": 3}) == 3
    embedded.store_state("m2", random_states(rng, 1, 16)[0], overwrite=True)
    assert embedded.find_similar(mixed[2], 40)[0].id != "m2"
    assert len(embedded) == 60


def test_a_batch_is_stored_whole_or_not_at_all(embedded, rng, monkeypatch):
    states = filled(embedded, rng, 10)
    execute(
        embedded,
        "CREATE TRIGGER no BEFORE INSERT ON states WHEN new.id = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    with pytest.raises(StorageError, match="no"):
        embedded.store_states([("n1", states[0]), ("s1", states[2]), ("bad", states[1])], overwrite=True)
    assert embedded.ids() == sorted(f"s{place}" for place in range(10))
    assert (embedded.get("s1").state == states[1]).all()
    assert embedded.count({"place": 1}) == 1
    execute(embedded, "DROP TRIGGER no")
    embedded.store_state("n1", states[0])


def test_another_handle_sees_what_this_one_does_at_once(embedded, rng):
    states = filled(embedded, rng, 50)
    with QuantumStateDB(path=embedded._provider.path) as other:
        assert other.find_similar(states[3], 1)[0].id == "s3"
        embedded.delete("s3")
        embedded.store_state("new", states[3] * 1j)
        assert other.find_similar(states[3], 1)[0].id == "new"
        other.store_state("new", states[4], overwrite=True)
        assert embedded.find_similar(states[3], 1)[0].id != "new"
        with pytest.raises(AlreadyStored):
            embedded.store_state("new", states[5])


def test_threads_may_share_a_handle(embedded, rng):
    states = filled(embedded, rng, 50)
    problems = []

    def work(name):
        try:
            for number in range(25):
                embedded.store_state(f"{name}-{number}", states[number] * 1j)
                best = embedded.find_similar(states[number], 8)
                assert f"{name}-{number}" in {found.id for found in best}
                assert embedded.delete(f"{name}-{number}")
        except Exception as exc:  # noqa: BLE001  # the test tells of it
            problems.append(exc)

    threads = [threading.Thread(target=work, args=(f"t{name}",)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(embedded) == 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_the_file_anew(embedded, rng):
    states = filled(embedded, rng, 20)
    embedded.find_similar(states[0])
    held, done = threading.Event(), threading.Event()

    def hold():  # as a thread that is in the middle of a search does
        with embedded._provider._lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)

    def child(pipe):
        embedded.store_state("child", states[1])
        pipe.send([found.id for found in embedded.find_similar(states[1], 2)])
        embedded.close()

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == ["child", "s1"]
    process.join()
    done.set()
    thread.join()
    assert process.exitcode == 0
    assert [found.id for found in embedded.find_similar(states[1], 2)] == ["child", "s1"]
    embedded.store_state("parent", states[2])


def test_damage_is_told_and_the_rest_stays_usable(embedded, rng):
    states = filled(embedded, rng, 20)
    blob = bytes(
        embedded._provider._connection._connection.execute(
            "SELECT blob FROM states WHERE id = 's7'"
        ).fetchone()[0]
    )
    for damaged in (
        blob[:-1],
        blob[:60] + bytes([blob[60] ^ 1]) + blob[61:],
        b"",
        pickle.dumps(states),
        "text",
        5,
    ):
        execute(embedded, "UPDATE states SET blob = ? WHERE id = 's7'", damaged)
        with QuantumStateDB(path=embedded._provider.path) as db:
            for use in (lambda db=db: db.get("s7"), lambda db=db: db.find_similar(states[0])):
                with pytest.raises(StateCorrupt, match="'s7' is damaged"):
                    use()
            assert (db.get("s8").state == states[8]).all()
            assert len(db.ids()) == 20
    execute(embedded, "UPDATE states SET blob = ?, metadata = ? WHERE id = 's7'", blob, '{"place": 8}')
    with pytest.raises(StateCorrupt, match="checksum"):
        embedded.get("s7")
    execute(embedded, "UPDATE states SET metadata = CAST(x'ff' AS TEXT) WHERE id = 's7'")
    with pytest.raises(StorageError):
        embedded.get("s7")
    assert embedded.delete("s7")
    embedded.store_state("s7", states[7])
    assert embedded.find_similar(states[7], 1)[0].id == "s7"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{", "[]", '{"a": {"b": 1}}', '{"a": NaN}', '{"a": 1e999}', "1" * 5000, '{"$a": 1}'], ids=map(str, range(8))
)  # fmt: skip
def test_metadata_that_was_forged_with_its_checksum_is_told(embedded, text):
    embedded.store_state("a", [1, 0], {"k": 1})
    blob = encode_state(Codec(), "a", text, checked_state([1, 0]))
    execute(embedded, "UPDATE states SET metadata = ?, blob = ?", text, blob)
    for use in (lambda: embedded.get("a"), lambda: embedded.find_similar([1, 0])):
        with pytest.raises(StateCorrupt, match="metadata cannot be read"):
            use()
    assert embedded.verify() == ("a",)


def test_swapped_rows_are_told(embedded, rng):
    filled(embedded, rng, 2)
    execute(embedded, "UPDATE states SET id = CASE id WHEN 's0' THEN 'x' ELSE id END")
    with pytest.raises(StateCorrupt, match="checksum"):
        embedded.get("x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"not a database" * 1000, "no database"), (b"SQLite format 3\0" + b"\xff" * 4000, "no database|damaged"),
     (pickle.dumps([1] * 1000), "no database")],
)  # fmt: skip
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content, reason):
    path = tmp_path / "states.sqlite3"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=reason):
        QuantumStateDB(directory=tmp_path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "states.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (name)")
    connection.close()
    with pytest.raises(StorageError, match="something else"):
        QuantumStateDB(directory=tmp_path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("users",)]
    connection.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path):
    QuantumStateDB(directory=tmp_path).close()
    with sqlite3.connect(tmp_path / "states.sqlite3") as connection:
        connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(StorageError, match=r"later qstore-storage \(format 2, this one reads 1\)"):
        QuantumStateDB(directory=tmp_path)


def test_places_where_nothing_can_be_made_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="folder"):
        QuantumStateDB(directory=tmp_path / "file")
    with pytest.raises(StorageError, match="cannot be opened"):
        QuantumStateDB(path=tmp_path)


def test_a_damaged_page_is_told(embedded, rng):
    filled(embedded, rng, 200, 64)
    path = embedded._provider.path
    embedded.close()
    damaged = path.with_name("damaged.sqlite3")
    whole = path.read_bytes()
    told = 0
    for page in range(1, len(whole) // 16384):
        content = bytearray(whole)
        content[page * 16384 : page * 16384 + 64] = b"\xa5" * 64
        damaged.write_bytes(content)
        try:
            with QuantumStateDB(path=damaged) as db:
                found = [db.get(name).metadata["place"] for name in db.ids()]
                assert db.find_similar(db.get("s3").state, 1)[0].id == "s3"
                assert found == [int(name[1:]) for name in db.ids()]
        except StorageError:
            told += 1
        for rest in path.parent.glob("damaged*"):
            rest.unlink()
    assert told > 5
    shutil.rmtree(path.parent)
