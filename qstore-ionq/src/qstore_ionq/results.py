# SPDX-License-Identifier: Apache-2.0
"""What a finished job measured: read, checked, and matched to the circuits that were sent.

Bit k of an integer outcome is qubit k, on IonQ as in the core. Probabilities on the wire sum to one only to about 1e-5.
A circuit's result is a `Reading`; nothing here knows batches.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult
from qstore.errors import JobFailed, ServiceError
from qstore_ionq.wire import mapping

__all__ = [
    "IncompleteJob",
    "Reading",
    "child_ids",
    "counts_from_probabilities",
    "read_histogram",
    "read_probabilities",
    "read_shots",
]

SUM_TOLERANCE = 1e-3
"""How far from one the probabilities of an answer may sum; the service itself is off by about 1e-5."""
_LONGEST_STATE = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What one circuit gave.

    Attributes:
        outcomes: (k,) in increasing order, each once; for single shots, the outcome of each in their order.
        weights: (k,) probabilities, or counts; ones for single shots.
    """

    outcomes: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, weights: Mapping[int, float]) -> Reading:
        """From a dict, outcomes in any order."""
        outcomes = np.array(sorted(weights), dtype=np.int64)
        return cls(outcomes, np.array([weights[int(outcome)] for outcome in outcomes], dtype=np.float64))

    @classmethod
    def of_stored(cls, circuit: Mapping[str, Any]) -> Reading | None:
        """From what the journal keeps of a circuit; None where there is no result."""
        if "shots" in circuit:
            outcomes = np.array(circuit["shots"], dtype=np.int64)
            return cls(outcomes, np.ones(len(outcomes)))
        for kind in ("probabilities", "histogram"):
            if kind in circuit:
                return cls.of({int(state): float(weight) for state, weight in circuit[kind].items()})
        return None

    def relabelled(self, outcomes: NDArray[np.int64]) -> Reading:
        """The same weights for other outcomes, one for each of ours."""
        order = np.argsort(outcomes, kind="stable")
        return Reading(np.asarray(outcomes, dtype=np.int64)[order], self.weights[order])


class IncompleteJob(JobFailed):
    """Some circuits of a job have no result; the others' results are here.

    Attributes:
        results: one for each batch; a row without a result has no counts, and a batch with one no values (NaN).
        failures: for each batch, the reasons by row.
    """

    def __init__(
        self,
        message: str,
        *,
        results: Sequence[BatchResult],
        failures: Sequence[Mapping[int, str]],
        job_id: str = "",
        tag: str = "",
    ) -> None:
        super().__init__(message, job_id=job_id, tag=tag)
        self.results, self.failures = tuple(results), tuple(failures)


def read_probabilities(document: Any, n_qubits: int, what: str) -> dict[int, float]:
    """`{"<decimal state>": p}` as numbers.

    Raises:
        ServiceError: a state outside the circuit's width, a negative or missing number, a sum that is not one.
    """
    found = _by_state(document, n_qubits, what)
    total = math.fsum(found.values())
    if not abs(total - 1) <= SUM_TOLERANCE:
        raise ServiceError(f"{what}: the probabilities sum to {total!r}, not to 1.")
    return found


def read_histogram(document: Any, n_qubits: int, shots: int, what: str) -> dict[int, int]:
    """`{"<decimal state>": count}` as integers.

    Raises:
        ServiceError: a state outside the circuit's width, a count that is none, or not `shots` in all.
    """
    found = _by_state(document, n_qubits, what)
    for state, count in found.items():
        if count != int(count):
            raise ServiceError(f"{what}: the count of state {state} is {count!r}, not an integer.")
    total = int(sum(found.values()))
    if total != shots:
        raise ServiceError(f"{what}: the histogram has {total} shots, {shots} were asked for.")
    return {state: int(count) for state, count in found.items()}


def read_shots(document: Any, n_qubits: int, shots: int, what: str) -> list[int]:
    """`["<decimal state>", ...]`, one for each shot in its order.

    Raises:
        ServiceError: not a list of `shots` states of the circuit's width.
    """
    if not isinstance(document, list):
        raise ServiceError(f"{what}: expected a list of shots, got {type(document).__name__}.")
    if len(document) != shots:
        raise ServiceError(f"{what}: {len(document)} shots came, {shots} were asked for.")
    return [_state(str(each), n_qubits, what) for each in document]


def counts_from_probabilities(reading: Reading, shots: int) -> Reading:
    """Whole counts that add up to `shots`: rounded down, the rest to the largest remainders (ties: the lower outcome).

    A machine's probabilities are counts divided by shots, which this gives back exactly. With error mitigation they
    are averages of several such, and the counts are the nearest whole ones.
    """
    exact = reading.weights / reading.weights.sum() * shots
    counts = np.floor(exact)
    # A count that rounding put just below its whole number has a remainder of nearly one and comes first here.
    rest = round(shots - counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    kept = counts > 0
    return Reading(reading.outcomes[kept], counts[kept])


def child_ids(children: Any, circuits: int) -> list[str | None]:
    """The child of each circuit from a job's `child_job_ids`, which has the order of the circuits.

    None for those that cannot be told: all of them where the number of ids is not that of the circuits, and those whose
    id is there twice or is none.
    """
    if not isinstance(children, list) or len(children) != circuits:
        return [None] * circuits
    seen = Counter(child for child in children if isinstance(child, str))
    return [child if isinstance(child, str) and child and seen[child] == 1 else None for child in children]


def _by_state(document: Any, n_qubits: int, what: str) -> dict[int, float]:
    found: dict[int, float] = {}
    for key, value in mapping(document, what).items():
        if key in {"probabilities", "histogram"}:
            msg = f"{what}: {key!r} came in a newer format, whose order of bits is not published; it is not guessed."
            raise ServiceError(msg)
        state = _state(key, n_qubits, what)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise ServiceError(f"{what}: state {key!r} has the value {value!r}, expected a number from 0 up.")
        if state in found:
            raise ServiceError(f"{what}: state {state} stands there twice.")
        found[state] = float(value)
    if not found:
        raise ServiceError(f"{what}: there are no states in it.")
    return found


def _state(text: str, n_qubits: int, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_STATE):
        raise ServiceError(f"{what}: {text[:40]!r} is not a state, expected a decimal number.")
    state = int(text)
    if state >> n_qubits:
        raise ServiceError(f"{what}: state {state} is too wide, the circuit has {n_qubits} qubits.")
    return state
