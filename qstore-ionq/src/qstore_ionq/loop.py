# SPDX-License-Identifier: Apache-2.0
"""All requests leave from qstore's own event loop, whichever loop the user is on.

A user's loop may be closed in the middle of a request (`asyncio.run` ends when its coroutine does), and with it the
connections and whatever was shielded from cancellation. The background loop lives as long as the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from qstore.errors import ExecutionError
from qstore.execution.bridge import wait_for

__all__ = ["on_background_loop"]

Result = TypeVar("Result")


async def on_background_loop(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Await a coroutine that runs on the background loop; cancelling the one cancels the other."""
    here, there = asyncio.get_running_loop(), _background_loop()
    if here is there:
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, there))


async def _this_loop() -> asyncio.AbstractEventLoop:  # has to run on the loop it asks for
    return asyncio.get_running_loop()


def _background_loop() -> asyncio.AbstractEventLoop:
    try:
        return wait_for(_this_loop())
    except ExecutionError:  # we are on it
        return asyncio.get_running_loop()
