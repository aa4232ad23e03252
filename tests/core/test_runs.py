# SPDX-License-Identifier: Apache-2.0
"""Runs: their names, and the seeds that repeat when a script is started again under the same name."""

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import qstore as qs
from qstore.batch import current_run, process_rank, runs, state_home
from qstore.batch.runs import Run, is_random_name
from qstore.cli import main
from qstore.errors import ConfigurationError, OptionError


def circuit():
    x = qs.Parameter("x", (2,))
    return qs.QuantumCircuit(2).rx(0, x[0]).ry(1, x[1])


def batch(value=0.0, rows=None, **options):
    x = np.full((2,) if rows is None else (rows, 2), value)
    return qs.CircuitBatch.of(circuit(), {"x": x}, **({"shots": 100} | options))


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """As in a process that has just started."""
    for name in ("QSTORE_RUN", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(runs, "_named", {})
    monkeypatch.setattr(runs, "_unnamed", None)


def test_a_context_names_the_batches_made_inside():
    with qs.run_context("outer") as run:
        assert (run.name, run.named) == ("outer", True)
        with qs.run_context("inner"):
            assert batch().run == "inner"
        assert batch().run == "outer"
        assert batch(shots=None).run == "outer"
    assert batch().run not in ("outer", "inner")


def test_derived_batches_keep_the_name():
    with qs.run_context("first"):
        made = batch(rows=4)
    assert made.replace(shots=5).run == made.rows(1, 3).run == "first"


def test_without_a_context_the_environment_decides_and_else_chance(monkeypatch, caplog):
    with caplog.at_level(logging.INFO, "qstore"):
        drawn = current_run()
        assert current_run() is drawn
    assert is_random_name(drawn.name)
    assert not drawn.named
    assert [record.getMessage() for record in caplog.records] == [
        f"This run is called {drawn.name!r}. Name it, with qs.run_context(name) or QSTORE_RUN, to find its jobs again."
    ]
    monkeypatch.setenv("QSTORE_RUN", "nightly")
    assert current_run() == Run("nightly", named=True)
    with qs.run_context("mine"):
        assert current_run().name == "mine"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".hidden",
        "-x",
        "a/b",
        "a\\b",
        "..",
        "a b",
        "x" * 129,
        "a.",
        "con",
        "NUL.txt",
        "é",
        "a\n",
        None,
        5,
        b"a",
    ],
)
def test_names_that_cannot_be_folders_are_refused(name):
    with pytest.raises(OptionError, match="cannot name a run"), qs.run_context(name):
        pass


@pytest.mark.parametrize("name", ["a", "_", "7", "Digits-v3.2_x", "x" * 128, "console", "lpt10"])
def test_names_that_are_fine(name):
    with qs.run_context(name):
        assert current_run().name == name


def test_a_bad_name_in_the_environment_is_refused_by_its_variable(monkeypatch):
    monkeypatch.setenv("QSTORE_RUN", "a/b")
    with pytest.raises(OptionError, match="QSTORE_RUN: 'a/b' cannot name a run"):
        batch()


def test_a_thread_without_a_context_belongs_to_the_one_run_that_is_open():
    found = []

    def look():
        found.append(current_run().name)

    def in_thread():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    with qs.run_context("open"):
        in_thread()
        with qs.run_context("open"):
            in_thread()
        with qs.run_context("second"):
            in_thread()  # two are open: neither is guessed
    assert found[:2] == ["open", "open"]
    assert is_random_name(found[2])


def seeds(name, values=(0.0, 1.0, 0.0), **options):
    runs._named.clear()
    with qs.run_context(name):
        return [batch(value, **options).seed for value in values]


def test_in_a_named_run_seeds_repeat_and_no_two_are_equal():
    first = seeds("a")
    assert first == seeds("a")
    assert len(set(first)) == 3
    assert not set(first) & set(seeds("b"))
    assert all(0 <= seed < 2**63 for seed in first)


def test_seeds_do_not_depend_on_the_order_of_different_batches():
    forth, back = seeds("a", (0.0, 1.0, 2.0, 0.0)), seeds("a", (2.0, 0.0, 0.0, 1.0))
    assert sorted(forth) == sorted(back)
    assert forth[2] == back[0]
    assert [forth[0], forth[3]] == back[1:3]


def test_what_makes_a_batch_makes_its_seed():
    base = seeds("a", (0.0,))[0]
    others = [
        seeds("a", (0.5,))[0],
        seeds("a", (0.0,), shots=101)[0],
        seeds("a", (0.0,), outputs=qs.Samples())[0],
        seeds("a", (0.0,), outputs=qs.Expectations([qs.Z(0)]))[0],
        seeds("a", (0.0,), outputs=qs.Expectations([0.5 * qs.Z(0)]))[0],
        seeds("a", (0.0,), rows=1)[0],
    ]
    assert len({base, *others}) == 7
    assert seeds("a", (-0.0,))[0] == base
    with qs.run_context("a"):
        other_circuit = qs.CircuitBatch.of(circuit().h(0), {"x": np.zeros(2)}, shots=100)
    assert other_circuit.seed != base


def test_each_rank_draws_its_own(monkeypatch):
    base = seeds("a")
    monkeypatch.setenv("RANK", "0")
    assert seeds("a") == base
    monkeypatch.setenv("RANK", "3")
    assert process_rank() == "3"
    assert not set(seeds("a")) & set(base)
    monkeypatch.setenv("RANK", "../x")
    assert process_rank() == "0"


def test_a_name_used_again_goes_on_counting():
    with qs.run_context("a"):
        first = batch().seed
    with qs.run_context("a"):
        assert batch().seed != first


def test_a_seed_that_is_given_counts_and_exact_batches_have_none():
    with qs.run_context("a"):
        assert batch(seed=7).seed == 7
        assert batch(shots=None).seed is None


def test_without_a_name_seeds_are_fresh():
    assert len({batch().seed for _ in range(20)}) == 20


SCRIPT = """
import qstore as qs
circuit = qs.QuantumCircuit(1).h(0)
print(*[qs.CircuitBatch.of(circuit, shots=10).seed for _ in range(3)])
"""


def test_a_script_that_is_started_again_draws_the_same_seeds():
    def started(**environment):
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ | environment, capture_output=True, text=True,
                              check=True)  # fmt: skip
        return done.stdout

    assert started(QSTORE_RUN="again") == started(QSTORE_RUN="again") != started(QSTORE_RUN="other")
    assert started() != started()


def test_a_user_without_a_home_is_told_what_to_set_and_free_circuits_run(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("QSTORE_HOME", "XDG_STATE_HOME", "QSTORE_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=r"no home folder.*QSTORE_HOME"):
        state_home()
    assert main(["costs"]) == main(["jobs", "list"]) == 1
    assert main(["config"]) == main(["config", "--json"]) == main(["cache"]) == 0
    from qstore.routing.throughput import shared_memory

    shared_memory().note("statevector", "exact", 4, estimated_s=0.001, measured_s=0.008)
    shared_memory().save()
    assert shared_memory().factor("statevector", "exact", 4) == 8.0


def test_the_state_folder_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path))
    assert state_home() == tmp_path
    monkeypatch.delenv("QSTORE_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert state_home() == tmp_path / "state" / "qstore"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_home() == Path.home() / ".local" / "state" / "qstore"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert state_home() == Path.home() / "Library" / "Application Support" / "qstore"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert state_home() == tmp_path / "qstore"


def test_a_run_counts_on_from_its_state_and_refuses_that_of_another():
    circuit = qs.QuantumCircuit(1).h(0)

    def seeds(count):
        return [qs.CircuitBatch.of(circuit, shots=10).seed for _ in range(count)]

    with qs.run_context("state-of-a-run") as run:
        seeds(2)
        state = run.get_state()
        expected = seeds(3)
        run.set_state(state)
        assert seeds(3) == expected
        for broken in (
            {},
            {"name": run.name, "contents": 3, "counts": []},
            {**state, "counts": [1, 2, 3]},
            {**state, "counts": [-1]},
        ):
            with pytest.raises(OptionError):
                run.set_state(broken)
    with qs.run_context("another-state-of-a-run") as other:
        with pytest.raises(OptionError, match=r"Use qs.run_context\('state-of-a-run'\)"):
            other.set_state(state)
        empty = other.get_state()
    with qs.run_context("state-of-a-run") as run:
        run.set_state(empty)  # it has drawn nothing, so its name does not matter
