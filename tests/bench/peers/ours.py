# SPDX-License-Identifier: Apache-2.0
"""qstore's embedded simulator, asked through the public API only, in single precision."""

from __future__ import annotations

from typing import Any

import qstore as qs
from bench.workload import Array, Case, Workload


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """The training step by `value_and_vjp`, the forward step by `run`."""
    data = qs.Parameter("x", shape=(case.qubits,))
    weights = qs.Parameter("w", shape=(case.depth, case.qubits, 2))
    circuit = qs.QuantumCircuit(case.qubits)
    for q in range(case.qubits):
        circuit.ry(q, data[q])
    for layer in range(case.depth):
        for q in range(case.qubits):
            circuit.ry(q, weights[layer, q, 0]).rz(q, weights[layer, q, 1])
        for control, target in case.pairs():
            circuit.cx(control, target)
    bindings = {"x": x, "w": w}
    outputs = qs.Expectations([qs.Z(q) for q in range(case.qubits)])
    backend = qs.get_backend("statevector", precision="single")

    def step() -> tuple[Any, Any, Any]:
        values, grads = qs.value_and_vjp(circuit, bindings, outputs, cotangent=g, backend=backend)
        return values, grads["x"], grads["w"]

    def forward() -> Any:
        return qs.run(circuit, bindings, outputs, backend=backend).values

    return Workload(step, forward)
