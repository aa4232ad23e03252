# SPDX-License-Identifier: Apache-2.0
"""PennyLane's TorchLayer on two qubits; its functions stand in a module, so that nothing here keeps it from pickling."""

from __future__ import annotations

import pennylane as qml

from torch import nn


def circuit(inputs, weights):
    """RY of the inputs, RY and RZ of the weights, a CNOT, Z on both."""
    qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
    for q in range(2):
        qml.RY(weights[q, 0], wires=q)
        qml.RZ(weights[q, 1], wires=q)
    qml.CNOT(wires=[0, 1])
    return [qml.expval(qml.PauliZ(q)) for q in range(2)]


def two_qubits() -> nn.Module:
    """A fresh layer."""
    node = qml.QNode(circuit, qml.device("default.qubit", wires=2))
    return qml.qnn.TorchLayer(node, {"weights": (2, 2)})
