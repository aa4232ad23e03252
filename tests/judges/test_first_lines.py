# SPDX-License-Identifier: Apache-2.0
"""The first lines that a user writes are a promise: here they stand word for word, and run."""

import asyncio

import numpy as np
import pytest

import qstore as qs

LINES = """
import numpy as np
import qstore as qs

x = qs.Parameter("x", shape=(2,))                       # data
w = qs.Parameter("w", shape=(3, 2))                     # weights
circuit = qs.QuantumCircuit(2)
circuit.ry(0, x[0]).ry(1, x[1])
for layer in range(3):
    circuit.ry(0, w[layer, 0]).ry(1, 2 * w[layer, 1]).cx(0, 1)

bindings = {"x": np.random.rand(64, 2), "w": np.random.rand(3, 2)}   # 64 samples, shared weights
result = qs.run(circuit, bindings, qs.Expectations([qs.Z(0), qs.X(0) @ qs.Z(1)]))    # result.values: (64, 2)
values, grads = qs.value_and_vjp(circuit, bindings, qs.Expectations([qs.Z(0)]), cotangent=np.ones((64, 1)))
counts = qs.run(circuit, bindings, qs.Counts(), shots=1000, seed=7).counts[0]        # a dict from outcome to count, summing to 1000
"""


def test_the_first_lines_run_as_they_stand():
    names: dict[str, object] = {}
    exec(LINES, names)
    assert names["result"].values.shape == (64, 2)
    np.testing.assert_allclose(names["values"][:, 0], names["result"].values[:, 0], atol=1e-12)
    assert {name: grad.shape for name, grad in names["grads"].items()} == {"x": (64, 2), "w": (3, 2)}
    assert sum(names["counts"].values()) == 1000
    assert all(type(outcome) is int and 0 <= outcome < 4 for outcome in names["counts"])


def test_the_async_line_runs_in_a_coroutine_and_so_does_the_blocking_one():
    names: dict[str, object] = {}
    exec(LINES, names)

    async def both():
        awaited = await qs.run_async(
            names["circuit"], names["bindings"], backend=qs.get_backend("statevector"), shots=1000, seed=3
        )
        blocking = qs.run(names["circuit"], names["bindings"], shots=1000, seed=3)
        return awaited, blocking

    awaited, blocking = asyncio.run(both())
    assert awaited.counts == blocking.counts


def test_a_vendors_backend_that_is_not_installed_comes_with_the_command_that_installs_it():
    with pytest.raises(qs.errors.BackendUnavailable, match="pip install qstore-rigetti"):
        qs.get_backend("rigetti.ankaa")


def test_the_ionq_line_makes_a_backend(monkeypatch):
    pytest.importorskip("qstore_ionq")
    monkeypatch.setenv("IONQ_API_KEY", "none")
    assert qs.get_backend("ionq.simulator", noise="aria-1").name == "ionq.simulator"
