# SPDX-License-Identifier: Apache-2.0
"""Object stores, shards of several processes, safetensors files and the command."""

import json
import subprocess
import sys
import threading
import uuid

import numpy as np
import pytest

import torch
from qstore.cli import main
from qstore.errors import AlreadyStored, CheckpointCorrupt, NotStored, OptionError, QStoreError, StorageError
from qstore_storage.checkpoints import CheckpointManager, ShardGroup, export_safetensors, import_safetensors

STATE = {"w": np.arange(4.0), "b": torch.ones(2).bfloat16()}


@pytest.fixture
def url():
    return f"memory://{uuid.uuid4().hex}/run"


@pytest.mark.parametrize("payload", ["zip", "folder"])
def test_an_object_store_keeps_the_same_promises(url, payload):
    with CheckpointManager(url, keep=2, payload=payload) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, {**STATE, "step": step}, metadata={"loss": 1 / step})
        assert [info.step for info in checkpoints.list_checkpoints()] == [2, 3]
        found = checkpoints.load()
        assert (found.step, found.model_state["step"]) == (3, 3)
        assert torch.equal(found.model_state["b"], STATE["b"])
        assert all(each.ok for each in checkpoints.verify())
        checkpoints.save(3, STATE)
        with pytest.raises(AlreadyStored, match="Step 3 is stored"):
            checkpoints.wait()
        checkpoints.delete(3)
        assert checkpoints.load().step == 2
        with pytest.raises(NotStored):
            checkpoints.load(3)


def test_two_writers_on_an_object_store_one_wins(url):
    with CheckpointManager(url) as one, CheckpointManager(url) as two:
        one.save(1, {"who": 1})
        one.wait()
        two.save(1, {"who": 2})
        with pytest.raises(AlreadyStored):
            two.wait()
        assert two.load(1).model_state == {"who": 1}
        import fsspec

        names = fsspec.filesystem("memory").find(url.removeprefix("memory:/"))
        assert len([name for name in names if "data-" in name]) == 1  # the loser cleaned up


@pytest.mark.parametrize("manner", ["takes it for granted", "does not know it"])
def test_a_store_that_cannot_create_only_what_is_not_there_overwrites_nothing_and_says_so(
    manner, url, monkeypatch, caplog
):
    from fsspec.implementations.memory import MemoryFileSystem

    def careless(self, path, value, mode="overwrite", **kwargs):
        if mode == "create" and manner == "does not know it":
            raise NotImplementedError(mode)
        pipe(self, path, value, mode="overwrite", **kwargs)

    pipe = MemoryFileSystem.pipe_file
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", careless)
    with CheckpointManager(url) as one, CheckpointManager(url) as two:
        one.save(1, {"who": 1})
        one.wait()
        two.save(1, {"who": 2})
        with pytest.raises(AlreadyStored):
            two.wait()
        assert two.load(1).model_state == {"who": 1}
    assert ("only if it is not there" in caplog.text) == (manner == "does not know it")


def test_the_manifest_is_the_moment_at_which_it_exists_and_remains_are_swept(url):
    import fsspec

    store = fsspec.filesystem("memory")
    with CheckpointManager(url) as checkpoints:
        checkpoints.save(1, STATE)
        checkpoints.save(5, STATE)
        checkpoints.wait()
    root = url.removeprefix("memory:/")
    store.rm_file(f"{root}/step-000000000001/MANIFEST.json")
    with CheckpointManager(url) as checkpoints:
        assert [info.step for info in checkpoints.list_checkpoints()] == [5]
        with pytest.raises(NotStored):
            checkpoints.load(1)
        checkpoints.save(6, STATE)
        checkpoints.wait()
    assert not any("step-000000000001" in name for name in store.find(root))


def test_damage_on_an_object_store_is_passed_over(url):
    import fsspec

    store = fsspec.filesystem("memory")
    with CheckpointManager(url) as checkpoints:
        checkpoints.save(1, STATE)
        checkpoints.save(2, STATE)
        checkpoints.wait()
        name = next(
            each
            for each in store.find(url.removeprefix("memory:/"))
            if "000002" in each and each.endswith(".zip")
        )
        content = store.cat_file(name)
        store.pipe_file(name, content[:-1] + b"x")
        assert checkpoints.load().step == 1
        store.pipe_file(name, content + b"x")
        with pytest.raises(CheckpointCorrupt, match="more than"):
            checkpoints.load(2)


def test_zarr_opens_the_payload_through_its_store_of_fsspec(url):
    import zarr

    with CheckpointManager(url, payload="folder") as checkpoints:
        checkpoints.save(1, STATE)
        checkpoints.wait()
        data = json.loads(checkpoints._place.read(1, "MANIFEST.json", 10_000))["data"]
    store = zarr.storage.FsspecStore.from_url(f"{url}/step-000000000001/{data}/shard-00000", read_only=True)
    assert zarr.open_group(store, mode="r")["float64"][:].tolist() == [0, 1, 2, 3]


class Channel:
    """Processes as threads: everybody's text when all have spoken."""

    def __init__(self, size):
        self.barrier, self.texts = threading.Barrier(size, timeout=20), [""] * size

    def group(self, rank):
        def all_gather(text):
            self.texts[rank] = text
            self.barrier.wait()
            found = list(self.texts)
            self.barrier.wait()
            return found

        return ShardGroup(rank, len(self.texts), all_gather)


def together(size, work):
    """Run `work(rank, group)` in as many threads; what each returned or raised."""
    channel, results = Channel(size), [None] * size

    def one(rank):
        try:
            results[rank] = work(rank, channel.group(rank))
        except QStoreError as exc:
            results[rank] = exc

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    return results


@pytest.mark.parametrize("payload", ["zip", "folder"])
def test_every_process_gets_its_own_shard_back(tmp_path, payload):
    def work(rank, group):
        with CheckpointManager(tmp_path, group=group, payload=payload, keep=2) as checkpoints:
            for step in (1, 2, 3):
                checkpoints.save(step, {"rank": rank, "w": np.full(3, rank)}, metadata={"step": step})
            checkpoints.wait()
            found = checkpoints.load()
            return found.step, found.model_state["rank"], found.model_state["w"].tolist()

    assert together(3, work) == [(3, rank, [rank] * 3) for rank in range(3)]
    with CheckpointManager(tmp_path) as alone:
        assert [(info.step, info.shards) for info in alone.list_checkpoints()] == [(2, 3), (3, 3)]
        assert alone.load(3, shard=2).model_state["rank"] == 2
        with pytest.raises(
            StorageError,
            match=r"saved by 3 processes and is loaded by 1; say which shard: load\(3, shard=0\)",
        ):
            alone.load()
        with pytest.raises(OptionError, match="shard must be from 0 to 2"):
            alone.load(3, shard=3)


def test_all_processes_pass_over_a_checkpoint_that_is_damaged_for_one(tmp_path):
    def save(rank, group):
        with CheckpointManager(tmp_path, group=group) as checkpoints:
            checkpoints.save(1, {"rank": rank})
            checkpoints.save(2, {"rank": rank})

    together(2, save)
    (tmp_path / "step-000000000002" / "shard-00001.zip").write_bytes(b"")

    def load(rank, group):
        with CheckpointManager(tmp_path, group=group) as checkpoints:
            return checkpoints.load().step

    assert together(2, load) == [1, 1]


def test_trouble_of_one_process_is_trouble_of_all_and_nothing_is_published(tmp_path):
    from qstore_storage.checkpoints.files import LocalFiles

    class Full(LocalFiles):
        def write(self, path, parts):
            raise OSError(28, "No space left on device")

    def work(rank, group):
        with CheckpointManager(tmp_path, group=group, files=Full() if rank == 1 else None) as checkpoints:
            checkpoints.save(1, {"rank": rank})
            checkpoints.wait()

    first, second = together(2, work)
    assert "Process 1 of 2 reports" in str(first)
    assert "No space left" in str(second)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_step_that_is_stored_is_told_to_all_processes(tmp_path):
    def work(rank, group):
        with CheckpointManager(tmp_path, group=group) as checkpoints:
            for _ in range(2):
                checkpoints.save(1, {"rank": rank})
                checkpoints.wait()

    assert [type(each) for each in together(2, work)] == [AlreadyStored, AlreadyStored]
    with CheckpointManager(tmp_path) as checkpoints:
        assert checkpoints.load(1, shard=1).model_state == {"rank": 1}


def test_processes_that_see_different_folders_are_told(tmp_path):
    def work(rank, group):
        with CheckpointManager(tmp_path / str(rank), group=group) as checkpoints:
            checkpoints.save(1, {})
            checkpoints.wait()

    assert all("all processes need the same folder" in str(each) for each in together(2, work))


DDP = """
import sys, torch
from torch import distributed
from qstore_storage import CheckpointManager
from qstore_storage.checkpoints import torch_shard_group
rank = int(sys.argv[2])
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}/meet", rank=rank, world_size=2)
with CheckpointManager(f"{sys.argv[1]}/run", group=torch_shard_group(timeout_s=60)) as checkpoints:
    for step in range(3):
        checkpoints.save(step, {"w": torch.full((3,), float(rank)), "step": step})
        distributed.all_reduce(torch.ones(1))  # training goes on meanwhile, in the default group
    checkpoints.wait()
    found = checkpoints.load()
    assert found.step == 2 and found.model_state["w"].tolist() == [rank] * 3, found
distributed.destroy_process_group()
"""


def test_processes_of_torch_distributed_save_together(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", DDP, str(tmp_path), str(rank)]) for rank in range(2)]
    assert [child.wait(timeout=100) for child in children] == [0, 0]
    with CheckpointManager(tmp_path / "run") as checkpoints:
        assert [info.shards for info in checkpoints.list_checkpoints()] == [2, 2, 2]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_safetensors_goes_out_and_comes_in(tmp_path, framework):
    state = {
        "a.weight": torch.arange(6.0).reshape(2, 3),
        "half": torch.tensor([1.5]).bfloat16(),
        "n": np.arange(3),
        "m": np.array([True]),
    }
    path = tmp_path / "model.safetensors"
    export_safetensors(state, path, {"note": "x"})
    found = import_safetensors(path, framework=framework)
    assert set(found) == set(state)
    for name, value in state.items():
        expected = torch.as_tensor(value) if framework == "torch" else value
        assert found[name].tolist() == expected.tolist()
        assert framework == "numpy" or (found[name].dtype, found[name].shape) == (
            expected.dtype,
            expected.shape,
        )
    from safetensors.torch import load_file

    assert torch.equal(load_file(path)["half"], state["half"])
    with pytest.raises(AlreadyStored, match="nothing was overwritten"):
        export_safetensors(state, path)
    assert [each.name for each in tmp_path.iterdir()] == ["model.safetensors"]


def test_safetensors_refuses_what_it_cannot_hold_and_what_is_none(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(OptionError, match="'n' is a int, and a safetensors file holds tensors only"):
        export_safetensors({"n": 3}, path)
    with pytest.raises(OptionError, match="flat dict of tensors by name"):
        export_safetensors({1: np.zeros(1), "1": np.ones(1)}, path)
    with pytest.raises(OptionError, match="cannot hold"):
        export_safetensors({"n": np.zeros(2, complex)}, path)
    with pytest.raises(NotStored):
        import_safetensors(path)
    for content in (b"", b"\xff" * 100, b"\x10\0\0\0\0\0\0\0" + b"{" * 16, (10**12).to_bytes(8, "little")):
        path.write_bytes(content)
        with pytest.raises(CheckpointCorrupt, match="no safetensors file"):
            import_safetensors(path)
    with pytest.raises(OptionError, match="framework"):
        import_safetensors(path, framework="jax")
    with pytest.raises(CheckpointCorrupt, match="at most 3 were expected"):
        import_safetensors(path, max_bytes=3)


def test_the_command_lists_verifies_and_shows(tmp_path, capsys):
    with CheckpointManager(tmp_path) as checkpoints:
        checkpoints.save(1, STATE, {"groups": [{"lr": 0.1, "betas": (0.9, 0.99)}]}, {"loss": 0.5})
        checkpoints.save(2, STATE)
    assert main(["checkpoints", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert '36 B  {"loss": 0.5}' in out
    assert main(["checkpoints", str(tmp_path), "verify"]) == 0
    assert capsys.readouterr().out.count("whole") == 2
    assert main(["checkpoints", str(tmp_path), "show", "1"]) == 0
    out = capsys.readouterr().out
    assert "model_state['b']" in out
    assert "torch bfloat16 (2,)" in out
    assert "optimizer_state['groups'][0]['betas']  [0.9, 0.99]" in out
    (tmp_path / "step-000000000002" / "shard-00000.zip").write_bytes(b"")
    assert main(["checkpoints", str(tmp_path), "verify", "--json"]) == 1
    assert [each["ok"] for each in json.loads(capsys.readouterr().out)] == [True, False]
    assert main(["checkpoints", str(tmp_path), "list", "--json"]) == 0
    assert [each["step"] for each in json.loads(capsys.readouterr().out)] == [1, 2]
    assert main(["checkpoints", str(tmp_path / "none")]) == 1
    assert "NotStored" in capsys.readouterr().err
