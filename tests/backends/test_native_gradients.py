# SPDX-License-Identifier: Apache-2.0
"""Gradients by the libraries' own sweeps agree with the embedded simulator's, shared and per sample."""

import numpy as np
import pytest

import qstore as qs
from backends.subjects import OUTPUTS, REFERENCE, bindings_of, every_gate, subject
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore_sim.backends import differentiable

NATIVE = ["pennylane", "lightning", "lightning-single"]
SHARED = [("w",), ("w", "amplitudes"), ("a", "x", "w", "amplitudes", "imaginary")]


@pytest.mark.parametrize("start", [None, "real", "part"])
@pytest.mark.parametrize("name", NATIVE)
def test_gradients_with_respect_to_every_parameter(name, start):
    backend, tolerance = subject(name)
    circuit = every_gate(backend, start=start)
    for shared in SHARED:
        bindings = bindings_of(circuit, shared=shared)
        for output in OUTPUTS:
            if type(output).__name__ not in backend.capabilities.differentiable_outputs:
                continue
            shape = qs.run(circuit, bindings, output, backend=REFERENCE).values.shape
            cotangent = np.random.default_rng(0).normal(size=shape)
            arguments = (circuit, bindings, output, cotangent)
            values, found = qs.value_and_vjp(*arguments, backend=backend, gradient_method="adjoint")
            wanted_values, wanted = qs.value_and_vjp(*arguments, backend=REFERENCE)
            np.testing.assert_allclose(values, wanted_values, atol=tolerance, rtol=0)
            assert found.keys() == wanted.keys()
            for key, gradient in wanted.items():
                np.testing.assert_allclose(found[key], gradient, atol=20 * tolerance, rtol=0)


@pytest.mark.parametrize("name", NATIVE[:2])
def test_a_part_of_the_parameters_and_a_circuit_without_any(name):
    backend, tolerance = subject(name)
    circuit = every_gate(backend)
    bindings = bindings_of(circuit)
    _, found = qs.value_and_vjp(circuit, bindings, OUTPUTS[0], backend=backend, wrt=["w"])
    _, wanted = qs.value_and_vjp(circuit, bindings, OUTPUTS[0], backend=REFERENCE, wrt=["w"])
    assert found.keys() == {"w"}
    np.testing.assert_allclose(found["w"], wanted["w"], atol=tolerance, rtol=0)
    values, nothing = qs.value_and_vjp(
        qs.QuantumCircuit(1).h(0), {}, qs.Expectations([qs.X(0)]), backend=backend
    )
    np.testing.assert_allclose(values, [[1.0]], atol=tolerance)
    assert nothing == {}


def test_a_sweep_in_pieces_gives_what_one_gives(monkeypatch):
    backend, tolerance = subject("pennylane")
    circuit = every_gate(backend, start="real")
    bindings = bindings_of(circuit, rows=5)
    whole = qs.value_and_vjp(circuit, bindings, OUTPUTS[0], backend=backend)
    monkeypatch.setattr(differentiable, "chunks", lambda size, _: [slice(0, 2), slice(2, size)])
    values, gradients = qs.value_and_vjp(circuit, bindings, OUTPUTS[0], backend=backend)
    np.testing.assert_allclose(values, whole[0], atol=tolerance, rtol=0)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, whole[1][name], atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", NATIVE[:2])
def test_what_has_no_native_gradient_is_refused_with_the_way_out(name):
    backend, _ = subject(name)
    batch = qs.CircuitBatch.of(qs.QuantumCircuit(1).rx(0, "t"), {"t": 0.1}, qs.Expectations([qs.Z(0)]))
    one = np.ones((1, 1))
    with pytest.raises(CapabilityError, match="parameter_shift"):
        backend.vjp_sync(batch.replace(outputs=qs.DensityMatrix()), one)
    with pytest.raises(OptionError, match=r"cotangent has shape \(2, 1\)"):
        backend.vjp_sync(batch, np.ones((2, 1)))
    with pytest.raises(BindingError, match="No parameters named"):
        backend.vjp_sync(batch, one, ["nobody"])


def test_parameter_shift_runs_on_backends_without_a_gradient():
    backend, tolerance = subject("cirq")
    circuit = qs.QuantumCircuit(2).rx(0, "t").crx(0, 1, "t")
    arguments = (circuit, {"t": np.array([0.1, 0.5])}, qs.Expectations([qs.Z(1)]))
    _, found = qs.value_and_vjp(*arguments, backend=backend)
    _, wanted = qs.value_and_vjp(*arguments, backend=REFERENCE)
    np.testing.assert_allclose(found["t"], wanted["t"], atol=tolerance)
