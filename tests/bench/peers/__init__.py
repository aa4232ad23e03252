# SPDX-License-Identifier: Apache-2.0
"""The columns of the table: one module per peer, each with `build(case, x, w, g) -> Workload`.

A peer gets its inputs as float64 arrays and converts them before the clock starts; it works in complex64 and float32
where it offers them. `environment` names the interpreter a peer runs in: "main" is the one that runs the benchmark.
"""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """One column: its title, its module in this package, the distributions whose versions are reported.

    `has_options` says that the module builds every variant of a case.
    """

    title: str
    module: str
    distributions: tuple[str, ...]
    environment: str = "main"
    has_options: bool = False


OURS = "qstore"

PEERS: dict[str, Peer] = {
    OURS: Peer(
        "qstore `statevector`", "ours", ("qstore-core", "qstore-sim", "numba", "numpy"), has_options=True
    ),
    "tensorcircuit": Peer(
        "TensorCircuit-NG + JAX jit/vmap, from the state",
        "tensorcircuit_jax",
        ("tensorcircuit-ng", "jax"),
        has_options=True,
    ),
    "tensorcircuit-ps": Peer(
        "TensorCircuit-NG + JAX jit/vmap, expectation_ps",
        "tensorcircuit_expectations",
        ("tensorcircuit-ng", "jax"),
    ),
    "tfq": Peer("TensorFlow Quantum adjoint", "tfq_adjoint", ("tensorflow-quantum", "tensorflow"), "tfq"),
    "qulacs": Peer("qulacs, backprop per sample", "qulacs_backprop", ("qulacs",)),
    "pennylane": Peer("PennyLane default.qubit + torch", "pennylane_torch", ("pennylane", "torch")),
    "lightning": Peer("PennyLane lightning.qubit adjoint", "lightning_adjoint", ("pennylane-lightning",)),
}

LAYER_PEERS: dict[str, Peer] = {
    "tfq-pqc": Peer("TensorFlow Quantum PQC", "tfq_pqc", ("tensorflow-quantum", "tensorflow"), "tfq"),
}
"""Columns of `bench.layers` that need an environment of their own."""
