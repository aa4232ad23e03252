# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Quantum: its C++ expectation operation with the adjoint differentiator, as one `tf.function`.

One circuit tensor is repeated over the batch; the shared weights are tiled, as TensorFlow Quantum wants one row of
symbol values per circuit.
"""

from __future__ import annotations

from typing import Any

import cirq
import numpy as np
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq

from bench.workload import Array, Case, Workload


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """A traced function of (x, w) and its gradient."""
    n = case.qubits
    qubits = cirq.LineQubit.range(n)
    names = [f"s{index}" for index in range(n + w.size)]
    symbols = iter([sympy.Symbol(name) for name in names])
    circuit = cirq.Circuit(cirq.ry(next(symbols))(qubit) for qubit in qubits)
    for _ in range(case.depth):
        for qubit in qubits:
            circuit.append([cirq.ry(next(symbols))(qubit), cirq.rz(next(symbols))(qubit)])
        circuit.append(cirq.CNOT(qubits[a], qubits[b]) for a, b in case.pairs())
    symbol_names = tf.constant(names)
    programs = tf.repeat(tfq.convert_to_tensor([circuit]), case.batch)
    observables = tfq.convert_to_tensor([[cirq.Z(qubit) for qubit in qubits]])
    observables = tf.repeat(observables, case.batch, axis=0)
    operation = tfq.differentiators.Adjoint().generate_differentiable_op(analytic_op=tfq.get_expectation_op())
    data, weights, upstream = (tf.constant(a.astype(np.float32)) for a in (x, w, g))

    def evaluate(data: Any, weights: Any) -> Any:
        tiled = tf.tile(tf.reshape(weights, (1, -1)), (case.batch, 1))
        return operation(programs, symbol_names, tf.concat([data, tiled], axis=1), observables)

    @tf.function
    def train(data: Any, weights: Any) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch([data, weights])
            values = evaluate(data, weights)
            loss = tf.reduce_sum(values * upstream)
        grad_x, grad_w = tape.gradient(loss, [data, weights])
        return values, grad_x, grad_w

    compiled = tf.function(evaluate)

    def step() -> tuple[Any, Any, Any]:
        values, grad_x, grad_w = train(data, weights)
        return values.numpy(), grad_x.numpy(), grad_w.numpy()

    def forward() -> Any:
        return compiled(data, weights).numpy()

    return Workload(step, forward)
