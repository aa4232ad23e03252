# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Quantum's PQC layer with the adjoint differentiator, the fastest it has, in a `tf.function`.

The layer takes its data as circuits, one for each sample: they are serialised before the clock starts, and there is no
gradient of the data. So its step does less than the others'.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault(
    "TF_USE_LEGACY_KERAS", "1"
)  # the layer's constructor fails in Keras 3; read when TensorFlow is imported

import cirq
import numpy as np
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq

from bench.workload import Array, Case, Workload


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """A traced training step; the gradient of the data comes back as zeros."""
    n = case.qubits
    qubits = cirq.LineQubit.range(n)
    names = [f"s{index:04d}" for index in range(w.size)]  # the layer takes them in alphabetical order
    symbols = iter([sympy.Symbol(name) for name in names])
    model = cirq.Circuit()
    for _ in range(case.depth):
        for qubit in qubits:
            model.append([cirq.ry(next(symbols))(qubit), cirq.rz(next(symbols))(qubit)])
        model.append(cirq.CNOT(qubits[a], qubits[b]) for a, b in case.pairs())
    data = tfq.convert_to_tensor(
        [cirq.Circuit(cirq.ry(angle)(qubit) for angle, qubit in zip(row, qubits, strict=True)) for row in x]
    )
    layer = tfq.layers.PQC(
        model, [cirq.Z(qubit) for qubit in qubits], differentiator=tfq.differentiators.Adjoint()
    )
    layer(data)
    layer.set_weights([w.reshape(-1).astype(np.float32)])
    upstream = tf.constant(g.astype(np.float32))

    @tf.function
    def train() -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            values = layer(data)
            loss = tf.reduce_sum(values * upstream)
        return values, tape.gradient(loss, layer.trainable_variables)[0]

    compiled = tf.function(lambda: layer(data))

    def step() -> tuple[Any, Any, Any]:
        values, grad_w = train()
        return values.numpy(), np.zeros_like(x), grad_w.numpy().reshape(w.shape)

    return Workload(step, lambda: compiled().numpy())
