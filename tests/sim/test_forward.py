# SPDX-License-Identifier: Apache-2.0
"""Exact results against a dense simulator and against Cirq."""

import numpy as np
import pytest

from qstore.batch import CircuitBatch, DensityMatrix, Expectations, Probabilities, StateVector, Variance
from qstore.circuit import GATES, GateKind, QuantumCircuit
from qstore_sim import StatevectorBackend

TOLERANCE = {"double": 1e-11, "single": 2e-5}
"""Rounding of some hundred rotations; single keeps about seven digits."""


@pytest.mark.parametrize("name", [name for name, spec in GATES.items() if spec.kind is GateKind.UNITARY])
def test_a_gate_equals_its_matrix_with_its_global_phase(name, dense):
    rng = np.random.default_rng(1)
    for on in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        circuit = QuantumCircuit(3)
        for q in range(3):
            circuit.u(q, *rng.normal(size=3))
        width = GATES[name].n_qubits or 2
        if name == "unitary":
            circuit.unitary(dense.unitary(4, rng), on[:2])
        else:
            circuit.append(name, on[:width], list(rng.normal(size=GATES[name].n_angles)))
        found = StatevectorBackend().run_sync(CircuitBatch.of(circuit, {}, StateVector())).values
        np.testing.assert_allclose(found[0], dense.state(circuit.freeze(), {}), atol=1e-13)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("n", range(1, 9))
def test_random_circuits_give_the_dense_statevector(n, precision, dense):
    rng = np.random.default_rng(n)
    backend = StatevectorBackend(precision)
    for batch in (1, 3, 19):
        circuit = dense.circuit(n, 10 * n, rng)
        bindings = dense.bindings(rng, batch)
        found = backend.run_sync(CircuitBatch.of(circuit, bindings, StateVector())).values
        wanted = [dense.state(circuit.freeze(), row) for row in dense.rows(bindings, batch)]
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE[precision])


@pytest.mark.parametrize(
    ("n", "batch", "threads"), [(9, 9, 2), (11, 2, 1), (12, 2, 2), (13, 1, 3), (14, 9, 1)]
)
def test_states_larger_than_a_block_are_the_same_with_any_number_of_threads(n, batch, threads, dense):
    rng = np.random.default_rng(n)
    circuit = dense.circuit(n, 8 * n, rng)
    bindings = dense.bindings(rng, batch)
    backend = StatevectorBackend(threads=threads)
    found = backend.run_sync(CircuitBatch.of(circuit, bindings, StateVector())).values
    wanted = [dense.state(circuit.freeze(), row) for row in dense.rows(bindings, batch)]
    np.testing.assert_allclose(found, wanted, atol=1e-11)
    observables = [dense.observable(n, 6, rng)]
    value = backend.run_sync(CircuitBatch.of(circuit, bindings, Expectations(observables))).values
    index = np.arange(2**n)
    for row, state in enumerate(wanted):
        total = 0
        for x, z, coefficient in observables[0].terms:
            weights = 1j ** (x & z).bit_count() * (1 - 2.0 * (np.bitwise_count(index & z) & 1))
            total += coefficient * np.vdot(state[index ^ x], weights * state).real
        np.testing.assert_allclose(value[row, 0], total, atol=1e-10)


@pytest.mark.parametrize("n", [1, 4, 6])
def test_cirq_agrees_on_random_circuits(n, dense):
    cirq = pytest.importorskip("cirq")
    rng = np.random.default_rng(n)
    circuit = dense.circuit(n, 12 * n, rng)
    bindings = dense.bindings(rng, 2)
    found = StatevectorBackend().run_sync(CircuitBatch.of(circuit, bindings, StateVector())).values
    line = cirq.LineQubit.range(n)
    for row, sample in enumerate(dense.rows(bindings, 2)):
        moments = cirq.Circuit()
        for op in circuit.operations:
            matrix = (
                op.matrix() if op.unitary else op.spec.matrix(np.array([a.value(sample) for a in op.angles]))
            )
            moments.append(cirq.MatrixGate(matrix).on(*[line[q] for q in reversed(op.qubits)]))
        wanted = cirq.final_state_vector(moments, qubit_order=line[::-1], dtype=np.complex128)
        np.testing.assert_allclose(found[row], wanted, atol=1e-9)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_every_output_agrees_with_its_definition(n, precision, dense):
    rng = np.random.default_rng(10 + n)
    backend, tolerance = StatevectorBackend(precision), 10 * TOLERANCE[precision]
    circuit, batch = dense.circuit(n, 8 * n, rng), 5
    bindings = dense.bindings(rng, batch)
    states = np.array([dense.state(circuit.freeze(), row) for row in dense.rows(bindings, batch)])
    observables = [dense.observable(n, size, rng) for size in (1, 3, 12)]

    def run(outputs):
        return backend.run_sync(CircuitBatch.of(circuit, bindings, outputs)).values

    matrices = [dense.pauli(observable, n) for observable in observables]
    means = np.array([[np.vdot(s, m @ s).real for m in matrices] for s in states])
    squares = np.array([[np.vdot(s, m @ m @ s).real for m in matrices] for s in states])
    np.testing.assert_allclose(run(Expectations(observables)), means, atol=tolerance)
    np.testing.assert_allclose(run(Variance(observables)), squares - means**2, atol=20 * tolerance)
    np.testing.assert_allclose(run(Probabilities()), np.abs(states) ** 2, atol=tolerance)
    qubits = tuple(int(q) for q in rng.permutation(n)[: (n + 1) // 2])
    small = run(DensityMatrix(qubits))
    full = run(DensityMatrix())
    np.testing.assert_allclose(full, states[:, :, None] * states[:, None, :].conj(), atol=tolerance)
    index = np.arange(2**n)
    sub = sum((index >> q & 1) << k for k, q in enumerate(qubits))
    wanted = np.zeros_like(small)
    for i in index:
        for j in index:
            if all((i >> q & 1) == (j >> q & 1) for q in range(n) if q not in qubits):
                wanted[:, sub[i], sub[j]] += full[:, i, j]
    np.testing.assert_allclose(small, wanted, atol=tolerance)
    np.testing.assert_allclose(run(Probabilities(qubits)), np.einsum("bii->bi", small).real, atol=tolerance)


def test_constant_and_bound_amplitudes_start_the_state(dense):
    from qstore.circuit import Parameter

    rng = np.random.default_rng(3)
    a, re, im = (Parameter(name, (4,)) for name in ("a", "re", "im"))
    circuit = QuantumCircuit(5).h(4)
    constant = rng.normal(size=2) + 1j * rng.normal(size=2)
    circuit.initialize(a, (2, 0)).initialize(constant / np.linalg.norm(constant), 1)
    circuit.cx(4, 0).rx(2, 0.3).ry(1, "t").cx(0, 1)
    bindings = {"a": rng.normal(size=(6, 4)), "t": np.array(0.4)}
    found = StatevectorBackend().run_sync(CircuitBatch.of(circuit, bindings, StateVector())).values
    wanted = [dense.state(circuit.freeze(), row) for row in dense.rows(bindings, 6, ("t",))]
    np.testing.assert_allclose(found, wanted, atol=1e-13)
    circuit = QuantumCircuit(2).initialize(re, imag=im).ry(0, 0.2)
    bindings = {"re": rng.normal(size=4), "im": rng.normal(size=(3, 4))}
    found = StatevectorBackend().run_sync(CircuitBatch.of(circuit, bindings, StateVector())).values
    wanted = [dense.state(circuit.freeze(), row) for row in dense.rows(bindings, 3, ("re",))]
    np.testing.assert_allclose(found, wanted, atol=1e-13)
