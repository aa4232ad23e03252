# SPDX-License-Identifier: Apache-2.0
"""Planted faults of backends, each seen somewhere or easily made; the kit has to catch every one."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import (
    BatchResult,
    CircuitBatch,
    DensityMatrix,
    Estimate,
    Expectations,
    Probabilities,
    Samples,
    StateVector,
    Variance,
)
from qstore.circuit import GATES, Observable, Operation
from qstore.errors import QStoreError
from qstore.testing.faults.altered import Altered, Fault, altered, rewriting
from qstore.testing.loopback import Job, LoopbackBackend
from qstore.testing.strict import StrictBackend

__all__ = ["BACKEND_FAULTS"]

GRID = np.pi / 12


def _only(*gates: str) -> Any:
    """A function that applies a change to these gates alone."""

    def to(change: Any) -> Any:
        return rewriting(lambda op: change(op) if op.gate in gates else op)

    return to


def _turned(op: Operation, factor: float) -> Operation:
    return replace(op, angles=tuple(angle.scaled(factor) for angle in op.angles))


def _rounded(op: Operation) -> Operation:
    return replace(op, angles=tuple(replace(a, constant=round(a.constant / GRID) * GRID) for a in op.angles))


def _without_constants(op: Operation) -> Operation:
    symbolic = [replace(a, constant=0.0) if a.terms else a for a in op.angles]
    return replace(op, angles=tuple(symbolic))


def _reversed_bits(values: NDArray[Any], axes: Sequence[int]) -> NDArray[Any]:
    for axis in axes:
        n = values.shape[axis].bit_length() - 1
        order = [int(format(i, f"0{n}b")[::-1], 2) for i in range(1 << n)] if n else [0]
        values = np.take(values, order, axis=axis)
    return values


def _other_end(batch: CircuitBatch, result: BatchResult) -> BatchResult:
    n = batch.circuit.n_qubits
    if result.counts is not None:
        counts = tuple(
            {int(format(k, f"0{n}b")[::-1], 2): v for k, v in row.items()} for row in result.counts
        )
        return replace(result, counts=counts)
    assert result.values is not None
    if isinstance(batch.outputs, Probabilities | StateVector):
        return replace(result, values=_reversed_bits(result.values, (1,)))
    if isinstance(batch.outputs, DensityMatrix):
        return replace(result, values=_reversed_bits(result.values, (1, 2)))
    return result


def _counted(change: Any) -> Any:
    """A function that changes every row of counts."""

    def answered(_: CircuitBatch, result: BatchResult) -> BatchResult:
        if result.counts is None:
            return result
        return replace(result, counts=tuple(change(dict(row)) for row in result.counts))

    return answered


def _lose(row: dict[int, int]) -> dict[int, int]:
    most = max(row, key=lambda outcome: row[outcome])
    return row | {most: row[most] - 1} if row[most] > 1 else row


def _valued(change: Any, *kinds: type) -> Any:
    """A function that changes the values of some outputs."""

    def answered(batch: CircuitBatch, result: BatchResult) -> BatchResult:
        if result.values is None or not isinstance(batch.outputs, kinds or (object,)):
            return result
        return replace(result, values=change(result.values))

    return answered


def _keyed(keys: Any) -> Any:
    """A method that measures with other stream keys."""

    def measured(self: StrictBackend, batch: CircuitBatch) -> BatchResult:
        return StrictBackend.measured(self, batch.replace(_keys=np.asarray(keys(batch), dtype=np.uint64)))

    return measured


def _first_row(batch: CircuitBatch) -> CircuitBatch:
    spread = {name: np.repeat(array[:1], batch.size, axis=0) if name in batch.per_sample else array
              for name, array in batch.bindings.items()}  # fmt: skip
    return batch.replace(bindings=spread)


def _swapped_rows(_: CircuitBatch, result: BatchResult) -> BatchResult:
    if result.counts is not None and len(result.counts) > 1:
        return replace(result, counts=(result.counts[1], result.counts[0], *result.counts[2:]))
    if result.values is not None and len(result.values) > 1:
        return replace(result, values=result.values[[1, 0, *range(2, len(result.values))]])
    return result


def _dropped_row(_: CircuitBatch, result: BatchResult) -> BatchResult:
    if result.counts is not None and len(result.counts) > 1:
        return replace(result, counts=result.counts[:-1])
    return (
        result
        if result.values is None or len(result.values) < 2
        else replace(result, values=result.values[:-1])
    )


def _marginal_order(batch: CircuitBatch) -> CircuitBatch:
    outputs = batch.outputs
    if not isinstance(outputs, Probabilities | DensityMatrix) or outputs.qubits is None:
        return batch
    return batch.replace(outputs=type(outputs)(outputs.qubits[::-1]))


def _observables(change: Any) -> Any:
    def asked(batch: CircuitBatch) -> CircuitBatch:
        if not isinstance(batch.outputs, Expectations | Variance):
            return batch
        return batch.replace(outputs=type(batch.outputs)([change(o) for o in batch.outputs.observables]))

    return asked


def _unit_coefficients(observable: Observable) -> Observable:
    return Observable(tuple(term._replace(coefficient=1.0) for term in observable.terms))


def _flipped_y(observable: Observable) -> Observable:
    signs = [(-1.0) ** sum(letter == "Y" for _, letter in term.letters) for term in observable.terms]
    return Observable(
        tuple(t._replace(coefficient=s * t.coefficient) for t, s in zip(observable.terms, signs, strict=True))
    )


def _of_everything(
    self: StrictBackend, batch: CircuitBatch, cotangent: NDArray[Any], wrt: object = None
) -> tuple[BatchResult, dict[str, NDArray[np.float64]]]:
    del wrt  # that it is not looked at is the fault
    return StrictBackend.vjp_sync(self, batch, cotangent)


class _Shared(Altered):
    """Keeps the batch it works on in itself, while other threads put theirs there."""

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        self.current = batch
        time.sleep(0.002)
        return StrictBackend.run_sync(self, self.current)


class _Cached(Altered):
    """Remembers results by the circuit alone."""

    def __init__(self) -> None:
        self.kept: dict[Any, BatchResult] = {}

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        key = (batch.circuit, batch.outputs, batch.shots, batch.size)
        if key not in self.kept:
            self.kept[key] = StrictBackend.run_sync(self, batch)
        return self.kept[key]


class _OneBuffer(Altered):
    """Writes all results into one array."""

    def __init__(self) -> None:
        self.buffers: dict[Any, NDArray[Any]] = {}

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        result = StrictBackend.run_sync(self, batch)
        if result.values is None:
            return result
        buffer = self.buffers.setdefault(
            (result.values.shape, result.values.dtype), np.empty_like(result.values)
        )
        buffer[...] = result.values
        return replace(result, values=buffer)


class _Swallows(Altered):
    """Answers with zeros where it ought to raise."""

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        try:
            return StrictBackend.run_sync(self, batch)
        except QStoreError:
            size = 1 << batch.circuit.n_qubits
            zeros = np.zeros((batch.size, size))
            return self.result(
                batch, values=zeros, counts=tuple({0: batch.shots or 0} for _ in range(batch.size))
            )


class _SwallowsCancellation(Altered):
    """Takes a cancellation for a reason to return nothing."""

    async def run(self, batch: CircuitBatch) -> BatchResult:
        try:
            await asyncio.sleep(0.005)
            return await StrictBackend.run(self, batch)
        except asyncio.CancelledError:
            return None  # type: ignore[return-value]  # that is the fault


class _KeepsItsLock(Altered):
    """A cancelled run leaves its lock taken."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    async def run(self, batch: CircuitBatch) -> BatchResult:
        while not self.lock.acquire(blocking=False):  # noqa: ASYNC110  # a poor lock is the point
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.004)  # a cancellation here jumps over the release
        self.lock.release()
        return await StrictBackend.run(self, batch)


class _OneLoop(Altered):
    """Holds on to the event loop that it was first used in."""

    queue: asyncio.Queue[int] | None = None

    async def run(self, batch: CircuitBatch) -> BatchResult:
        loop = asyncio.get_running_loop()
        self.first = getattr(self, "first", loop)
        if self.first is not loop:
            raise RuntimeError("Event loop is closed")
        return await StrictBackend.run(self, batch)


class _LateStatus(LoopbackBackend):
    """Takes a job for done as soon as the service says that it runs."""

    async def finished(self, job: Job) -> None:  # noqa: ARG002  # that it does not look is the fault
        await asyncio.sleep(self.latency_s)


class _ForgetsJobs(LoopbackBackend):
    """Does not say which job it was."""

    async def run_many(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        return [replace(result, job_ids=()) for result in await super().run_many(batches)]


class _TruncatesRows(LoopbackBackend):
    """The service takes fewer rows than declared and says nothing."""

    async def submit(self, batches: Sequence[CircuitBatch]) -> Job:
        return await super().submit([batch.rows(0, min(batch.size, 30)) for batch in batches])


class _TwistedMany(Altered):
    async def run_many(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        return (await super().run_many(batches))[::-1]


class _OtherTwin(Altered):
    """The synchronous twin and the asynchronous one disagree."""

    async def run(self, batch: CircuitBatch) -> BatchResult:
        result = await StrictBackend.run(self, batch)
        return result if result.values is None else replace(result, values=result.values * (1 - 1e-4))


class _Mutates(Altered):
    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        result = StrictBackend.run_sync(self, batch)
        for array in batch.bindings.values():
            owner = array if array.base is None else array.base
            if isinstance(owner, np.ndarray) and owner.flags.writeable and owner.size:
                owner.ravel()[0] += 1e-3
        return result


def _more_expensive(_: CircuitBatch, estimate: Estimate) -> Estimate:
    return replace(estimate, usd=Decimal("0.01"))


def _cheaper_in_bulk(batch: CircuitBatch, estimate: Estimate) -> Estimate:
    return replace(estimate, seconds=estimate.seconds / batch.size**2)


def _errors(result: BatchResult, factor: float) -> BatchResult:
    return (
        result
        if result.standard_errors is None
        else replace(result, standard_errors=result.standard_errors * factor)
    )


def _capable(**changes: Any) -> Any:
    return StrictBackend.capabilities.with_changes(**changes)


BACKEND_FAULTS: tuple[Fault, ...] = (
    altered("bit order reversed", answered=_other_end),
    altered("sign of rx", asked=_only("rx")(lambda op: _turned(op, -1))),
    altered("rz turns twice as far", asked=_only("rz")(lambda op: _turned(op, 2))),
    altered("angles rounded to pi/12", asked=rewriting(_rounded)),
    altered("constants of affine angles dropped", asked=rewriting(_without_constants)),
    altered("control and target of cx swapped", asked=_only("cx")(lambda op: op.moved(op.qubits[::-1]))),
    altered("cy taken for cx", asked=_only("cy")(lambda op: replace(op, gate="cx"))),
    altered("iswap taken for swap", asked=_only("iswap")(lambda op: replace(op, gate="swap"))),
    altered("sdg taken for s", asked=_only("sdg")(lambda op: replace(op, gate="s"))),
    altered("qubits of initialize reversed", asked=_only("initialize")(lambda op: op.moved(op.qubits[::-1]))),
    altered("unitaries transposed", asked=_only("unitary")(
        lambda op: replace(op, unitary=tuple(op.matrix().T.ravel().tolist())))),
    altered("noise ignored", asked=rewriting(lambda op: None if op.gate in GATES and GATES[op.gate].strength else op)),
    altered("reset ignored", asked=_only("reset")(lambda _: None)),
    altered("conditions ignored", asked=rewriting(lambda op: replace(op, condition=None))),
    altered("first row's bindings for all rows", asked=_first_row),
    altered("rows swapped", answered=_swapped_rows),
    altered("last row dropped", answered=_dropped_row),
    altered("a shot lost", answered=_counted(_lose)),
    altered("outcomes as strings", answered=_counted(lambda row: {format(k, "b"): v for k, v in row.items()})),
    altered("counts as numpy integers", answered=_counted(lambda row: {k: np.int64(v) for k, v in row.items()})),
    altered("seed ignored", measured=_keyed(lambda batch: np.frombuffer(os.urandom(8 * batch.size), dtype=np.uint64))),
    altered("one seed for ever", measured=_keyed(lambda batch: np.arange(batch.size))),
    altered("draws by place in the batch", measured=_keyed(lambda batch: (batch.seed or 0) % 2**32 + np.arange(batch.size))),
    altered("one draw for all rows", measured=_keyed(lambda batch: np.repeat(batch.stream_keys[:1], batch.size))),
    altered("columns of samples reversed", answered=_valued(lambda v: v[:, :, ::-1].copy(), Samples)),
    altered("samples as 64-bit integers", answered=_valued(lambda v: v.astype(np.int64), Samples)),
    altered("values in single precision", answered=_valued(lambda v: v.astype(np.float32), Expectations, Probabilities)),
    altered("complex expectation values", answered=_valued(lambda v: v.astype(complex), Expectations)),
    altered("qubits of marginals reversed", asked=_marginal_order),
    altered("statevector conjugated", answered=_valued(np.conj, StateVector)),
    altered("density matrix transposed", answered=_valued(lambda v: v.transpose(0, 2, 1).copy(), DensityMatrix)),
    altered("second moment for the variance", answered=_valued(lambda v: v + 0.01, Variance)),
    altered("coefficients of observables ignored", asked=_observables(_unit_coefficients)),
    altered("sign of Y in observables", asked=_observables(_flipped_y)),
    altered("standard errors too small", answered=lambda _, result: _errors(result, 0.5)),
    altered("standard errors too large", answered=lambda _, result: _errors(result, 2.5)),
    altered("no standard errors", answered=lambda _, result: replace(result, standard_errors=None)),
    altered("sign of gradients", pulled=lambda _, found: {k: np.asarray(-v) for k, v in found.items()}),
    altered("gradients of shared bindings averaged",
            pulled=lambda b, found: {k: v if k in b.per_sample else np.asarray(v / b.size) for k, v in found.items()}),
    altered("gradients of shared bindings per row",
            pulled=lambda b, found: {k: v if k in b.per_sample else np.stack([v] * b.size) / b.size for k, v in found.items()}),
    altered("gradients in single precision", pulled=lambda _, found: {k: v.astype(np.float32) for k, v in found.items()}),
    altered("wrt ignored", vjp_sync=_of_everything),
    altered("cotangent ignored",
            vjp_sync=lambda self, batch, cotangent, wrt=None: StrictBackend.vjp_sync(self, batch, np.ones_like(cotangent), wrt)),
    altered("free, and estimates a price", judged=_more_expensive),
    altered("many rows estimated faster than one", judged=_cheaper_in_bulk),
    altered("error of shots estimated as zero", judged=lambda _, estimate: replace(estimate, error=0.0)),
    altered("bills what it did not estimate", answered=lambda _, result: replace(result, billed_usd=Decimal("0.3"))),
    altered("wrong backend name", answered=lambda _, result: replace(result, backend="statevector")),
    altered("wrong number of shots told", answered=lambda _, r: replace(r, shots=None if r.shots is None else r.shots + 1)),
    altered("wrong seed told", answered=lambda _, result: replace(result, seed=None if result.seed is None else 12345)),
    altered("declares gradients of an output that has none", capabilities=_capable(
        differentiable_outputs=frozenset({"Expectations", "DensityMatrix"}))),
    altered("declares fewer outputs than its vjp differentiates", capabilities=_capable(
        exact_outputs=frozenset({"Probabilities"}))),
    altered("takes fewer shots than declared", capabilities=_capable(max_shots=5000), measured=lambda self, batch:
            StrictBackend.measured(self, batch.replace(shots=min(batch.shots or 0, 4500)))),
    Fault("not safe for threads", _Shared),
    Fault("results cached by circuit alone", _Cached),
    Fault("one buffer for all results", _OneBuffer),
    Fault("errors swallowed", _Swallows),
    Fault("cancellation swallowed", _SwallowsCancellation),
    Fault("lock kept after a cancellation", _KeepsItsLock),
    Fault("tied to its first event loop", _OneLoop),
    Fault("bindings changed in place", _Mutates),
    Fault("results of run_many in reverse", _TwistedMany),
    Fault("run and run_sync differ", _OtherTwin),
    Fault("late status: results taken before the job is done", _LateStatus),
    Fault("jobs not named", _ForgetsJobs),
    Fault("rows beyond the service's limit dropped in silence", _TruncatesRows),
)  # fmt: skip
