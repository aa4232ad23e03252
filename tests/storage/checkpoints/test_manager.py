# SPDX-License-Identifier: Apache-2.0
"""The manager: what is saved is loaded, exactly; what is kept; what the background thread reports; who wins."""

import asyncio
import errno
import logging
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import qstore as qs
from qstore.errors import AlreadyStored, CheckpointCorrupt, NotStored, OptionError, StorageError
from qstore.plugins import open_store
from qstore.plugins.stores import CheckpointStore
from qstore_storage.checkpoints import CheckpointManager, capture_random_state, restore_random_state
from qstore_storage.checkpoints.files import LocalFiles

STATE = {"w": np.arange(4.0), "n": [1, (2.5, None)], "name": "x"}


def save(checkpoints, *steps, **metadata):
    for step in steps:
        checkpoints.save(step, {"w": np.full(3, step)}, metadata=metadata)
    checkpoints.wait()


def steps(checkpoints):
    return [info.step for info in checkpoints.list_checkpoints()]


class Held(LocalFiles):
    """Writes when it is let."""

    def __init__(self):
        self.go = threading.Event()

    def write(self, path, parts):
        self.go.wait(30)
        super().write(path, parts)


class Broken(LocalFiles):
    """Fails once."""

    code = errno.ENOSPC

    def write(self, path, parts):
        if self.code:
            code, self.code = self.code, 0
            raise OSError(code, os.strerror(code), str(path))
        super().write(path, parts)


def test_the_store_opens_by_name_and_keeps_its_contract(tmp_path):
    with open_store("checkpoints", directory=tmp_path, keep=2) as store:
        assert isinstance(store, CheckpointStore)
        store.save(3, STATE, {"lr": 0.1}, {"loss": 1.5})
        loaded = store.load()
    assert loaded.step == 3
    np.testing.assert_array_equal(loaded.model_state["w"], STATE["w"])
    assert loaded.model_state["n"] == STATE["n"]
    assert loaded.optimizer_state == {"lr": 0.1}
    assert loaded.metadata == {"loss": 1.5}


def test_a_step_is_loaded_by_number_and_the_newest_without(tmp_path):
    with CheckpointManager(tmp_path, keep=None) as checkpoints:
        save(checkpoints, 5, 20, 10)
        assert checkpoints.load().step == 20
        assert checkpoints.load(5).model_state["w"].tolist() == [5, 5, 5]
        with pytest.raises(NotStored, match=r"no checkpoint of step 6 in .*; it has 5 to 20, 3 in all"):
            checkpoints.load(6)
    with CheckpointManager(tmp_path / "empty") as checkpoints:
        with pytest.raises(NotStored, match="There is no checkpoint in"):
            checkpoints.load()
        assert checkpoints.verify() == []
    assert not (tmp_path / "empty").exists()  # who only looks leaves nothing behind


def test_a_step_that_is_stored_is_not_overwritten(tmp_path):
    with CheckpointManager(tmp_path) as first, CheckpointManager(tmp_path) as second:
        save(first, 1)
        with pytest.raises(AlreadyStored, match="Step 1 is stored"):
            first.save(1, STATE)
        second.save(1, STATE)
        with pytest.raises(AlreadyStored, match=r"Step 1 is stored .* nothing was overwritten"):
            second.wait()
        assert first.load(1).model_state["w"].tolist() == [1, 1, 1]
        first.delete(1)
        save(first, 1)
        with pytest.raises(NotStored):
            first.delete(2)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")]


def test_a_best_that_no_save_has_is_told_once(tmp_path, caplog):
    with CheckpointManager(tmp_path, keep=1, best="val_los") as checkpoints:
        for step in range(3):
            checkpoints.save(step, {"w": step}, metadata={"val_loss": 0.5, "val_los_text": "0.5"})
        checkpoints.wait()
    (record,) = [each for each in caplog.records if each.name == "qstore.storage.checkpoints"]
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "Step 0 is never kept as the best: its metadata has no number 'val_los'. Did you mean 'val_loss'? It has the numbers "
        "['val_loss']."
    )
    caplog.clear()
    with CheckpointManager(tmp_path, keep=1, best="val_loss") as checkpoints:
        checkpoints.save(3, {"w": 3}, metadata={"val_loss": 0.5})
        assert not caplog.records
        checkpoints.save(4, {"w": 4})
    assert "Step 4 is never kept as the best" in caplog.text


def test_retention_keeps_the_newest_every_so_many_and_the_best(tmp_path):
    with CheckpointManager(tmp_path, keep=2, keep_every=10, best="loss") as checkpoints:
        for step, loss in ((4, 3.0), (7, 1.0), (10, 4.0), (13, 2.0), (16, 2.5), (19, 2.6)):
            checkpoints.save(step, STATE, metadata={"loss": loss})
        checkpoints.wait()
        assert steps(checkpoints) == [7, 10, 16, 19]
        assert checkpoints.best_checkpoint().step == 7
    with CheckpointManager(tmp_path, keep=1, best="loss", mode="max") as checkpoints:
        assert checkpoints.best_checkpoint().step == 10
        save(checkpoints, 20)  # without the number: never the best, still the newest
        assert steps(checkpoints) == [10, 20]
    with CheckpointManager(tmp_path) as checkpoints:
        assert checkpoints.best_checkpoint() is None


def test_old_ones_go_only_after_the_new_one_is_stored(tmp_path):
    with CheckpointManager(tmp_path, keep=1, files=Broken()) as checkpoints:
        checkpoints._place.files.code = 0
        save(checkpoints, 1)
        checkpoints._place.files.code = errno.ENOSPC
        checkpoints.save(2, STATE)
        with pytest.raises(
            StorageError, match=r"step 2 was not stored in .*: No space left on device.*untouched"
        ):
            checkpoints.wait()
        assert checkpoints.load().step == 1


@pytest.mark.parametrize("call", ["save", "wait", "close"])
def test_trouble_of_the_thread_is_raised_by_the_next_call_and_only_once(tmp_path, call):
    checkpoints = CheckpointManager(tmp_path, files=Broken())
    checkpoints.save(1, STATE)
    checkpoints._writer.settle()
    with pytest.raises(StorageError, match="No space left"):
        checkpoints.save(2, STATE) if call == "save" else getattr(checkpoints, call)()
    if call == "close":
        with pytest.raises(StorageError, match="closed"):
            checkpoints.save(3, STATE)
    else:
        save(checkpoints, 3)
        assert steps(checkpoints) == [3]
    checkpoints.close()
    checkpoints.close()


def test_an_error_of_the_block_is_not_hidden_by_one_of_the_thread(tmp_path):
    def fail():
        with CheckpointManager(tmp_path, files=Broken()) as checkpoints:
            checkpoints.save(1, STATE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    assert "a checkpoint failed: StorageError" in caught.value.__notes__[0]


def test_save_returns_before_the_disk_and_what_changes_then_is_not_stored(tmp_path):
    files = Held()
    with CheckpointManager(tmp_path, files=files) as checkpoints:
        state = {"w": np.zeros(5), "nested": [np.zeros(2)]}
        checkpoints.save(1, state)
        assert "queued=1" in repr(checkpoints)
        state["w"] += 1
        state["nested"][0] += 1
        state["nested"].append(2)
        files.go.set()
        found = checkpoints.load(1).model_state
    assert found["w"].tolist() == [0] * 5
    assert [each.tolist() for each in found["nested"]] == [[0, 0]]


def test_the_queue_is_bounded(tmp_path):
    files, third = Held(), threading.Event()
    with CheckpointManager(tmp_path, queue_size=1, files=files) as checkpoints:
        checkpoints.save(1, STATE)
        checkpoints.save(2, STATE)
        thread = threading.Thread(target=lambda: (checkpoints.save(3, STATE), third.set()))
        thread.start()
        assert not third.wait(0.2)
        files.go.set()
        thread.join(30)
        assert third.is_set()
        assert steps(checkpoints) == [1, 2, 3]


def test_a_refused_state_queues_nothing_and_holds_no_place_in_the_queue(tmp_path):
    with CheckpointManager(tmp_path, queue_size=0) as checkpoints:
        for _ in range(3):
            with pytest.raises(OptionError, match=r"model_state\['f'\] is a builtins.function"):
                checkpoints.save(1, {"f": save})
        save(checkpoints, 1)


def test_every_blocking_call_has_its_async_twin(tmp_path):
    async def work():
        with CheckpointManager(tmp_path) as checkpoints:
            await checkpoints.save_async(1, STATE)
            await checkpoints.wait_async()
            return await checkpoints.load_async()

    assert asyncio.run(work()).step == 1


def test_a_damaged_newest_is_passed_over_told_and_replaced_by_the_next_save(tmp_path, caplog):
    with CheckpointManager(tmp_path) as checkpoints:
        save(checkpoints, 1, 2)
        (tmp_path / "step-000000000002" / "shard-00000.zip").write_bytes(b"")
        with caplog.at_level(logging.WARNING, "qstore"):
            assert checkpoints.load().step == 1
        assert "Passing over a damaged checkpoint: shard-00000.zip of step 2" in caplog.text
        with pytest.raises(CheckpointCorrupt, match=r"shard-00000.zip of step 2 .* checksum differs"):
            checkpoints.load(2)
        bad = [each for each in checkpoints.verify() if not each.ok]
        assert [each.step for each in bad] == [2]
    with CheckpointManager(tmp_path) as checkpoints:
        save(checkpoints, 2)  # a training that went on from 1 comes to 2 again
        assert checkpoints.load().step == 2
    assert [path.name[:21] for path in tmp_path.glob(".damaged*")] == [".damaged-000000000002"]


class Overtaken(LocalFiles):
    """While it reads, another process stores a newer checkpoint and lets go of this one."""

    def __init__(self, root, then):
        self._root, self._then = root, list(then)

    def read(self, path, limit):
        if self._then and path.name != "MANIFEST.json":
            with CheckpointManager(self._root, keep=1) as other:
                self._then.pop(0)(other)
        return super().read(path, limit)


def test_a_newest_that_is_let_go_of_while_it_is_read_is_no_damage(tmp_path):
    with CheckpointManager(tmp_path) as checkpoints:
        save(checkpoints, 1)
    newer = [lambda other, step=step: save(other, step) for step in (2, 3)]
    with CheckpointManager(tmp_path, files=Overtaken(tmp_path, newer)) as checkpoints:
        assert checkpoints.load().step == 3
    with (
        CheckpointManager(
            tmp_path, files=Overtaken(tmp_path, [lambda other: other.delete(3)])
        ) as checkpoints,
        pytest.raises(NotStored),
    ):
        checkpoints.load()


def test_all_damaged_is_not_the_same_as_none(tmp_path):
    with CheckpointManager(tmp_path) as checkpoints:
        save(checkpoints, 1)
        (tmp_path / "step-000000000001" / "MANIFEST.json").unlink()
        with pytest.raises(CheckpointCorrupt, match=r"None of the 1 checkpoints .* has no MANIFEST.json"):
            checkpoints.load()
        assert steps(checkpoints) == []


def test_a_disk_that_cannot_be_read_now_is_no_damage(tmp_path):
    class Unreadable(LocalFiles):
        def read(self, path, limit):
            raise OSError(errno.EMFILE, "Too many open files", str(path))

    with CheckpointManager(tmp_path) as checkpoints:
        save(checkpoints, 1, 2)
    with CheckpointManager(tmp_path, files=Unreadable()) as checkpoints:
        with pytest.raises(StorageError, match="Too many open files") as caught:
            checkpoints.load()
        assert not isinstance(caught.value, CheckpointCorrupt)


@pytest.mark.parametrize("step", [-1, 1.0, True, "1", None, 10**12, "../1"])
def test_a_step_is_a_whole_number(tmp_path, step):
    with (
        CheckpointManager(tmp_path) as checkpoints,
        pytest.raises(OptionError, match="step must be an integer"),
    ):
        checkpoints.save(step, STATE)


@pytest.mark.parametrize(
    "options",
    [{"keep": 0}, {"keep": True}, {"keep_every": 0}, {"mode": "best"}, {"keep_best": 0}, {"payload": "tar"}, {"compression": "gzip"},
     {"compression": "zstd", "compression_level": 23}, {"queue_size": -1}, {"max_bytes": 0}, {"best": 3}, {"directory": ""},
     {"directory": None}, {"directory": "a\0b"}, {"directory": __file__}, {"directory": "nosuch://bucket"}],
)  # fmt: skip
def test_options_outside_their_range_are_refused(tmp_path, options):
    with pytest.raises(OptionError):
        CheckpointManager(**{"directory": tmp_path, **options})


def test_a_program_that_ends_without_closing_loses_nothing(tmp_path):
    program = (
        "import numpy, sys; from qstore_storage import CheckpointManager\n"
        "c = CheckpointManager(sys.argv[1], queue_size=4)\n"
        "for step in range(4): c.save(step, {'w': numpy.full(100_000, step)})\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(tmp_path)], check=True, timeout=60)
    with CheckpointManager(tmp_path) as checkpoints:
        assert checkpoints.load().model_state["w"][0] == 3
        assert all(each.ok for each in checkpoints.verify())


def test_saving_imports_no_torch_and_no_zarr(tmp_path):
    program = (
        "import numpy, sys; from qstore_storage import CheckpointManager\n"
        "with CheckpointManager(sys.argv[1]) as c: c.save(1, {'w': numpy.zeros(3)})\n"
        "sys.exit(bool({'torch', 'zarr', 'tensorflow'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_saves_by_a_thread_of_its_own(tmp_path):
    program = (
        "import numpy, os, sys; from qstore_storage import CheckpointManager\n"
        "c = CheckpointManager(sys.argv[1]); c.save(1, {'w': numpy.zeros(3)}); c.wait()\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    c.save(2, {'w': numpy.zeros(3)}); c.wait(); os._exit(0)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)
    with CheckpointManager(tmp_path) as checkpoints:
        assert steps(checkpoints) == [1, 2]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_a_folder_that_may_not_be_seen_is_no_bare_oserror(tmp_path):
    hidden = tmp_path / "hidden"
    with CheckpointManager(hidden / "run") as checkpoints:
        save(checkpoints, 1)
    hidden.chmod(0)
    program = (
        "import os, sys; from qstore_storage import CheckpointManager; from qstore.errors import StorageError\n"
        "import qstore_storage.checkpoints.manager; os.setuid(65534)\n"
        "try: CheckpointManager(sys.argv[1])\n"
        "except StorageError as exc: sys.exit('Permission denied' not in str(exc))\n"
        "sys.exit(2)"
    )
    subprocess.run([sys.executable, "-c", program, str(hidden / "run")], check=True, timeout=60)
    hidden.chmod(0o755)


def test_all_generators_go_on_exactly(tmp_path):
    import random

    import torch

    own = np.random.default_rng(3)
    circuit = qs.QuantumCircuit(1).h(0)

    def draw():
        counts = qs.run(circuit, outputs=qs.Counts(), shots=50, backend="statevector").counts[0]
        return random.random(), own.random(), torch.rand(()).item(), counts

    with qs.run_context("checkpoints-go-on"), CheckpointManager(tmp_path) as checkpoints:
        draw()
        checkpoints.save(1, {}, random_state=capture_random_state({"own": own}))
        expected = [draw() for _ in range(3)]
        restore_random_state(checkpoints.load().random_state, {"own": own})
        assert [draw() for _ in range(3)] == expected
        state = checkpoints.load().random_state
    with (
        qs.run_context("another-run"),
        pytest.raises(OptionError, match="state of the run 'checkpoints-go-on'"),
    ):
        restore_random_state(state, {"own": own})
    with pytest.raises(OptionError, match=r"has the generators \['own'\], given are \[\]"):
        restore_random_state(state)


def test_a_small_torture(tmp_path):
    pytest.importorskip("resource")
    from torture.checkpoints import crash_states, damage, disks, kills, racing

    assert kills.naive_torn(tmp_path, 10) >= 1
    found, problems = kills.at_random(tmp_path, 5)
    assert (found.total(), problems) == (5, [])
    tally, problems = kills.at_every_operation(tmp_path, 1)
    assert (len(tally), problems) == (10, [])
    root, before, log = crash_states.recorded(tmp_path, "zip")
    assert crash_states.bad_states(root, before, log)[1] == []
    for name, mutant in crash_states.mutants(log):
        if name != crash_states.BELIEVING:
            assert crash_states.bad_states(root, before, mutant, stop_at=1)[1], name
    assert damage.bit_flips(tmp_path, 30) == (30, [])
    assert disks.injected(tmp_path, codes=[errno.ENOSPC])[1] == []
    assert disks.forbidden()[1] == []
    assert racing.two_writers(tmp_path, 3)[1] == []
    assert racing.changed_after_save(tmp_path, 10)[1] == []
