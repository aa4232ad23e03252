# SPDX-License-Identifier: Apache-2.0
"""What the programs of `reference/ionq-api.md`, section 7, must give, and how far counts may be off."""

import math

NATIVE_GATES = (0.1, 0.3, 0.13, 0.31, 0.17, 0.77)
"""Turns: gpi2(0, .), gpi(1, .), ms(0, 1, ., ., angle .), gpi2(1, .)."""
NATIVE_PROBABILITIES = {"00": 0.343278, "01": 0.156722, "10": 0.236244, "11": 0.263756}
"""By bits of the qubits 0 and 1, to six digits; `test_braket_agrees_on_the_native_circuit` computes them again."""
NATIVE_DIGITS = 1e-6


def margin(probability, shots, sigmas=5.0):
    """How far a frequency may be from its probability; beyond 5 sigmas once in 1.7 million."""
    return sigmas * math.sqrt(max(probability * (1 - probability), 1 / shots) / shots)


def assert_counts(counts, probabilities, shots):
    assert sum(counts.values()) == shots
    assert set(counts) <= {outcome for outcome, p in probabilities.items() if p > 0}
    for outcome, p in probabilities.items():
        assert abs(counts.get(outcome, 0) / shots - p) <= margin(p, shots), (outcome, counts)
