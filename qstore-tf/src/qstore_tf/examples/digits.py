# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits for the examples: 8 x 8 pixels, from scikit-learn (`pip install "qstore-tf[demo]"`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Digits", "load"]

SPLIT_SEED = 2026
"""Of the stratified split: the same as in the examples of qstore-torch."""


class Digits(NamedTuple):
    """Images cut in two: pixels (number, 64) from 0 to 1, and the digits on them (number,)."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]


def load(classes: int = 10) -> Digits:
    """The digits below `classes`, four fifths of them for training."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        (pixels / 16).astype(np.float32), labels.astype(np.int64), test_size=0.2, stratify=labels, random_state=SPLIT_SEED,
    )  # fmt: skip
    train, test = train_y < classes, test_y < classes
    return Digits(train_x[train], train_y[train], test_x[test], test_y[test])
