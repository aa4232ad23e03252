# SPDX-License-Identifier: Apache-2.0
"""Qiskit: a `BackendV2` and the primitives `SamplerV2` and `EstimatorV2` on any backend of ours.

Qubit k is qubit k, and both sides count bits from the least significant one. programs: circuits as batches; backend,
sampler, estimator: Qiskit's contracts.
"""

from qstore_sim.guests.qiskit.backend import QStoreBackend
from qstore_sim.guests.qiskit.estimator import QStoreEstimatorV2
from qstore_sim.guests.qiskit.sampler import QStoreSamplerV2

__all__ = ["QStoreBackend", "QStoreEstimatorV2", "QStoreSamplerV2"]
