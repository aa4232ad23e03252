# SPDX-License-Identifier: Apache-2.0
"""Many results one after the other: in the order of the batches (`mapped`), or as they come (`as_completed`).

No task is made for any of them. What is submitted and not yet handed on is bounded, so that an iterator of a million
batches takes no more memory than one of a thousand; what is under way when the loop over it is left is cancelled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sized
from typing import Protocol

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import OptionError
from qstore.execution.executor.handle import Handle

__all__ = ["Batches", "Progress", "as_completed", "mapped"]

Batches = Iterable[CircuitBatch] | AsyncIterable[CircuitBatch]

_BREATH = 32
"""After so many results that were there already other tasks of the loop get a turn."""


class Progress(Protocol):
    """Is told how far things are."""

    def __call__(self, done: int, total: int | None, /) -> object:
        """So many batches are done, of so many; None where the number is not known."""


async def mapped(
    submit: Callable[[CircuitBatch], Handle], batches: Batches, window: int, progress: Progress | None
) -> AsyncIterator[BatchResult]:
    """The results of batches in their order.

    Args:
        submit: takes a batch.
        batches: what to run, pulled as there is room.
        window: most circuits that are submitted and not yet handed on; a larger batch is handed on before the next one.
        progress: is told after each batch.
    """
    source = batches.__aiter__() if isinstance(batches, AsyncIterable) else _pulled(batches)
    total = len(batches) if isinstance(batches, Sized) else None
    waiting: deque[tuple[Handle, int]] = deque()
    open_rows = done = 0
    exhausted = False
    try:
        while True:
            while not exhausted and (open_rows < window or not waiting):
                batch = await anext(source, None)
                if batch is None:
                    exhausted = True
                    break
                waiting.append((submit(batch), batch.size))
                open_rows += batch.size
            if not waiting:
                return
            handle, rows = waiting[0]
            result = await handle
            waiting.popleft()
            open_rows -= rows
            done += 1
            if progress is not None:
                progress(done, total)
            if done % _BREATH == 0:
                await asyncio.sleep(0)
            yield result
    finally:
        for handle, _ in waiting:
            handle.cancel()


async def _pulled(batches: Iterable[CircuitBatch]) -> AsyncIterator[CircuitBatch]:
    for batch in batches:
        yield batch


async def as_completed(handles: Iterable[Handle]) -> AsyncIterator[Handle]:
    """The handles in the order in which they settle; handles that wait are not cancelled when the loop is left.

    Raises:
        OptionError: something among them is no handle.
    """
    wanted = list(handles)
    for handle in wanted:
        if not isinstance(handle, Handle):
            raise OptionError(f"as_completed takes what submit returned, got {type(handle).__name__}.")
    settled: deque[Handle] = deque()
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def note(handle: Handle) -> None:
        settled.append(handle)
        arrived.set()

    for handle in wanted:
        handle.add_done_callback(note)
        handle.send_soon(loop)
    for number in range(1, len(wanted) + 1):
        while not settled:
            arrived.clear()
            await arrived.wait()
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        yield settled.popleft()
