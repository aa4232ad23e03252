# SPDX-License-Identifier: Apache-2.0
"""A backend over the service that bills, as a vendor's plugin would write one; `fake.qpu` costs money, `fake.sim` none.

Its server is the file named by FAULTS_SERVER, and FAULTS_PLAN is JSON: `latency_s`, `lag_s`, `course`, `settle_s`,
`on_ambiguous`, `budget`, `kill_at` (see `killing.py`), and lists of faults for each method of the service.
"""

import json
import os
from decimal import Decimal

import numpy as np

from faults.core.killing import arm
from faults.core.server import PRICE, Server
from faults.core.service import ClockService
from qstore.accounting import Budget
from qstore.batch import BatchResult, Capabilities, Estimate
from qstore.execution.jobs import JobRequest, JobRunner, PollPolicy, job_tag
from qstore.execution.journal import run_journal
from qstore.plugins import BackendSpec, hookimpl

METHODS = ("submit", "find", "poll", "fetch", "cancel")
CAPABILITIES = Capabilities(max_qubits=20, shot_outputs=frozenset({"Counts"}), local=False)


class FakeBackend:
    """One job for each row of a batch."""

    def __init__(self, name="fake.sim", *, paid=False):
        self.name = name
        self.capabilities = CAPABILITIES.with_changes(paid=paid)
        self.plan = json.loads(os.environ.get("FAULTS_PLAN", "{}"))
        self._runners = {}

    def estimate(self, batch):
        usd = batch.size * PRICE if self.capabilities.paid else Decimal(0)
        return Estimate(usd=usd, seconds=0.0, error=0.0, model=self.name)

    def job_service(self, target):
        del target
        faults = {name: self.plan[name] for name in METHODS if name in self.plan}
        server = Server(
            os.environ["FAULTS_SERVER"],
            lag_s=self.plan.get("lag_s", 0.0),
            course=self.plan.get("course", "quick"),
        )
        service = ClockService(server, latency_s=self.plan.get("latency_s", 0.0), **faults)
        service.name = self.name
        return service

    async def run(self, batch):
        (result,) = await self.run_many([batch])
        return result

    async def run_many(self, batches):
        requests = [request for batch in batches for request in self._requests(batch)]
        finished = iter(await self._runner(batches[0].run).run(requests))
        return [self._result(batch, [next(finished) for _ in range(batch.size)]) for batch in batches]

    def _requests(self, batch):
        for row in range(batch.size):
            content = {"circuit": batch.circuit.fingerprint, "shots": batch.shots,
                       "bindings": {name: array.tolist() for name, array in batch.row_bindings(row).items()}}  # fmt: skip
            tag = job_tag(batch.run, content, batch.stream_keys[row : row + 1].tobytes(), {})
            usd = PRICE if self.capabilities.paid else Decimal(0)
            yield JobRequest(tag, self.name, "machine", content, 1, batch.shots, self.capabilities.paid, usd)

    def _runner(self, run):
        if run not in self._runners:
            journal, service = run_journal(run), self.job_service("machine")
            budget = Budget(self.plan["budget"]) if "budget" in self.plan else None
            self._runners[run] = JobRunner(
                service, journal=journal, budget=budget, settle_s=self.plan.get("settle_s", 60.0),
                on_ambiguous=self.plan.get("on_ambiguous", "hold"), max_in_flight=self.plan.get("max_in_flight", 8),
                poll=PollPolicy(first_s=0.002, cap_s=0.05),
            )  # fmt: skip
            arm(self.plan.get("kill_at"), journal, service, self._runners[run])
        return self._runners[run]

    def _result(self, batch, finished):
        counts = tuple({int(np.uint64(key)) & 1: batch.shots} for key in batch.stream_keys)
        return BatchResult(
            counts=counts, n_qubits=batch.circuit.n_qubits, backend=self.name, shots=batch.shots, seed=batch.seed,
            job_ids=tuple(each.job_id for each in finished),
        )  # fmt: skip


def paid():
    return FakeBackend("fake.qpu", paid=True)


@hookimpl
def qstore_backends():
    return [
        BackendSpec(
            name="fake.sim",
            summary="bills nothing",
            factory="faults.core.backend:FakeBackend",
            api_version=(1, 0),
        ),
        BackendSpec(name="fake.qpu", summary="bills", factory="faults.core.backend:paid", api_version=(1, 0)),
        BackendSpec(
            name="fake.naive",
            summary="the control arm",
            factory="faults.core.naive:NaiveBackend",
            api_version=(1, 0),
        ),
    ]
