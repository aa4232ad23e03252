# SPDX-License-Identifier: Apache-2.0
"""PennyLane default.qubit with the torch interface and backpropagation, the batch broadcast; complex128 inside."""

from __future__ import annotations

from typing import Any

import pennylane as qml

import torch
from bench.peers.pennylane_circuit import layers
from bench.workload import Array, Case, Workload


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """A broadcast QNode and one backward pass through it."""
    node = qml.QNode(layers(case), qml.device("default.qubit"), interface="torch", diff_method="backprop")
    upstream = torch.tensor(g)
    data, weights = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)

    def step() -> tuple[Any, Any, Any]:
        values = torch.stack(node(data, weights), dim=-1)
        grad_x, grad_w = torch.autograd.grad((values * upstream).sum(), (data, weights))
        return values.detach(), grad_x, grad_w

    def forward() -> Any:
        with torch.no_grad():
            return torch.stack(node(data, weights), dim=-1)

    return Workload(step, forward)
