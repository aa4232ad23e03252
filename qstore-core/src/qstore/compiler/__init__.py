# SPDX-License-Identifier: Apache-2.0
"""From circuits to circuits: passes for any hardware, the pipeline that runs them, and the check of what they made."""

from qstore.compiler.dilation import dilate
from qstore.compiler.equivalence import (
    MAX_CHECKED_QUBITS,
    TOLERANCE,
    Certificate,
    distance_on_states,
    evolved,
    require_equivalent,
)
from qstore.compiler.passes import CancelInverses, DecomposeInto, DropIdentities, MergeRotations
from qstore.compiler.pipeline import Compiled, Pass, Pipeline, Step
from qstore.compiler.preparation import PreparationMap, lower_initialize

__all__ = [
    "MAX_CHECKED_QUBITS",
    "TOLERANCE",
    "CancelInverses",
    "Certificate",
    "Compiled",
    "DecomposeInto",
    "DropIdentities",
    "MergeRotations",
    "Pass",
    "Pipeline",
    "PreparationMap",
    "Step",
    "dilate",
    "distance_on_states",
    "evolved",
    "lower_initialize",
    "require_equivalent",
]
