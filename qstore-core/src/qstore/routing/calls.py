# SPDX-License-Identifier: Apache-2.0
"""What a router does around a call of a backend: reserve before it, and differentiate with or without an event loop."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.plugins import Backend, Gradients, is_sync_differentiable
from qstore.routing.fallback import Course
from qstore.routing.selection import Choice

__all__ = ["Differentiated", "differentiated", "opened"]

Differentiated: TypeAlias = tuple[BatchResult, Gradients]


def differentiated(
    backend: Backend, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None
) -> Differentiated:
    """A backend's own vjp, without an event loop where it has the synchronous twin."""
    if is_sync_differentiable(backend):
        return backend.vjp_sync(batch, cotangent, wrt)
    from qstore.execution.bridge import wait_for  # asyncio is only needed for what waits

    return wait_for(backend.vjp(batch, cotangent, wrt))  # type: ignore[attr-defined,no-any-return]  # selected for it


async def opened(course: Course, choice: Choice) -> None:
    """Reserve in a thread; a caller that is cancelled meanwhile gives the money back, as nothing was sent."""
    if not choice.candidate.reserves:
        return
    import asyncio  # who awaits this has it

    opening = asyncio.ensure_future(asyncio.to_thread(course.open, choice))
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait({opening})
        opening.exception()  # heard of, whatever it is
        await asyncio.to_thread(course.cancelled)
        raise
