# SPDX-License-Identifier: Apache-2.0
"""What the embedded simulator can do, as data."""

from qstore.batch import ALL_GATES, Capabilities

MAX_QUBITS = 28
"""A state of one row takes 2**n cache lines for each part: 32 GiB at 28 qubits."""

CAPABILITIES = Capabilities(
    max_qubits=MAX_QUBITS,
    gates=ALL_GATES - {"measure"},
    exact_outputs=frozenset({"Expectations", "Variance", "Probabilities", "StateVector", "DensityMatrix"}),
    shot_outputs=frozenset({"Counts", "Samples"}),
    differentiable_outputs=frozenset({"Expectations", "Variance", "Probabilities", "StateVector"}),
    noise=True,
)
