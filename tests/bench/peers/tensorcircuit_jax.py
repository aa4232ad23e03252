# SPDX-License-Identifier: Apache-2.0
"""TensorCircuit-NG on JAX: one jitted function, vectorised over the batch by `vmap`, complex64.

All expectations are read off the contracted state at once: Z by one matrix product with the probabilities, X and Y by
overlaps of its halves, sums of many strings by one gather. That is much faster than the way of most tutorials, one
expectation at a time, which is the column of `tensorcircuit_expectations`.
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


def from_state(circuit: Any, case: Case) -> Any:
    """All outputs at once; TensorCircuit's qubit 0 is the most significant bit of the state index."""
    n = case.qubits
    state = circuit.state()
    if case.outputs == "pauli100":
        return jnp.array([_sum_of_strings(state, case)])
    signs = jnp.asarray(1 - 2 * (np.arange(2**n)[:, None] >> (n - 1 - np.arange(n)) & 1), dtype=jnp.float32)
    z = (state.real**2 + state.imag**2) @ signs
    if case.outputs == "z":
        return z
    overlaps = []
    for q in range(n):
        halves = state.reshape(2**q, 2, -1)
        overlaps.append(2 * jnp.sum(jnp.conj(halves[:, 0]) * halves[:, 1]))
    overlap = jnp.stack(overlaps)
    return jnp.concatenate([overlap.real, overlap.imag, z])


def _sum_of_strings(state: Any, case: Case) -> Any:
    n = case.qubits
    index = np.arange(2**n)
    partners, factors = [], []
    for coefficient, letters in case.paulis()[0]:
        bits = [(n - 1 - q, letter) for q, letter in enumerate(letters)]
        x = sum(1 << bit for bit, letter in bits if letter in "XY")
        z = sum(1 << bit for bit, letter in bits if letter in "YZ")
        partner = index ^ x
        sign = 1 - 2 * (np.bitwise_count(partner & z) & 1).astype(int)
        partners.append(partner)
        factors.append(coefficient * 1j ** (letters.count("Y") % 4) * sign)
    moved = state[jnp.asarray(np.array(partners))]
    return jnp.sum(jnp.conj(state) * jnp.asarray(np.array(factors), dtype=jnp.complex64) * moved).real


def build(
    case: Case, x: Array, w: Array, g: Array, measure: Callable[[Any, Case], Any] = from_state
) -> Workload:
    """Jitted functions over the whole batch; inputs are already on the device."""
    instructions = case.instructions()

    def sample(x: Any, w: Any) -> Any:
        if case.inputs == "amplitude":
            # Our qubit 0 is the last of TensorCircuit's: reverse the order of the axes.
            cube = (x / jnp.linalg.norm(x)).reshape((2,) * case.qubits)
            circuit = tc.Circuit(case.qubits, inputs=cube.transpose().reshape(-1).astype(jnp.complex64))
        else:
            circuit = tc.Circuit(case.qubits)
        sources = {"x": x, "w": w.ravel()}
        for step in instructions:
            angle = {"theta": sources[step.source][step.index]} if step.source else {}
            getattr(circuit, step.gate)(*step.qubits, **angle)
        return measure(circuit, case)

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
