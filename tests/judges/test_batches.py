# SPDX-License-Identifier: Apache-2.0
"""A batch of B equals B batches of one, and shots do not depend on how work was cut up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qstore as qs
from judges.random_circuits import random_circuit

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=25, deadline=None, derandomize=True)


def _single(bindings, row):
    return {name: array[row] if name in ("x", "a") else array for name, array in bindings.items()}


@quick
@given(seed=seeds, n=st.integers(1, 6), batch=st.integers(1, 40), initialize=st.sampled_from([None, "real"]))
def test_a_batch_equals_its_rows_one_by_one(seed, n, batch, initialize):
    circuit, bindings = random_circuit(np.random.default_rng(seed), n, 12, batch=batch, initialize=initialize)
    together = qs.run(circuit, bindings, qs.StateVector()).values
    for row in {0, batch // 2, batch - 1}:
        alone = qs.run(circuit, _single(bindings, row), qs.StateVector()).values[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-12)


@quick
@given(seed=seeds, n=st.integers(1, 6), batch=st.integers(1, 20))
def test_gradients_of_a_batch_are_those_of_its_rows(seed, n, batch):
    rng = np.random.default_rng(seed)
    circuit, bindings = random_circuit(rng, n, 12, batch=batch)
    outputs = qs.Expectations([qs.Z(0), qs.X(n - 1)])
    cotangent = rng.normal(size=(batch, 2))
    _, together = qs.value_and_vjp(circuit, bindings, outputs, cotangent)
    rows = [
        qs.value_and_vjp(circuit, _single(bindings, row), outputs, cotangent[row : row + 1])[1]
        for row in range(batch)
    ]
    np.testing.assert_allclose(together["x"], [row["x"] for row in rows], atol=1e-10)
    np.testing.assert_allclose(together["w"], sum(row["w"] for row in rows), atol=1e-10)


@quick
@given(seed=seeds, n=st.integers(1, 5), precision=st.sampled_from(["double", "single"]))
def test_the_counts_of_a_sample_do_not_depend_on_batch_order_or_threads(seed, n, precision):
    rng = np.random.default_rng(seed)
    batch = 37
    circuit, bindings = random_circuit(rng, n, 14, batch=batch)
    one = qs.get_backend("statevector", precision=precision, threads=1)
    two = qs.get_backend("statevector", precision=precision, threads=2)
    together = qs.run(circuit, bindings, shots=64, seed=9, backend=two).counts
    order = rng.permutation(batch)
    shuffled = qs.run(circuit, {**bindings, "x": bindings["x"][order]}, shots=64, seed=9, backend=one).counts
    assert [together[i] for i in order] == list(shuffled)
    for row in rng.choice(batch, 3, replace=False):
        assert (
            qs.run(circuit, _single(bindings, row), shots=64, seed=9, backend=one).counts[0] == together[row]
        )


def test_a_binding_given_for_every_row_counts_as_the_shared_one():
    circuit, bindings = random_circuit(np.random.default_rng(1), 3, 14, batch=5)
    repeated = {**bindings, "w": np.broadcast_to(bindings["w"], (5, 2, 3))}
    shared = qs.run(circuit, bindings, shots=100, seed=2)
    assert qs.run(circuit, repeated, shots=100, seed=2).counts == shared.counts
    np.testing.assert_allclose(qs.run(circuit, repeated).values, qs.run(circuit, bindings).values, atol=1e-12)


def test_repeated_rows_are_independent_and_repeat_with_the_seed():
    circuit = qs.QuantumCircuit(4).h(0).h(1).h(2).h(3).rz(0, "t")
    rows = {"t": np.zeros(3)}
    first = qs.run(circuit, rows, shots=200, seed=4).counts
    assert first[0] != first[1] != first[2]
    assert qs.run(circuit, rows, shots=200, seed=4).counts == first
    assert qs.run(circuit, rows, shots=200, seed=5).counts != first


def test_without_a_seed_results_differ_and_the_recorded_seed_repeats_them():
    circuit = qs.QuantumCircuit(4).h(0).h(1).h(2).h(3)
    first, second = (qs.run(circuit, shots=500) for _ in range(2))
    assert first.counts != second.counts
    assert qs.run(circuit, shots=500, seed=first.seed).counts == first.counts


@pytest.mark.parametrize("method", ["parameter_shift", "finite_difference"])
def test_gradients_from_shots_repeat_with_the_seed_and_lie_around_the_exact_ones(method):
    circuit = qs.QuantumCircuit(2).ry(0, "a").cx(0, 1).ry(1, "b")
    bindings = {"a": np.array([0.4, 1.0]), "b": 0.7}
    outputs = qs.Expectations([qs.Z(0), qs.X(1) @ qs.Z(0)])
    _, exact = qs.value_and_vjp(circuit, bindings, outputs)
    runs = [
        qs.value_and_vjp(circuit, bindings, outputs, shots=40_000, seed=1, gradient_method=method)[1]
        for _ in range(2)
    ]
    for name in bindings:
        np.testing.assert_array_equal(runs[0][name], runs[1][name])
        # Shot noise is below 0.02 for shifts and 0.05 for differences of step 0.2, whose own bias is below 0.01.
        np.testing.assert_allclose(runs[0][name], exact[name], atol=0.15)
