# SPDX-License-Identifier: Apache-2.0
"""Outcomes are functions of a row's stream key, and have the probabilities of the circuit."""

import numpy as np
import pytest

import qstore as qs
from backends.subjects import EXACT_SAMPLERS, REFERENCE, SUBJECTS, bindings_of, every_gate, subject

SHOTS = 4000
QUANTILE = 57.0
"""Of chi-squared with 7 degrees of freedom: exceeded with probability 6e-10; 12 subjects, 3 rows: 2e-8 per run."""


@pytest.mark.parametrize("name", SUBJECTS)
def test_frequencies_pass_a_chi_squared_test(name):
    backend, _ = subject(name)
    circuit = every_gate(backend)
    bindings = bindings_of(circuit)
    expected = SHOTS * qs.run(circuit, bindings, qs.Probabilities(), backend=REFERENCE).values
    counts = qs.run(circuit, bindings, qs.Counts(), shots=SHOTS, seed=5, backend=backend).counts
    for row, wanted in zip(counts, expected, strict=True):
        assert sum(row.values()) == SHOTS
        found = np.array([row.get(outcome, 0) for outcome in range(8)])
        assert ((found - wanted) ** 2 / wanted).sum() < QUANTILE


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_row_has_the_same_outcomes_alone_in_a_batch_and_in_another_order(name):
    backend, _ = subject(name)
    circuit = every_gate(backend)
    bindings = bindings_of(circuit, rows=4, shared=())
    whole = qs.run(circuit, bindings, shots=100, seed=6, backend=backend).counts
    assert whole == qs.run(circuit, bindings, shots=100, seed=6, backend=backend).counts
    assert whole != qs.run(circuit, bindings, shots=100, seed=7, backend=backend).counts
    backwards = {k: v[::-1] for k, v in bindings.items()}
    assert qs.run(circuit, backwards, shots=100, seed=6, backend=backend).counts == whole[::-1]
    third = {k: v[2] for k, v in bindings.items()}
    assert qs.run(circuit, third, shots=100, seed=6, backend=backend).counts[0] == whole[2]


@pytest.mark.parametrize("name", EXACT_SAMPLERS)
def test_outcomes_are_those_of_the_embedded_simulator(name):
    # Not a promise, but a sharp test: equal probabilities and keys leave only rounding to tell two simulators apart.
    backend, _ = subject(name)
    circuit = every_gate(backend)
    bindings = bindings_of(circuit)
    for output in (qs.Counts(), qs.Samples()):
        found = qs.run(circuit, bindings, output, shots=200, seed=8, backend=backend)
        wanted = qs.run(circuit, bindings, output, shots=200, seed=8, backend=REFERENCE)
        assert found.counts == wanted.counts
        if found.values is not None:
            np.testing.assert_array_equal(found.values, wanted.values)


@pytest.mark.parametrize("name", SUBJECTS)
def test_expectations_from_shots_come_with_standard_errors(name):
    backend, _ = subject(name)
    circuit = qs.QuantumCircuit(2).ry(0, 0.7).cx(0, 1)
    observables = [qs.Z(0), qs.X(0) @ qs.X(1)]
    result = qs.run(circuit, outputs=qs.Expectations(observables), shots=2000, seed=9, backend=backend)
    exact = qs.run(circuit, outputs=qs.Expectations(observables), backend=REFERENCE).values
    # Six standard deviations: two values, twelve subjects, false alarm below 1e-7 per run.
    assert (np.abs(result.values - exact) < 6 * result.standard_errors + 1e-9).all()


def test_matrix_product_states_run_more_qubits_than_memory_holds():
    backend, _ = subject("aer-mps")
    n = 40
    circuit = qs.QuantumCircuit(n).h(0)
    for q in range(n - 1):
        circuit.cx(q, q + 1)
    circuit.rz(0, "t")
    values = qs.run(
        circuit, {"t": [0.1, 0.2]}, qs.Expectations([qs.Z(0) @ qs.Z(n - 1), qs.Z(3)]), backend=backend
    )
    np.testing.assert_allclose(values.values, [[1, 0], [1, 0]], atol=1e-9)
    counts = qs.run(circuit, {"t": [0.1, 0.2]}, shots=50, seed=1, backend=backend).counts
    assert all(set(row) <= {0, 2**n - 1} for row in counts)
