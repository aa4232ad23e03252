# SPDX-License-Identifier: Apache-2.0
"""How the simulator registers: through the same door as any plugin. Imports nothing heavy."""

from __future__ import annotations

from qstore.plugins import BackendSpec, CacheSpec, ConverterSpec, hookimpl
from qstore_sim.backends.capabilities import CAPABILITIES as OTHERS
from qstore_sim.capabilities import CAPABILITIES

_API = (1, 0)
_CONVERTERS = {
    "cirq": "cirq.Circuit",
    "qiskit": "qiskit.QuantumCircuit",
    "pennylane": "PennyLane tapes and lists of operations",
    "braket": "braket.circuits.Circuit",
}


_LIBRARIES = {
    "qsim": ("Google's qsim: large states in single precision", "qsim:QsimBackend"),
    "cirq": ("Cirq's simulators of states and density matrices", "cirq:CirqBackend"),
    "aer": ("Qiskit Aer: states, density matrices, matrix product states", "aer:aer"),
    "lightning.qubit": ("PennyLane's C++ simulator with adjoint gradients", "lightning:lightning_qubit"),
    "lightning.gpu": ("the same on an NVIDIA GPU", "lightning:lightning_gpu"),
    "pennylane.default": ("PennyLane's own simulators with backpropagation", "pennylane:PennyLaneBackend"),
    "braket.local": ("Amazon Braket's local simulators", "braket:BraketBackend"),
    "dask": ("shards of a batch on the workers of a Dask cluster", "dask:DaskBackend"),
}
"""Backends on other people's libraries, each behind an extra: summary and factory."""


@hookimpl
def qstore_backends() -> tuple[BackendSpec, ...]:
    """The embedded simulator, and the other simulators that extras bring."""
    return (
        *(
            BackendSpec(
                name=name,
                summary=summary,
                factory=f"qstore_sim.backends.{factory}",
                api_version=_API,
                capabilities=OTHERS[name],
            )
            for name, (summary, factory) in _LIBRARIES.items()
        ),
        BackendSpec(
            name="statevector",
            summary="embedded CPU simulator: whole batches, exact gradients, density matrices",
            factory="qstore_sim.backend:StatevectorBackend",
            api_version=_API,
            capabilities=CAPABILITIES,
        ),
    )


@hookimpl
def qstore_converters() -> tuple[ConverterSpec, ...]:
    """One for each library of circuits; the library itself is imported when one of its circuits is converted."""
    return tuple(
        ConverterSpec(
            name=name,
            summary=summary,
            matches=f"qstore_sim.converters.registered:matches_{name}",
            to_qstore=f"qstore_sim.converters.registered:from_{name}",
            from_qstore=f"qstore_sim.converters.registered:to_{name}",
            api_version=_API,
        )
        for name, summary in _CONVERTERS.items()
    )


@hookimpl
def qstore_caches() -> tuple[CacheSpec, ...]:
    """The machine code of the kernels, which takes up to a minute to compile."""
    return (
        CacheSpec(name="kernels", summary="compiled simulation kernels", api_version=_API,
                  factory="qstore_sim.cache_files:kernel_files"),
    )  # fmt: skip
