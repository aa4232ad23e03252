# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that somebody made to do harm: refused with a typed error, nothing executed, nothing written elsewhere."""

import hashlib
import io
import json
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest

from qstore.errors import AlreadyStored, CheckpointCorrupt, NotStored, StorageError
from qstore_storage.checkpoints import CheckpointManager
from qstore_storage.checkpoints.manifest import FileEntry, Manifest
from qstore_storage.checkpoints.payload import composed
from qstore_storage.checkpoints.strict_json import canonical

EXECUTED = []


class Bomb:
    def __reduce__(self):
        return (EXECUTED.append, ("executed",))


PICKLE = pickle.dumps(Bomb())
TREES = {
    "model_state": {"t": "numpy", "d": "float64", "s": [3], "o": 0},
    "optimizer_state": None,
    "random_state": None,
}
ARRAYS = {"float64": np.arange(3.0)}


def good_files(trees=TREES, arrays=ARRAYS, zstd=None):
    return {f"shard-00000/{name}": b"".join(parts) for name, parts in composed(trees, arrays, zstd)}


def forged(root, files, step=1, names=None, **changes):
    """A checkpoint whose manifest vouches for whatever it has."""
    folder = root / f"step-{step:012d}"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    entries = {
        name: FileEntry(len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }
    values = {
        "step": step,
        "created": "2026-01-01T00:00:00Z",
        "data": "",
        "shards": 1,
        "nbytes": 24,
        "metadata": {},
        "files": entries,
    }
    manifest = Manifest(**{**values, **changes})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MANIFEST.json").write_bytes(manifest.to_bytes())
    return folder


def signed(document):
    document = {key: value for key, value in document.items() if key != "sha256"}
    return canonical({**document, "sha256": hashlib.sha256(canonical(document)).hexdigest()})


def zipped(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "run"


def assert_refused(root, text=None):
    before = sorted(root.parent.rglob("*"))
    with CheckpointManager(root, max_bytes=1 << 20) as checkpoints:
        with pytest.raises(CheckpointCorrupt, match=text):
            checkpoints.load(1)
        with pytest.raises(CheckpointCorrupt):
            checkpoints.load()
    assert EXECUTED == []
    assert sorted(root.parent.rglob("*")) == before


def test_the_forger_can_make_good_ones(root):
    forged(root, good_files())
    with CheckpointManager(root) as checkpoints:
        assert checkpoints.load().model_state.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "slot",
    ["MANIFEST.json", "shard-00000/zarr.json", "shard-00000/float64/zarr.json", "shard-00000/float64/0"],
)
@pytest.mark.parametrize("vouched", [False, True])
def test_a_pickle_in_any_slot_is_data_that_does_not_fit(root, slot, vouched):
    files = good_files()
    if vouched and slot != "MANIFEST.json":
        files[slot] = PICKLE
    folder = forged(root, files)
    (folder / slot).write_bytes(PICKLE)
    assert_refused(root)


def test_a_pickle_as_single_file_payload_is_refused(root):
    forged(root, {"shard-00000.zip": PICKLE})
    assert_refused(root, "is no archive of a checkpoint")


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", "shard-00000/../../x", "..\\x", "C:\\x", "shard-00000/float64/../0", "shard-00000//zarr.json",
     "shard-00000/object/0", "shard-00000/float64/0\0", "shard-0/zarr.json", "shard-00000", "", "shard-00000/float64/-1", "a" * 5000],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(root, name):
    outside = root.parent / "outside"
    outside.write_bytes(b"secret")
    folder = forged(root, good_files())
    document = json.loads((folder / "MANIFEST.json").read_bytes())
    document["files"][name] = [6, hashlib.sha256(b"secret").hexdigest()]
    (folder / "MANIFEST.json").write_bytes(signed(document))
    assert_refused(root, "does not have the entries of format 1")


@pytest.mark.parametrize(
    "change",
    [{"data": "../x"}, {"data": None}, {"step": -1}, {"step": 1.0}, {"step": True}, {"step": 10**13}, {"shards": 0}, {"shards": 10**9},
     {"bytes": "1"}, {"files": []}, {"files": {"shard-00000.zip": [1]}}, {"files": {"shard-00000.zip": [-1, "0" * 64]}},
     {"files": {"shard-00000.zip": [1, "0" * 63]}}, {"files": {"shard-00000.zip": [True, "0" * 64]}}, {"metadata": []},
     {"created": 5}, {"more": 1}],
)  # fmt: skip
def test_a_manifest_with_other_entries_is_refused(root, change):
    folder = forged(root, good_files())
    document = json.loads((folder / "MANIFEST.json").read_bytes())
    (folder / "MANIFEST.json").write_bytes(signed({**document, **change}))
    assert_refused(root, "entries of format 1|holds the checkpoint")


@pytest.mark.parametrize(
    "raw",
    [b'{"a":' * 200_000, b"[" * 200_000, b"9" * 900_000, b'{"format":NaN}', b'{"a":1,"a":2}', b"", b"null", b"\xff\xfe", b'"text"',
     b'{"format":"qstore.checkpoint"}', b'{"format":"qstore.checkpoint","version":1,"metadata":{"a":1e999},"sha256":"x"}'],
    ids=["nested", "lists", "digits", "nan", "twice", "empty", "null", "binary", "text", "short", "infinite"],
)  # fmt: skip
def test_json_that_is_made_to_break_readers_is_refused(root, raw):
    folder = forged(root, good_files())
    (folder / "MANIFEST.json").write_bytes(raw)
    assert_refused(root)


def test_the_manifest_of_another_step_is_refused(root):
    forged(root, good_files(), step=2)
    (root / "step-000000000002").rename(root / "step-000000000001")
    assert_refused(root, "holds the checkpoint of step 2")


def test_a_later_format_is_told_apart_from_damage_and_not_passed_over(root):
    forged(root, good_files(), step=1)
    folder = forged(root, good_files(), step=2)
    document = json.loads((folder / "MANIFEST.json").read_bytes())
    (folder / "MANIFEST.json").write_bytes(signed({**document, "version": 2}))
    with (
        CheckpointManager(root) as checkpoints,
        pytest.raises(StorageError, match=r"format 2, .* upgrade qstore-storage") as caught,
    ):
        checkpoints.load()
    assert not isinstance(caught.value, CheckpointCorrupt)


ARRAY = json.loads(good_files()["shard-00000/float64/zarr.json"])
GROUP = json.loads(good_files()["shard-00000/zarr.json"])


@pytest.mark.parametrize(
    "change",
    [{"shape": [10**12]}, {"shape": [-1]}, {"shape": [3, 3]}, {"shape": [3.0]}, {"data_type": "object"}, {"data_type": "string"},
     {"codecs": [{"name": "numcodecs.pickle"}]}, {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]},
     {"codecs": [*ARRAY["codecs"][:1], {"name": "gzip", "configuration": {"level": 1}}, ARRAY["codecs"][1]]},
     {"storage_transformers": [{"name": "x"}]}, {"fill_value": 7.0}, {"attributes": {"a": 1}}, {"zarr_format": 2},
     {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1]}}}, {"chunk_grid": 3}, {"node_type": "group"}],
)  # fmt: skip
def test_an_array_that_we_would_not_write_is_not_opened(root, change):
    files = good_files()
    files["shard-00000/float64/zarr.json"] = canonical({**ARRAY, **change})
    forged(root, files)
    assert_refused(root, "does not describe an array of a checkpoint|holds 24 bytes")


@pytest.mark.parametrize(
    "tree",
    [{"t": "pickle", "v": "x"}, {"t": "numpy", "d": "float64", "s": [4], "o": 0}, {"t": "numpy", "d": "float64", "s": [3], "o": 1},
     {"t": "numpy", "d": "float64", "s": [-3], "o": 0}, {"t": "numpy", "d": "float64", "s": [3], "o": -1},
     {"t": "numpy", "d": "object", "s": [3], "o": 0}, {"t": "numpy", "d": "|O", "s": [3], "o": 0}, {"t": "numpy", "d": "<U999999999", "s": [3], "o": 0},
     {"t": "torch", "d": "nn", "s": [3], "o": 0}, {"t": "torch", "d": "load", "s": [1], "o": 0}, {"t": "numpy", "d": "float64", "s": [1] * 65, "o": 0},
     {"t": "numpy", "d": "float64", "s": [10**9, 10**9], "o": 0}, {"t": "numpy", "d": "float64", "s": "3", "o": 0}, {"t": "numpy"}, {"t": 3}, {},
     {"t": "dict", "v": [[{"t": "dict", "v": []}, 1]]}, {"t": "dict", "v": [[1]]}, {"t": "int", "v": "0x" + "f" * 30_000},
     {"t": "int", "v": "x"}, {"t": "float", "v": "1"}, {"t": "tuple", "v": 3}, {"t": "complex", "v": ["a", 0]}, {"t": "scalar", "d": "float64"},
     {"t": "bytes", "s": [10**6], "o": 0}, {"t": ["dict"], "v": []}],
)  # fmt: skip
def test_an_index_that_points_elsewhere_is_refused(root, tree):
    forged(root, good_files({**TREES, "model_state": tree}))
    assert_refused(root)


def test_an_index_that_is_nested_without_end_is_refused(root):
    tree = 1
    for _ in range(200):
        tree = [tree]
    forged(root, good_files({**TREES, "model_state": tree}))
    assert_refused(root, "nested more than 64 deep")


@pytest.mark.parametrize("trees", [{}, {"model_state": None}, {**TREES, "code": "x"}, []])
def test_an_index_with_other_parts_is_refused(root, trees):
    files = good_files()
    group = {**GROUP, "attributes": {"qstore_checkpoint": trees}}
    files["shard-00000/zarr.json"] = canonical(group)
    forged(root, files)
    assert_refused(root)


def test_a_bomb_of_zstd_is_refused_before_it_is_unpacked(root):
    files = good_files(
        zstd=3,
        arrays={"float64": np.zeros(1 << 18)},
        trees={**TREES, "model_state": {"t": "numpy", "d": "float64", "s": [1 << 18], "o": 0}},
    )
    assert sum(map(len, files.values())) < 5000  # 2 MB when unpacked, and 1 MB is allowed here
    forged(root, files)
    assert_refused(root, "claims more than 1048576 bytes")


def test_a_chunk_that_unpacks_to_more_than_its_array_is_refused(root):
    small, large = good_files(zstd=3), good_files(zstd=3, arrays={"float64": np.zeros(10**6)})
    small["shard-00000/float64/0"] = large["shard-00000/float64/0"]
    forged(root, small)
    assert_refused(root, "holds 8000000 bytes, its array has 24")


def test_an_archive_that_inflates_is_refused(root):
    forged(root, {"shard-00000.zip": zipped([("zarr.json", b"0" * 10**7)], zipfile.ZIP_DEFLATED)})
    assert_refused(root, "not a plain stored file")


def test_an_archive_with_links_names_twice_or_too_many_is_refused(root):
    link = zipfile.ZipInfo("zarr.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped([("a", b""), ("a", b"")])
    for content, text in (
        (zipped([(link, b"/etc/passwd")]), "not a plain stored file"),
        (twice, "2 entries of 1 names"),
        (zipped([(str(n), b"") for n in range(10_001)]), "10001 entries"),
        (zipped([("../../evil", b"x"), ("zarr.json", b"{}")]), None),
        (zipped([(f"{name.removeprefix('shard-00000/')}", content) for name, content in good_files().items()] + [("/abs", b"x")]), "files of no array"),
        (b"PK\x05\x06" + bytes(18), None),
    ):  # fmt: skip
        forged(root, {"shard-00000.zip": content})
        assert_refused(root, text)


def test_links_pipes_and_folders_in_the_place_of_files_are_not_followed(root):
    secret = root.parent / "secret"
    secret.mkdir()
    folder = forged(root, good_files())
    chunk = folder / "shard-00000" / "float64" / "0"
    (secret / "0").write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(secret / "0")
    assert_refused(root, "no plain file")
    chunk.unlink()
    os.mkfifo(chunk)
    assert_refused(root, "no plain file")
    chunk.unlink()
    chunk.mkdir()
    assert_refused(root, "no plain file")
    chunk.rmdir()
    chunk.parent.rename(secret / "float64")
    (secret / "0").rename(secret / "float64" / "0")
    chunk.parent.symlink_to(secret / "float64")
    assert_refused(root, "is a link; links are not followed")


def test_a_step_that_is_a_link_is_no_checkpoint_and_nothing_is_written_through_it(root):
    elsewhere = root.parent / "elsewhere"
    forged(elsewhere, good_files())
    root.mkdir()
    (root / "step-000000000001").symlink_to(elsewhere / "step-000000000001")
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    with CheckpointManager(root) as checkpoints:
        with pytest.raises(NotStored):
            checkpoints.load()
        checkpoints.save(1, {"w": np.zeros(3)})
        with pytest.raises(AlreadyStored, match="is no folder; nothing was overwritten"):
            checkpoints.wait()
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before


def test_a_link_among_what_dead_processes_left_is_not_followed(root):
    precious = root.parent / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("x")
    root.mkdir()
    (root / f".tmp-{'0' * 32}").symlink_to(precious)
    (root / f".old-{'1' * 32}").mkdir()
    with CheckpointManager(root) as checkpoints:
        checkpoints.save(1, {})
        checkpoints.wait()
    assert (precious / "thesis").read_text() == "x"
    assert not (root / f".old-{'1' * 32}").exists()
