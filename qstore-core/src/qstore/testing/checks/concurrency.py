# SPDX-License-Identifier: Apache-2.0
"""Many runs at once: in one event loop, in several, in threads; and what becomes of the others when one is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from qstore.batch import BatchResult, CircuitBatch, Counts
from qstore.execution import execute_async
from qstore.testing.check import NotClaimed, Table, Violation, require
from qstore.testing.exam import BackendExam

CHECKS = Table("concurrency")


def _batches(exam: BackendExam, number: int = 8, rows: int = 2) -> list[CircuitBatch]:
    """Batches of one template and different numbers, and of different templates."""
    circuits = [exam.builder.ansatz(exam.n_qubits(2), exam.rng(140 + key)).freeze() for key in range(2)]
    outputs = exam.telling(circuits[0].n_qubits)
    if outputs is None:
        exam.need_shots()
    batches = []
    for index in range(number):
        circuit = circuits[index % 2]
        rng = exam.rng(150 + index)
        bindings = {p.name: rng.uniform(-3, 3, (*((exam.rows(rows),) if p.name == "x" else ()), *p.shape))
                    for p in circuit.parameters}  # fmt: skip
        batches.append(
            exam.batch(circuit, bindings, outputs, shots=None if outputs is not None else exam.shots(1000))
        )
    for batch in batches:
        exam.spend(batch)
    return batches


def _compare(
    exam: BackendExam, batches: Sequence[CircuitBatch], results: Sequence[BatchResult | None]
) -> None:
    for number, (batch, result) in enumerate(zip(batches, results, strict=True)):
        if result is None:
            continue
        require(isinstance(result, BatchResult), f"run {number} returned a {type(result).__name__}")
        if isinstance(batch.outputs, Counts):
            exam.check_counts(result, batch, of=f"run {number}")
        else:
            exam.check_values(result.values, batch, of=f"run {number}")


@CHECKS.check("eight runs at once in one event loop do not mix")
def one_loop(exam: BackendExam) -> None:
    """`asyncio.gather`."""
    batches = _batches(exam)

    async def together() -> list[BatchResult]:
        return list(await asyncio.gather(*(exam.backend.run(batch) for batch in batches)))

    _compare(exam, batches, exam.wait(together()))


@CHECKS.check("eight threads at once do not mix")
def threads(exam: BackendExam) -> None:
    """Each as a user would run it."""
    batches = _batches(exam)
    with ThreadPoolExecutor(8) as pool:
        results = [
            future.result(exam.timeout_s) for future in [pool.submit(exam.run, batch) for batch in batches]
        ]
    _compare(exam, batches, results)


@CHECKS.check("threads of the synchronous twin do not mix")
def synchronous_threads(exam: BackendExam) -> None:
    """Where there is a run_sync."""
    twin = getattr(exam.backend, "run_sync", None)
    if twin is None:
        raise NotClaimed("it has no run_sync")
    batches = _batches(exam, 12)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(twin, batches, timeout=exam.timeout_s))
    _compare(exam, batches, results)


@CHECKS.check("one event loop after the other")
def loops(exam: BackendExam) -> None:
    """Nothing is tied to the first loop."""
    batches = _batches(exam, 3)
    _compare(exam, batches, [exam.wait(exam.backend.run(batch)) for batch in batches])


@CHECKS.check("event loops in several threads at once")
def loops_in_threads(exam: BackendExam) -> None:
    """Each thread its own."""
    batches = _batches(exam, 4)
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda batch: exam.wait(exam.backend.run(batch)), batches, timeout=exam.timeout_s)
        )
    _compare(exam, batches, results)


@CHECKS.check("a run does not block the event loop it waits in")
def other_work(exam: BackendExam) -> None:
    """Something else gets its turn before a large run is done."""
    (batch,) = _batches(exam, 1, rows=200)

    async def beside() -> tuple[int, BatchResult]:
        task = asyncio.ensure_future(exam.backend.run(batch))
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        return turns, task.result()

    turns, result = exam.wait(beside())
    _compare(exam, [batch], [result])
    if turns < 3:
        exam.remarks.append("run() computes inside the event loop: other coroutines wait meanwhile")


@CHECKS.check("gradients and runs at once do not mix")
def with_gradients(exam: BackendExam) -> None:
    """A vjp and runs of the same template."""
    if "Expectations" not in exam.capabilities.differentiable_outputs:
        raise NotClaimed("it declares no gradient of expectation values")
    from qstore.batch import Expectations
    from qstore.circuit import Z
    from qstore.testing.reference import expected_gradients

    batches = [batch.replace(outputs=Expectations([Z(0)])) for batch in _batches(exam, 4)]
    ones = np.ones((batches[0].size, 1))

    async def together() -> list[tuple[BatchResult, dict[str, np.ndarray]]]:
        return list(await asyncio.gather(*(exam.backend.vjp(batch, ones) for batch in batches)))  # type: ignore[attr-defined]

    for batch, (result, gradients) in zip(batches, exam.wait(together()), strict=True):
        exam.check_values(result.values, batch, of="values")
        for name, gradient in expected_gradients(batch, ones).items():
            exam.close(
                gradients[name],
                gradient,
                of=f"gradient of {name!r}",
                tolerance=max(1e-7, 10 * exam.tolerance),
            )


async def _cancelled(task: asyncio.Future[BatchResult], timeout_s: float) -> BatchResult | None:
    """The result of a task that was told to stop: None if it did, its result if it was done by then."""
    done, _ = await asyncio.wait({task}, timeout=timeout_s)
    require(done, f"a cancelled run did not end within {timeout_s:g} s")
    if task.cancelled():
        return None
    if task.exception() is not None:
        raise Violation(f"a cancelled run raised {type(task.exception()).__name__}: {task.exception()}")
    require(isinstance(task.result(), BatchResult), f"a cancelled run returned {task.result()!r}")
    return task.result()


@CHECKS.check(
    "a run that is cancelled {} ends as cancelled, or with its true result", each=("at once", "in the middle")
)
def cancel(exam: BackendExam, when: str) -> None:
    """And the next run works."""
    batches = _batches(exam, 2, rows=20)

    async def stopped() -> BatchResult | None:
        task = asyncio.ensure_future(exam.backend.run(batches[0]))
        if when == "in the middle":
            await asyncio.sleep(0.003)
        task.cancel()
        return await _cancelled(task, exam.timeout_s / 2)

    result = exam.wait(stopped())
    _compare(exam, batches[:1], [result])
    _compare(exam, batches[1:], [exam.wait(exam.backend.run(batches[1]))])


@CHECKS.check("cancelling one run leaves the others alone")
def cancel_one(exam: BackendExam) -> None:
    """Of five at once, the second."""
    batches = _batches(exam, 5)

    async def together() -> list[BatchResult | None]:
        tasks = [asyncio.ensure_future(exam.backend.run(batch)) for batch in batches]
        await asyncio.sleep(0.001)
        tasks[1].cancel()
        await asyncio.wait(tasks, timeout=exam.timeout_s / 2)
        return [await _cancelled(task, 1.0) for task in tasks]

    results = exam.wait(together())
    lost = [number for number, result in enumerate(results) if result is None and number != 1]
    require(not lost, f"run 1 was cancelled, and {lost} ended as well")
    _compare(exam, batches, results)


@CHECKS.check("a run under a deadline that is too short ends in TimeoutError, and the next one works")
def deadline(exam: BackendExam) -> None:
    """`asyncio.wait_for`."""
    batches = _batches(exam, 2, rows=20)

    async def hurried() -> BatchResult | None:
        try:
            return await asyncio.wait_for(exam.backend.run(batches[0]), 0.002)
        except TimeoutError:
            return None

    _compare(exam, batches[:1], [exam.wait(hurried())])
    _compare(exam, batches[1:], [exam.wait(exam.backend.run(batches[1]))])


@CHECKS.check("the core's run works where an event loop is running already")
def inside_a_loop(exam: BackendExam) -> None:
    """As in a notebook, by its asynchronous twin."""
    batches = _batches(exam, 2)

    async def inside() -> list[BatchResult]:
        return [await execute_async(batch, exam.backend) for batch in batches]

    _compare(exam, batches, exam.wait(inside()))
