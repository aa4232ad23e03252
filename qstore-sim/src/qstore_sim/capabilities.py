# SPDX-License-Identifier: Apache-2.0
"""What the embedded simulator can do, as data."""

from qstore.batch import ALL_GATES, Capabilities

MAX_QUBITS = 32
"""A state of one row takes 16 bytes an amplitude, half of it in single precision: 64 GiB at 32 qubits."""

CAPABILITIES = Capabilities(
    max_qubits=MAX_QUBITS,
    gates=ALL_GATES,
    exact_outputs=frozenset({"Expectations", "Variance", "Probabilities", "StateVector", "DensityMatrix"}),
    shot_outputs=frozenset({"Counts", "Samples"}),
    differentiable_outputs=frozenset({"Expectations", "Variance", "Probabilities", "StateVector"}),
    noise=True,
    feedback=True,
    differentiates_noise=True,
)
