# SPDX-License-Identifier: Apache-2.0
"""Backends whose price, time and temper are arguments; the embedded simulator works for them."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import qstore as qs
from qstore.batch import Capabilities, Estimate

_SIMULATOR = qs.get_backend("statevector")
EXACT = frozenset({"Expectations", "Variance", "Probabilities"})


class Fake:
    """Runs everything; `trouble` is raised, a list of it one after the other, until it is used up."""

    def __init__(
        self, name, *, usd=0, seconds=0.001, error=0.0, trouble=None, bills=True, capabilities=None, **changes
    ):
        defaults = {"max_qubits": 10, "exact_outputs": EXACT, "noise": True, "feedback": True}
        self.name = name
        self.capabilities = capabilities or Capabilities(**(defaults | {"paid": bool(usd)} | changes))
        self.usd, self.seconds, self.error, self.bills = Decimal(str(usd)), seconds, error, bills
        self.trouble = list(trouble) if isinstance(trouble, (list, tuple)) else trouble
        self.batches, self.estimates = [], 0

    def estimate(self, batch):
        self.estimates += 1
        return Estimate(usd=self.usd, seconds=self.seconds, error=self.error, model=self.name)

    async def run(self, batch):
        await asyncio.sleep(0)
        return self.answer(batch)

    def answer(self, batch):
        self.batches.append(batch)
        trouble = self.trouble
        if isinstance(trouble, list):
            trouble = trouble.pop(0) if trouble else None
        if trouble is not None:
            raise trouble
        result = _SIMULATOR.run_sync(batch)
        return replace(
            result, backend=self.name, billed_usd=self.usd if self.capabilities.paid and self.bills else None
        )


class SyncFake(Fake):
    """The same, local, with the synchronous twin."""

    def run_sync(self, batch):
        return self.answer(batch)


class NativeFake(SyncFake):
    """The same, differentiating by itself."""

    def __init__(self, name, **options):
        super().__init__(name, **({"differentiable_outputs": EXACT} | options))
        self.sweeps = 0

    def vjp_sync(self, batch, cotangent, wrt=None):
        self.sweeps += 1
        if isinstance(self.trouble, list) and self.trouble:
            raise self.trouble.pop(0)
        result, gradients = _SIMULATOR.vjp_sync(batch, cotangent, wrt)
        return replace(result, backend=self.name), gradients

    async def vjp(self, batch, cotangent, wrt=None):
        return self.vjp_sync(batch, cotangent, wrt)


class SavingFake(Fake):
    """A paid one that reserves by itself."""

    budget = None
    ledger = None

    def with_budget(self, budget, ledger=None):
        from qstore.accounting import Ledger

        twin = type(self)(self.name, usd=self.usd, capabilities=self.capabilities)
        twin.budget, twin.ledger = budget, ledger or Ledger()
        return twin

    async def run(self, batch):
        tag = f"{self.name}-{id(batch)}"
        self.ledger.reserve(tag, self.usd, self.budget, backend=self.name, run=batch.run)
        result = self.answer(batch)
        self.ledger.settle(tag, self.usd)
        return result


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def time(self):
        return 0.0

    async def sleep(self, seconds):
        self.now += seconds
