# SPDX-License-Identifier: Apache-2.0
"""Packed arrays as a Zarr 3 group: one array per dtype, crc32c behind every chunk, optional zstd, the index as attributes.

    zarr.json                 the group; its attributes hold the trees of the states
    float32/zarr.json         an array (entries,)
    float32/0, float32/1 ...  its chunks, of at most CHUNK_BYTES each; all of them exist, also those of zeros

The files are composed here, as Zarr's own writer takes 2.4 ms of Python for each array (`python -m bench.checkpoints`)
and needs a thread pool that is gone while the interpreter shuts down. They are read by Zarr, out of verified bytes,
and only if they are exactly what this module would write: no codec, link or store of anybody else's choice is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from qstore.errors import CheckpointCorrupt
from qstore_storage.checkpoints.dtypes import FILL_VALUES
from qstore_storage.checkpoints.strict_json import canonical, strict_loads

__all__ = ["CHUNK_BYTES", "composed", "read"]

CHUNK_BYTES = 32 << 20
INDEX = "qstore_checkpoint"
Array = NDArray[Any]
Parts = tuple[bytes | memoryview, ...]


def composed(
    trees: Mapping[str, Any], arrays: Mapping[str, Array], zstd_level: int | None
) -> Iterator[tuple[str, Parts]]:
    """Name and content of every file, one after another."""
    group = {"zarr_format": 3, "node_type": "group", "attributes": {INDEX: dict(trees)}}
    yield "zarr.json", (canonical(group),)
    for name, array in arrays.items():
        length = array.size
        chunk = _chunk_length(length, array.itemsize)
        yield f"{name}/zarr.json", (canonical(_array_document(name, length, chunk, zstd_level)),)
        for index, start in enumerate(range(0, length, chunk)):
            yield f"{name}/{index}", _encoded(array[start : start + chunk], chunk, zstd_level)


def read(files: Mapping[str, bytes], max_bytes: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """The trees and the packed arrays.

    Args:
        files: content of every file by name.
        max_bytes: the most that the arrays may take.

    Raises:
        CheckpointCorrupt: files are missing, damaged, or not such as `composed` makes.
    """
    group = strict_loads(files.get("zarr.json", b""), "The payload's zarr.json")
    attributes = group.get("attributes") if isinstance(group, dict) else None
    trees = attributes.get(INDEX) if isinstance(attributes, dict) else None
    if not isinstance(trees, dict) or group != {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {INDEX: trees},
    }:
        raise CheckpointCorrupt("The payload's zarr.json is not the group of a checkpoint.")
    names = [name.removesuffix("/zarr.json") for name in files if name.endswith("/zarr.json")]
    left, arrays = max_bytes, {}
    expected = {"zarr.json"}
    for name in names:
        length, chunk, level = _checked_array(name, files[f"{name}/zarr.json"])
        left -= length * np.dtype(name).itemsize
        if left < 0:
            raise CheckpointCorrupt(
                f"The payload claims more than {max_bytes} bytes; raise max_bytes if it is yours."
            )
        chunks = [f"{name}/{index}" for index in range(-(-length // chunk))]
        for each in chunks:
            _check_chunk(each, files.get(each, b""), chunk * np.dtype(name).itemsize, level)
        expected |= {f"{name}/zarr.json", *chunks}
        arrays[name] = _decoded(
            name, {f"{name}/zarr.json": files[f"{name}/zarr.json"]} | {each: files[each] for each in chunks}
        )
    if expected != set(files):
        raise CheckpointCorrupt(f"The payload has files of no array: {sorted(set(files) - expected)!r:.200}.")
    return trees, arrays


def _chunk_length(length: int, item: int) -> int:
    """Entries per chunk: equal ones, as the last is filled up to the size of the others."""
    count = max(1, -(-length * item // CHUNK_BYTES))
    return -(-length // count)


def _array_document(name: str, length: int, chunk: int, zstd_level: int | None) -> dict[str, Any]:
    packed: list[dict[str, Any]] = [{"name": "bytes", "configuration": {"endian": "little"}}]
    if np.dtype(name).itemsize == 1:
        packed = [{"name": "bytes"}]  # one byte has no order
    if zstd_level is not None:
        packed.append({"name": "zstd", "configuration": {"level": zstd_level, "checksum": False}})
    return {
        "shape": [length],
        "data_type": name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [chunk]}},
        "chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}},
        "fill_value": FILL_VALUES[name],
        "codecs": [*packed, {"name": "crc32c"}],
        "attributes": {},
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _encoded(entries: Array, chunk: int, zstd_level: int | None) -> Parts:
    little = entries.astype(entries.dtype.newbyteorder("<"), copy=False)
    parts: list[bytes | memoryview] = [little.view(np.uint8).data]
    if len(entries) < chunk:
        parts.append(bytes((chunk - len(entries)) * entries.itemsize))
    if zstd_level is not None:
        from numcodecs.zstd import Zstd  # Zarr's own codec; 60 ms that uncompressed checkpoints do not pay

        parts = [
            Zstd(level=zstd_level).encode(
                np.frombuffer(b"".join(parts), np.uint8) if len(parts) > 1 else little.view(np.uint8)
            )
        ]
    crc = 0
    for part in parts:
        crc = google_crc32c.extend(crc, part if isinstance(part, bytes) else np.frombuffer(part, np.uint8))
    return (*parts, crc.to_bytes(4, "little"))


def _checked_array(name: str, raw: bytes) -> tuple[int, int, int | None]:
    """Length, entries per chunk and zstd level of an array, whose document is the one we write."""
    document = strict_loads(raw, f"{name}/zarr.json")
    try:
        (length,), (chunk,) = document["shape"], document["chunk_grid"]["configuration"]["chunk_shape"]
        codecs = document["codecs"]
        level = codecs[1]["configuration"]["level"] if len(codecs) == 3 else None
        numbers = [length, chunk] if level is None else [length, chunk, level]
        usable = all(type(number) is int for number in numbers) and 0 < chunk <= length
        if usable and chunk == _chunk_length(length, np.dtype(name).itemsize):
            written = _array_document(name, length, chunk, level)
            if canonical(written) == raw:
                return length, chunk, level
    except (KeyError, IndexError, TypeError, ValueError):
        pass  # told below, as everything else that is not ours
    raise CheckpointCorrupt(f"{name}/zarr.json does not describe an array of a checkpoint.")


def _check_chunk(name: str, raw: bytes, size: int, level: int | None) -> None:
    """Refuse a chunk whose decoded size is not what it must be, before it is decoded."""
    found = len(raw) - 4 if level is None else _zstd_size(raw)
    if found != size:
        raise CheckpointCorrupt(f"The chunk {name} holds {found} bytes, its array has {size}.")


def _zstd_size(frame: bytes) -> int:
    """The content size that a zstd frame declares, -1 where it declares none.

    Source: RFC 8878, section 3.1.1.1.
    """
    if len(frame) < 9 or frame[:4] != b"\x28\xb5\x2f\xfd":
        return -1
    descriptor = frame[4]
    single, flag, dictionary = descriptor >> 5 & 1, descriptor >> 6, descriptor & 3
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[dictionary]
    width = (1 if single else 0, 2, 4, 8)[flag]
    if width == 0:
        return -1
    return int.from_bytes(frame[start : start + width], "little") + (256 if width == 2 else 0)


def _decoded(name: str, files: Mapping[str, bytes]) -> Array:
    """Read one array with Zarr."""
    import zarr  # a second that only loading pays
    from zarr.buffer.cpu import Buffer
    from zarr.storage import MemoryStore

    store = MemoryStore({key: Buffer.from_bytes(content) for key, content in files.items()}, read_only=True)
    try:
        array = zarr.open_array(store=store, path=name, mode="r")
        entries = np.asarray(array[:])
    except Exception as exc:
        # Codecs raise whatever their library does; the bytes are at fault in any case.
        raise CheckpointCorrupt(f"The array {name} cannot be decoded: {type(exc).__name__}: {exc}") from exc
    return entries
