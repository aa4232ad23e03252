# SPDX-License-Identifier: Apache-2.0
"""The workload as a PennyLane quantum function; shared by the two PennyLane columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pennylane as qml

from bench.workload import Case


def layers(case: Case) -> Callable[[Any, Any], list[Any]]:
    """A function of x (batch, n) and w (depth, n, 2) that measures <Z_q> on every qubit."""

    def function(x: Any, w: Any) -> list[Any]:
        for q in range(case.qubits):
            qml.RY(x[..., q], wires=q)
        for layer in range(case.depth):
            for q in range(case.qubits):
                qml.RY(w[layer, q, 0], wires=q)
                qml.RZ(w[layer, q, 1], wires=q)
            for pair in case.pairs():
                qml.CNOT(wires=pair)
        return [qml.expval(qml.PauliZ(q)) for q in range(case.qubits)]

    return function
