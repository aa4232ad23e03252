# SPDX-License-Identifier: Apache-2.0
"""Every output of every simulator agrees with the embedded one, bit order, phase and all."""

import asyncio
import pickle

import numpy as np
import pytest

import qstore as qs
from backends.subjects import OUTPUTS, REFERENCE, SUBJECTS, bindings_of, every_gate, subject
from qstore.circuit import GATES, GateKind, Parameter, QuantumCircuit

STARTS = [None, "real", "part", "constant"]


def compare(backend, tolerance, circuit, bindings, outputs=OUTPUTS):
    compared = 0
    for output in outputs:
        if type(output).__name__ not in backend.capabilities.exact_outputs:
            continue
        if circuit.is_noisy and isinstance(output, qs.StateVector):
            continue
        found = qs.run(circuit, bindings, output, backend=backend)
        wanted = qs.run(circuit, bindings, output, backend=REFERENCE).values
        np.testing.assert_allclose(found.values, wanted, atol=tolerance, rtol=0)
        assert found.backend == backend.name
        compared += 1
    assert compared >= 2


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", SUBJECTS)
def test_every_gate_in_every_output(name, start):
    backend, tolerance = subject(name)
    if start is not None and "initialize" not in backend.capabilities.gates:
        pytest.skip("prepares no states")
    for seed in range(2):
        circuit = every_gate(backend, seed, start=start)
        compare(backend, tolerance, circuit, bindings_of(circuit))


@pytest.mark.parametrize("start", [None, "real"])
@pytest.mark.parametrize("name", SUBJECTS)
def test_every_channel_with_strengths_of_its_row(name, start):
    backend, tolerance = subject(name)
    if not backend.capabilities.noise or (start and "initialize" not in backend.capabilities.gates):
        pytest.skip("simulates no channels, or prepares no states")
    circuit = every_gate(backend, channels=True, start=start)
    compare(backend, tolerance, circuit, bindings_of(circuit))
    shared = bindings_of(circuit, shared=[p.name for p in circuit.parameters])
    compare(backend, tolerance, circuit, shared)


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_gate_by_itself_with_an_angle_of_each_row(name):
    # A library that turns a gate by another angle than it was given would hide in a long circuit's tolerance.
    backend, tolerance = subject(name)
    angles = Parameter("angles", (4,))
    bindings = {"angles": np.array([[0.3, 1.1, -0.7, 2.9], [1e-5, -4.0, 0.2, 7.0]])}
    for gate, row in GATES.items():
        if row.kind is not GateKind.UNITARY or not row.n_angles or gate not in backend.capabilities.gates:
            continue
        circuit = QuantumCircuit(3)
        for q in range(3):
            circuit.u(q, 0.4 + q, 0.5, 0.6)
        circuit.append(gate, [2, 0, 1][: row.n_qubits], [angles[k] for k in range(row.n_angles)])
        circuit.h(0).ry(1, 0.3).rx(2, 0.2)
        compare(
            backend,
            tolerance,
            circuit,
            bindings,
            [qs.Expectations([qs.Z(q) for q in range(3)]), *OUTPUTS[1:3]],
        )


@pytest.mark.parametrize("name", SUBJECTS)
def test_qubits_without_a_gate_and_circuits_without_any(name):
    backend, tolerance = subject(name)
    compare(backend, tolerance, QuantumCircuit(3), {})
    compare(backend, tolerance, QuantumCircuit(4).ry(2, "t"), {"t": np.array([0.1, 0.7])})


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_row_alone_has_the_values_that_it_has_in_a_batch(name):
    backend, tolerance = subject(name)
    circuit = every_gate(backend)
    bindings = bindings_of(circuit, rows=5, shared=())
    whole = qs.run(circuit, bindings, OUTPUTS[0], backend=backend).values
    alone = qs.run(circuit, {k: v[3] for k, v in bindings.items()}, OUTPUTS[0], backend=backend).values
    np.testing.assert_allclose(alone[0], whole[3], atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", SUBJECTS)
def test_many_runs_at_once_and_a_pickled_copy_give_the_same(name):
    backend, tolerance = subject(name)
    circuit = every_gate(backend)
    bindings = bindings_of(circuit)
    wanted = qs.run(circuit, bindings, OUTPUTS[0], backend=backend).values

    async def together():
        runs = [qs.run_async(circuit, bindings, OUTPUTS[0], backend=backend) for _ in range(4)]
        return await asyncio.gather(*runs)

    for result in asyncio.run(together()):
        np.testing.assert_allclose(result.values, wanted, atol=tolerance, rtol=0)
    copy = pickle.loads(pickle.dumps(backend))
    np.testing.assert_allclose(
        qs.run(circuit, bindings, OUTPUTS[0], backend=copy).values, wanted, atol=tolerance, rtol=0
    )


@pytest.mark.parametrize("name", [name for name in SUBJECTS if SUBJECTS[name][2] < 1e-6])
def test_a_noise_model_means_what_it_means_to_the_embedded_simulator(name):
    registered, options, tolerance = SUBJECTS[name]
    backend, _ = subject(name)
    if not backend.capabilities.noise:
        pytest.skip("simulates no channels")
    noise = qs.NoiseModel(p1=0.01, p2=0.05, amplitude_damping=0.02, readout_0=0.03, readout_1=0.06)
    noisy = qs.get_backend(registered, noise=noise, **options)
    reference = qs.get_backend("statevector", noise=noise)
    circuit = QuantumCircuit(3).h(0).cx(0, 1).ry(2, "t").cz(1, 2)
    bindings = {"t": np.array([0.3, 1.2])}
    for output in (qs.Expectations([qs.Z(0) @ qs.Z(1), qs.X(2)]), qs.Probabilities([2, 0])):
        found = qs.run(circuit, bindings, output, backend=noisy).values
        wanted = qs.run(circuit, bindings, output, backend=reference).values
        np.testing.assert_allclose(found, wanted, atol=tolerance, rtol=0)
    found = qs.run(circuit, bindings, shots=200, seed=4, backend=noisy).counts
    assert found == qs.run(circuit, bindings, shots=200, seed=4, backend=reference).counts
