# SPDX-License-Identifier: Apache-2.0
"""A quantum convolutional network on handwritten digits, without any classical trainable layer.

64 pixels are the amplitudes of 8 qubits (the rest is zeros); a feature extractor, pooling to 4 qubits, another extractor
and a readout are one circuit, measured once at the end. Its scores, times a constant, go into a softmax. Depths, epochs and
that constant were chosen on a part of the training images; the test images were looked at once, at the end.

    python -m qstore_torch.examples.quantum_cnn --classes 10
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import qstore as qs
import torch
from qstore_torch import QuantumFeatureExtractor, QuantumPooling, QuantumReadout, Sequential
from qstore_torch.demo.data import ImageData, load
from torch import nn

__all__ = ["Trained", "make_model", "train"]

QUBITS, PIXELS = 8, 64
DEPTHS = {4: (16, 8), 10: (32, 8)}
"""Of both extractors, by number of classes."""
SHARPNESS = 20.0
"""Scores are expectations from -1 to 1; a softmax of these alone is never sure of anything."""
EPOCHS, BATCH, LEARNING_RATE = 40, 64, 0.03


class Trained(NamedTuple):
    """A trained model, its accuracy on the test images from 0 to 1, and the seconds of training."""

    model: Sequential
    accuracy: float
    seconds: float


def make_model(classes: int) -> Sequential:
    """Amplitudes, extractor, pooling, extractor, readout: one circuit."""
    first, second = DEPTHS.get(classes, DEPTHS[10])
    backend = qs.get_backend("statevector", precision="single")
    return Sequential(
        [
            QuantumFeatureExtractor(QUBITS, first, "circular", encoding="amplitude", n_features=PIXELS),
            QuantumPooling(QUBITS, pool_size=2),
            QuantumFeatureExtractor(QUBITS // 2, second, "circular", encoding=None),
            QuantumReadout(QUBITS // 2, classes, "expectation"),
        ],
        backend=backend,
    )


def train(classes: int = 10, *, epochs: int = EPOCHS, seed: int = 1, data: ImageData | None = None) -> Trained:  # fmt: skip
    """Train on the digits below `classes`."""
    data = load("digits", None) if data is None else data
    train_x, train_y = _below(classes, data.train_x, data.train_y)
    test_x, test_y = _below(classes, data.test_x, data.test_y)
    torch.manual_seed(seed)
    model = make_model(classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    steps = epochs * -(-len(train_x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(train_x)), BATCH):
            loss = nn.functional.cross_entropy(SHARPNESS * model(train_x[rows]), train_y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        hits = model(test_x).argmax(dim=1) == test_y
    return Trained(model, hits.float().mean().item(), seconds)


def _below(classes: int, x: object, y: object) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = torch.as_tensor(x), torch.as_tensor(y)
    return images[labels < classes], labels[labels < classes]


def main() -> None:
    """Train, and say how well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--classes", type=int, default=10, help="how many digits, from 0 up (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=int, default=EPOCHS, help="passes over the training images (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of fresh weights and the order of images (default: %(default)s)"
    )
    given = parser.parse_args()
    found = train(given.classes, epochs=given.epochs, seed=given.seed)
    print(found.model.summary(batch_size=BATCH))
    print(f"{found.accuracy:.1%} of the test images right after {found.seconds:.0f} s of training")


if __name__ == "__main__":
    main()
