# SPDX-License-Identifier: Apache-2.0
"""The memory of how long backends took: it fades, survives, and is shared; nothing that happens to its file matters."""

import json
import os
import subprocess
import sys

import pytest

import qstore as qs
from qstore.routing import BackendRouter, throughput
from qstore.routing.throughput import Throughput, shared_memory
from routing.fakes import Fake, SyncFake


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory" / "throughput.json"


def noted(path, ratio, times=1, backend="a"):
    memory = Throughput(path)
    for _ in range(times):
        memory.note(backend, "exact", 4, estimated_s=1.0, measured_s=ratio)
    return memory


def test_it_is_an_average_of_ratios_in_powers_of_two_that_fades(path):
    memory = noted(path, 8, times=20)
    assert memory.factor("a", "exact", 4) == memory.factor("a", "exact", 7) == 8
    assert (
        memory.factor("a", "exact", 8)
        == memory.factor("a", "shots", 4)
        == memory.factor("b", "exact", 4)
        == 1
    )
    for _ in range(30):
        memory.note("a", "exact", 4, estimated_s=1.0, measured_s=0.25)
    assert memory.factor("a", "exact", 4) == 0.25


def test_noise_does_not_change_what_is_remembered(path):
    memory = noted(path, 1.0)
    for k in range(100):
        memory.note("a", "exact", 4, estimated_s=1.0, measured_s=1.3 if k % 2 else 0.77)
        assert memory.factor("a", "exact", 4) == 1


def test_what_two_processes_measured_is_merged(path):
    first, second = noted(path, 16), noted(path, 4, backend="b")
    first.save()
    second.save()
    fresh = Throughput(path)
    assert (fresh.factor("a", "exact", 4), fresh.factor("b", "exact", 4)) == (16, 4)
    noted(path, 1, times=2).save()
    # 4 * 0.8**2 + 0 = 2.56 doublings.
    assert Throughput(path).factor("a", "exact", 4) == 8


CHILD = """
import sys
from qstore.routing.throughput import Throughput
for n in range(20):
    memory = Throughput(sys.argv[1])
    memory.note(sys.argv[2] + str(n), "exact", 4, estimated_s=1.0, measured_s=4.0)
    memory.save(wait_s=10)
"""


def test_processes_that_write_at_once_lose_nothing(path):
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(path), f"process {n} "]) for n in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert len(json.loads(path.read_text())["entries"]) == 60
    assert sorted(each.name for each in path.parent.iterdir()) == ["throughput.json", "throughput.lock"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"version": 1}', '{"version": 99, "entries": [["a", "exact", 1, 3]]}',
     '{"version": 1, "entries": [["a", "exact", 1]]}', '{"version": 1, "entries": [["a", "exact", 1, "many"]]}',
     '{"version": 1, "entries": [["a", "exact", 1, NaN]]}', '{"version": 1, "entries": [["a", "exact", 1, 1e300]]}',
     "[" * 5000, "\x00\xff"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_started_afresh(path, content):
    path.parent.mkdir()
    path.write_text(content, "utf-8")
    memory = noted(path, 8)
    assert memory.factor("a", "exact", 4) == 8
    memory.save()
    assert json.loads(path.read_text())["entries"] == [["a", "exact", 1, 3.0]]


@pytest.mark.parametrize("fails", [False, True])
def test_what_another_thread_measures_while_the_file_is_written_is_not_lost(path, fails, monkeypatch):
    memory, written = noted(path, 8), throughput._write

    def slowly(*arguments):
        memory.note("a", "exact", 4, estimated_s=1, measured_s=2)
        memory.note("b", "exact", 4, estimated_s=1, measured_s=4)
        if fails:
            raise OSError("the disk is full")
        written(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(throughput, "_write", slowly)
        memory.save()
    memory.save()
    entries = {tuple(key): average for *key, average in json.loads(path.read_text())["entries"]}
    alone = Throughput(path.with_name("alone.json"))
    for measured_s in (8, 2):
        alone.note("a", "exact", 4, estimated_s=1, measured_s=measured_s)
    alone.save()
    together = json.loads(alone.path.read_text())["entries"][0][-1]
    # Saved in between, the first measurement is all of the past and counts for more.
    assert entries["a", "exact", 1] == pytest.approx(together if fails else 0.8 * 3 + 0.2 * 1, abs=1e-3)
    assert entries["b", "exact", 1] == 2


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("")
    memory = noted(tmp_path / "file" / "throughput.json", 8)
    memory.save()
    assert memory.factor("a", "exact", 4) == 8


@pytest.mark.parametrize("estimated", [0.0, -1.0, float("nan"), float("inf")])
def test_measurements_that_mean_nothing_are_passed_over(path, estimated):
    memory = Throughput(path)
    memory.note("a", "exact", 4, estimated_s=estimated, measured_s=1.0)
    memory.note("a", "exact", 4, estimated_s=1.0, measured_s=estimated)
    assert memory.factor("a", "exact", 4) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_does_not_save_its_parents_measurements_again(path):
    memory = noted(path, 8)
    pid = os.fork()
    if pid == 0:
        memory.save()
        os._exit(path.exists())
    assert os.waitpid(pid, 0)[1] == 0


def circuit():
    return qs.QuantumCircuit(2).h(0).cx(0, 1)


def test_a_backend_that_is_slower_than_it_says_is_found_out(path):
    """It promises a microsecond; the other one keeps its promise of a tenth of a second."""
    honest, boasting = SyncFake("honest", seconds=0.1), SyncFake("boasting", seconds=1e-6)
    router = BackendRouter(candidates=[boasting, honest], memory=path, preferences={"speed": 1})
    asked = qs.CircuitBatch.of(circuit())
    assert router.explain(asked).chosen == "boasting"
    for _ in range(20):
        router._decisions.memory.note("boasting", "exact", 2, estimated_s=1e-6, measured_s=1.0)
    assert router.explain(asked).chosen == "boasting"  # within a process decisions stay
    router._decisions.memory.save()
    later = BackendRouter(candidates=[boasting, honest], memory=path, preferences={"speed": 1})
    explanation = later.explain(asked)
    assert explanation.chosen == "honest"
    assert "estimated x 1.05e+06, as measured" in explanation.rows[1].reason
    assert BackendRouter(candidates=[boasting, honest], memory=False).explain(asked).chosen == "boasting"


def test_calls_are_measured_but_not_the_first_ones(path):
    router = BackendRouter(candidates=[SyncFake("fake", seconds=1e-9)], memory=path)
    qs.run(circuit(), backend=router)
    qs.run(circuit(), backend=router)
    assert router._decisions.memory._pending == {}
    for _ in range(20):
        qs.run(circuit(), backend=router)
    assert len(router._decisions.memory._pending) == 1
    remote = BackendRouter(candidates=[Fake("remote", local=False)], memory=path)
    qs.run(circuit(), backend=remote)
    assert ("remote", "exact", 0) in remote._decisions.memory._pending


def test_the_shared_memory_lies_in_the_state_folder(tmp_path):
    assert shared_memory().path == tmp_path / "state" / "throughput.json"
    assert shared_memory() is shared_memory()


def test_measured_times_do_not_choose_who_counts(path):
    """The counts of a seed are a simulator's own: they must not depend on how long simulators took yesterday."""
    memory = Throughput(path)
    for kind in ("exact", "shots"):
        for _ in range(20):
            memory.note("first", kind, 1, estimated_s=1.0, measured_s=4096.0)
    router = BackendRouter(
        {"speed": 1},
        candidates=[SyncFake("first", seconds=0.5), SyncFake("second", seconds=0.5)],
        memory=memory,
    )
    circuit = qs.QuantumCircuit(1).h(0)
    assert qs.run(circuit, backend=router).backend == "second"
    assert qs.run(circuit, shots=10, seed=1, backend=router).backend == "first"
