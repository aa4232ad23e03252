# SPDX-License-Identifier: Apache-2.0
"""TensorCircuit-NG on JAX: one jitted function, vectorised over the batch by `vmap`, complex64.

<Z_q> is read off the probabilities of the contracted state by one matrix product. That is much faster than the way of
most tutorials, one expectation at a time, which is the column of `tensorcircuit_expectations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorcircuit as tc

from bench.workload import Array, Case, Workload

tc.set_backend("jax")
tc.set_dtype("complex64")


def from_probabilities(circuit: Any, n: int) -> Any:
    """All <Z_q> at once; TensorCircuit's qubit 0 is the most significant bit of the state index."""
    signs = jnp.asarray(1 - 2 * (np.arange(2**n)[:, None] >> (n - 1 - np.arange(n)) & 1), dtype=jnp.float32)
    state = circuit.state()
    return (state.real**2 + state.imag**2) @ signs


def build(
    case: Case, x: Array, w: Array, g: Array, measure: Callable[[Any, int], Any] = from_probabilities
) -> Workload:
    """Jitted functions over the whole batch; inputs are already on the device."""
    n = case.qubits

    def sample(x: Any, w: Any) -> Any:
        circuit = tc.Circuit(n)
        for q in range(n):
            circuit.ry(q, theta=x[q])
        for layer in range(case.depth):
            for q in range(n):
                circuit.ry(q, theta=w[layer, q, 0])
                circuit.rz(q, theta=w[layer, q, 1])
            for control, target in case.pairs():
                circuit.cx(control, target)
        return measure(circuit, n)

    batched = jax.vmap(sample, in_axes=(0, None))

    def loss(x: Any, w: Any, g: Any) -> tuple[Any, Any]:
        values = batched(x, w)
        return jnp.sum(values * g), values

    train = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    evaluate = jax.jit(batched)
    inputs = [jax.device_put(jnp.asarray(a, dtype=jnp.float32)) for a in (x, w, g)]

    def step() -> tuple[Any, Any, Any]:
        (_, values), (grad_x, grad_w) = jax.block_until_ready(train(*inputs))
        return values, grad_x, grad_w

    def forward() -> Any:
        return jax.block_until_ready(evaluate(*inputs[:2]))

    return Workload(step, forward)
