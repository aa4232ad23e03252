# SPDX-License-Identifier: Apache-2.0
"""`run` and `run_async`: a circuit, arrays, a backend, a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from numpy.typing import ArrayLike

from qstore.batch import BatchResult, CircuitBatch, Counts, Expectations, Output, Variance
from qstore.circuit import QuantumCircuit, Template
from qstore.errors import ExecutionError, QStoreError
from qstore.execution.plan import Plan, plan
from qstore.execution.settings import resolve_backend
from qstore.plugins import Backend, is_sync, runs_many, runs_many_sync

__all__ = [
    "checked_result",
    "checked_results",
    "execute",
    "execute_async",
    "execute_many",
    "execute_many_async",
    "run",
    "run_async",
]


def run(
    circuit: QuantumCircuit | Template,
    bindings: Mapping[str, ArrayLike] | None = None,
    outputs: Output | None = None,
    *,
    shots: int | None = None,
    seed: int | None = None,
    backend: Backend | str | None = None,
) -> BatchResult:
    """Run a circuit for a whole batch of bindings.

    Args:
        circuit: what to run.
        bindings: by parameter name, an array of the parameter's shape (shared by the batch) or with one more leading
            axis (per sample).
        outputs: what to return; by default `Counts()` with shots and `Probabilities()` without.
        shots: measurements per row, or None for exact results.
        seed: makes the outcomes of shots repeat exactly.
        backend: a registered name, a backend, or None for the default.

    Returns:
        The values with a leading batch axis (`qstore.batch.outputs` lists the shapes) and the facts of the run.

    Raises:
        BindingError: the arrays do not fit the circuit.
        OptionError: shots, seed or outputs out of range.
        BackendUnavailable: no such backend.
        CapabilityError: the backend cannot do it.

    Example:
        >>> import qstore as qs
        >>> bell = qs.QuantumCircuit(2).h(0).cx(0, 1)
        >>> result = qs.run(bell, outputs=qs.Expectations([qs.Z(0) @ qs.Z(1), qs.X(0) @ qs.X(1)]))
        >>> result.values.round(6).tolist()
        [[1.0, 1.0]]
    """
    batch = CircuitBatch.of(circuit, bindings, outputs, shots=shots, seed=seed)
    return execute(batch, resolve_backend(backend))


async def run_async(
    circuit: QuantumCircuit | Template,
    bindings: Mapping[str, ArrayLike] | None = None,
    outputs: Output | None = None,
    *,
    shots: int | None = None,
    seed: int | None = None,
    backend: Backend | str | None = None,
) -> BatchResult:
    """The twin of `run` for coroutines."""
    batch = CircuitBatch.of(circuit, bindings, outputs, shots=shots, seed=seed)
    return await execute_async(batch, resolve_backend(backend))


def execute(batch: CircuitBatch, backend: Backend) -> BatchResult:
    """Run a batch on a backend, split and derived as its capabilities ask."""
    return execute_many((batch,), backend)[0]


async def execute_async(batch: CircuitBatch, backend: Backend) -> BatchResult:
    """The twin of `execute` for coroutines."""
    return (await execute_many_async((batch,), backend))[0]


def execute_many(batches: Sequence[CircuitBatch], backend: Backend) -> tuple[BatchResult, ...]:
    """Run several batches; on a remote backend in one round trip where it allows that."""
    if not is_sync(backend):
        from qstore.execution.bridge import (
            wait_for,  # asyncio is only needed for backends that wait for something
        )

        return wait_for(execute_many_async(batches, backend))
    plans = [plan(batch, backend.capabilities, backend.name) for batch in batches]
    if len(batches) > 1 and runs_many_sync(backend):
        parts = [part for each in plans for part in each.batches]
        return _combined(plans, parts, backend.run_many_sync(parts), backend)
    done: list[BatchResult] = []
    try:
        for part in [part for each in plans for part in each.batches]:
            done.append(checked_result(backend.run_sync(part), part, backend))  # noqa: PERF401  # what is done counts
    except QStoreError as exc:
        exc.perhaps_paid |= bool(done) and backend.capabilities.paid
        raise
    results = iter(done)
    return tuple(each.combine([next(results) for _ in each.batches]) for each in plans)


async def execute_many_async(batches: Sequence[CircuitBatch], backend: Backend) -> tuple[BatchResult, ...]:
    """The twin of `execute_many` for coroutines."""
    plans = [plan(batch, backend.capabilities, backend.name) for batch in batches]
    parts = [part for each in plans for part in each.batches]
    if parts and runs_many(backend):
        found: object = await backend.run_many(parts)
    else:
        found = await _in_turn(parts, backend)
    return _combined(plans, parts, found, backend)


async def _in_turn(parts: Sequence[CircuitBatch], backend: Backend) -> list[BatchResult]:
    done: list[BatchResult] = []
    try:
        for part in parts:
            done.append(await backend.run(part))  # noqa: PERF401  # what is done counts
    except QStoreError as exc:
        exc.perhaps_paid |= bool(done) and backend.capabilities.paid
        raise
    return done


def _combined(
    plans: Sequence[Plan], parts: Sequence[CircuitBatch], found: object, backend: Backend
) -> tuple[BatchResult, ...]:
    results = iter(checked_results(found, parts, backend))
    return tuple(each.combine([next(results) for _ in each.batches]) for each in plans)


def checked_results(found: object, batches: Sequence[CircuitBatch], backend: Backend) -> list[BatchResult]:
    """A backend's results, if they are answers to the batches.

    Raises:
        ExecutionError: they are not.
    """
    if not isinstance(found, Iterable):
        raise ExecutionError(
            f"{backend.name!r} returned a {type(found).__name__} for {len(batches)} batches."
        )
    results = list(found)
    if len(results) != len(batches):
        raise ExecutionError(f"{backend.name!r} returned {len(results)} results for {len(batches)} batches.")
    return [checked_result(result, batch, backend) for result, batch in zip(results, batches, strict=True)]


def checked_result(result: object, batch: CircuitBatch, backend: Backend) -> BatchResult:
    """A backend's result, if it is an answer to the batch.

    Raises:
        ExecutionError: it lacks what was asked for, or has another number of rows or values of another shape.
    """
    if not isinstance(result, BatchResult):
        raise ExecutionError(f"{backend.name!r} returned no BatchResult but a {type(result).__name__}.")
    wanted, given = (
        ("counts", result.counts) if isinstance(batch.outputs, Counts) else ("values", result.values)
    )
    if given is None:
        raise ExecutionError(f"{backend.name!r} returned no {wanted} for {type(batch.outputs).__name__}.")
    rows = len(given)
    if rows != batch.size:
        raise ExecutionError(f"{backend.name!r} returned {rows} rows for a batch of {batch.size}.")
    if result.values is not None and isinstance(batch.outputs, (Expectations, Variance)):
        # Of another width they would be taken for other observables'.
        shape = (rows, len(batch.outputs.observables))
        if result.values.shape != shape:
            what = f"returned values of shape {result.values.shape} for {type(batch.outputs).__name__}"
            raise ExecutionError(f"{backend.name!r} {what}, which has {shape}.")
    return result
