# SPDX-License-Identifier: Apache-2.0
"""The embedded simulator against Cirq, on random circuits over the whole gate set."""

import numpy as np
import pytest

import qstore as qs
from judges import cirq_judge
from judges.random_circuits import CHANNELS, random_circuit, random_observable

TOLERANCE = {"double": 1e-9, "single": 1e-4}
SIZES = [1, 2, 3, 4, 5, 6, 8, 10, 12]


def _prepared(n, seed, **options):
    rng = np.random.default_rng([n, seed])
    circuit, bindings = random_circuit(rng, n, 10 + 3 * n, **options)
    rows = [qs.CircuitBatch.of(circuit, bindings).row_bindings(i) for i in range(3)]
    return rng, circuit, bindings, rows


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("initialize", [None, "real", "complex"])
@pytest.mark.parametrize("n", SIZES)
def test_every_exact_output_agrees_with_cirq(n, initialize, precision):
    rng, circuit, bindings, rows = _prepared(n, 1, initialize=initialize)
    backend = qs.get_backend("statevector", precision=precision)
    states = np.array([cirq_judge.statevector(circuit, row) for row in rows])
    observables = [random_observable(rng, n) for _ in range(2)]
    some = tuple(int(q) for q in rng.permutation(n)[: max(1, n // 2)])
    atol = TOLERANCE[precision] * (4 if precision == "single" else 1)

    def run(outputs):
        return qs.run(circuit, bindings, outputs, backend=backend).values

    np.testing.assert_allclose(run(qs.StateVector()), states, atol=atol)
    np.testing.assert_allclose(run(qs.Probabilities()), abs(states) ** 2, atol=atol)
    np.testing.assert_allclose(run(qs.Probabilities(some)), _marginal(states, n, some), atol=atol)
    np.testing.assert_allclose(run(qs.DensityMatrix(some)), _reduced(states, n, some), atol=atol)
    means = np.array([[cirq_judge.expectation(o, n, s) for o in observables] for s in states])
    squares = np.array([[cirq_judge.expectation(o.squared(), n, s) for o in observables] for s in states])
    scale = 1 + np.abs(squares).max()
    np.testing.assert_allclose(run(qs.Expectations(observables)), means, atol=atol * scale)
    np.testing.assert_allclose(run(qs.Variance(observables)), squares - means**2, atol=atol * scale)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("initialize", [None, "complex"])
def test_noisy_circuits_agree_with_cirq(n, initialize):
    rng, circuit, bindings, rows = _prepared(n, 2, channels=CHANNELS, initialize=initialize)
    circuit.amplitude_damping(0, gamma=0.3).reset(n - 1).ry(n - 1, 0.4)
    expected = np.array([cirq_judge.density_matrix(circuit, row) for row in rows])
    observables = [random_observable(rng, n), qs.Z(0)]
    means = [[np.trace(rho @ cirq_judge.pauli_matrix(o, n)).real for o in observables] for rho in expected]
    np.testing.assert_allclose(qs.run(circuit, bindings, qs.DensityMatrix()).values, expected, atol=1e-9)
    np.testing.assert_allclose(
        qs.run(circuit, bindings, qs.Expectations(observables)).values, means, atol=1e-9
    )
    diagonal = np.diagonal(expected, axis1=1, axis2=2).real
    np.testing.assert_allclose(qs.run(circuit, bindings, qs.Probabilities()).values, diagonal, atol=1e-9)


@pytest.mark.parametrize("noisy", [False, True])
def test_counts_pass_a_chi_squared_test_against_cirqs_probabilities(noisy):
    _, circuit, bindings, rows = _prepared(3, 3, channels=CHANNELS if noisy else ())
    shots = 20_000
    result = qs.run(circuit, bindings, qs.Counts(), shots=shots, seed=11)
    for row, counts in zip(rows, result.counts, strict=True):
        rho = cirq_judge.density_matrix(circuit, row)
        expected = shots * np.diagonal(rho).real.clip(0)
        observed = np.array([counts.get(outcome, 0) for outcome in range(8)])
        kept = expected > 5
        statistic = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
        # 7 degrees of freedom at most: a value above 29.9 has probability 1e-4, six rows are tested with one fixed seed.
        assert statistic < 29.9
        assert observed[expected < 1e-9].sum() == 0


@pytest.mark.parametrize("n", [1, 3])
def test_samples_are_the_shots_of_the_counts(n):
    _, circuit, bindings, _ = _prepared(n, 4)
    samples = qs.run(circuit, bindings, qs.Samples(), shots=300, seed=5).values
    counts = qs.run(circuit, bindings, qs.Counts(), shots=300, seed=5).counts
    assert samples.shape == (3, 300, n)
    assert samples.dtype == np.uint8
    outcomes = samples @ (1 << np.arange(n))
    for row, expected in zip(outcomes, counts, strict=True):
        values, numbers = np.unique(row, return_counts=True)
        assert dict(zip(values.tolist(), numbers.tolist(), strict=True)) == expected


def _marginal(states, n, some):
    index = np.array([sum((i >> q & 1) << k for k, q in enumerate(some)) for i in range(1 << n)])
    return np.array([np.bincount(index, weights=abs(s) ** 2, minlength=1 << len(some)) for s in states])


def _reduced(states, n, some):
    rest = [q for q in range(n) if q not in some]
    axes = [n - 1 - q for q in reversed(some)] + [n - 1 - q for q in rest]
    arranged = np.array([s.reshape((2,) * n).transpose(axes).reshape(1 << len(some), -1) for s in states])
    return np.einsum("bij,bkj->bik", arranged, arranged.conj())
