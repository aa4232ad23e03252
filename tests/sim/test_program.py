# SPDX-License-Identifier: Apache-2.0
"""What the program compiler leaves out and how it cuts a circuit change how long a run takes, never its results."""

import numpy as np
import pytest

import qstore as qs
from qstore_sim.kernels.trigonometry import cosines_and_sines
from qstore_sim.program import compile as compiler
from qstore_sim.program.compile import compile_program
from qstore_sim.program.price import price

N = 9


def layered(depth: int = 2) -> qs.QuantumCircuit:
    """RY and RZ with weights of their own and CNOTs between neighbours, `depth` times."""
    weights = qs.Parameter("w", shape=(2 * N * depth,))
    circuit = qs.QuantumCircuit(N)
    for layer in range(depth):
        for q in range(N):
            circuit.ry(q, weights[2 * (N * layer + q)]).rz(q, weights[2 * (N * layer + q) + 1])
        for q in range(N - 1):
            circuit.cx(q, q + 1)
    return circuit


def step(circuit: qs.QuantumCircuit) -> tuple[np.ndarray, np.ndarray]:
    w = np.random.default_rng(1).uniform(-3, 3, circuit.freeze().parameters[0].size)
    outputs = qs.Expectations([qs.Z(q) for q in range(N)])
    values, grads = qs.value_and_vjp(
        circuit, {"w": w}, outputs, backend=qs.get_backend("statevector", threads=1)
    )
    return values, grads["w"]


@pytest.mark.parametrize("size", [3, 5, 6, N])
def test_blocks_of_any_size_give_the_same(monkeypatch, size):
    values, gradient = step(layered())
    monkeypatch.setattr(compiler, "_block_sizes", lambda n_items, row_bits: [min(size, row_bits)])
    again, gradient_again = step(layered())
    np.testing.assert_allclose(again, values, atol=1e-12)
    np.testing.assert_allclose(gradient_again, gradient, atol=1e-12)


def test_the_last_phases_before_z_are_left_out_and_have_no_gradient():
    template = layered(1).freeze()
    everything = compile_program(template, frozenset(), frozenset("w"), with_phase=False)
    read = [("Z", (q,)) for q in range(N)]
    needed = compile_program(template, frozenset(), frozenset("w"), with_phase=False, read=read)
    assert price(needed.arrays) < price(everything.arrays)
    values, gradient = step(layered(1))
    assert np.all(gradient[1::2] == 0.0)
    assert np.any(gradient[::2] != 0.0)
    state = qs.run(layered(1), {"w": np.random.default_rng(1).uniform(-3, 3, 2 * N)}, qs.StateVector()).values
    signs = 1 - 2 * (np.arange(1 << N) >> np.arange(N)[:, None] & 1)
    np.testing.assert_allclose(values[0], signs @ (np.abs(state[0]) ** 2), atol=1e-12)


def test_an_observable_that_sees_the_phases_keeps_them():
    circuit = qs.QuantumCircuit(1).ry(0, np.pi / 2).rz(0, "a")
    values, grads = qs.value_and_vjp(circuit, {"a": 0.3}, qs.Expectations([qs.X(0)]))
    np.testing.assert_allclose(values, [[np.cos(0.3)]], atol=1e-12)
    np.testing.assert_allclose(grads["a"], -np.sin(0.3), atol=1e-12)


@pytest.mark.parametrize("largest", [1.0, 1e4, 1e8])
def test_cosines_and_sines(largest):
    angles = np.random.default_rng(2).uniform(-largest, largest, 1000)
    angles[:4] = 0.0, largest, -largest, np.pi / 2
    cosines, sines = np.empty(1000), np.empty(1000)
    cosines_and_sines(angles, cosines, sines, 0, 1000)
    np.testing.assert_allclose(cosines, np.cos(angles), atol=4e-16)
    np.testing.assert_allclose(sines, np.sin(angles), atol=4e-16)
