# SPDX-License-Identifier: Apache-2.0
"""Memory for the final states of forward passes whose backward pass is still to come.

A training step takes as much as the one before it, so what is given back is handed out again: fresh memory costs a page
fault for every 4 KiB, which at eight qubits is a good part of the step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any

from numpy.typing import NDArray

__all__ = ["KeptStates", "States"]

MOST_BYTES = 1 << 28
"""So much is kept at a time; a pass that would take more runs forwards again before it runs backwards."""
SPARE_BYTES = 1 << 26
"""So much waits to be used again."""


class States:
    """The final states of one forward pass; the memory goes back when nobody needs them any more.

    Attributes:
        states: of all tiles, one after the other.
    """

    __slots__ = ("_home", "states")

    def __init__(self, home: deque[NDArray[Any]], states: NDArray[Any]) -> None:
        self._home, self.states = home, states

    def __del__(self) -> None:
        self._home.append(self.states)


class KeptStates:
    """The memory of one backend's kept states."""

    def __init__(self) -> None:
        self._used = 0
        self._spare: list[NDArray[Any]] = []
        # The garbage collector may give something back in the middle of anything, also where the lock is held.
        self._returned: deque[NDArray[Any]] = deque()
        self._lock = Lock()

    def take(self, size: int, make: Callable[[], NDArray[Any]]) -> States | None:
        """Room for `size` bytes, used before or fresh from `make`; None where there would be too much."""
        with self._lock:
            while self._returned:
                back = self._returned.popleft()
                self._used -= back.nbytes
                self._spare.append(back)
            found = next((index for index, array in enumerate(self._spare) if array.nbytes == size), None)
            fits = self._used + size <= MOST_BYTES
            states = None if not fits else make() if found is None else self._spare.pop(found)
            while self._spare and sum(array.nbytes for array in self._spare) > SPARE_BYTES:
                del self._spare[0]
            if states is None:
                return None
            self._used += size
            return States(self._returned, states)
