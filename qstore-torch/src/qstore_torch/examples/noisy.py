# SPDX-License-Identifier: Apache-2.0
"""Training under the noise of a machine, and what it is good for: weights that were trained with the noise suit it.

python -m qstore_torch.examples.noisy
"""

from __future__ import annotations

import qstore as qs
import torch
from qstore_torch import QuantumFeatureExtractor, QuantumReadout, Sequential
from torch import nn

__all__ = ["points", "train"]

NOISE = 0.02
"""Probability of a depolarising error of each gate."""


def points(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (n, 2) of a square, and whether they lie in its middle."""
    x = (torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) - 0.5) * 3
    return x, (x.norm(dim=1) < 1).long()


def train(*, noise: float = NOISE, steps: int = 60, seed: int = 1) -> tuple[Sequential, list[float]]:
    """A model trained on a noisy backend, and the loss of each step; gradients are exact for the noisy circuit."""
    backend = qs.get_backend("statevector", noise=qs.NoiseModel.depolarizing(noise, noise))
    torch.manual_seed(seed)
    model = Sequential(
        [QuantumFeatureExtractor(2, 4, encoding="reupload"), QuantumReadout(2, 2)], backend=backend
    )
    x, y = points(64, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        loss = nn.functional.nll_loss(model(x).log(), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimizer.step()
        losses.append(loss.item())
    return model, losses


if __name__ == "__main__":
    trained, curve = train()
    print(f"loss {curve[0]:.3f} at first, {curve[-1]:.3f} in the end, with {NOISE:.0%} errors a gate")
