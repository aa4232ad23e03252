# SPDX-License-Identifier: Apache-2.0
"""qulacs: one parametric circuit, `backprop` sample by sample; it works in complex128 only.

Its parametric RY(t) and RZ(t) are exp(+i t P/2), so angles and gradients change their sign on the way in and out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qulacs import Observable, ParametricQuantumCircuit, QuantumState

from bench.workload import Array, Case, Workload


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """A Python loop over the batch around qulacs' own reverse sweep."""
    n = case.qubits
    circuit = ParametricQuantumCircuit(n)
    for q in range(n):
        circuit.add_parametric_RY_gate(q, 0.0)
    for _ in range(case.depth):
        for q in range(n):
            circuit.add_parametric_RY_gate(q, 0.0)
            circuit.add_parametric_RZ_gate(q, 0.0)
        for control, target in case.pairs():
            circuit.add_CNOT_gate(control, target)
    outputs = []
    for q in range(n):
        observable = Observable(n)
        observable.add_operator(1.0, f"Z {q}")
        outputs.append(observable)
    state = QuantumState(n)
    rows, weights = (-x).tolist(), (-w).ravel().tolist()

    def set_weights() -> None:
        for index, angle in enumerate(weights, start=n):
            circuit.set_parameter(index, angle)

    def evaluate(row: list[float]) -> list[float]:
        for index, angle in enumerate(row):
            circuit.set_parameter(index, angle)
        state.set_zero_state()
        circuit.update_quantum_state(state)
        return [observable.get_expectation_value(state) for observable in outputs]

    def step() -> tuple[Any, Any, Any]:
        set_weights()
        values, grads = [], []
        for row, upstream in zip(rows, g.tolist(), strict=True):
            values.append(evaluate(row))
            folded = Observable(n)
            for q, coefficient in enumerate(upstream):
                folded.add_operator(coefficient, f"Z {q}")
            grads.append(circuit.backprop(folded))
        gradient = -np.asarray(grads)
        return np.asarray(values), gradient[:, :n], gradient[:, n:].sum(axis=0).reshape(w.shape)

    def forward() -> Any:
        set_weights()
        return np.asarray([evaluate(row) for row in rows])

    return Workload(step, forward)
