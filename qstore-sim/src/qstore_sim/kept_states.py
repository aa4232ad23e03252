# SPDX-License-Identifier: Apache-2.0
"""Memory for the final states of forward passes whose backward pass is still to come.

A training step takes as much as the one before it, so what is given back is handed out again: fresh memory costs a page
fault for every 4 KiB, which at eight qubits is a good part of the step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["KeptStates", "Room", "States"]

MOST_BYTES = 1 << 28
"""So much is kept at a time; a pass that would take more runs forwards again before it runs backwards."""
SPARE_BYTES = 1 << 26
"""So much waits to be used again."""


class Room(NamedTuple):
    """Memory for final states, and what the kernels are told of it.

    Attributes:
        states: of all tiles, one after the other.
        forward, backward: its address, and whether its states are written or read.
    """

    states: NDArray[Any]
    forward: NDArray[np.int64]
    backward: NDArray[np.int64]

    @classmethod
    def of(cls, states: NDArray[Any]) -> Room:
        """The room that an array is."""
        return cls(states, *(np.array([states.ctypes.data, back], dtype=np.int64) for back in (0, 1)))


class States:
    """The final states of one forward pass; the memory goes back when nobody needs them any more.

    Attributes:
        room: where they are.
    """

    __slots__ = ("_home", "room")

    def __init__(self, home: deque[Room], room: Room) -> None:
        self._home, self.room = home, room

    def __del__(self) -> None:
        self._home.append(self.room)


class KeptStates:
    """The memory of one backend's kept states."""

    def __init__(self) -> None:
        self._used = 0
        self._spare: list[Room] = []
        # The garbage collector may give something back in the middle of anything, also where the lock is held.
        self._returned: deque[Room] = deque()
        self._lock = Lock()

    def take(self, size: int, make: Callable[[], NDArray[Any]]) -> States | None:
        """Room for `size` bytes, used before or fresh from `make`; None where there would be too much."""
        with self._lock:
            while self._returned:
                back = self._returned.popleft()
                self._used -= back.states.nbytes
                self._spare.append(back)
            found = next(
                (index for index, room in enumerate(self._spare) if room.states.nbytes == size), None
            )
            fits = self._used + size <= MOST_BYTES
            room = None if not fits else Room.of(make()) if found is None else self._spare.pop(found)
            while self._spare and sum(room.states.nbytes for room in self._spare) > SPARE_BYTES:
                del self._spare[0]
            if room is None:
                return None
            self._used += size
            return States(self._returned, room)
