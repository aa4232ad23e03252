# SPDX-License-Identifier: Apache-2.0
"""Which fault happens to which request: the plan, and what has been counted since it was set."""

from __future__ import annotations

import hashlib
from collections import Counter

from qstore_ionq.emulator.faults.fault import Fault
from qstore_ionq.emulator.faults.plan import FaultPlan

__all__ = ["Injector"]

_WHOLE = float(1 << 64)


class Injector:
    """A plan at work.

    Attributes:
        plan: what goes wrong.
        fired: how often each fault of the plan happened, in its order.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.fired = [0] * len(plan.faults)
        self._attempts: Counter[tuple[str, str]] = Counter()

    def choose(self, route: str, key: str) -> tuple[int, Fault | None]:
        """Count a request; which attempt it is, and what happens to it.

        Args:
            route: its name.
            key: what it is about: equal for attempts of the same thing.
        """
        self._attempts[route, key] += 1
        attempt = self._attempts[route, key]
        for index, fault in enumerate(self.plan.faults):
            spent = fault.times is not None and self.fired[index] >= fault.times
            if (
                not spent
                and fault.hits(route, attempt)
                and self._chance(index, key, attempt) < fault.probability
            ):
                self.fired[index] += 1
                return attempt, fault
        return attempt, None

    def _chance(self, index: int, key: str, attempt: int) -> float:
        """From 0 to below 1."""
        if self.plan.faults[index].probability >= 1:
            return 0.0
        text = f"{self.plan.seed}:{index}:{attempt}:{key}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") / _WHOLE
