# SPDX-License-Identifier: Apache-2.0
"""TensorCircuit-NG on JAX as most tutorials use it: `expectation_ps`, one observable at a time."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bench.peers import tensorcircuit_jax
from bench.workload import Array, Case, Workload


def one_by_one(circuit: Any, case: Case) -> Any:
    """Each <Z_q> by an expectation of its own; TensorCircuit reuses the contracted state."""
    return jnp.stack([jnp.real(circuit.expectation_ps(z=[q])) for q in range(case.qubits)])


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """The workload of `tensorcircuit_jax`, measured otherwise."""
    return tensorcircuit_jax.build(case, x, w, g, measure=one_by_one)
