# SPDX-License-Identifier: Apache-2.0
"""A small convolutional network with a quantum layer in its middle, on handwritten digits.

python -m qstore_torch.examples.hybrid_cnn
"""

from __future__ import annotations

import torch
from qstore_torch import QuantumLayer
from qstore_torch.demo.data import load
from torch import nn

__all__ = ["make_model", "train"]

QUBITS, CLASSES = 6, 10


def make_model() -> nn.Sequential:
    """8 x 8 pixels, two convolutions, six angles, a circuit, ten scores."""
    quantum = QuantumLayer(n_qubits=QUBITS, depth=3, entanglement="circular", measurement_bases="ZX")
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, QUBITS), nn.Tanh(),  # angles that do not wrap
        quantum,
        nn.Linear(quantum.output_dim, CLASSES),
    )  # fmt: skip


def train(*, epochs: int = 20, seed: int = 1) -> tuple[nn.Sequential, float]:
    """A trained model and its accuracy on the test images, from 0 to 1."""
    data = load("digits", None)
    train_x, train_y = torch.from_numpy(data.train_x), torch.from_numpy(data.train_y)
    torch.manual_seed(seed)
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(train_x)), 64):
            loss = nn.functional.cross_entropy(model(train_x[rows]), train_y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
    with torch.no_grad():
        hits = model(torch.from_numpy(data.test_x)).argmax(dim=1) == torch.from_numpy(data.test_y)
    return model, hits.float().mean().item()


if __name__ == "__main__":
    print(f"{train()[1]:.1%} of the test images right")
