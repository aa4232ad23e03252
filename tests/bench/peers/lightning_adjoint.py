# SPDX-License-Identifier: Apache-2.0
"""PennyLane lightning.qubit in complex64 with adjoint differentiation, called through torch.

Lightning splits a broadcast circuit into one tape per sample. `device_vjp=True` and the autograd interface were tried
and are slower on these cases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pennylane as qml

import torch
from bench.peers.pennylane_circuit import layers
from bench.workload import Array, Case, Workload


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """A broadcast QNode whose Jacobian comes from one adjoint sweep per sample."""
    device = qml.device("lightning.qubit", wires=case.qubits, c_dtype=np.complex64)
    node = qml.QNode(layers(case), device, interface="torch", diff_method="adjoint")
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
