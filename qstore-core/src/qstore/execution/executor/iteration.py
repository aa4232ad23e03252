# SPDX-License-Identifier: Apache-2.0
"""Many results one after the other: in the order of the batches (`mapped`), or as they come (`as_completed`).

No task is made for any of them, one for a source that has to be awaited. What is submitted and not yet handed on is bounded, so that an iterator of a million
batches takes no more memory than one of a thousand; what is under way when the loop over it is left is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import Protocol

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import OptionError
from qstore.execution.executor.handle import Handle

__all__ = ["Batches", "Progress", "Window", "as_completed", "mapped"]

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
    total = len(batches) if isinstance(batches, Sized) else None
    under_way = Window(submit, window)
    # A source that has to be waited for must not keep results waiting that are there.
    feeding = asyncio.ensure_future(under_way.feed(batches)) if isinstance(batches, AsyncIterable) else None
    source = iter(()) if isinstance(batches, AsyncIterable) else iter(batches)
    done = 0
    try:
        while True:
            if feeding is None:
                under_way.fill(source)
            elif not under_way.handles:
                await under_way.fed(feeding)
            if not under_way.handles:
                return
            result = await under_way.handles[0][0]
            under_way.hand_on()
            done += 1
            if progress is not None:
                progress(done, total)
            if done % _BREATH == 0:
                await asyncio.sleep(0)
            yield result
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        under_way.cancel()


class Window:
    """What is submitted and not yet handed on, oldest first."""

    def __init__(self, submit: Callable[[CircuitBatch], Handle], rows: int) -> None:
        self.handles: deque[tuple[Handle, int]] = deque()
        self._submit, self._room = submit, rows
        self._changed: asyncio.Event | None = None

    def fill(self, source: Iterator[CircuitBatch]) -> None:
        """Pull as many as there is room for."""
        while self._room > 0 or not self.handles:
            try:
                batch = next(source)
            except StopIteration:
                return
            self._add(batch)

    async def feed(self, source: AsyncIterable[CircuitBatch]) -> None:
        """Pull as there is room, until the source has no more."""
        async with contextlib.aclosing(_pulled(source)) as batches:
            async for batch in batches:
                self._add(batch)
                self._notify()
                while self._room <= 0 and self.handles:
                    await self._change()

    async def fed(self, feeding: asyncio.Task[None]) -> None:
        """Wait for a first one; raises what the source has raised."""
        feeding.add_done_callback(lambda _: self._notify())
        while not self.handles and not feeding.done():
            await self._change()
        if not self.handles:
            await feeding

    def hand_on(self) -> None:
        """The oldest is done."""
        self._room += self.handles.popleft()[1]
        self._notify()

    def cancel(self) -> None:
        """Give up what is under way."""
        for handle, _ in self.handles:
            handle.cancel()

    def _add(self, batch: CircuitBatch) -> None:
        self.handles.append((self._submit(batch), batch.size))
        self._room -= batch.size

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def _change(self) -> None:
        self._changed = self._changed or asyncio.Event()
        self._changed.clear()
        await self._changed.wait()


async def _pulled(source: AsyncIterable[CircuitBatch]) -> AsyncGenerator[CircuitBatch, None]:
    """The source, closed with this generator if it can be."""
    try:
        async for batch in source:
            yield batch
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


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

    leave = [handle.call_when_done(loop, note) for handle in wanted]
    try:
        for number in range(1, len(wanted) + 1):
            while not settled:
                arrived.clear()
                await arrived.wait()
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            yield settled.popleft()
    finally:
        for each in leave:
            each()
