# SPDX-License-Identifier: Apache-2.0
"""What a result says of itself: who ran it, how often, with which seed, and that it belongs to the caller alone."""

from __future__ import annotations

import copy
import math

import numpy as np

from qstore.batch import BatchResult, CircuitBatch
from qstore.plugins import loaded_plugins
from qstore.testing.check import Moot, Table, require
from qstore.testing.exam import BackendExam

CHECKS = Table("facts")


def _batch(exam: BackendExam, rows: int = 2) -> CircuitBatch:
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(91))
    outputs = exam.telling(circuit.n_qubits)
    shots = None if outputs is not None else exam.shots(200)
    if outputs is None:
        exam.need_served("Counts")
    return exam.batch(
        circuit, exam.builder.bindings(circuit, exam.rng(92), exam.rows(rows)), outputs, shots=shots
    )


@CHECKS.check("a result names its backend")
def name(exam: BackendExam) -> None:
    """By the name the backend has; a router (with `explain`) by the name of the one that ran."""
    found = exam.direct(_batch(exam)).backend
    if hasattr(exam.backend, "explain"):
        require(
            found in loaded_plugins().backends.entries,
            f"the result is from {found!r}, which is not installed",
        )
        return
    require(
        found == exam.backend.name,
        f"the result is from {found!r}, the backend is called {exam.backend.name!r}",
    )


@CHECKS.check("a result has the batch's qubits, shots and seed")
def numbers(exam: BackendExam) -> None:
    """As in the batch."""
    batch = _batch(exam)
    result = exam.direct(batch)
    require(isinstance(result, BatchResult), f"run() returned a {type(result).__name__}")
    require(
        result.n_qubits == batch.circuit.n_qubits,
        f"{result.n_qubits} qubits, the circuit has {batch.circuit.n_qubits}",
    )
    require(result.shots == batch.shots, f"{result.shots} shots, the batch asked for {batch.shots}")
    require(result.seed in (batch.seed, None), f"seed {result.seed}, the batch had {batch.seed}")


@CHECKS.check("shots are told in the result of a measured batch")
def shots(exam: BackendExam) -> None:
    """Not None."""
    exam.need_served("Counts")
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(93))
    batch = exam.batch(circuit, exam.builder.bindings(circuit, exam.rng(94), 1, ()), shots=exam.shots(50))
    found = exam.direct(batch).shots
    require(found == batch.shots, f"the result says {found} shots, the batch asked for {batch.shots}")


@CHECKS.check("times are finite numbers of seconds, not negative")
def times(exam: BackendExam) -> None:
    """Queued and run."""
    result = exam.direct(_batch(exam))
    for what in ("queued_s", "run_s"):
        value = getattr(result, what)
        require(math.isfinite(value) and value >= 0, f"{what} is {value}")


@CHECKS.check("a remote result names its jobs, each a string of its own")
def jobs(exam: BackendExam) -> None:
    """So that they can be found at the service."""
    if exam.capabilities.local:
        raise Moot("it is local")
    first, second = exam.direct(_batch(exam)), exam.direct(_batch(exam, 3))
    for result in (first, second):
        ids = result.job_ids
        require(
            isinstance(ids, tuple) and ids and all(isinstance(i, str) and i for i in ids),
            f"job ids are {ids!r}",
        )


@CHECKS.check("a result's arrays belong to the caller: a later run does not change them")
def own_arrays(exam: BackendExam) -> None:
    """No buffer is used twice."""
    batch = _batch(exam)
    first = exam.direct(batch)
    kept = copy.deepcopy(first.values if first.values is not None else first.counts)
    moved = batch.replace(bindings={name: array + 0.5 for name, array in batch.bindings.items()})
    second = exam.direct(moved)
    if isinstance(kept, np.ndarray):
        assert first.values is not None
        assert second.values is not None
        require(np.array_equal(first.values, kept), "a second run changed the values of the first")
        require(not np.shares_memory(first.values, second.values), "two results share their memory")
    else:
        require(first.counts == kept, "a second run changed the counts of the first")


@CHECKS.check("one result has as many rows as its batch")
def rows(exam: BackendExam) -> None:
    """None dropped, none added."""
    batch = _batch(exam, 9)
    result = exam.direct(batch)
    given = result.counts if result.values is None else result.values
    require(given is not None and len(given) == batch.size,
            f"{None if given is None else len(given)} rows for a batch of {batch.size}")  # fmt: skip


@CHECKS.check("results and backends have a repr")
def representation(exam: BackendExam) -> None:
    """Of one line or so, for people."""
    for thing in (exam.direct(_batch(exam)), exam.backend):
        require(0 < len(repr(thing)) < 2000, f"the repr of a {type(thing).__name__} is not for people")


@CHECKS.check("the synchronous twin gives the same as run")
def synchronous(exam: BackendExam) -> None:
    """Where there is a run_sync."""
    twin = getattr(exam.backend, "run_sync", None)
    if twin is None:
        raise Moot("it has no run_sync")
    batch = _batch(exam)
    one, other = twin(batch), exam.direct(batch)
    if one.values is None:
        require(one.counts == other.counts, "run_sync and run give different counts")
    else:
        exam.close(one.values, np.asarray(other.values), of="run_sync")
