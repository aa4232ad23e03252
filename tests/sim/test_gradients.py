# SPDX-License-Identifier: Apache-2.0
"""Vector-Jacobian products against central differences of a dense simulator."""

import numpy as np
import pytest

from qstore.batch import CircuitBatch, Expectations, Probabilities, StateVector, Variance
from qstore.circuit import Parameter, QuantumCircuit
from qstore_sim import StatevectorBackend

TOLERANCE = {"double": 2e-8, "single": 2e-4}
"""Central differences with step 1e-5 are good to about 1e-9 here; single keeps seven digits of terms of size ten."""


def loss_of(template, outputs, cotangent, dense, shared):
    """The loss sum(cotangent * values) as a function of the bindings."""
    n, batch = template.n_qubits, len(cotangent)
    matrices = [dense.pauli(o, n) for o in getattr(outputs, "observables", ())]

    def values(state):
        if isinstance(outputs, StateVector):
            return state
        if isinstance(outputs, Probabilities):
            index = np.arange(2**n)
            sub = sum((index >> q & 1) << k for k, q in enumerate(outputs.qubits or range(n)))
            return np.bincount(sub, np.abs(state) ** 2)
        means = np.array([np.vdot(state, m @ state).real for m in matrices])
        if isinstance(outputs, Expectations):
            return means
        return np.array([np.vdot(state, m @ m @ state).real for m in matrices]) - means**2

    def loss(bindings):
        rows = dense.rows(bindings, batch, shared)
        return sum(
            np.sum(np.conj(g) * values(dense.state(template, row))).real
            for g, row in zip(cotangent, rows, strict=True)
        )

    return loss


def check(circuit, bindings, outputs, shape, dense, shared=("w",), precision="double", **options):
    rng = np.random.default_rng(5)
    batch = CircuitBatch.of(circuit, bindings, outputs)
    cotangent = rng.normal(size=(batch.size, shape))
    if isinstance(outputs, StateVector):
        cotangent = cotangent + 1j * rng.normal(size=(batch.size, shape))
    backend = StatevectorBackend(precision, **options)
    result, gradients = backend.vjp_sync(batch, cotangent)
    np.testing.assert_allclose(result.values, backend.run_sync(batch).values, atol=TOLERANCE[precision])
    wanted = dense.derivative(loss_of(circuit.freeze(), outputs, cotangent, dense, shared), bindings)
    assert gradients.keys() == bindings.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == np.float64
        np.testing.assert_allclose(gradient, wanted[name], atol=TOLERANCE[precision], err_msg=name)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_gradients_of_expectations_agree_for_shared_and_per_sample_parameters(n, precision, dense):
    rng = np.random.default_rng(20 + n)
    circuit = dense.circuit(n, 12 * n, rng)
    outputs = Expectations([dense.observable(n, size, rng) for size in (1, 4)])
    check(circuit, dense.bindings(rng, 3), outputs, 2, dense, precision=precision)


@pytest.mark.parametrize("kind", ["variance", "probabilities", "some probabilities", "statevector"])
def test_gradients_of_the_other_outputs_agree(kind, dense):
    rng = np.random.default_rng(7)
    n = 4
    circuit = dense.circuit(n, 30, rng)
    outputs, shape = {
        "variance": (Variance([dense.observable(n, size, rng) for size in (1, 3)]), 2),
        "probabilities": (Probabilities(), 16),
        "some probabilities": (Probabilities((2, 0)), 4),
        "statevector": (StateVector(), 16),
    }[kind]
    check(circuit, dense.bindings(rng, 2), outputs, shape, dense)


def test_gradients_for_initial_amplitudes_agree(dense):
    rng = np.random.default_rng(9)
    a, re, im = Parameter("a", (4,)), Parameter("re", (2,)), Parameter("im", (2,))
    circuit = QuantumCircuit(4).ry(3, "t").initialize(a, (2, 0)).initialize(re, 1, imag=im)
    circuit.rx(0, "t").cx(0, 1).rzz(1, 2, 0.7).ry(2, "t").cx(3, 2).ch(1, 0)
    bindings = {
        "t": np.array(0.6),
        "a": rng.normal(size=(3, 4)),
        "re": rng.normal(size=2),
        "im": rng.normal(size=(3, 2)),
    }
    check(circuit, bindings, Expectations([dense.observable(4, 5, rng)]), 1, dense, shared=("t", "re"))
    check(circuit, bindings, StateVector(), 16, dense, shared=("t", "re"))


@pytest.mark.parametrize(("n", "batch", "threads"), [(9, 17, 2), (12, 2, 2), (13, 1, 3)])
def test_gradients_of_states_larger_than_a_block_agree_with_parameter_shifts(n, batch, threads, dense):
    rng = np.random.default_rng(n)
    w, x = Parameter("w", (n, 2)), Parameter("x", (n,))
    circuit = QuantumCircuit(n)
    for q in range(n):
        circuit.rx(q, x[q]).ry(q, w[q, 0])
    for q in range(n):
        circuit.cx(q, (q + 1) % n).rz(q, w[q, 1])
    for q in range(n):
        circuit.ry(q, x[q])
    circuit.rxx(0, n - 1, w[0, 0])
    circuit.unitary(dense.unitary(4, rng), (1, n - 1))
    bindings = {"w": rng.normal(size=(n, 2)), "x": rng.normal(size=(batch, n))}
    outputs = Expectations([dense.observable(n, 3, rng), dense.observable(n, 2, rng)])
    cotangent = rng.normal(size=(batch, 2))
    many, one = StatevectorBackend(threads=threads), StatevectorBackend(threads=1)
    _, gradients = many.vjp_sync(CircuitBatch.of(circuit, bindings, outputs), cotangent)
    _, again = one.vjp_sync(CircuitBatch.of(circuit, bindings, outputs), cotangent)

    def loss(changed):
        return np.sum(cotangent * many.run_sync(CircuitBatch.of(circuit, changed, outputs)).values)

    for name, index in (("w", (0, 0)), ("w", (n - 1, 1)), ("x", (0, 0)), ("x", (batch - 1, n // 2))):
        ends = []
        for step in (1e-5, -1e-5):
            moved = bindings[name].copy()
            moved[index] += step
            ends.append(loss({**bindings, name: moved}))
        np.testing.assert_allclose(gradients[name][index], (ends[0] - ends[1]) / 2e-5, atol=1e-8)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, again[name], atol=1e-12)


def test_only_what_is_wanted_is_differentiated(dense):
    rng = np.random.default_rng(2)
    circuit, bindings = dense.circuit(3, 20, rng), dense.bindings(rng, 4)
    batch = CircuitBatch.of(circuit, bindings, Expectations([dense.observable(3, 4, rng)]))
    cotangent = rng.normal(size=(4, 1))
    backend = StatevectorBackend()
    _, everything = backend.vjp_sync(batch, cotangent)
    for name in ("w", "x"):
        _, one = backend.vjp_sync(batch, cotangent, wrt=[name])
        assert list(one) == [name]
        np.testing.assert_allclose(one[name], everything[name], atol=1e-13)
    assert backend.vjp_sync(batch, cotangent, wrt=[])[1] == {}


def test_a_gradient_repeats_bit_for_bit(dense):
    rng = np.random.default_rng(4)
    circuit, bindings = dense.circuit(6, 60, rng), dense.bindings(rng, 50)
    batch = CircuitBatch.of(circuit, bindings, Expectations([dense.observable(6, 4, rng)]))
    cotangent = rng.normal(size=(50, 1))
    first = StatevectorBackend("single").vjp_sync(batch, cotangent)[1]
    second = StatevectorBackend("single", threads=1).vjp_sync(batch, cotangent)[1]
    assert all(np.array_equal(first[name], second[name]) for name in first)
