# SPDX-License-Identifier: Apache-2.0
"""What waits in an executor, in the order in which it is sent: priority, then deadline, then first come, first served.

Not safe in threads by itself: the dispatcher's lock guards it.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable

from qstore.execution.executor.merging import Piece
from qstore.execution.executor.work import Kind, Work

__all__ = ["Request", "WorkQueue"]


class Request:
    """Pieces that are sent together.

    Attributes:
        pieces: what it carries.
        circuits: how many circuits the backend runs for them at a time.
        wanted: how many of its works somebody still waits for.
    """

    __slots__ = ("circuits", "pieces", "task", "wanted")

    def __init__(self, pieces: list[Piece], circuits: int) -> None:
        self.pieces = pieces
        self.circuits = circuits
        self.wanted = len(pieces)
        self.task: asyncio.Task[None] | None = None


class WorkQueue:
    """Works that wait for their turn.

    Args:
        max_circuits: most circuits at a time at the backend, hence of a request.
        batch_size: rows of a request, from how many wait and how complex they are.
        largest: rows of a request that is sent as it was submitted.
        merges: whether different submissions share requests.
        mixes: whether different circuits share requests.
    """

    def __init__(
        self,
        max_circuits: int,
        batch_size: Callable[[int, float], int],
        *,
        largest: int,
        merges: bool,
        mixes: bool,
    ) -> None:
        self.rows = 0
        self._max_circuits = max_circuits
        self._batch_size = batch_size
        self._largest = largest
        self._merges = merges
        self._mixes = mixes
        self._lanes: dict[tuple[float, float], deque[Work]] = {}
        self._order: list[tuple[float, float]] = []
        self._last_priority: float | None = None
        self._last_lane: deque[Work] = deque()

    def push(self, work: Work, priority: float, deadline: float | None) -> None:
        """Let a work wait, behind those of its priority and deadline."""
        self.rows += work.rows
        if deadline is None and priority == self._last_priority and self._last_lane:
            self._last_lane.append(work)
        else:
            self.push_again(work, priority, deadline)

    def push_again(self, work: Work, priority: float, deadline: float | None) -> None:
        """Another place in the order, for a work that waits already and that somebody needs more urgently."""
        place = (-priority, math.inf if deadline is None else deadline)
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = deque()
            heapq.heappush(self._order, place)
        lane.append(work)
        if deadline is None:
            self._last_priority, self._last_lane = priority, lane

    def clear(self) -> None:
        """Forget everything."""
        self._lanes.clear()
        self._order.clear()
        self._last_lane = deque()
        self.rows = 0

    def drop(self, work: Work) -> None:
        """A work that nobody wants any more: its place in the order is passed over later."""
        self.rows -= work.rows - work.taken
        work.taken = work.rows
        if not self.rows:
            self.clear()

    def take(self, free: int) -> list[Request]:
        """What to send now.

        Args:
            free: circuits that may be sent.

        Returns:
            Requests of at most that many circuits, except for a single row that takes more when nothing else is under
            way. None, while more would soon fit into a request than are free: many small requests would follow each
            other for ever.
        """
        head = self._head()
        if head is None or free <= 0:
            return []
        if head.call is not None or not self._merges:
            return self._alone(head, free)
        size = self._size(head)
        if free < self._max_circuits and free < min(size, self.rows) * head.weight:
            return []
        pieces: list[Piece] = []
        while (head := self._head()) is not None and head.call is None:
            fitting = free // head.weight
            if fitting == 0:
                if pieces or free < self._max_circuits:
                    break
                fitting = 1
            piece = self._cut(head, min(size, fitting))
            pieces.append(piece)
            free -= (piece.stop - piece.start) * head.weight
        return [_request(some) for some in self._divided(pieces, size)]

    def _head(self) -> Work | None:
        while self._order:
            lane = self._lanes[self._order[0]]
            while lane:
                work = lane[0]
                if work.taken < work.rows:
                    return work
                lane.popleft()
            del self._lanes[heapq.heappop(self._order)]
        return None

    def _size(self, work: Work) -> int:
        complexity = work.kind.complexity if isinstance(work.kind, Kind) else 1.0
        return max(1, min(self._batch_size(self.rows, complexity), self._max_circuits // work.weight))

    def _cut(self, work: Work, rows: int) -> Piece:
        start = work.taken
        stop = min(work.rows, start + rows)
        work.taken = stop
        self.rows -= stop - start
        return Piece(work, start, stop)

    def _alone(self, head: Work, free: int) -> list[Request]:
        """One request as it was submitted."""
        mates = [mate for mate in head.mates if mate.taken < mate.rows]
        if head.call is not None:
            wanted = min(head.rows * head.weight, self._max_circuits)
            rows = head.rows
        else:
            rows = max(1, min(head.rows - head.taken, self._largest, self._max_circuits // head.weight))
            wanted = rows * head.weight + sum(mate.rows * mate.weight for mate in mates)
        if wanted > free and free < self._max_circuits:
            return []
        pieces = [self._cut(head, rows)]
        for mate in mates:
            pieces.append(Piece(mate, 0, mate.rows))
            mate.taken = mate.rows
            self.rows -= mate.rows
        request = Request(pieces, min(wanted, self._max_circuits))
        return [request, *self.take(free - wanted)]

    def _divided(self, pieces: list[Piece], size: int) -> list[list[Piece]]:
        """Pieces as requests of at most `size` rows; of one group where circuits do not mix, of one scope in any case."""
        parts: list[list[Piece]] = []
        open_parts: dict[object, list[Piece]] = {}
        rows: dict[object, int] = {}
        for piece in pieces:
            group = piece.work.scope if self._mixes else piece.work.group
            number = piece.stop - piece.start
            if group not in open_parts or rows[group] + number > size:
                parts.append([])
                open_parts[group], rows[group] = parts[-1], 0
            open_parts[group].append(piece)
            rows[group] += number
        return parts


def _request(pieces: list[Piece]) -> Request:
    return Request(pieces, sum((stop - start) * work.weight for work, start, stop in pieces))
