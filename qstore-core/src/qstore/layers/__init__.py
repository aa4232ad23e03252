# SPDX-License-Identifier: Apache-2.0
"""Framework-neutral parts of quantum layers: circuits with named inputs and weights, and what is measured on them."""

from qstore.layers.hardware_efficient import (
    ENCODINGS,
    ENTANGLEMENTS,
    entangling_pairs,
    hardware_efficient_circuit,
)
from qstore.layers.measurements import basis_observables

__all__ = [
    "ENCODINGS",
    "ENTANGLEMENTS",
    "basis_observables",
    "entangling_pairs",
    "hardware_efficient_circuit",
]
