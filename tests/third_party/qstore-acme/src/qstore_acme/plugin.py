# SPDX-License-Identifier: Apache-2.0
"""What the entry point names: cheap to import."""

from qstore.batch import Capabilities
from qstore.circuit import GATES, GateKind
from qstore.plugins import BackendSpec, CompilerSpec, GradientSpec, hookimpl

UNITARIES = frozenset(name for name, row in GATES.items() if row.kind is GateKind.UNITARY and row.n_qubits)
CAPABILITIES = Capabilities(max_qubits=10, gates=UNITARIES, max_batch=64, max_shots=100_000)
API = (1, 0)


@hookimpl
def qstore_backends():
    """One that only counts."""
    return [
        BackendSpec(
            name="acme.dice",
            summary="a simulator that only counts",
            factory="qstore_acme.backend:Dice",
            api_version=API,
            capabilities=CAPABILITIES,
            aliases=("dice",),
        )
    ]


@hookimpl
def qstore_compilers():
    """One that knows a single trick."""
    return [
        CompilerSpec(name="swaps_as_cx", summary="writes every swap as three cx",
                     factory="qstore_acme.passes:SwapsAsCx", api_version=API),
    ]  # fmt: skip


@hookimpl
def qstore_gradient_methods():
    """One that needs nothing but values."""
    return [
        GradientSpec(name="five_points", summary="central differences of fourth order",
                     factory="qstore_acme.gradients:FivePoints", api_version=API),
    ]  # fmt: skip
