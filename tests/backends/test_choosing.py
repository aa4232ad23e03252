# SPDX-License-Identifier: Apache-2.0
"""What is refused, what a missing library says, and which simulator `SimulatorConfig` takes."""

import subprocess
import sys

import numpy as np
import pytest

import qstore as qs
from backends.subjects import SUBJECTS, subject
from qstore.errors import BackendUnavailable, CapabilityError, ExecutionError, OptionError, ResourceError
from qstore.plugins import loaded_plugins
from qstore_sim import SimulatorConfig
from qstore_sim.backends import config
from qstore_sim.backends.libraries import library
from qstore_sim.backends.pieces import InPieces


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_is_not_declared_is_refused_before_anything_runs(name):
    backend, _ = subject(name)
    known = backend.capabilities
    cases = [
        (qs.QuantumCircuit(2).h(0), qs.StateVector(), "StateVector" in known.exact_outputs),
        (qs.QuantumCircuit(1).depolarizing(0, p=0.1), qs.Expectations([qs.Z(0)]), known.noise),
        (
            qs.QuantumCircuit(1).initialize([0.6, 0.8]),
            qs.Expectations([qs.Z(0)]),
            "initialize" in known.gates,
        ),
        (qs.QuantumCircuit(1).measure(0), qs.Expectations([qs.Z(0)]), known.feedback),
        (qs.QuantumCircuit(known.max_qubits + 1).h(0), qs.Expectations([qs.Z(0)]), False),
    ]
    for circuit, output, can in cases:
        batch = qs.CircuitBatch.of(circuit, {}, output)
        if can:
            assert backend.run_sync(batch).values is not None
            continue
        with pytest.raises(CapabilityError):
            qs.run(circuit, {}, output, backend=backend)
        with pytest.raises(CapabilityError):
            backend.run_sync(batch)


def test_an_instance_promises_no_more_than_its_registration():
    for name, (registered, options, _) in SUBJECTS.items():
        backend, _ = subject(name)
        spec = loaded_plugins().backends.get(registered).spec.capabilities
        assert backend.capabilities == spec or "method" in options
        assert not backend.capabilities.paid
        estimate = backend.estimate(qs.CircuitBatch.of(qs.QuantumCircuit(2).h(0), shots=100))
        assert estimate.usd == 0
        assert estimate.seconds > 0
        assert estimate.error == 0.1


def test_listing_imports_none_of_the_libraries():
    code = (
        "import sys, qstore.plugins as p; names = p.loaded_plugins().backends.names;"
        "heavy = {'cirq', 'qiskit', 'qiskit_aer', 'pennylane', 'braket', 'distributed', 'qsimcirq', 'numba'};"
        "print(sorted(heavy & set(sys.modules)), 'dask' in names)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[] True"


def test_a_missing_library_says_what_to_install():
    with pytest.raises(BackendUnavailable, match=r"pip install 'qstore-sim\[qsim\]'"):
        library("no_such_library", backend="qsim", extra="qsim")


def test_what_a_library_raises_names_the_backend(monkeypatch):
    backend, _ = subject("lightning")
    batch = qs.CircuitBatch.of(qs.QuantumCircuit(1).h(0))
    for raised, ours in ((RuntimeError("inside"), ExecutionError), (MemoryError(), ResourceError)):

        def fail(*_, raised=raised):
            raise raised

        monkeypatch.setattr(backend, "_states", fail)
        with pytest.raises(ours, match=r"'lightning.qubit'") as caught:
            backend.run_sync(batch)
        assert caught.value.__cause__ is raised


def test_lightning_gpu_without_its_package_or_without_a_gpu_says_so():
    if "lightning.gpu" not in config.installed():
        with pytest.raises(BackendUnavailable, match=r"pip install 'qstore-sim\[lightning-gpu\]'"):
            qs.get_backend("lightning.gpu")
        return
    try:
        assert qs.get_backend("lightning.gpu").name == "lightning.gpu"
    except BackendUnavailable as exc:
        pytest.skip(str(exc))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("aer", {"method": "stabilizer"}, "method must be one of"),
        ("aer", {"method": "statevector", "noise": qs.NoiseModel(p1=0.1)}, "needs density matrices"),
        ("aer", {"max_bond_dimension": 4}, "belongs to method='matrix_product_state'"),
        ("aer", {"threads": 0}, "threads must be"),
        ("cirq", {"precision": "half"}, "precision must be one of"),
        ("cirq", {"noise": 0.1}, "noise must be a NoiseModel"),
        ("qsim", {"precision": "double"}, "precision must be one of"),
        ("lightning.qubit", {"precision": 64}, "precision must be one of"),
        ("braket.local", {"threads": 2}, "does not take the options"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    try:
        qs.get_backend(name)
    except BackendUnavailable as exc:
        pytest.skip(str(exc))
    with pytest.raises(OptionError, match=message):
        qs.get_backend(name, **options)


def test_auto_takes_the_embedded_simulator_and_says_why():
    plain = SimulatorConfig()
    assert plain.choose().backend == "statevector"
    assert "is always installed" in repr(plain)
    preferring = SimulatorConfig(prefer_gpu=True, gpu_threshold=15)
    choice = preferring.choose(n_qubits=14)
    assert choice.backend == "statevector"
    assert "from 15 qubits" in choice.reasons[0]
    assert preferring.choose(n_qubits=15).backend in {"statevector", "lightning.gpu"}


def test_a_name_a_precision_and_options_reach_the_backend():
    assert "single" in repr(SimulatorConfig(precision="single").make())
    assert "threads=1" in repr(SimulatorConfig(backend="statevector", options={"threads": 1}).to_backend())
    with pytest.raises(BackendUnavailable, match="No backend named 'qsimm'"):
        SimulatorConfig(backend="qsimm").make()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"precision": "half"}, "precision must be one of"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"gpu_threshold": -1}, "gpu_threshold must be"),
        ({"prefer_gpu": 1}, "prefer_gpu is True or False"),
        ({"backend": None}, "backend is a registered name"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        SimulatorConfig(**values)


def test_a_batch_size_bounds_the_rows_at_a_time_and_changes_nothing_else(monkeypatch):
    pieces = SimulatorConfig(batch_size=4).make()
    assert isinstance(pieces, InPieces)
    circuit = qs.QuantumCircuit(2).rx(0, "x").ry(1, "w").cx(0, 1)
    bindings = {"x": np.linspace(0, 1, 10), "w": 0.3}
    output = qs.Expectations([qs.Z(1)])
    sizes = []
    real = pieces._backend.run_sync
    monkeypatch.setattr(pieces._backend, "run_sync", lambda batch: (sizes.append(batch.size), real(batch))[1])
    wanted = qs.run(circuit, bindings, output)
    np.testing.assert_allclose(
        qs.run(circuit, bindings, output, backend=pieces).values, wanted.values, atol=1e-12
    )
    assert sizes == [4, 4, 2]
    counts = qs.run(circuit, bindings, shots=20, seed=1, backend=pieces).counts
    assert counts == qs.run(circuit, bindings, shots=20, seed=1).counts
    _, found = qs.value_and_vjp(circuit, bindings, output, backend=pieces)
    _, exact = qs.value_and_vjp(circuit, bindings, output)
    for name, gradient in exact.items():
        np.testing.assert_allclose(found[name], gradient, atol=1e-12)


def test_installed_finds_what_can_be_imported():
    for name in config.installed():
        if name != "lightning.gpu":
            qs.get_backend(name)
