# SPDX-License-Identifier: Apache-2.0
"""The backend around the kernels: options, limits, imports, caching."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from qstore.batch import CircuitBatch, Expectations, Probabilities, StateVector
from qstore.circuit import QuantumCircuit, Z
from qstore.errors import BindingError, CapabilityError, OptionError, ResourceError
from qstore_sim import StatevectorBackend, memory


def test_listing_the_plugin_imports_no_numba():
    code = "import sys, qstore_sim, qstore_sim.plugin; sys.exit('numba' in sys.modules or 'llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_options_out_of_range_are_refused():
    with pytest.raises(OptionError, match="precision must be one of"):
        StatevectorBackend("half")
    with pytest.raises(OptionError, match="threads must be"):
        StatevectorBackend(threads=0)


def test_a_state_that_does_not_fit_is_refused_before_it_is_allocated():
    with pytest.raises(ResourceError, match="GiB are available"):
        memory.check_memory(1 << 60, "A run of 28 qubits")


def test_more_qubits_than_the_limit_are_refused():
    with pytest.raises(CapabilityError, match="runs up to 32 qubits; this circuit has 33"):
        StatevectorBackend().run_sync(CircuitBatch.of(QuantumCircuit(33).h(0), {}, Expectations([Z(0)])))


def test_a_state_larger_than_the_memory_is_refused_with_its_size():
    with pytest.raises(ResourceError, match=r"A run of 32 qubits needs 64.0 GiB"):
        StatevectorBackend().run_sync(CircuitBatch.of(QuantumCircuit(32).h(0), {}, Expectations([Z(0)])))


def test_amplitudes_without_a_direction_are_refused():
    from qstore.circuit import Parameter

    circuit = QuantumCircuit(1).initialize(Parameter("a", (2,)))
    batch = CircuitBatch.of(circuit, {"a": np.array([[1.0, 0.0], [0.0, 0.0]])}, StateVector())
    with pytest.raises(BindingError, match="in row 1"):
        StatevectorBackend().run_sync(batch)


def test_a_cotangent_of_the_wrong_shape_is_refused():
    batch = CircuitBatch.of(QuantumCircuit(2).ry(0, "t"), {"t": np.zeros(3)}, Expectations([Z(0)]))
    with pytest.raises(
        OptionError, match=r"cotangent has shape \(3, 2\); the values of this batch have \(3, 1\)"
    ):
        StatevectorBackend().vjp_sync(batch, np.zeros((3, 2)))


def test_empty_and_constant_circuits_run():
    backend = StatevectorBackend()
    assert backend.run_sync(CircuitBatch.of(QuantumCircuit(1), {}, StateVector())).values.tolist() == [[1, 0]]
    assert backend.run_sync(
        CircuitBatch.of(QuantumCircuit(10), {}, Expectations([Z(9)]))
    ).values.tolist() == [[1]]
    circuit = QuantumCircuit(13).x(12).cx(12, 0)
    assert backend.run_sync(CircuitBatch.of(circuit, {}, Expectations([Z(0)]))).values.tolist() == [[-1]]
    result, gradients = backend.vjp_sync(
        CircuitBatch.of(QuantumCircuit(2).h(0), {}, Expectations([Z(0)])), np.ones((1, 1))
    )
    assert abs(result.values[0, 0]) < 1e-15
    assert gradients == {}


def test_threads_may_run_the_same_circuit_at_the_same_time(dense):
    rng = np.random.default_rng(0)
    circuit, bindings = dense.circuit(6, 60, rng), dense.bindings(rng, 64)
    batch = CircuitBatch.of(circuit, bindings, Expectations([dense.observable(6, 3, rng)]))
    backend = StatevectorBackend()
    wanted = backend.run_sync(batch).values
    wrong = []

    def work():
        wrong.extend(1 for _ in range(20) if not np.array_equal(backend.run_sync(batch).values, wanted))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_async_twins_give_the_same():
    import asyncio

    batch = CircuitBatch.of(QuantumCircuit(2).ry(0, "t"), {"t": np.linspace(0, 1, 3)}, Expectations([Z(0)]))
    backend = StatevectorBackend()
    result = asyncio.run(backend.run(batch))
    np.testing.assert_allclose(result.values[:, 0], np.cos(np.linspace(0, 1, 3)))
    _, gradients = asyncio.run(backend.vjp(batch, np.ones((3, 1))))
    np.testing.assert_allclose(gradients["t"], -np.sin(np.linspace(0, 1, 3)), atol=1e-15)


def test_new_circuits_and_read_only_arrays_compile_nothing(dense):
    from qstore_sim.kernels import crew

    rng = np.random.default_rng(5)
    backend = StatevectorBackend()
    for n in (2, 5, 13):
        for batch in (1, 9):
            bindings = dense.bindings(rng, batch)
            cotangent = np.ones((batch, 1))
            cotangent.flags.writeable = False
            circuit = CircuitBatch.of(
                dense.circuit(n, 9, rng), bindings, Expectations([dense.observable(n, 2, rng)])
            )
            backend.vjp_sync(circuit, cotangent)
            backend.run_sync(circuit)
            backend.run_sync(CircuitBatch.of(QuantumCircuit(n).ry(0, "t"), {"t": 0.1}, Probabilities()))
    for entry in (crew.run,):
        assert len(entry.signatures) <= 2  # one for each precision
