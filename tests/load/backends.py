# SPDX-License-Identifier: Apache-2.0
"""Backends for load: one that answers at once, one that takes its time and counts what is under way."""

import asyncio
import time
from decimal import Decimal

import numpy as np

from qstore.batch import BatchResult, Capabilities, Estimate


class Idle:
    """Answers at once: expectation k of a row is its first parameter's first entry plus k; counts are all zeros."""

    name = "idle"

    def __init__(self, **changes):
        outputs = frozenset({"Expectations", "Probabilities"})
        defaults = {
            "max_qubits": 30,
            "exact_outputs": outputs,
            "shot_outputs": frozenset({"Counts", "Expectations"}),
        }
        self.capabilities = Capabilities(**(defaults | changes))

    def estimate(self, batch):
        return Estimate(usd=Decimal(0), seconds=0.0, error=0.0, model="idle")

    async def run(self, batch):
        return self.answer(batch)

    def answer(self, batch):
        facts = {
            "n_qubits": batch.circuit.n_qubits,
            "backend": self.name,
            "shots": batch.shots,
            "seed": batch.seed,
        }
        if type(batch.outputs).__name__ == "Counts":
            return BatchResult(counts=({0: batch.shots},) * batch.size, **facts)
        name = next(reversed(batch.bindings), None)
        first = np.zeros(batch.size) if name is None else batch.bindings[name].reshape(
            batch.size if name in batch.per_sample else 1, -1)[:, 0]  # fmt: skip
        width = len(getattr(batch.outputs, "observables", (0,)))
        values = np.repeat(np.broadcast_to(first, batch.size)[:, None], width, axis=1) + np.arange(width)
        errors = None if batch.shots is None else np.full(values.shape, batch.shots**-0.5)
        return BatchResult(values=values, standard_errors=errors, **facts)


class Delayed(Idle):
    """Takes `latency_s` for every request, several at a time, and knows the most circuits that were under way."""

    name = "delayed"

    def __init__(self, latency_s, **changes):
        super().__init__(**changes)
        self.latency_s = latency_s
        self.active = self.most_active = self.requests = self.circuits = 0
        self.sizes = []

    async def run(self, batch):
        return (await self._served([batch]))[0]

    async def _served(self, batches):
        circuits = sum(batch.size for batch in batches)
        self.requests += 1
        self.circuits += circuits
        self.active += circuits
        self.most_active = max(self.most_active, self.active)
        self.sizes.append(circuits)
        try:
            await asyncio.sleep(self.latency_s)
            return [self.answer(batch) for batch in batches]
        finally:
            self.active -= circuits


class DelayedMany(Delayed):
    """The same, taking several batches in one request."""

    async def run_many(self, batches):
        return await self._served(batches)


class Busy(Delayed):
    """Blocks a thread instead, as a local simulator does."""

    def run_sync(self, batch):
        time.sleep(self.latency_s)
        return self.answer(batch)
