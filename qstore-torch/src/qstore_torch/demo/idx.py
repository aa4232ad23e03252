# SPDX-License-Identifier: Apache-2.0
"""The IDX format of MNIST and Fashion-MNIST: four big-endian header bytes (0, 0, type, axes), sizes, then the data.

Source: the format's description at the end of http://yann.lecun.com/exdb/mnist/ (type 8 is unsigned bytes).
"""

from __future__ import annotations

import gzip
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError

__all__ = ["IdxSet", "read_idx", "read_idx_set"]

UNSIGNED_BYTES = 8
MAX_ENTRIES = 1 << 30

FILES = {
    "train_images": ("train-images-idx3-ubyte", 3),
    "train_labels": ("train-labels-idx1-ubyte", 1),
    "test_images": ("t10k-images-idx3-ubyte", 3),
    "test_labels": ("t10k-labels-idx1-ubyte", 1),
}
"""Which file holds what, and with how many axes; each may also be gzipped, with `.gz` behind its name."""


class IdxSet(NamedTuple):
    """Images (number, rows, columns) and labels (number,), as unsigned bytes."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def read_idx_set(folder: Path, name: str, page: str) -> IdxSet:
    """Read the four files of a set.

    Raises:
        OptionError: a file is missing (says what to download from where), damaged, or does not fit the others.
    """
    paths = {}
    for key, (file, _) in FILES.items():
        found = [path for path in (folder / file, folder / f"{file}.gz") if path.is_file()]
        if found:
            paths[key] = found[0]
    if len(paths) < len(FILES):
        missing = ", ".join(f"{file}.gz" for key, (file, _) in FILES.items() if key not in paths)
        raise OptionError(
            f"{name} is not in {str(folder)!r}. Download {missing} from {page} and put them there."
        )
    arrays = {key: read_idx(path, FILES[key][1]) for key, path in paths.items()}
    for part in ("train", "test"):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if len(images) != len(labels):
            raise OptionError(
                f"{folder}: {len(images)} {part} images, but {len(labels)} labels; download both again."
            )
    return IdxSet(**arrays)


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Read one file of unsigned bytes.

    Raises:
        OptionError: it is no IDX file of that many axes, or shorter or longer than its header says.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as exc:
        raise OptionError(f"{path} cannot be read ({exc}); download it again.") from exc
    head = 4 + 4 * axes
    if len(raw) < head or raw[:4] != bytes([0, 0, UNSIGNED_BYTES, axes]):
        raise OptionError(
            f"{path} is not an IDX file of {axes} axes: it starts with {raw[:4].hex(' ') or 'nothing'}."
        )
    shape = tuple(int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    if not 0 < prod(shape) <= MAX_ENTRIES or len(raw) - head != prod(shape):
        raise OptionError(
            f"{path} announces the shape {shape}, but holds {len(raw) - head} bytes; download it again."
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=head).reshape(shape)
