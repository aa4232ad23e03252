# SPDX-License-Identifier: Apache-2.0
"""`pullback_sync` keeps the final states of a forward pass: same numbers as the sweep in one go, bounded memory."""

import gc
import threading

import numpy as np
import pytest

from qstore.batch import (
    CircuitBatch,
    Expectations,
    NoiseModel,
    Probabilities,
    StateVector,
    Variance,
)
from qstore.circuit import Parameter, QuantumCircuit
from qstore.errors import OptionError
from qstore_sim import StatevectorBackend, kept_states
from qstore_sim.kept_states import KeptStates


def _cotangent(batch, rng):
    shape = StatevectorBackend().run_sync(batch).values.shape
    real = rng.normal(size=shape)
    return real + 1j * rng.normal(size=shape) if isinstance(batch.outputs, StateVector) else real


@pytest.mark.parametrize("kind", ["expectations", "variance", "probabilities", "some", "state"])
@pytest.mark.parametrize(("precision", "threads"), [("double", 2), ("single", 1)])
@pytest.mark.parametrize(("n", "size"), [(1, 1), (3, 5), (6, 50)])
def test_two_passes_give_the_numbers_of_one_bit_for_bit(kind, precision, threads, n, size, dense):
    rng = np.random.default_rng(n)
    observables = [dense.observable(n, 3, rng), dense.observable(n, 2, rng)]
    outputs = {
        "expectations": Expectations(observables), "variance": Variance(observables), "state": StateVector(),
        "probabilities": Probabilities(), "some": Probabilities((n - 1,)),
    }[kind]  # fmt: skip
    batch = CircuitBatch.of(dense.circuit(n, 30, rng), dense.bindings(rng, size), outputs)
    backend = StatevectorBackend(precision, threads=threads)
    first, second = _cotangent(batch, rng), _cotangent(batch, rng)
    result, pull = backend.pullback_sync(batch)
    for cotangent in (first, second, first):  # it may be called again
        expected, gradients = backend.vjp_sync(batch, cotangent)
        found = pull(cotangent)
        np.testing.assert_array_equal(result.values, expected.values)
        assert found.keys() == gradients.keys()
        for name, gradient in gradients.items():
            np.testing.assert_array_equal(found[name], gradient)


def test_threads_on_one_large_state_keep_it_too():
    n = 13
    x = Parameter("x", (n,))
    circuit = QuantumCircuit(n)
    for q in range(n):
        circuit.ry(q, x[q]).cx(q, (q + 1) % n)
    batch = CircuitBatch.of(circuit, {"x": np.linspace(0, 1, n)}, Probabilities((0, 5)))
    cotangent = np.array([[1.0, -2.0, 0.5, 0.25]])
    backend = StatevectorBackend(threads=3)
    result, pull = backend.pullback_sync(batch)
    expected, gradients = backend.vjp_sync(batch, cotangent)
    np.testing.assert_array_equal(result.values, expected.values)
    np.testing.assert_array_equal(pull(cotangent)["x"], gradients["x"])


def test_prepared_amplitudes_are_differentiated():
    rng = np.random.default_rng(5)
    data, w = Parameter("data", (8,)), Parameter("w")
    circuit = QuantumCircuit(3).initialize(data).rx(0, w).cx(0, 2)
    batch = CircuitBatch.of(circuit, {"data": rng.normal(size=(20, 8)), "w": 0.3}, Probabilities((2,)))
    backend = StatevectorBackend()
    cotangent = rng.normal(size=(20, 2))
    _, pull = backend.pullback_sync(batch)
    _, gradients = backend.vjp_sync(batch, cotangent)
    for name, gradient in pull(cotangent).items():
        np.testing.assert_array_equal(gradient, gradients[name])


def _small(rows=3):
    x = Parameter("x", (2,))
    circuit = QuantumCircuit(2).ry(0, x[0]).ry(1, x[1]).cx(0, 1)
    return CircuitBatch.of(circuit, {"x": np.ones((rows, 2))}, Probabilities())


def test_only_what_is_wanted_is_differentiated(dense):
    rng = np.random.default_rng(2)
    batch = CircuitBatch.of(dense.circuit(3, 20, rng), dense.bindings(rng, 4), Probabilities())
    backend = StatevectorBackend()
    cotangent = rng.normal(size=(4, 8))
    _, pull = backend.pullback_sync(batch, ["w"])
    found = pull(cotangent)
    assert list(found) == ["w"]
    np.testing.assert_allclose(found["w"], backend.vjp_sync(batch, cotangent)[1]["w"], atol=1e-13)


def test_what_has_no_state_to_keep_is_left_to_the_usual_way():
    backend = StatevectorBackend()
    batch = _small()
    noisy = QuantumCircuit(1).rx(0, Parameter("t")).reset(0)
    assert backend.pullback_sync(CircuitBatch.of(batch.circuit, batch.bindings, shots=10, seed=1)) is None
    assert StatevectorBackend(noise=NoiseModel.depolarizing(0.01)).pullback_sync(batch) is None
    assert backend.pullback_sync(batch, ["nobody"]) is None
    assert backend.pullback_sync(CircuitBatch.of(noisy, {"t": 0.1}, Probabilities())) is None


def test_memory_is_bounded_and_comes_back(monkeypatch):
    backend = StatevectorBackend()
    backend.run_sync(_small())
    size = backend._runner.engine(_small(), frozenset({"x"})).kept_bytes(3)
    monkeypatch.setattr(kept_states, "MOST_BYTES", 2 * size)
    held = [backend.pullback_sync(_small()) for _ in range(3)]
    assert [each is None for each in held] == [False, False, True]
    first = held[0][1](np.ones((3, 4)))
    del held
    gc.collect()
    again = [backend.pullback_sync(_small()) for _ in range(2)]
    for _, pull in again:
        np.testing.assert_array_equal(pull(np.ones((3, 4)))["x"], first["x"])


def test_memory_is_used_again():
    kept = KeptStates()
    made = []

    def make():
        made.append(np.zeros(16))
        return made[-1]

    for _ in range(5):
        states = kept.take(128, make)
        assert states.room.states is made[0]
        del states
    assert len(made) == 1
    other = kept.take(64, lambda: np.zeros(8))
    assert other.room.states.nbytes == 64


def test_any_thread_may_pull_and_all_find_the_same(dense):
    rng = np.random.default_rng(8)
    batch = CircuitBatch.of(dense.circuit(5, 40, rng), dense.bindings(rng, 60), Probabilities())
    backend = StatevectorBackend(threads=2)
    _, pull = backend.pullback_sync(batch)
    cotangent = rng.normal(size=(60, 32))
    expected = backend.vjp_sync(batch, cotangent)[1]
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(pull(cotangent) for _ in range(10))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 40
    for gradients in found:
        for name, gradient in expected.items():
            np.testing.assert_array_equal(gradients[name], gradient)


def test_a_wrong_cotangent_is_refused_and_the_next_one_is_right():
    backend = StatevectorBackend()
    _, pull = backend.pullback_sync(_small())
    with pytest.raises(OptionError, match="shape"):
        pull(np.ones((2, 4)))
    expected = backend.vjp_sync(_small(), np.eye(4)[:3])[1]["x"]
    np.testing.assert_array_equal(pull(np.eye(4)[:3])["x"], expected)
