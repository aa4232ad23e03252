# SPDX-License-Identifier: Apache-2.0
"""What travels: batches, outputs, results, capabilities and estimates. Values only."""

from qstore.batch.capabilities import ALL_GATES, ANYTHING, Capabilities, Estimate
from qstore.batch.circuit_batch import CircuitBatch
from qstore.batch.noise_model import NoiseModel
from qstore.batch.outputs import (
    Counts,
    DensityMatrix,
    Expectations,
    Output,
    Probabilities,
    Samples,
    StateVector,
    Variance,
)
from qstore.batch.result import BatchResult, bitstring
from qstore.batch.runs import Run, current_run, process_rank, run_context, state_home

__all__ = [
    "ALL_GATES",
    "ANYTHING",
    "BatchResult",
    "Capabilities",
    "CircuitBatch",
    "Counts",
    "DensityMatrix",
    "Estimate",
    "Expectations",
    "NoiseModel",
    "Output",
    "Probabilities",
    "Run",
    "Samples",
    "StateVector",
    "Variance",
    "bitstring",
    "current_run",
    "process_rank",
    "run_context",
    "state_home",
]
