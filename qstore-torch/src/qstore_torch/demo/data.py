# SPDX-License-Identifier: Apache-2.0
"""Images as amplitudes: rows of 2**n non-negative numbers, one per pixel.

A quantum state has norm 1, so `initialize` divides an image by its norm. Images that leave pixels of the square free
get a constant border there: it keeps how bright the image was, and an all-black image has a direction, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError
from qstore_torch.demo.idx import read_idx_set

__all__ = ["DATA_SETS", "ImageData", "load", "without_test"]

SPLIT_SEED = 2026
"""Of the stratified split; fixed before anything was tried, never changed."""
BORDER = 0.5


@dataclass(frozen=True, slots=True)
class ImageData:
    """A data set cut in two.

    Attributes:
        name: what it is called.
        train_x, test_x: (number, 2**n_qubits) float32 from 0 to 1.
        train_y, test_y: (number,) int64 class numbers.
        n_qubits: qubits that hold one image as amplitudes.
        classes: names of the classes.
    """

    name: str
    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]
    n_qubits: int
    classes: tuple[str, ...]


def load(name: str, folder: Path | None) -> ImageData:
    """Load a set by name; `folder` holds the files of the downloadable ones.

    Raises:
        OptionError: a downloadable set without its folder or files.
    """
    return DATA_SETS[name](folder)


def without_test(data: ImageData) -> ImageData:
    """The training part cut once more, for choices: what is called test in it was training data, too."""
    return _split(f"{data.name}, choices", data.train_x, data.train_y, data.n_qubits, data.classes)


def _digits(_: Path | None) -> ImageData:
    from sklearn.datasets import load_digits  # in the extra `demo`

    pixels, labels = load_digits(return_X_y=True)
    return _split("digits", (pixels / 16).astype(np.float32), labels, 6, tuple("0123456789"))


def _split(
    name: str, x: NDArray[np.float32], y: NDArray[np.int64], n_qubits: int, classes: tuple[str, ...]
) -> ImageData:
    from sklearn.model_selection import train_test_split

    parts = train_test_split(x, y.astype(np.int64), test_size=0.2, stratify=y, random_state=SPLIT_SEED)
    train_x, test_x, train_y, test_y = parts
    return ImageData(name, train_x, train_y, test_x, test_y, n_qubits, classes)


def _idx(name: str, page: str, classes: tuple[str, ...]) -> Callable[[Path | None], ImageData]:
    def loader(folder: Path | None) -> ImageData:
        if folder is None:
            raise OptionError(
                f"{name} is not shipped. Download it from {page} and give its folder: --data-dir DIR"
            )
        files = read_idx_set(folder, name, page)
        return ImageData(
            name, _pooled(files.train_images), files.train_labels.astype(np.int64),
            _pooled(files.test_images), files.test_labels.astype(np.int64), 8, classes,
        )  # fmt: skip

    return loader


def _pooled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """28 x 28 pixels averaged two by two, in the middle of 16 x 16 = 2**8: (number, 256)."""
    if images.shape[1:] != (28, 28):
        raise OptionError(
            f"The images have {images.shape[1]} x {images.shape[2]} pixels; 28 x 28 are expected."
        )
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4), dtype=np.float32) / 255
    framed = np.full((len(images), 16, 16), BORDER, dtype=np.float32)
    framed[:, 1:15, 1:15] = small
    return framed.reshape(len(images), 256)


FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")

DATA_SETS: dict[str, Callable[[Path | None], ImageData]] = {
    "digits": _digits,
    "mnist": _idx("mnist", "http://yann.lecun.com/exdb/mnist/", tuple("0123456789")),
    "fashion-mnist": _idx("fashion-mnist", "https://github.com/zalandoresearch/fashion-mnist", FASHION),
}
"""Data set name to its loader."""
