# SPDX-License-Identifier: Apache-2.0
"""Packing: as few jobs as the documented limits allow, every row once, and nothing too large ever sent."""

import numpy as np
import pytest

import qstore as qs
from qstore.batch import CircuitBatch
from qstore.circuit import Angle, Operation, Template
from qstore.errors import CapabilityError
from qstore_ionq.packing import MAX_BODY, MAX_CIRCUITS, MAX_GATES, MAX_RESULT_BYTES, Part, Row, pack
from qstore_ionq.rendering import render_qis
from qstore_ionq.wire import dump

FIELDS = {"noise": {"model": "aria-1", "seed": 5}}


def part(rows, gates=2, shots=10, kind="probabilities", run=None, qubits=2):
    x = qs.Parameter("x", (1,))
    circuit = qs.QuantumCircuit(qubits)
    for _ in range(gates):
        circuit.rx(0, x[0])
    batch = CircuitBatch.of(circuit, {"x": np.linspace(0, 1, rows)[:, None]}, shots=shots, seed=1)
    batch = batch if run is None else batch.replace(run=run)
    return Part(batch, render_qis(batch), kind)


def huge():
    gate = Operation("rx", (0,), (Angle(constant=0.1),))
    batch = CircuitBatch.of(Template(2, [gate] * 250_000), shots=10)
    return Part(batch, render_qis(batch), "probabilities")


def every_row_once(parts, jobs):
    rows = [row for job in jobs for row in job.rows]
    assert sorted(rows) == [Row(p, r) for p, each in enumerate(parts) for r in range(each.batch.size)]


def within_the_limits(parts, jobs):
    for job in jobs:
        body = job.body(parts, "simulator", FIELDS)
        circuits = body["input"].get("circuits", [body["input"]])
        assert len(circuits) <= MAX_CIRCUITS
        assert sum(len(each["circuit"]) for each in circuits) <= MAX_GATES or len(circuits) == 1
        assert len(dump({**body, "metadata": {"qstore_tag": "f" * 64}})) <= MAX_BODY


@pytest.mark.parametrize(
    ("rows", "gates", "expected"),
    [(1, 3, 1), (5_000, 1, 1), (5_001, 1, 2), (3_000, 50, 1), (3_001, 50, 2), (10_000, 1, 2), (40, 5_000, 2)],
)
def test_as_few_jobs_as_the_limits_allow(rows, gates, expected):
    parts = [part(rows, gates)]
    jobs = pack(parts)
    assert len(jobs) == expected
    every_row_once(parts, jobs)
    within_the_limits(parts, jobs)


def test_long_bodies_are_split_by_bytes():
    x = qs.Parameter("x", (1,))
    circuit = qs.QuantumCircuit(30)
    for q in range(29):
        circuit.rzz(q, q + 1, x[0])
    batch = CircuitBatch.of(circuit, {"x": np.random.default_rng(0).uniform(-9, 9, (5_000, 1))}, shots=10)
    parts = [Part(batch, render_qis(batch), "probabilities")]
    jobs = pack(parts)
    every_row_once(parts, jobs)
    within_the_limits(parts, jobs)
    sizes = [len(dump(job.body(parts, "simulator", {}))) for job in jobs]
    assert len(jobs) == 2
    assert sizes[0] > 0.6 * MAX_BODY  # the bound is not a careless one


def test_batches_of_one_kind_share_a_job_and_others_do_not():
    parts = [
        part(3),
        part(2, gates=5),
        part(2, shots=11),
        part(1, kind="shots"),
        part(4),
        part(2, run="other"),
    ]
    jobs = pack(parts)
    every_row_once(parts, jobs)
    assert [sorted({row.part for row in job.rows}) for job in jobs] == [[0, 1, 4], [2], [3], [5]]


def test_one_circuit_is_a_plain_job_and_several_are_named():
    single = pack([part(1)])[0].body([part(1)], "qpu.aria-1", {"dry_run": True})
    assert single["type"] == "ionq.circuit.v1"
    assert single["input"]["gateset"] == "qis"
    assert single["input"]["qubits"] == 2
    assert single["dry_run"] is True
    assert (single["shots"], single["backend"]) == (10, "qpu.aria-1")
    parts = [part(2), part(1, qubits=5)]
    several = pack(parts)[0].body(parts, "simulator", {})
    assert several["type"] == "ionq.multi-circuit.v1"
    assert "circuit" not in several["input"]
    assert several["input"]["qubits"] == 5
    assert [each["name"] for each in several["input"]["circuits"]] == ["circuit 0", "circuit 1", "circuit 2"]
    assert [each["qubits"] for each in several["input"]["circuits"]] == [2, 2, 5]
    assert pack(parts)[0].widths(parts) == [2, 2, 5]


def test_an_exact_batch_sends_no_shots():
    batch = CircuitBatch.of(qs.QuantumCircuit(1).h(0))
    parts = [Part(batch, render_qis(batch), "probabilities")]
    assert "shots" not in pack(parts)[0].body(parts, "simulator", {})


def test_a_circuit_that_fits_no_request_is_refused_before_anything_is_sent():
    with pytest.raises(
        CapabilityError, match=r"takes 250000 gates and \d+ bytes in a request; IonQ takes at most 10000000"
    ):
        pack([huge()])


def test_jobs_are_kept_small_enough_for_their_results_to_come_in_one_answer():
    batch = CircuitBatch.of(qs.QuantumCircuit(16).rx(0, qs.Parameter("x")), {"x": np.zeros(100)})
    parts = [Part(batch, render_qis(batch), "probabilities")]
    jobs = pack(parts)
    every_row_once(parts, jobs)
    assert max(len(job.rows) for job in jobs) == MAX_RESULT_BYTES // (32 << 16)
    alone = CircuitBatch.of(qs.QuantumCircuit(25).h(0))  # perhaps sparse: it is asked for, and by itself
    assert len(pack([Part(alone, render_qis(alone), "probabilities")])) == 1
