# SPDX-License-Identifier: Apache-2.0
"""A backend that counts what it is asked for, and takes everything in `run_many`."""

import qstore as qs


class Counting:
    """The embedded simulator behind `run_many` alone; remembers every call.

    Attributes:
        calls: the batches of each call, in order.
    """

    name = "counting"

    def __init__(self, **changes):
        self._inner = qs.get_backend("statevector", threads=1)
        self.capabilities = self._inner.capabilities.with_changes(
            differentiable_outputs=frozenset(), **changes
        )
        self.calls = []

    def estimate(self, batch):
        return self._inner.estimate(batch)

    async def run(self, batch):
        return (await self.run_many([batch]))[0]

    async def run_many(self, batches):
        self.calls.append(list(batches))
        return [self._inner.run_sync(batch) for batch in batches]

    @property
    def circuits(self):
        """Rows of all batches of all calls."""
        return sum(batch.size for call in self.calls for batch in call)
