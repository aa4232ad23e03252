# SPDX-License-Identifier: Apache-2.0
"""How many circuits a step takes is what theory says, and all of them travel in one call."""

import numpy as np
import pytest

import qstore as qs
import torch
from gradients.counting import Counting
from gradients.models import mixed, mixed_bindings, prepared, prepared_bindings
from qstore.gradients import vjp
from qstore.gradients.adaptive import Adaptive
from qstore.gradients.finite_difference import FiniteDifference
from qstore.gradients.natural import Natural
from qstore.gradients.spsa import Spsa
from qstore_torch import QuantumLayer

ROWS = 5
Z = qs.Expectations([qs.Z(0)])
USES = {"rotations": 6, "controlled": 1}
"""Angles of `mixed` that read a parameter: six with one frequency (two circuits), one crx with two (four)."""


@pytest.mark.parametrize("shots", [None, 100])
@pytest.mark.parametrize(
    ("method", "per_row"),
    [
        ("parameter_shift", 2 * USES["rotations"] + 4 * USES["controlled"]),
        (FiniteDifference(), 2 * 6),
        (FiniteDifference(form="forward"), 6),
        (Spsa(), 2),
        (Spsa(samples=7), 14),
        (Adaptive(), 2),
    ],
    ids=repr,
)
def test_circuits_per_row_of_a_step(method, per_row, shots):
    backend = Counting()
    found = vjp(
        mixed(), mixed_bindings(ROWS), Z, shots=shots, seed=1, backend=backend, gradient_method=method
    )
    assert len(backend.calls) == 1
    assert backend.circuits == ROWS * (1 + per_row)
    assert found.result.values.shape == (ROWS, 1)


def test_two_circuits_for_each_entry_of_initial_amplitudes():
    backend = Counting()
    vjp(prepared(), prepared_bindings(ROWS), Z, backend=backend, wrt="a")
    assert len(backend.calls) == 1
    assert backend.circuits == ROWS * (1 + 2 * 4)


def test_an_entry_used_in_m_places_takes_two_circuits_for_each():
    for uses in (1, 2, 5):
        circuit = qs.QuantumCircuit(1)
        for _ in range(uses):
            circuit.rx(0, "t").ry(0, 0.3)
        backend = Counting()
        vjp(circuit, {"t": 0.2}, Z, backend=backend)
        assert backend.circuits == 1 + 2 * uses


def test_the_natural_gradient_takes_one_circuit_per_layer_more():
    """Three layers of shared angles: behind the data, behind a layer of entanglers, and the same once more."""
    x, w = qs.Parameter("x", (3,)), qs.Parameter("w", (2, 3))
    circuit = qs.QuantumCircuit(3)
    for q in range(3):
        circuit.ry(q, x[q])
    for layer in range(2):
        for q in range(3):
            circuit.rx(q, w[layer, q])
        circuit.cz(0, 1).cz(1, 2)
    backend = Counting()
    bindings = {"x": np.zeros((ROWS, 3)), "w": np.ones((2, 3))}
    vjp(circuit, bindings, Z, backend=backend, gradient_method=Natural())
    assert len(backend.calls) == 1
    assert backend.circuits == ROWS * (1 + 2 * 9 + 2)


def test_a_layer_before_any_input_takes_one_circuit_for_all_rows_and_the_first_takes_none():
    circuit = qs.QuantumCircuit(1).rx(0, "a").ry(0, "b").rz(0, "x").rx(0, "c")
    backend = Counting()
    bindings = {"a": 0.1, "b": 0.2, "c": 0.3, "x": np.zeros(ROWS)}
    vjp(circuit, bindings, Z, backend=backend, gradient_method="natural")
    assert backend.circuits == ROWS * (1 + 2 * 4) + 0 + 1 + ROWS


@pytest.mark.parametrize(
    ("method", "per_row"), [(Spsa(), 2), ("parameter_shift", 4), (FiniteDifference(), 4)]
)
def test_a_training_step_of_a_layer_does_not_run_the_forward_pass_again(method, per_row):
    circuit = qs.QuantumCircuit(1).rx(0, qs.Parameter("x", (1,))[0]).ry(0, "w")
    backend = Counting()
    layer = QuantumLayer(circuit, backend=backend, shots=100, seed=1, gradient_method=method)
    x = torch.zeros(ROWS, 1, requires_grad=True)
    loss = layer(x).sum()
    assert backend.circuits == ROWS
    loss.backward()
    assert len(backend.calls) == 2
    assert backend.circuits == ROWS * (1 + per_row)
    assert layer.last_gradient.standard_errors.keys() == {"x", "w"}


def test_a_layers_output_may_be_changed_in_place_before_the_backward_pass():
    circuit = qs.QuantumCircuit(1).rx(0, qs.Parameter("x", (1,))[0])
    forward = FiniteDifference(form="forward")
    layer = QuantumLayer(circuit, gradient_method=forward).double()
    x = torch.full((ROWS, 1), 0.5, dtype=torch.float64, requires_grad=True)
    out = layer(x)
    out += 1
    out.sum().backward()
    assert torch.allclose(x.grad, -torch.sin(x), atol=1e-6)
