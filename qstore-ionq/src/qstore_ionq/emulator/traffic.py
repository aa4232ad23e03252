# SPDX-License-Identifier: Apache-2.0
"""What clients did: every request, and the counts that tests ask for. No header and no body is kept, so no key is."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass

__all__ = ["Exchange", "Stats", "Traffic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        at: when it arrived, in seconds of `time.monotonic()`.
        method, path, query: as sent.
        route: its name in fault plans.
        tag: of a submission, its `qstore_tag`.
        attempt: which try of the same thing it is, from 1 on.
        status: of the answer; 0 where none was sent.
        fault: what was done to it, "" for nothing.
        took_s: how long it took.
    """

    at: float
    method: str
    path: str
    query: str
    route: str
    tag: str
    attempt: int
    status: int
    fault: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts since the start, or since they were reset.

    Attributes:
        requests: by route.
        posts: submissions that arrived, accepted or not.
        statuses: answers by HTTP status; 0 for none.
        faults: by label, such as "reset after".
        connections: how many were opened.
        max_requests_in_flight, max_connections, max_jobs_in_flight: most at one time.
        jobs: by status.
        circuits: of all jobs.
        accepted: jobs by `qstore_tag`; "" for those without.
        billed: jobs that were or will be billed, by tag: neither failed nor cancelled nor dry runs.
        spent_usd: what was billed so far.
    """

    requests: dict[str, int]
    posts: int
    statuses: dict[int, int]
    faults: dict[str, int]
    connections: int
    max_requests_in_flight: int
    max_connections: int
    max_jobs_in_flight: int
    jobs: dict[str, int]
    circuits: int
    accepted: dict[str, int]
    billed: dict[str, int]
    spent_usd: str

    @property
    def duplicates(self) -> int:
        """Jobs that were billed more than once under one tag."""
        return sum(count - 1 for tag, count in self.billed.items() if tag and count > 1)


class Traffic:
    """The requests so far.

    Args:
        size: how many are remembered.
    """

    def __init__(self, size: int) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=size)
        self.reset()

    def reset(self) -> None:
        """Begin to count again."""
        self.exchanges.clear()
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.connections = self.max_connections = 0
        self.in_flight = getattr(self, "in_flight", 0)
        self.open_connections = getattr(self, "open_connections", 0)
        self.max_in_flight = self.in_flight

    def connected(self) -> None:
        """A connection was opened."""
        self.connections += 1
        self.open_connections += 1
        self.max_connections = max(self.max_connections, self.open_connections)

    def disconnected(self) -> None:
        """A connection was closed."""
        self.open_connections -= 1

    def began(self) -> float:
        """A request arrived; returns when."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        return time.monotonic()

    def ended(self, exchange: Exchange) -> None:
        """A request was dealt with."""
        self.in_flight -= 1
        self.exchanges.append(exchange)
        self.requests[exchange.route] += 1
        self.statuses[exchange.status] += 1
        if exchange.fault:
            self.faults[exchange.fault] += 1
