# SPDX-License-Identifier: Apache-2.0
"""Our backends inside other people's SDKs: PennyLane's device, Qiskit's backend and primitives, Cirq's simulator.

Each SDK's own module imports that SDK; nothing here is imported before it is asked for.
"""

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore_sim.guests.cirq import QStoreSampler, QStoreSimulator
    from qstore_sim.guests.pennylane.device import QStoreDevice
    from qstore_sim.guests.qiskit import QStoreBackend, QStoreEstimatorV2, QStoreSamplerV2

__all__ = [
    "QStoreBackend",
    "QStoreDevice",
    "QStoreEstimatorV2",
    "QStoreSampler",
    "QStoreSamplerV2",
    "QStoreSimulator",
]

_LAZY = {
    "QStoreBackend": "qstore_sim.guests.qiskit",
    "QStoreDevice": "qstore_sim.guests.pennylane.device",
    "QStoreEstimatorV2": "qstore_sim.guests.qiskit",
    "QStoreSampler": "qstore_sim.guests.cirq",
    "QStoreSamplerV2": "qstore_sim.guests.qiskit",
    "QStoreSimulator": "qstore_sim.guests.cirq",
}
"""Names and the modules that import their SDK."""
__getattr__ = _loader(__name__, _LAZY)
