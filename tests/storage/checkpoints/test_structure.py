# SPDX-License-Identifier: Apache-2.0
"""What a state may hold comes back as it was, in kind, dtype, shape and value; everything else is refused by name."""

import collections
import math
import warnings
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch._subclasses.fake_tensor import FakeTensorMode

import torch
from qstore.errors import OptionError, StorageError
from qstore_storage.checkpoints import CheckpointManager
from qstore_storage.checkpoints.dtypes import BITS, FILL_VALUES
from qstore_storage.checkpoints.payload import composed, read
from qstore_storage.checkpoints.snapshot import PARTS, SnapshotPool
from qstore_storage.checkpoints.structure import unpacked

TORCH = [each for each in (*FILL_VALUES, *BITS) if isinstance(getattr(torch, each, None), torch.dtype)]
TORCH = [
    each for each in TORCH if each not in {"int1", "int2", "int4", "uint1", "uint2", "uint4"}
]  # torch's shells
NUMPY = [*FILL_VALUES, *(each for each in BITS if hasattr(ml_dtypes, each))]


def there_and_back(value, *, as_numpy=False, zstd=None):
    """Through the bytes of a payload."""
    snapshot = SnapshotPool(1 << 30).take({**dict.fromkeys(PARTS), "model_state": value})
    files = {name: b"".join(parts) for name, parts in composed(snapshot.trees, snapshot.arrays, zstd)}
    trees, arrays = read(files, 1 << 30)
    return unpacked(trees["model_state"], arrays, as_numpy=as_numpy)


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)])
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_every_dtype_of_torch_keeps_its_bits(name, shape):
    dtype = getattr(torch, name)
    size = math.prod(shape) * dtype.itemsize
    raw = torch.arange(1, size + 1, dtype=torch.uint8) % (2 if name == "bool" else 251)
    tensor = raw.view(dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)
    found = there_and_back({"t": tensor})["t"]
    assert (found.dtype, tuple(found.shape)) == (dtype, shape)
    assert torch.equal(found.reshape(-1).view(torch.uint8), raw) if size else found.numel() == 0


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("zstd", [None, 3])
def test_every_dtype_of_numpy_and_ml_dtypes_keeps_its_bits(name, zstd):
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    found = there_and_back([array], zstd=zstd)[0]
    assert (found.dtype, found.shape) == (dtype, (2, 3))
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn"])
def test_what_numpy_lacks_comes_as_numpy_by_ml_dtypes(name):
    tensor = torch.tensor([1.5, -2.0]).to(getattr(torch, name))
    found = there_and_back(tensor, as_numpy=True)
    assert found.dtype == np.dtype(getattr(ml_dtypes, name))
    assert found.astype(float).tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "array",
    [np.arange(4, dtype=">f8"), np.array(["", "höß", "a"]), np.array([b"x", b"yz"]), np.array(["2020-01-01", "NaT"], "M8[ns]"),
     np.array([1, 2], "m8[s]"), np.arange(3, dtype=np.longdouble), np.arange(12).reshape(3, 4).T, np.arange(10)[::-2],
     np.asfortranarray(np.eye(3)), np.array(3.5), np.array([np.nan, np.inf, -0.0])],
    ids=lambda array: array.dtype.str,
)  # fmt: skip
def test_other_arrays_keep_their_values(array):
    found = there_and_back(array)
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.astype(array.dtype).tobytes() == array.tobytes()


def test_strided_conjugated_and_trained_tensors_keep_their_values():
    base = torch.arange(12.0).reshape(3, 4)
    state = {
        "strided": base.t()[1:], "conjugated": torch.tensor([1 + 2j]).conj(), "negated": torch.tensor([1 + 2j]).conj().imag,
        "parameter": torch.nn.Parameter(torch.ones(2)), "graph": torch.ones(2, requires_grad=True) * 3,
        "expanded": torch.ones(1).expand(5),
    }  # fmt: skip
    found = there_and_back(state)
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor.detach().resolve_conj().resolve_neg()), name
        assert not found[name].requires_grad


def test_an_optimizer_with_its_numbered_state_and_a_schedule_go_on():
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    kept = there_and_back([optimizer.state_dict(), schedule.state_dict()])
    again = torch.optim.Adam(torch.nn.Linear(3, 2).parameters())
    again.load_state_dict(kept[0])
    assert str(again.state_dict()) == str(optimizer.state_dict())
    assert kept[1] == schedule.state_dict()


def test_tensors_of_other_libraries_come_back_as_arrays():
    jnp = pytest.importorskip("jax.numpy")
    found = there_and_back({"j": jnp.arange(3.0), "b": jnp.ones(2, dtype=jnp.bfloat16)})
    assert found["j"].tolist() == [0, 1, 2]
    assert found["b"].dtype == ml_dtypes.bfloat16


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=20)
    | st.complex_numbers()
)
arrays = hnp.arrays(st.sampled_from(["f4", "i8", "?", "c16", "u1", "<U3", "S2"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))  # fmt: skip
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text()) | st.booleans() | st.none()
values = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


def same(left, right):
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, dict):
        return [*map(repr, left)] == [*map(repr, right)] and all(
            same(left[a], right[b]) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and repr(left) == repr(right)


@settings(max_examples=300, deadline=None)
@given(values)
def test_any_nesting_of_data_comes_back_the_same(value):
    assert same(value, there_and_back(value))


class Picklable:
    def __reduce__(self):
        return (print, ("executed",))


LOOP = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "text"),
    [({"a": [0, Picklable()]}, r"model_state\['a'\]\[1\] is a .*Picklable, and a checkpoint holds data only"),
     (lambda: 0, "is a builtins.function"), ({1, 2}, "is a builtins.set"), (LOOP, "nested more than 64 deep, or contains itself"),
     (np.array([object()]), "array of dtype object"), (np.zeros(2, dtype=[("x", "f4")]), "which a checkpoint does not hold"),
     ({Picklable(): 1}, "a key is a"), (torch.float32, "is a torch.dtype")],
)  # fmt: skip
def test_what_is_not_data_is_refused_with_its_place(value, text):
    with pytest.raises(OptionError, match=text):
        there_and_back(value)


def _fake():
    with FakeTensorMode():
        return torch.zeros(3)


def _quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still in models
        return torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8)


def _nested(layout):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a prototype
        return torch.nested.nested_tensor([torch.rand(2), torch.rand(3)], layout=layout)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: torch.eye(2).to_sparse(), r"layout torch.sparse_coo .* save its .to_dense\(\)"),
        (lambda: torch.ones(2, device="meta"), r"on meta.* has no values"),
        (_quantized, r"dtype torch.qint8 .* save its .dequantize\(\)"),
        (lambda: _nested(torch.strided), r"nested .* save its .unbind\(\)"),
        (lambda: _nested(torch.jagged), r"layout torch.jagged .* save its .unbind\(\)"),
        (lambda: torch.zeros(3, dtype=torch.uint8).view(torch.bits8), "dtype torch.bits8 .* convert it to a dtype of numbers"),
        (_fake, "FakeTensor whose values cannot be read: .* Save a plain tensor, outside of .* FakeTensorMode"),
        (lambda: torch.nn.LazyLinear(3).weight, "UninitializedParameter whose values cannot be read: it has none yet. Call the model once"),
        (lambda: torch.zeros([1] * 65), "Tensor whose values cannot be read: it has 65 axes, and at most 64"),
        (lambda: torch.zeros([1] * 65, dtype=torch.bfloat16), "Tensor whose values cannot be read: it has 65 axes, and at most 64"),
    ],
)  # fmt: skip
def test_tensors_without_plain_values_are_refused_with_their_place_and_a_way_out(make, text):
    with pytest.raises(OptionError, match=r"model_state\['a'\]\[0\] is a .*" + text):
        there_and_back({"a": [make()]})


@pytest.mark.parametrize("within", [torch.vmap, torch.func.grad])
def test_tensors_of_a_transform_are_refused_with_their_place(tmp_path, within):
    def function(row):
        checkpoints.save(1, {"a": row})
        return row.sum()

    with (
        CheckpointManager(tmp_path) as checkpoints,
        pytest.raises(
            OptionError,
            match=r"model_state\['a'\] is a Tensor whose .* Save a plain tensor, outside of vmap, grad",
        ),
    ):
        within(function)(torch.rand(3))


class Pair(NamedTuple):
    a: int
    b: list


def test_mappings_and_sequences_of_other_types_become_plain_ones():
    found = there_and_back([collections.OrderedDict(b=1, a=2), collections.Counter("aab"), Pair(1, [2])])
    assert found == [{"b": 1, "a": 2}, {"a": 2, "b": 1}, (1, [2])]
    assert [type(each) for each in found] == [dict, collections.Counter, tuple]


@pytest.mark.parametrize(
    ("metadata", "text"),
    [({"loss": math.nan}, r"metadata\['loss'\] is nan"), ({"a": [1, math.inf]}, r"metadata\['a'\]\[1\] is inf"),
     ({1: 2}, "keys must be strings"), ({"a": {1, 2}}, "is a set"), ({"a": np.zeros(2)}, "is a ndarray"), ({"a": 2**63}, "64 bits"),
     ({"a": "x" * (1 << 20)}, "at most 1048576 are stored"), ([1], "metadata must be a dict"), ({"a": LOOP}, "contains itself"),
     ({"a": b"x"}, "is a bytes")],
)  # fmt: skip
def test_metadata_that_is_not_json_is_refused_with_its_place(tmp_path, metadata, text):
    with CheckpointManager(tmp_path) as checkpoints, pytest.raises(OptionError, match=text):
        checkpoints.save(1, {}, None, metadata)


def test_metadata_comes_back(tmp_path):
    given_metadata = {
        "loss": np.float32(0.5),
        "n": np.int64(3),
        "tags": ("a", None, True),
        "nested": {"ü": -0.0, "big": 2**62},
    }
    with CheckpointManager(tmp_path) as checkpoints:
        checkpoints.save(1, {}, None, given_metadata)
        checkpoints.wait()
        (info,) = checkpoints.list_checkpoints()
        assert info.metadata == checkpoints.load().metadata
    assert info.metadata == {
        "loss": 0.5,
        "n": 3,
        "tags": ["a", None, True],
        "nested": {"ü": -0.0, "big": 2**62},
    }


def test_large_arrays_are_cut_into_chunks_of_equal_length(tmp_path, monkeypatch):
    monkeypatch.setattr("qstore_storage.checkpoints.payload.CHUNK_BYTES", 1000)
    array = np.arange(1001, dtype=np.float32)
    with CheckpointManager(tmp_path, payload="folder") as checkpoints:
        checkpoints.save(1, array)
        np.testing.assert_array_equal(checkpoints.load().model_state, array)
    folder = tmp_path / "step-000000000001" / "shard-00000" / "float32"
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "2", "3", "4", "zarr.json"]


def test_a_state_of_zeros_has_all_its_chunks(tmp_path):
    with CheckpointManager(tmp_path, payload="folder") as checkpoints:
        checkpoints.save(1, np.zeros(10))
        checkpoints.wait()
    assert (tmp_path / "step-000000000001" / "shard-00000" / "float64" / "0").stat().st_size == 84


def test_a_state_above_the_limit_is_refused_before_it_is_copied(tmp_path):
    with CheckpointManager(tmp_path, max_bytes=100) as checkpoints:
        with pytest.raises(OptionError, match="take 800 bytes, at most 100 are stored; raise max_bytes"):
            checkpoints.save(1, np.zeros(100))
        checkpoints.save(1, np.zeros(10))
    with (
        CheckpointManager(tmp_path, max_bytes=10) as checkpoints,
        pytest.raises(StorageError, match="raise max_bytes"),
    ):
        checkpoints.load(1)
