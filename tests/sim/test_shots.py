# SPDX-License-Identifier: Apache-2.0
"""Counts and samples: repeatable, independent of how the work was cut, and distributed as the state says."""

import numpy as np
import pytest

from qstore.batch import CircuitBatch, Counts, Samples
from qstore.circuit import QuantumCircuit
from qstore_sim import StatevectorBackend


@pytest.mark.parametrize("precision", ["double", "single"])
def test_an_outcome_does_not_depend_on_the_batch_around_it(precision, dense):
    rng = np.random.default_rng(0)
    n, size = 6, 37
    circuit, bindings = dense.circuit(n, 60, rng), dense.bindings(rng, size)
    bindings["x"][5] = bindings["x"][4]
    backend = StatevectorBackend(precision)
    batch = CircuitBatch.of(circuit, bindings, Samples(), shots=200, seed=3)
    together = backend.run_sync(batch).values
    for row in (0, 4, 5, 18, 36):
        alone = StatevectorBackend(precision, threads=1).run_sync(batch.rows(row, row + 1)).values
        assert np.array_equal(alone[0], together[row])
    reordered = batch.replace(
        bindings={"w": batch.bindings["w"], "x": batch.bindings["x"][::-1]}, _keys=batch.stream_keys[::-1]
    )
    assert np.array_equal(backend.run_sync(reordered).values, together[::-1])
    assert not np.array_equal(together[4], together[5])


def test_an_outcome_does_not_depend_on_whether_a_binding_was_shared(dense):
    rng = np.random.default_rng(1)
    circuit, bindings = dense.circuit(5, 50, rng), dense.bindings(rng, 3)
    repeated = {"w": np.repeat(bindings["w"][None], 3, axis=0), "x": bindings["x"]}
    runs = [
        StatevectorBackend("single")
        .run_sync(CircuitBatch.of(circuit, given, Counts(), shots=1000, seed=9))
        .counts
        for given in (bindings, repeated)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(("n", "threads"), [(12, 2), (13, 3)])
def test_an_outcome_does_not_depend_on_the_number_of_threads(n, threads, dense):
    rng = np.random.default_rng(2)
    circuit, bindings = dense.circuit(n, 4 * n, rng), dense.bindings(rng, 2)
    batch = CircuitBatch.of(circuit, bindings, Samples(), shots=50, seed=1)
    one = StatevectorBackend("single", threads=1).run_sync(batch).values
    many = StatevectorBackend("single", threads=threads).run_sync(batch).values
    assert np.array_equal(one, many)


def test_counts_follow_the_probabilities(dense):
    """Chi-squared over 31 degrees of freedom stays under 80: one false alarm in 300 000 runs; the seed is fixed."""
    rng = np.random.default_rng(3)
    circuit, bindings = dense.circuit(5, 50, rng), dense.bindings(rng, 2)
    shots = 100_000
    result = StatevectorBackend().run_sync(CircuitBatch.of(circuit, bindings, Counts(), shots=shots, seed=5))
    for counts, row in zip(result.counts, dense.rows(bindings, 2), strict=True):
        assert sum(counts.values()) == shots
        expected = shots * np.abs(dense.state(circuit.freeze(), row)) ** 2
        found = np.array([counts.get(outcome, 0) for outcome in range(32)])
        assert ((found - expected) ** 2 / np.maximum(expected, 1e-9)).sum() < 80


def test_qubit_zero_is_the_least_significant_bit_and_the_first_column():
    circuit = QuantumCircuit(3).x(0)
    backend = StatevectorBackend()
    assert backend.run_sync(CircuitBatch.of(circuit, {}, Counts(), shots=7, seed=1)).counts == ({1: 7},)
    samples = backend.run_sync(CircuitBatch.of(circuit, {}, Samples(), shots=2, seed=1)).values
    assert samples.dtype == np.uint8
    assert samples.tolist() == [[[1, 0, 0], [1, 0, 0]]]


def test_the_generator_is_philox():
    """Known answer of the authors' kat_vectors for Philox4x32-10: counter 0, key 0 starts 6627e8d5 e169c58d."""
    from qstore_sim.kernels.sampling import uniform

    expected = ((0x6627E8D5 >> 5) * 2**26 + (0xE169C58D >> 6)) / 2**53
    assert uniform(np.uint64(0), np.uint64(0)) == expected
