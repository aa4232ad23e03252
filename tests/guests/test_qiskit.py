# SPDX-License-Identifier: Apache-2.0
"""The Qiskit backend and primitives against Qiskit's own reference primitives."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("qiskit")

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile  # only where Qiskit is
from qiskit.circuit import Parameter, ParameterVector
from qiskit.primitives import BackendSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp

from qstore.errors import CircuitError, OptionError
from qstore_sim.guests import QStoreBackend, QStoreEstimatorV2, QStoreSamplerV2

EXACT = 1e-10
SIGMAS = 6  # a false alarm in 1e-9 of the comparisons
RNG = np.random.default_rng(2)
T, A = ParameterVector("t", 3), Parameter("a")
OBSERVABLES = ["ZII", "XYZ", SparsePauliOp(["ZZI", "IXI", "III"], [0.5, 2, -1]), "YYX"]


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(3)
    made.ry(T[0], 0)
    made.rx(2 * T[1] + A, 1)
    made.cx(0, 2)
    made.crz(T[2], 2, 1)
    made.h(1)
    return made


@pytest.mark.parametrize(
    ("observables", "shape"),
    [
        ("ZII", ()),
        (OBSERVABLES, (4,)),
        ([OBSERVABLES], (5, 1)),
        ([[o] for o in OBSERVABLES], (6,)),
        (OBSERVABLES * 8, (32,)),
    ],
    ids=["one", "zipped", "outer", "the other way", "long"],
)
def test_expectations_have_qiskits_values_and_shapes(observables, shape):
    pub = (circuit(), observables, RNG.normal(size=(*shape, 4)))
    ours = QStoreEstimatorV2().run([pub]).result()[0]
    theirs = StatevectorEstimator().run([pub]).result()[0]
    assert ours.data.shape == theirs.data.shape
    np.testing.assert_allclose(ours.data.evs, theirs.data.evs, atol=EXACT)
    np.testing.assert_array_equal(ours.data.stds, 0)
    assert ours.metadata["target_precision"] == 0


def test_a_precision_is_kept_and_a_seed_repeats():
    pub = (circuit(), [OBSERVABLES], RNG.normal(size=(5, 1, 4)))
    exact = QStoreEstimatorV2().run([pub]).result()[0].data.evs
    first = QStoreEstimatorV2(seed=3).run([pub, pub], precision=0.05).result()
    again = QStoreEstimatorV2(seed=3).run([pub, pub], precision=0.05).result()
    data = first[0].data
    assert data.stds.max() < 0.06
    assert np.abs(data.evs - exact).max() < SIGMAS * 0.05
    np.testing.assert_array_equal(data.evs, again[0].data.evs)
    assert (data.evs != first[1].data.evs).any()
    with pytest.raises(OptionError, match="ask for at least"):
        QStoreEstimatorV2().run([pub], precision=1e-7).result()


def test_projectors_count_as_observables():
    plus = QuantumCircuit(2)
    plus.h(0)
    found = QStoreEstimatorV2().run([(plus, ["I+", "0+", "1I", "I0", "Ir"])]).result()[0].data.evs
    np.testing.assert_allclose(found, [1, 1, 0, 0.5, 0.5], atol=EXACT)


def test_angles_that_are_not_affine_are_bound_row_by_row():
    bent = QuantumCircuit(1)
    bent.ry(T[0] * T[1], 0)
    found = QStoreEstimatorV2().run([(bent, "Z", [[0.1, 0.2], [0.3, 4.0]])]).result()[0].data.evs
    np.testing.assert_allclose(found, np.cos([0.02, 1.2]), atol=EXACT)


def distance(first, second, shots):
    """The largest difference of two rows of counts in standard deviations of a difference of two coins."""
    return max(abs(first.get(key, 0) - second.get(key, 0)) for key in {*first, *second}) / (shots / 2) ** 0.5


def test_samples_have_qiskits_registers_and_distribution():
    shots = 20_000
    a, b = ClassicalRegister(2, "a"), ClassicalRegister(9, "b")
    measured = QuantumCircuit(QuantumRegister(3), a, b)
    measured.compose(circuit(), inplace=True)
    measured.measure([0, 1, 2], [b[8], a[1], b[0]])
    pub = (measured, RNG.normal(size=(2, 3, 4)))
    ours = QStoreSamplerV2(seed=1).run([pub], shots=shots).result()[0].data
    theirs = StatevectorSampler(seed=1).run([pub], shots=shots).result()[0].data
    for name in ("a", "b"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine.shape, mine.num_shots, mine.num_bits) == (other.shape, other.num_shots, other.num_bits)
        for index in np.ndindex(2, 3):
            assert distance(mine.get_counts(index), other.get_counts(index), shots) < SIGMAS


def test_a_samplers_seed_repeats():
    measured = circuit().assign_parameters([0.4] * 4)
    measured.measure_all()
    first, again = (QStoreSamplerV2(seed=1).run([measured, measured]).result() for _ in range(2))
    assert (first[0].data.meas.array == again[0].data.meas.array).all()
    assert (first[0].data.meas.array != first[1].data.meas.array).any()


def test_teleportation_reads_bits_that_were_measured_in_the_middle():
    q, c0, c1 = QuantumRegister(3), ClassicalRegister(1), ClassicalRegister(2)
    made = QuantumCircuit(q, c0, c1)
    made.ry(1.0, 0)
    made.h(1)
    made.cx(1, 2)
    made.cx(0, 1)
    made.h(0)
    made.measure(0, c0[0])
    made.measure(1, c1[0])
    with made.if_test((c1[0], 1)):
        made.x(2)
    with made.if_test((c0, 1)):
        made.z(2)
    made.x(0)  # nobody may see this
    made.h(1)
    made.measure(2, c1[1])
    shots = 20_000
    counts = QStoreBackend().run(made, shots=shots, seed_simulator=2).result().get_counts()
    ones = sum(count for bits, count in counts.items() if bits[0] == "1")
    assert abs(ones / shots - np.sin(0.5) ** 2) < SIGMAS * 0.5 / shots**0.5
    for middle in ("00", "01", "10", "11"):
        share = sum(count for bits, count in counts.items() if bits[1] + bits[3] == middle) / shots
        assert abs(share - 0.25) < SIGMAS * 0.5 / shots**0.5


def test_one_qubit_measured_again_and_again():
    made = QuantumCircuit(1, 4)
    made.h(0)
    made.measure(0, 0)
    made.measure(0, 1)
    made.h(0)
    made.measure(0, 2)
    made.reset(0)
    made.x(0)
    made.measure(0, 3)
    counts = QStoreBackend().run(made, shots=2000, seed_simulator=5).result().get_counts()
    assert {*counts} == {"1000", "1011", "1100", "1111"}


def test_a_job_has_an_experiment_for_each_circuit_and_value():
    backend = QStoreBackend(n_qubits=5)
    bell = QuantumCircuit(2, 2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure([0, 1], [1, 0])
    swept = circuit()
    swept.measure_all()
    values = {parameter: [0.1, 0.2, 0.3] for parameter in swept.parameters}
    job = backend.run(
        [transpile(bell, backend), swept, bell], parameter_binds=[{}, values, {}], shots=50, memory=True
    )
    result = job.result()
    assert [sum(result.get_counts(index).values()) for index in range(5)] == [50] * 5
    assert {*result.get_memory(0)} <= {"00", "11"}
    assert result.get_memory(0) != result.get_memory(4)
    assert job.status().name == "DONE"
    with pytest.raises(OptionError, match="bind them all"):
        backend.run(swept)
    with pytest.raises(OptionError, match="no option 'shotz'"):
        backend.run(bell, shotz=3)


def test_qiskits_own_sampler_takes_the_backend():
    measured = circuit().assign_parameters([0.4] * 4)
    measured.measure_all()
    backend = QStoreBackend(n_qubits=4)
    found = (
        BackendSamplerV2(backend=backend).run([transpile(measured, backend)], shots=100).result()[0].data.meas
    )
    assert sum(found.get_counts().values()) == 100


def test_a_measurement_inside_a_condition_is_refused():
    made = QuantumCircuit(1, 2)
    made.measure(0, 0)
    with made.if_test((0, 1)):
        made.measure(0, 1)
    with pytest.raises(CircuitError, match="inside control flow"):
        QStoreSamplerV2().run([made]).result()


def test_a_circuit_without_classical_bits_is_warned_about():
    with pytest.warns(UserWarning, match="measure it"):
        QStoreSamplerV2().run([QuantumCircuit(1)]).result()
