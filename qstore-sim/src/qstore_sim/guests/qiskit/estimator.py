# SPDX-License-Identifier: Apache-2.0
"""`EstimatorV2`: expectation values of a PUB's whole broadcast shape, exactly or with a standard error as asked for.

With precision 0 values are exact. With another one they are estimates from shots, so many for each observable that its
standard error is expected to be at most the precision; `stds` are the errors that were found. An observable with coefficients c takes
(sum of |c| / precision)**2 shots per row, shared out between the bases that are measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BaseEstimatorV2, DataBin, PrimitiveJob, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qstore.batch import Expectations
from qstore.circuit import I, Observable, PauliTerm, X, Y, Z
from qstore.errors import OptionError
from qstore.plugins import Backend
from qstore_sim.guests.batches import Job, Stack, chosen, run_jobs
from qstore_sim.guests.qiskit.programs import rows_of

__all__ = ["QStoreEstimatorV2", "observable"]

_MOST_SHOTS = 10**9
_WASTE = 4
"""How many values are worked out for each one that is asked for before the rows are split by observable."""
_LETTERS: Mapping[str, Any] = {
    "X": X,
    "Y": Y,
    "Z": Z,
    "0": lambda q: 0.5 * (I() + Z(q)),
    "1": lambda q: 0.5 * (I() - Z(q)),
    "+": lambda q: 0.5 * (I() + X(q)),
    "-": lambda q: 0.5 * (I() - X(q)),
    "r": lambda q: 0.5 * (I() + Y(q)),
    "l": lambda q: 0.5 * (I() - Y(q)),
}
"""Qiskit's letters of a string, the last one on qubit 0."""


class QStoreEstimatorV2(BaseEstimatorV2):  # type: ignore[misc]  # ships no annotations
    """Expectation values on a backend of ours.

    Args:
        backend: a registered name, or a backend.
        default_precision: where neither the PUB nor `run` says one; 0 is exact.
        seed: a whole number makes every run repeat; a generator is drawn from; None draws afresh.
        options: of the backend, where it is given by name.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> QStoreEstimatorV2().run([(bell, ["ZZ", "XX", "YY"])]).result()[0].data.evs.round(6).tolist()
        [1.0, 1.0, -1.0]
    """

    def __init__(
        self,
        backend: Backend | str = "statevector",
        *,
        default_precision: float = 0.0,
        seed: np.random.Generator | int | None = None,
        **options: Any,
    ) -> None:
        self._backend = chosen(backend, options)
        self._default_precision = default_precision
        self._seed = seed

    @property
    def default_precision(self) -> float:
        """Where neither the PUB nor `run` says one."""
        return self._default_precision

    @property
    def seed(self) -> np.random.Generator | int | None:
        """As given."""
        return self._seed

    def run(self, pubs: Iterable[Any], *, precision: float | None = None) -> PrimitiveJob[Any]:
        """Start a job; its result has a `PubResult` with `evs` and `stds` for each PUB.

        Raises:
            CircuitError: an operation has no counterpart; when the result is asked for.
            OptionError: a precision that takes more than 10**9 shots per row; likewise.
        """
        wanted = self._default_precision if precision is None else precision
        job = PrimitiveJob(self._run, [EstimatorPub.coerce(pub, wanted) for pub in pubs])
        job._submit()  # as Qiskit's own primitives do
        return job

    def _run(self, pubs: Sequence[EstimatorPub]) -> PrimitiveResult[Any]:
        rng = np.random.default_rng(self._seed)
        plans = [_Plan(pub, rng) for pub in pubs]
        results = iter(run_jobs([job for plan in plans for job, _ in plan.jobs], self._backend))
        return PrimitiveResult([plan.result(results) for plan in plans], metadata={"version": 2})


class _Plan:
    """What one PUB takes: jobs, and for each the (row, observable) pairs that it answers."""

    def __init__(self, pub: EstimatorPub, rng: np.random.Generator) -> None:
        self._pub = pub
        values = pub.parameter_values.as_array(pub.circuit.parameters)
        row_numbers = np.arange(math.prod(values.shape[:-1])).reshape(values.shape[:-1])
        found: dict[frozenset[tuple[str, float]], int] = {}
        given: Any = np.asarray(pub.observables)
        numbers = np.empty(given.shape, dtype=np.intp)
        for index in np.ndindex(given.shape):
            numbers[index] = found.setdefault(frozenset(given[index].items()), len(found))
        observables = [observable(dict(each)) for each in found]
        rows, kinds = (each.ravel() for each in np.broadcast_arrays(row_numbers, numbers))
        table = values.reshape(row_numbers.size, values.shape[-1])
        self._rows, self._kinds = rows, kinds
        self.jobs: list[tuple[Job, NDArray[np.intp]]] = []
        for stack in rows_of(pub.circuit, table):
            asked = np.flatnonzero(np.isin(rows, stack.members))
            if not pub.precision and len(stack.members) * len(observables) <= _WASTE * len(asked):
                self.jobs.append((Job(stack, Expectations(observables)), asked))
                continue
            for kind, each in enumerate(observables):
                mine = asked[kinds[asked] == kind]
                if len(mine):
                    self._add(_picked(stack, sorted({*rows[mine].tolist()})), each, mine, rng)

    def _add(self, stack: Stack, each: Observable, asked: NDArray[np.intp], rng: np.random.Generator) -> None:
        shots = seed = None
        if self._pub.precision:
            shots, seed = _shots(each, self._pub.precision), int(rng.integers(2**63))
        self.jobs.append((Job(stack, Expectations([each]), shots, seed), asked))

    def result(self, results: Any) -> PubResult:
        """The PUB's result from those of its jobs, in their order."""
        evs, stds = np.zeros(len(self._rows)), np.zeros(len(self._rows))
        for job, asked in self.jobs:
            parts = next(results)
            values = np.concatenate([part.values for part in parts])
            place = {row: index for index, row in enumerate(job.stack.members)}
            at = np.array([place[row] for row in self._rows[asked]]) if len(values) > 1 else 0
            column = self._kinds[asked] if values.shape[1] > 1 else 0
            evs[asked] = values[at, column]
            if parts[0].standard_errors is not None:
                stds[asked] = np.concatenate([part.standard_errors for part in parts])[at, column]
        pub = self._pub
        data = DataBin(evs=evs.reshape(pub.shape), stds=stds.reshape(pub.shape), shape=pub.shape)
        metadata = {"target_precision": pub.precision, "circuit_metadata": pub.circuit.metadata}
        return PubResult(data, metadata=metadata)


def _picked(stack: Stack, rows: Sequence[int]) -> Stack:
    """Some of a stack's rows."""
    if len(rows) == len(stack.members):
        return stack
    place = {row: index for index, row in enumerate(stack.members)}
    at = [place[row] for row in rows]
    return Stack(stack.template, {name: array[at] for name, array in stack.bindings.items()}, tuple(rows))


def _shots(each: Observable, precision: float) -> int:
    weight = sum(abs(term.coefficient) for term in each.terms if term.x_mask | term.z_mask)
    shots = max(1, math.ceil((weight / precision) ** 2 - 1e-9))
    if shots > _MOST_SHOTS:
        raise OptionError(
            f"A precision of {precision} takes {shots:.3g} shots for coefficients that add up to {weight:g}; ask for at "
            f"least {weight / math.sqrt(_MOST_SHOTS):.2g}, or for 0, which is exact."
        )
    return shots


def observable(given: Mapping[str, float]) -> Observable:
    """Qiskit's Pauli strings and their coefficients as an observable.

    Example:
        >>> observable({"XI": 2.0, "01": 1.0})
        0.25 * I() - 0.25 * Z(0) + 0.25 * Z(1) - 0.25 * Z(0) @ Z(1) + 2.0 * X(1)
    """
    masks: dict[str, tuple[tuple[int, int, float], ...]] = {}
    for letter, make in _LETTERS.items():
        masks[letter] = tuple((term.x_mask, term.z_mask, term.coefficient) for term in make(0).terms)
    terms = []
    for string, coefficient in given.items():
        factors = [(qubit, masks[letter]) for qubit, letter in enumerate(reversed(string)) if letter != "I"]
        for picked in product(*(options for _, options in factors)):
            x = z = 0
            weight = float(np.real(coefficient))
            for (qubit, _), (x_bit, z_bit, factor) in zip(factors, picked, strict=True):
                x, z, weight = x | x_bit << qubit, z | z_bit << qubit, weight * factor
            terms.append(PauliTerm(x, z, weight))
    return Observable.of(terms)
