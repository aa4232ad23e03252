# SPDX-License-Identifier: Apache-2.0
"""`Waker`: when what was submitted is sent: once all that is submitted in one go is there, so that it shares requests.

On an event loop that is when the present step of the caller is done; in a thread without one, two milliseconds later or as
soon as the thread waits for a result.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from qstore.execution.bridge import background_loop

__all__ = ["Waker"]

LINGER_S = 0.002
"""How long a first submission from a thread without an event loop waits for others to share its request."""
STALE_S = 0.1
"""An event loop that did not come round for so long may have been closed; somebody else starts the sending."""


class Waker:
    """Has `pump` called on qstore's own event loop, once for all that is submitted together.

    `wake` and `awake` are called under the dispatcher's lock.
    """

    __slots__ = ("_at", "_loop", "_on", "_pump")

    def __init__(self, pump: Callable[[], None]) -> None:
        self._pump = pump
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on: asyncio.AbstractEventLoop | None = None
        self._at = 0.0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that requests are sent from."""
        if self._loop is None:
            self._loop = background_loop()
        return self._loop

    def wake(self) -> bool:
        """See that what waits is sent soon; returns whether the caller should `post` at once instead."""
        if self._on is not None:
            now = time.monotonic()
            stale = now - self._at > STALE_S
            if stale:
                self._at = now
            return stale
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        mine = self.loop
        self._on, self._at = here or mine, time.monotonic()
        if here is mine:
            mine.call_soon(self._pump)
        elif here is not None:
            here.call_soon(self.post)
        else:
            mine.call_soon_threadsafe(mine.call_later, LINGER_S, self._pump)
        return False

    def awake(self) -> None:
        """It is being sent."""
        self._on = None

    def hurry(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Somebody waits: send now, unless that loop is about to have it sent when its present step is done."""
        if self._on is not None and self._on is not loop:
            self.post()

    def post(self) -> None:
        """Send now."""
        self.loop.call_soon_threadsafe(self._pump)
