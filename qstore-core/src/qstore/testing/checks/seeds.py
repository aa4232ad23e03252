# SPDX-License-Identifier: Apache-2.0
"""An outcome is a function of its row's stream key and the circuit: not of batch size, order, or anything else.

A service that cannot repeat its outcomes says so by `seed=None` in its results; these checks do not apply to it then.
"""

from __future__ import annotations

import numpy as np

from qstore.batch import BatchResult, CircuitBatch, Samples
from qstore.testing.check import NotClaimed, Table, require
from qstore.testing.exam import BackendExam

CHECKS = Table("seeds")


def _batch(exam: BackendExam, *, seed: int | None = 7, rows: int = 4, shots: int = 300) -> CircuitBatch:
    exam.need_shots()
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(61))
    return exam.batch(
        circuit, exam.builder.bindings(circuit, exam.rng(62), rows), shots=exam.shots(shots), seed=seed
    )


def _counts(exam: BackendExam, batch: CircuitBatch) -> tuple[dict[int, int], ...]:
    result: BatchResult = exam.run(batch)
    if result.seed is None:
        raise NotClaimed("its results say that outcomes cannot be repeated (seed=None)")
    require(result.counts is not None, "there are no counts")
    return result.counts or ()


@CHECKS.check("the same seed gives the same counts")
def repeats(exam: BackendExam) -> None:
    """Twice on one backend."""
    require(_counts(exam, _batch(exam)) == _counts(exam, _batch(exam)), "the same seed gave other counts")


@CHECKS.check("the same seed gives the same counts on a fresh backend")
def repeats_afresh(exam: BackendExam) -> None:
    """Nothing is carried over from earlier runs."""
    first = _counts(exam, _batch(exam))
    result = exam.run(_batch(exam), exam.make())
    require(result.counts == first, "a fresh backend gave other counts for the same seed")


@CHECKS.check("another seed gives other counts")
def differs(exam: BackendExam) -> None:
    """Twelve hundred shots of two qubits agree by chance less than once in a thousand; of four seeds, all: never."""
    found = [_counts(exam, _batch(exam, seed=seed)) for seed in (1, 2, 3, 4)]
    require(any(each != found[0] for each in found[1:]), "four different seeds gave the same counts")


@CHECKS.check("without a seed every run draws anew, and the result tells the seed")
def fresh(exam: BackendExam) -> None:
    """Which repeats it."""
    batches = [_batch(exam, seed=None) for _ in range(3)]
    results = [exam.run(batch) for batch in batches]
    if results[0].seed is None:
        raise NotClaimed("its results say that outcomes cannot be repeated (seed=None)")
    require(
        results[0].seed == batches[0].seed,
        f"the result says seed {results[0].seed}, the batch had {batches[0].seed}",
    )
    require(
        len({str(result.counts) for result in results}) > 1, "three runs without a seed gave the same counts"
    )
    again = _counts(exam, _batch(exam, seed=results[0].seed))
    require(again == results[0].counts, "the seed that the result recorded does not repeat it")


@CHECKS.check("a row alone has the counts that it has in a batch")
def alone(exam: BackendExam) -> None:
    """The third of four."""
    batch = _batch(exam)
    whole = _counts(exam, batch)
    require(_counts(exam, batch.rows(2, 3)) == whole[2:3], "row 2 alone has other counts than in its batch")


@CHECKS.check("the counts of a row do not depend on its place")
def moved(exam: BackendExam) -> None:
    """Rows in reverse."""
    batch = _batch(exam)
    whole = _counts(exam, batch)
    bindings = {
        name: array[::-1] if name in batch.per_sample else array for name, array in batch.bindings.items()
    }
    turned = batch.replace(bindings=bindings, _keys=batch.stream_keys[::-1].copy())
    require(_counts(exam, turned)[::-1] == whole, "rows in reverse order have other counts")


@CHECKS.check("equal rows have counts of their own")
def equal_rows(exam: BackendExam) -> None:
    """Their stream keys differ."""
    batch = _batch(exam, shots=1000)
    same = {name: np.repeat(array[:1], 6, axis=0) if name in batch.per_sample else array
            for name, array in batch.bindings.items()}  # fmt: skip
    counts = _counts(exam, exam.batch(batch.circuit, same, shots=batch.shots))
    require(
        len({str(sorted(row.items())) for row in counts}) > 1, "six equal rows have six times the same counts"
    )


@CHECKS.check("the stream key decides, not the seed that it came from")
def keys_decide(exam: BackendExam) -> None:
    """A derived batch carries keys along."""
    batch = _batch(exam)
    other = _batch(exam, seed=99).replace(_keys=batch.stream_keys)
    require(_counts(exam, other) == _counts(exam, batch), "the same stream keys gave other counts")


@CHECKS.check("samples repeat as counts do")
def samples(exam: BackendExam) -> None:
    """Shot by shot."""
    exam.need_served("Samples")
    batch = _batch(exam).replace(outputs=Samples())
    first, second = exam.run(batch), exam.run(batch)
    if first.seed is None:
        raise NotClaimed("its results say that outcomes cannot be repeated (seed=None)")
    require(
        np.array_equal(np.asarray(first.values), np.asarray(second.values)),
        "the same seed gave other samples",
    )


@CHECKS.check("exact results do not depend on how rows are cut up")
def exact_rows(exam: BackendExam) -> None:
    """A row alone, to the tolerance."""
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(63))
    outputs = exam.telling(circuit.n_qubits)
    if outputs is None:
        raise NotClaimed("it declares no exact output")
    batch = exam.batch(circuit, exam.builder.bindings(circuit, exam.rng(64), 5), outputs)
    whole = np.asarray(exam.run(batch).values)
    for row in (0, 3):
        exam.close(
            np.asarray(exam.run(batch.rows(row, row + 1)).values), whole[row : row + 1], of=f"row {row} alone"
        )
