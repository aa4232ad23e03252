# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that earlier releases wrote load for ever. A new format adds a folder here; none is ever changed."""

from pathlib import Path

import numpy as np
import pytest

import torch
from qstore_storage.checkpoints import CheckpointManager

CORPUS = Path(__file__).parent / "corpus"
FOLDERS = sorted(path.name for path in CORPUS.iterdir())


def test_the_corpus_has_every_layout_of_format_1():
    assert {"format-1-zip", "format-1-folder", "format-1-zstd"} <= set(FOLDERS)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_checkpoint_of_an_earlier_release_loads_exactly(name):
    with CheckpointManager(CORPUS / name) as checkpoints:
        assert [each.ok for each in checkpoints.verify()] == [True]
        found = checkpoints.load()
    assert (found.step, found.metadata) == (7, {"loss": 0.125, "note": "the first format"})
    model = found.model_state
    assert torch.equal(model["layer.weight"], torch.arange(6.0).reshape(2, 3))
    assert model["half"].dtype == torch.bfloat16
    assert model["half"].float().tolist() == [1.5, -2.0]
    assert model["tiny"].dtype == torch.float8_e4m3fn
    assert model["tiny"].float().tolist() == [0.5, -1.0]
    group = found.optimizer_state["groups"][0]
    assert found.optimizer_state["state"][0]["step"] == 3
    assert found.optimizer_state["state"][0]["moments"].tolist() == [0.25, 0.5]
    assert group["betas"] == (0.9, 0.999)
    plain = {name: group[name] for name in ("lr", "none", "name", "raw", "big", "inf", "z", "flag")}
    assert plain == {"lr": 0.1, "none": None, "name": "adam", "raw": b"\0\xff", "big": 2**100, "inf": np.inf, "z": 1 - 2j,
                     "flag": True}  # fmt: skip
    assert group["words"].tolist() == ["a", "bc"]
    assert group["mask"].tolist() == [True, False]
    assert found.random_state["words"].dtype == np.uint32


@pytest.mark.parametrize("name", ["format-1-folder", "format-1-zstd"])
def test_anybody_reads_the_payload_with_zarr_alone(name):
    import zarr

    group = zarr.open_group(CORPUS / name / "step-000000000007" / "shard-00000", mode="r")
    assert group["float32"][:].tolist() == list(range(6))
    tree = dict(group.attrs)["qstore_checkpoint"]["model_state"]
    assert tree["v"][0] == ["layer.weight", {"t": "torch", "d": "float32", "s": [2, 3], "o": 0}]


def test_anybody_reads_the_single_file_with_the_zip_store_of_zarr():
    import zarr

    store = zarr.storage.ZipStore(CORPUS / "format-1-zip" / "step-000000000007" / "shard-00000.zip", mode="r")
    assert zarr.open_group(store, mode="r")["float32"][:].tolist() == list(range(6))
    store.close()
