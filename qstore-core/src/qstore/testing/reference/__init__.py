# SPDX-License-Identifier: Apache-2.0
"""The kit's own simulator: dense density matrices, one gate at a time, written to be read.

It shares nothing with any backend, nor with the gate table's matrices: each gate is defined here once more from Pauli
matrices. Qubit 0 is the least significant bit of every index.
"""

from qstore.testing.reference.differences import pulled_back
from qstore.testing.reference.evolution import density, statevector
from qstore.testing.reference.gate_definitions import channel, gate_matrix
from qstore.testing.reference.values import expected_gradients, expected_values, outcome_probabilities

__all__ = [
    "channel",
    "density",
    "expected_gradients",
    "expected_values",
    "gate_matrix",
    "outcome_probabilities",
    "pulled_back",
    "statevector",
]
