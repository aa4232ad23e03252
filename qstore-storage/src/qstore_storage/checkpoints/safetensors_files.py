# SPDX-License-Identifier: Apache-2.0
"""Model states as safetensors files, for programs that read those; needs the extra `safetensors`.

A safetensors file holds named tensors and nothing else: states of optimizers, numbers and nesting stay in checkpoints.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from qstore.errors import AlreadyStored, CheckpointCorrupt, NotStored, OptionError
from qstore_storage.checkpoints.dtypes import BITS
from qstore_storage.checkpoints.files import LocalFiles
from qstore_storage.checkpoints.places import storing
from qstore_storage.checkpoints.structure import Packing, unpacked

__all__ = ["export_safetensors", "import_safetensors"]

_NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""safetensors' names of dtypes, and ours."""
MAX_BYTES = 16 << 30


def export_safetensors(
    state: Mapping[str, Any], path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a flat dict of tensors or arrays; the file is whole or not there.

    Args:
        state: tensors by name, as a model's `state_dict()`.
        path: a file that is not there yet.
        metadata: text by name.

    Raises:
        OptionError: something in it is no tensor, or has a dtype that safetensors lacks; or safetensors is missing.
        AlreadyStored: the file is there.
        StorageError: it cannot be written.
    """
    target = Path(path)
    library = _library()
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise OptionError(
            "A safetensors file holds a flat dict of tensors by name, as a model's state_dict()."
        )
    arrays = {name: _plain(name, value) for name, value in state.items()}
    facts = {str(name): str(text) for name, text in (metadata or {}).items()}
    try:
        content = library.numpy.save(arrays, facts or None)
    except (KeyError, TypeError, ValueError, library.SafetensorError) as exc:
        raise OptionError(f"safetensors cannot hold this state: {type(exc).__name__}: {exc}.") from exc
    files, staged = LocalFiles(), target.with_name(f".{target.name[:64]}.{uuid.uuid4().hex}.tmp")
    with storing(f"{target} was not written"):
        try:
            files.write(staged, (content,))
            files.sync_file(staged)
            try:
                os.link(staged, target)  # unlike a rename it never replaces a file
            except FileExistsError:
                raise AlreadyStored(f"{target} is there already; nothing was overwritten.") from None
            files.sync_folder(target.absolute().parent)
        finally:
            with suppress(FileNotFoundError):
                staged.unlink()


def import_safetensors(
    path: str | os.PathLike[str], *, framework: str = "numpy", max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """Read the tensors of a file by name.

    Args:
        path: the file; links are not followed.
        framework: "numpy" or "torch".
        max_bytes: largest file that is read.

    Raises:
        NotStored: there is no such file.
        CheckpointCorrupt: it is no safetensors file, or a damaged one.
        OptionError: another framework, or safetensors is missing.
    """
    if framework not in {"numpy", "torch"}:
        raise OptionError(f"framework must be 'numpy' or 'torch', got {framework!r}.")
    library = _library()
    with storing(f"{path} cannot be read"):
        try:
            raw = LocalFiles().read(Path(path), max_bytes)
        except FileNotFoundError as exc:
            raise NotStored(f"There is no file {os.fspath(path)!r}.") from exc
    try:
        entries = library.deserialize(raw)
    except library.SafetensorError as exc:
        raise CheckpointCorrupt(f"{path} is no safetensors file: {exc}") from exc
    return {name: _value(name, entry, framework) for name, entry in entries}


def _plain(name: str, value: Any) -> Any:
    """A tensor as a numpy array; bfloat16 and float8 by the dtypes of ml_dtypes."""
    if not (hasattr(value, "__array__") or hasattr(value, "detach")):
        raise OptionError(f"{name!r} is a {type(value).__name__}, and a safetensors file holds tensors only.")
    packing = Packing()
    tree = packing.tree(value, str(name))
    arrays = {dtype: np.empty(length, dtype) for dtype, length in packing.lengths.items()}
    for dtype, offset, source in packing.sources:
        arrays[dtype][offset : offset + source.size].reshape(source.shape)[...] = source
    return np.asarray(unpacked(tree, arrays, as_numpy=True))


def _value(name: str, entry: Mapping[str, Any], framework: str) -> Any:
    dtype = _NAMES.get(entry["dtype"])
    if dtype is None:
        raise CheckpointCorrupt(f"{name!r} has the dtype {entry['dtype']!r}, which is not known here.")
    stored = BITS.get(dtype, dtype)
    array = np.frombuffer(entry["data"], dtype=stored)
    tree = {"t": framework, "d": dtype, "s": list(entry["shape"]), "o": 0}
    return unpacked(tree, {stored: array})


def _library() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as exc:
        raise OptionError("This needs safetensors: pip install 'qstore-storage[safetensors]'.") from exc
    return safetensors
