# SPDX-License-Identifier: Apache-2.0
"""The Cirq sampler and simulator against `cirq.Simulator`."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

cirq = pytest.importorskip("cirq")

from qstore.errors import CapabilityError, CircuitError  # noqa: E402
from qstore_sim.guests import QStoreSampler, QStoreSimulator  # noqa: E402

EXACT = 1e-10
SIGMAS = 6  # a false alarm in 1e-9 of the comparisons
A, B, C = cirq.LineQubit.range(3)
S, T = sympy.symbols("s t")
CIRCUIT = cirq.Circuit(
    cirq.ry(S)(A),
    cirq.CX(A, B) ** T,
    cirq.PhasedXPowGate(phase_exponent=0.3, exponent=0.4)(C),
    cirq.ISWAP(B, C) ** 0.5,
    cirq.rx(2 * S + 1)(A),
)
SWEEP = cirq.Product(cirq.Linspace("s", 0, 2, 4), cirq.Linspace("t", 0, 1, 3))
VECTOR = np.arange(1, 9) / np.linalg.norm(np.arange(1, 9))


def reference():
    return cirq.Simulator(dtype=np.complex128, seed=2)


def test_expectation_values_of_a_sweep_agree():
    observables = [cirq.Z(A) * cirq.X(B), cirq.Y(C) + 2 * cirq.Z(B) - 0.5]
    ours = QStoreSimulator().simulate_expectation_values_sweep(CIRCUIT, observables, SWEEP)
    theirs = reference().simulate_expectation_values_sweep(CIRCUIT, observables, SWEEP)
    np.testing.assert_allclose(ours, np.real(theirs), atol=EXACT)


@pytest.mark.parametrize("initial", [None, 3, VECTOR], ids=["zero", "number", "amplitudes"])
@pytest.mark.parametrize("order", [cirq.QubitOrder.DEFAULT, [C, A, B]], ids=["sorted", "permuted"])
def test_final_states_of_a_sweep_agree_to_their_phase(initial, order):
    ours = QStoreSimulator().simulate_sweep(CIRCUIT, SWEEP, order, initial)
    theirs = reference().simulate_sweep(CIRCUIT, SWEEP, order, initial)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.params == other.params
        assert abs(abs(np.vdot(mine.final_state_vector, other.final_state_vector)) - 1) < EXACT
        assert mine.qubit_map == other.qubit_map


def test_samples_of_a_sweep_agree_with_measurements_in_the_middle():
    keys, shots = ["x", "y", "z", "y2"], 1000  # Cirq runs such circuits shot by shot
    rows = [{"s": 0.7, "t": 0.5}, {"s": 2, "t": 1}]
    measured = CIRCUIT + cirq.Circuit(
        cirq.measure(C, A, key="x", invert_mask=(True,)),
        cirq.H(A),
        cirq.measure(A, key="y"),
        cirq.H(B),
        cirq.measure(B, key="z"),
        cirq.X(C).with_classical_controls("y"),
        cirq.measure(C, key="y2"),
    )
    ours = QStoreSimulator(seed=1).run_sweep(measured, rows, repetitions=shots)
    for mine, other in zip(ours, reference().run_sweep(measured, rows, repetitions=shots), strict=True):
        first, second = (each.multi_measurement_histogram(keys=keys) for each in (mine, other))
        worst = max(abs(first[outcome] - second[outcome]) for outcome in {*first, *second})
        assert worst < SIGMAS * (shots / 2) ** 0.5


def test_a_key_measured_twice_has_two_records():
    twice = cirq.Circuit(
        cirq.H(A), cirq.measure(A, key="k"), cirq.measure(A, key="k"), cirq.X(A), cirq.measure(A, key="k")
    )
    records = QStoreSampler(seed=1).run(twice, repetitions=50).records["k"]
    assert records.shape == (50, 3, 1)
    assert (records[:, 0] == records[:, 1]).all()
    assert (records[:, 0] != records[:, 2]).all()
    assert QStoreSampler().run(twice, repetitions=0).records["k"].shape == (0, 3, 1)


def test_a_seed_repeats_and_equal_rows_have_shots_of_their_own():
    coin = cirq.Circuit(cirq.H(A), cirq.measure(A, key="m"))
    rows = [{"s": 1}, {"s": 2}]
    first, again = (
        [r.records["m"].ravel().tolist() for r in QStoreSampler(seed=3).run_sweep(coin, rows, 40)]
        for _ in "ab"
    )
    assert first == again
    assert first[0] != first[1]


def test_qubits_with_names_and_symbols_that_are_not_affine():
    named = cirq.NamedQubit("n")
    bent = cirq.Circuit(cirq.ry(S * T)(named))
    found = QStoreSimulator().simulate_expectation_values_sweep(bent, cirq.Z(named), SWEEP)
    expected = [[np.cos(r.value_of("s") * r.value_of("t"))] for r in cirq.to_resolvers(SWEEP)]
    np.testing.assert_allclose(found, expected, atol=EXACT)


def test_what_cannot_be_done_is_refused():
    simulator = QStoreSimulator()
    with pytest.raises(ValueError, match="no measurements"):
        simulator.run(cirq.Circuit(cirq.H(A)))
    with pytest.raises(ValueError, match="permit_terminal_measurements"):
        simulator.simulate_expectation_values(cirq.Circuit(cirq.measure(A)), cirq.Z(A))
    with pytest.raises(CircuitError, match="has no value"):
        simulator.simulate(cirq.Circuit(cirq.rx(S)(A)))
    with pytest.raises(CircuitError, match="not Hermitian"):
        simulator.simulate_expectation_values(cirq.Circuit(cirq.H(A)), 1j * cirq.Z(A))
    with pytest.raises(CapabilityError, match="no statevector"):
        simulator.simulate(cirq.Circuit(cirq.H(A), cirq.depolarize(0.1)(A)))


def test_noise_counts_in_expectation_values():
    noisy = cirq.Circuit(cirq.X(A), cirq.amplitude_damp(0.3)(A))
    assert abs(QStoreSimulator().simulate_expectation_values(noisy, cirq.Z(A))[0] + 0.4) < EXACT


def test_any_backend_can_be_inside():
    bell = cirq.Circuit(cirq.H(A), cirq.CX(A, B), cirq.measure(A, B, key="m"))
    assert {*QStoreSampler("cirq", seed=7).run(bell, repetitions=50).histogram(key="m")} == {0, 3}
