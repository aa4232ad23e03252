# SPDX-License-Identifier: Apache-2.0
"""States and matrices as gates of the table, exact to the global phase."""

from qstore.circuit.synthesis.factors import MAGIC, canonical_factors, tensor_factors
from qstore.circuit.synthesis.multiplexed import multiplexed, multiplexed_angles, multiplexed_cotangent
from qstore.circuit.synthesis.states import amplitude_angles, amplitude_cotangents, prepared, rotation_level
from qstore.circuit.synthesis.unitaries import synthesized

__all__ = [
    "MAGIC",
    "amplitude_angles",
    "amplitude_cotangents",
    "canonical_factors",
    "multiplexed",
    "multiplexed_angles",
    "multiplexed_cotangent",
    "prepared",
    "rotation_level",
    "synthesized",
    "tensor_factors",
]
