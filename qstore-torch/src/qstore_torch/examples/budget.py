# SPDX-License-Identifier: Apache-2.0
"""Training on a paid machine until the budget is spent, and on from there on a simulator.

The machine comes first and may spend what there is; when a step would cost more than is left, nothing of it is sent, and the
router hands that step and all later ones to the simulator. The weights, the optimizer and the loop notice nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from qstore.routing import BackendRouter, CostOptimizer
from qstore_torch import QuantumLayer
from qstore_torch.tensorboard import quantum_metrics

__all__ = ["Step", "train"]


class Step(NamedTuple):
    """One training step: its loss, dollars, and circuits by backend."""

    loss: float
    dollars: float
    circuits: dict[str, float]


def train(policy: CostOptimizer, *, steps: int = 4, shots: int = 100) -> list[Step]:
    """Train one angle on two samples.

    Args:
        policy: the budget, and the order of backends: the machine first, then what is free.
        steps: training steps.
        shots: measurements per circuit.
    """
    router = BackendRouter(policy=policy)
    torch.manual_seed(1)
    layer = QuantumLayer(n_qubits=1, depth=1, backend=router, shots=shots, gradient_method="parameter_shift")
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    x = torch.tensor([[0.3], [0.4]])
    taken = []
    for _ in range(steps):
        loss = layer(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        metrics = quantum_metrics(layer)
        start = "quantum/QuantumLayer/"
        backends = {
            tag.removeprefix(start + "backends/"): number
            for tag, number in metrics.items()
            if tag.startswith(start + "backends/")
        }
        taken.append(Step(loss.item(), metrics[start + "dollars"], backends))
    return taken
