# SPDX-License-Identifier: Apache-2.0
"""A nested state as a JSON tree whose arrays are places in packed arrays, and back.

    None, bool, str, list, finite float, int of 64 bits     as JSON has them
    {"t": "dict", "v": [[key, value], ...]}                  keys are values, too: optimizers number their parameters
    {"t": "counter", "v": [[key, value], ...]}               a collections.Counter, which MultiStepLR needs as one
    {"t": "tuple", "v": [...]}
    {"t": "int", "v": "-0x1f..."}                            longer integers
    {"t": "float", "v": "nan" | "inf" | "-inf"}
    {"t": "complex", "v": [real, imaginary]}
    {"t": "numpy" | "torch" | "scalar", "d": dtype, "s": shape, "o": offset}    entries of the packed array of that dtype
    {"t": "bytes", "s": [length], "o": offset}               in the packed array "uint8"

Anything else is refused at `save`: a checkpoint runs no code when it is loaded.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import CheckpointCorrupt, OptionError
from qstore_storage.checkpoints.dtypes import BITS, item_size, numpy_dtype, stored_as

__all__ = ["MAX_DEPTH", "Packing", "unpacked"]

MAX_DEPTH = 64
MAX_AXES = 64
MAX_DIGITS = 20_000
_LARGEST = 2**63
_TORCH_NAMES: dict[Any, tuple[str, str | None]] = {}
"""The name of a dtype of torch and what stores it; asking torch takes longer than copying a small tensor."""
Array = NDArray[Any]
Place = str | tuple[Any, Any]
"""A name, or a place and the key of something in it."""


@dataclass(slots=True)
class Packing:
    """Lays out states: which entries of which packed array each of their arrays gets.

    Attributes:
        lengths: entries that each packed array needs, by stored dtype.
        sources: arrays to copy, with the stored dtype and the first entry. They share memory with the states.
    """

    lengths: dict[str, int] = field(default_factory=dict)
    sources: list[tuple[str, int, Array]] = field(default_factory=list)

    def tree(self, value: Any, place: Place, depth: int = 0) -> Any:
        """The JSON tree of a value.

        Args:
            value: a state, or a part of one.
            place: where it is, for errors: a name, or the place of what holds it and its key there.
            depth: how many hold it.

        Raises:
            OptionError: it holds something that is not data, or nests deeper than MAX_DEPTH; names the place.
        """
        if depth > MAX_DEPTH:
            raise OptionError(
                f"{_shown(place)[:200]}... is nested more than {MAX_DEPTH} deep, or contains itself."
            )
        if value is None or isinstance(value, (bool, str)):
            return value if type(value) is not np.str_ else str(value)
        if isinstance(value, np.ndarray):
            return self._numpy("numpy", value, place)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            name, stored, array = _torch_bits(value, torch, place)
            return {"t": "torch", "d": name, "s": list(array.shape), "o": self._placed(stored, array)}
        if isinstance(value, Mapping):
            return {"t": "counter" if type(value) is Counter else "dict", "v": [
                [key if type(key) is str else self.tree(key, (place, "a key"), depth + 1), self.tree(each, (place, key), depth + 1)]
                for key, each in value.items()
            ]}  # fmt: skip
        if isinstance(value, np.generic):
            return self._numpy("scalar", np.asarray(value), place)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"t": "float", "v": str(float(value))}
        if isinstance(value, int):
            return int(value) if -_LARGEST <= value < _LARGEST else _long(value, place)
        if isinstance(value, complex):
            return {"t": "complex", "v": [self.tree(value.real, place), self.tree(value.imag, place)]}
        if isinstance(value, (list, tuple)):
            items = [self.tree(each, (place, index), depth + 1) for index, each in enumerate(value)]
            return items if isinstance(value, list) else {"t": "tuple", "v": items}
        if isinstance(value, (bytes, bytearray, memoryview)):
            strided = isinstance(value, memoryview) and not value.c_contiguous
            data = np.frombuffer(bytes(value) if strided else value, dtype=np.uint8)
            return {"t": "bytes", "s": [data.size], "o": self._placed("uint8", data)}
        return self._foreign(value, place)

    def _foreign(self, value: Any, place: Place) -> Any:
        if hasattr(value, "__array__"):  # tensors and variables of TensorFlow, Keras, JAX
            try:
                array = np.asarray(value)
            except (TypeError, ValueError, RuntimeError) as exc:
                raise OptionError(
                    f"{_shown(place)} is a {type(value).__qualname__} that cannot be read as an array: {exc}"
                ) from exc
            return self._numpy("numpy", array, place)
        raise OptionError(
            f"{_shown(place)} is a {type(value).__module__}.{type(value).__qualname__}, and a checkpoint holds data only: "
            "dicts, lists, tuples, numbers, strings, bytes, None, arrays and tensors. Save its state_dict or its "
            "numbers instead."
        )

    def _numpy(self, kind: str, array: Array, place: Place) -> dict[str, Any]:
        if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray):
            raise OptionError(
                f"{_shown(place)} is a masked array; save its .data and its .mask, or .filled()."
            )
        dtype = array.dtype
        name = dtype.name
        if name not in BITS and not (dtype.kind in "biufc" and stored_as(name)):
            # Records, objects and strings of any length have no name here.
            name = dtype.newbyteorder("<").str if dtype.kind in "biufcSUmM" else ""
        stored = stored_as(name)
        if stored is None or array.ndim > MAX_AXES:
            raise OptionError(
                f"{_shown(place)} is an array of dtype {dtype}, which a checkpoint does not hold; convert it to numbers."
            )
        shape = list(array.shape)
        if name != stored:
            plain = np.ascontiguousarray(
                array if dtype.name in BITS else array.astype(dtype.newbyteorder("<"))
            )
            array = plain.reshape(-1).view(stored)
        return {"t": kind, "d": name, "s": shape, "o": self._placed(stored, array)}

    def _placed(self, stored: str, array: Array) -> int:
        offset = self.lengths.get(stored, 0)
        if array.size:
            self.lengths[stored] = offset + array.size
            self.sources.append((stored, offset, array))
        return offset


def _torch_bits(tensor: Any, torch: Any, place: Place) -> tuple[str, str, Array]:
    """A tensor's dtype, what stores it, and its entries as a numpy array, of its bits where numpy lacks the dtype."""
    try:
        found = _dense_bits(tensor, torch)
    except (RuntimeError, TypeError, ValueError) as exc:  # whatever torch has instead of values
        raise OptionError(
            f"{_shown(place)} is a {type(tensor).__qualname__} whose values cannot be read: {_unreadable(tensor, torch, exc)}"
        ) from exc
    if found is None:
        kind = "nested tensor" if tensor.is_nested else "tensor"
        advice = next(text for holds, text in _ADVICE if holds(tensor, torch))
        raise OptionError(
            f"{_shown(place)} is a {kind} of layout {tensor.layout} and dtype {tensor.dtype} on {tensor.device}, and a checkpoint "
            f"holds dense tensors of numbers: {advice}."
        )
    return found


def _unreadable(tensor: Any, torch: Any, error: Exception) -> str:
    if torch.nn.parameter.is_lazy(tensor):
        return "it has none yet. Call the model once before."
    if tensor.dim() > MAX_AXES:
        return f"it has {tensor.dim()} axes, and at most {MAX_AXES} are stored. Reshape it."
    return f"{str(error).rstrip('.')}. Save a plain tensor, outside of vmap, grad and FakeTensorMode."


_ADVICE: tuple[tuple[Callable[[Any, Any], bool], str], ...] = (
    (lambda tensor, _: bool(tensor.is_meta), "this one has no values; load some before it is saved"),
    (lambda tensor, _: bool(tensor.is_nested), "save its .unbind()"),
    (lambda tensor, _: bool(tensor.is_quantized), "save its .dequantize()"),
    (lambda tensor, torch: tensor.layout is not torch.strided, "save its .to_dense()"),
    (lambda _, __: True, "convert it to a dtype of numbers"),
)
"""What to do about a tensor that is not dense; the first that holds."""


def _dense_bits(tensor: Any, torch: Any) -> tuple[str, str, Array] | None:
    """`_torch_bits` of a dense tensor of numbers, None of another."""
    name, stored = _TORCH_NAMES.get(tensor.dtype) or _torch_name(tensor.dtype)
    plain = tensor.detach()
    if name == stored and tensor.is_cpu and tensor.layout is torch.strided and not tensor.is_nested:
        with suppress(RuntimeError):  # conjugated or negated when somebody reads it
            return name, stored, plain.numpy()
    dense = tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_quantized or tensor.is_nested)
    if stored is None or not dense:
        return None
    if not plain.is_cpu or plain.is_conj() or plain.is_neg():
        plain = plain.resolve_conj().resolve_neg().cpu()
    if name in BITS:
        plain = plain.view({1: torch.uint8, 2: torch.int16, 4: torch.int32}[plain.element_size()])
        return name, stored, plain.numpy().view(stored)
    return name, stored, plain.numpy()


def _torch_name(dtype: Any) -> tuple[str, str | None]:
    name = str(dtype)[len("torch.") :]
    return _TORCH_NAMES.setdefault(dtype, (name, stored_as(name)))


def _long(value: int, place: Place) -> dict[str, Any]:
    text = hex(value)
    if len(text) > MAX_DIGITS:
        raise OptionError(
            f"{_shown(place)} is an integer of {value.bit_length()} bits; at most {4 * (MAX_DIGITS - 3)} are stored."
        )
    return {"t": "int", "v": text}


def _shown(place: Place) -> str:
    """A place as one writes it: model_state['layers'][0]."""
    if isinstance(place, str):
        return place
    inner, key = place
    return f"{_shown(inner)}, a key" if key == "a key" else f"{_shown(inner)}[{key!r:.80}]"


def unpacked(tree: Any, arrays: Mapping[str, Array], *, as_numpy: bool = False) -> Any:
    """The value of a tree; its arrays are copies of their own.

    Args:
        tree: what `Packing.tree` made.
        arrays: the packed arrays by stored dtype.
        as_numpy: tensors of torch come back as numpy arrays.

    Raises:
        CheckpointCorrupt: it is no such tree, or points outside the arrays.
    """
    return _Reader(arrays, as_numpy).value(tree, 0)


class _Reader:
    def __init__(self, arrays: Mapping[str, Array], as_numpy: bool) -> None:
        self._arrays, self._as_numpy = arrays, as_numpy
        self._kinds: dict[str, Callable[[dict[str, Any], int], Any]] = {
            "dict": self._dict, "counter": self._counter, "tuple": self._tuple, "int": self._int, "float": self._float, "complex": self._complex,
            "numpy": self._array, "scalar": self._scalar, "torch": self._torch, "bytes": self._bytes,
        }  # fmt: skip

    def value(self, tree: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise CheckpointCorrupt(f"The index is nested more than {MAX_DEPTH} deep.")
        if tree is None or isinstance(tree, (bool, int, float, str)):
            return tree
        if isinstance(tree, list):
            return [self.value(each, depth + 1) for each in tree]
        kind = self._kinds.get(tree.get("t")) if isinstance(tree.get("t"), str) else None
        if kind is None:
            raise CheckpointCorrupt(f"The index has an entry of unknown kind: {tree!r:.120}.")
        try:
            return kind(tree, depth)
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            if isinstance(exc, CheckpointCorrupt):
                raise
            raise CheckpointCorrupt(f"The index has a damaged entry: {tree!r:.120} ({exc!r}).") from exc

    def _dict(self, tree: dict[str, Any], depth: int) -> dict[Any, Any]:
        pairs = [(self.value(key, depth + 1), self.value(each, depth + 1)) for key, each in tree["v"]]
        return dict(pairs)

    def _counter(self, tree: dict[str, Any], depth: int) -> Counter[Any]:
        return Counter(self._dict(tree, depth))

    def _tuple(self, tree: dict[str, Any], depth: int) -> tuple[Any, ...]:
        return tuple(self.value(each, depth + 1) for each in tree["v"])

    def _int(self, tree: dict[str, Any], depth: int) -> int:  # noqa: ARG002  # as the others
        text = tree["v"]
        if len(text) > MAX_DIGITS:
            raise CheckpointCorrupt(f"The index has an integer of {len(text)} digits.")
        return int(text, 16)

    def _float(self, tree: dict[str, Any], depth: int) -> float:  # noqa: ARG002  # as the others
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[tree["v"]]

    def _complex(self, tree: dict[str, Any], depth: int) -> complex:
        real, imaginary = (self.value(each, depth + 1) for each in tree["v"])
        return complex(real, imaginary)

    def _bytes(self, tree: dict[str, Any], depth: int) -> bytes:  # noqa: ARG002  # as the others
        return self._entries("uint8", tree["s"], tree["o"], 1)[1].tobytes()

    def _array(self, tree: dict[str, Any], depth: int) -> Array:  # noqa: ARG002  # as the others
        name = tree["d"]
        shape, entries = self._entries(stored_as(name) or "", tree["s"], tree["o"], item_size(name))
        return entries.view(numpy_dtype(name)).reshape(shape)

    def _scalar(self, tree: dict[str, Any], depth: int) -> Any:
        return self._array(tree, depth)[()]

    def _torch(self, tree: dict[str, Any], depth: int) -> Any:
        if self._as_numpy:
            return self._array(tree, depth)
        import torch  # what holds tensors is loaded by programs that use torch

        name = tree["d"]
        dtype = getattr(torch, name, None)
        if not isinstance(dtype, torch.dtype):
            raise CheckpointCorrupt(f"This torch has no dtype {name!r}.")
        shape, entries = self._entries(stored_as(name) or "", tree["s"], tree["o"], 1)
        if name in BITS:
            return torch.from_numpy(entries.view(f"int{8 * entries.itemsize}")).view(dtype).reshape(shape)
        return torch.from_numpy(entries).reshape(shape)

    def _entries(self, stored: str, shape: Any, offset: Any, items: int) -> tuple[tuple[int, ...], Array]:
        """The shape, and a copy of the entries."""
        numbers = [*shape, offset]
        if len(shape) > MAX_AXES or any(type(number) is not int or number < 0 for number in numbers):
            raise CheckpointCorrupt(f"The index has the shape {shape!r:.80} at {offset!r:.80}.")
        size = math.prod(shape) * items
        packed = self._arrays.get(stored)
        if size == 0:
            return tuple(shape), np.empty(0, dtype=stored)
        if packed is None or offset + size > packed.size:
            raise CheckpointCorrupt(f"The index points outside the packed array {stored!r}.")
        return tuple(shape), packed[offset : offset + size].copy()
