# SPDX-License-Identifier: Apache-2.0
"""Batches over two worker processes: what the inner backend gives, whatever the shards, and whoever dies."""

import asyncio
import os

import numpy as np
import pytest

import qstore as qs
from backends.mortal import Failing, Mortal, Refusing
from backends.subjects import OUTPUTS, REFERENCE, bindings_of, every_gate
from qstore.errors import ExecutionError, OptionError, TransportError

distributed = pytest.importorskip("distributed", reason="distributed is not installed")

ROUNDING = 1e-12
"""The embedded simulator arranges its sums by the size of the batch."""


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def case():
    circuit = every_gate(REFERENCE, start="real")
    return circuit, bindings_of(circuit, rows=11)


@pytest.mark.parametrize("rows", [1, 3, 11, None])
def test_values_counts_and_gradients_do_not_depend_on_the_shards(client, case, rows):
    circuit, bindings = case
    backend = qs.get_backend("dask", client=client, rows_per_shard=rows)
    for output in OUTPUTS:
        found = qs.run(circuit, bindings, output, backend=backend)
        assert found.backend == "dask"
        assert len(set(found.job_ids)) == len(found.job_ids) >= 1
        wanted = qs.run(circuit, bindings, output, backend=REFERENCE).values
        np.testing.assert_allclose(found.values, wanted, atol=ROUNDING, rtol=0)
    counts = qs.run(circuit, bindings, shots=100, seed=3, backend=backend)
    assert counts.counts == qs.run(circuit, bindings, shots=100, seed=3, backend=REFERENCE).counts
    assert counts.seed == 3
    cotangent = np.random.default_rng(0).normal(size=(11, 3))
    values, found = qs.value_and_vjp(circuit, bindings, OUTPUTS[0], cotangent, backend=backend)
    wanted_values, wanted = qs.value_and_vjp(circuit, bindings, OUTPUTS[0], cotangent, backend=REFERENCE)
    np.testing.assert_allclose(values, wanted_values, atol=ROUNDING, rtol=0)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name], gradient, atol=100 * ROUNDING, rtol=0)


def test_coroutines_and_batches_of_different_circuits(client, case):
    circuit, bindings = case
    other = qs.CircuitBatch.of(qs.QuantumCircuit(1).h(0), {}, qs.Probabilities())
    one = qs.CircuitBatch.of(circuit, bindings, qs.Probabilities([0]))
    backend = qs.get_backend("dask", client=client, rows_per_shard=4)
    first, second = asyncio.run(backend.run_many([one, other]))
    np.testing.assert_allclose(first.values, REFERENCE.run_sync(one).values, atol=ROUNDING)
    np.testing.assert_allclose(second.values, [[0.5, 0.5]], atol=ROUNDING)


def test_the_gradient_of_a_scalar_is_an_array(client):
    backend = qs.get_backend("dask", client=client, rows_per_shard=1)
    circuit = qs.QuantumCircuit(1).rx(0, "s").ry(0, "x")
    bindings = {"s": 0.3, "x": np.array([0.1, 0.2])}
    _, found = qs.value_and_vjp(circuit, bindings, qs.Expectations([qs.Z(0)]), backend=backend)
    assert isinstance(found["s"], np.ndarray)
    assert found["s"].shape == ()


def test_an_inner_backend_by_name_with_its_options(client):
    backend = qs.get_backend("dask", client=client, inner_options={"precision": "single"})
    circuit = qs.QuantumCircuit(2).h(0).cx(0, 1).ry(1, "t")
    bindings = {"t": np.array([0.1, 0.2, 0.3])}
    found = qs.run(circuit, bindings, qs.Probabilities(), backend=backend).values
    wanted = qs.run(circuit, bindings, qs.Probabilities(), backend=REFERENCE).values
    assert 0 < np.abs(found - wanted).max() < 1e-6
    assert "precision='single', threads=1" in repr(backend)


def test_a_worker_that_dies_in_the_middle_of_a_batch_costs_no_result(client, case, tmp_path):
    circuit, bindings = case
    backend = qs.get_backend("dask", client=client, inner=Mortal(tmp_path, deaths=1), rows_per_shard=2)
    found = qs.run(circuit, bindings, OUTPUTS[0], backend=backend)
    assert not list(tmp_path.iterdir())  # it did die
    wanted = qs.run(circuit, bindings, OUTPUTS[0], backend=REFERENCE).values
    np.testing.assert_allclose(found.values, wanted, atol=ROUNDING, rtol=0)


def test_a_refusal_on_a_worker_is_the_same_refusal_here_and_is_not_tried_again(client, tmp_path):
    backend = qs.get_backend("dask", client=client, inner=Refusing(tmp_path), retries=3)
    with pytest.raises(qs.errors.CapabilityError, match="not today"):
        qs.run(qs.QuantumCircuit(1).h(0), backend=backend, outputs=qs.Probabilities())
    assert (tmp_path / "asked").read_text() == "x"


def test_a_bug_of_the_inner_backend_is_an_error_that_names_it(client):
    backend = qs.get_backend("dask", client=client, inner=Failing(), retries=0)
    with pytest.raises(ExecutionError, match="ZeroDivisionError: a bug of the inner backend"):
        qs.run(qs.QuantumCircuit(1).h(0), backend=backend, outputs=qs.Probabilities())


def test_a_user_s_client_stays_open_and_the_address_of_a_cluster_works_as_well(client):
    circuit = qs.QuantumCircuit(1).h(0)
    address = client.scheduler.address
    with qs.get_backend("dask", address=address) as backend:
        assert qs.run(circuit, outputs=qs.Probabilities(), backend=backend).values.shape == (1, 2)
        assert address in repr(backend)
    qs.get_backend("dask", client=client).close()
    assert client.status == "running"
    assert len(set(client.run(os.getpid).values())) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_workers": 0}, "n_workers must be an integer from 1 up"),
        ({"rows_per_shard": 0}, "rows_per_shard must be"),
        ({"retries": -1}, "retries must be"),
        ({"address": "tcp://127.0.0.1:1", "n_workers": 2}, "leave it or the address out"),
        ({"inner": "dask"}, "cluster behind every worker"),
        ({"inner": 3}, "inner is the name of a backend"),
        ({"inner": REFERENCE, "inner_options": {"threads": 1}}, "made already"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        qs.get_backend("dask", **options)


def test_nobody_pays_twice_for_a_shard():
    class Paid(Failing):
        def __init__(self):
            super().__init__()
            self.capabilities = self.capabilities.with_changes(paid=True)

    with pytest.raises(OptionError, match="costs money"):
        qs.get_backend("dask", inner=Paid())


def test_no_scheduler_at_the_address_is_a_transport_error():
    with distributed_timeout("1s"), pytest.raises(TransportError, match="No Dask scheduler answers"):
        qs.run(
            qs.QuantumCircuit(1).h(0),
            outputs=qs.Probabilities(),
            backend=qs.get_backend("dask", address="tcp://127.0.0.1:1"),
        )


def distributed_timeout(value):
    import dask

    return dask.config.set({"distributed.comm.timeouts.connect": value})
