# SPDX-License-Identifier: Apache-2.0
"""IonQ as a `JobService` of the core: one job with its tag in the metadata, found again by listing, read by child id.

A job's content is `{"body": the POST without its tag, "read": how to read the result}`. The result that is kept is
`{"circuits": [...]}` with, for every circuit in its order, one of

    {"probabilities": {state: p}}   {"histogram": {state: count}}   {"shots": [state, ...]}   {"failure": reason}

Whether something may be sent, sent again or must be held is not decided here (`qstore.execution.jobs`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from qstore.errors import ServiceError
from qstore.execution.jobs import JobRequest, NotAccepted, RemoteJob, RemoteState
from qstore_ionq.api import IonQApi
from qstore_ionq.devices import SIMULATOR
from qstore_ionq.results import child_ids, read_histogram, read_probabilities, read_shots
from qstore_ionq.wire import dump, field, mapping, optional

__all__ = ["TAG", "IonQService", "circuit_name"]

log = logging.getLogger("qstore.ionq")

TAG = "qstore_tag"
_STATES = {
    "submitted": RemoteState.QUEUED,
    "ready": RemoteState.QUEUED,
    "started": RemoteState.RUNNING,
    "running": RemoteState.RUNNING,  # v0.3
    "completed": RemoteState.COMPLETED,
    "failed": RemoteState.FAILED,
    "canceled": RemoteState.CANCELLED,
    "cancelled": RemoteState.CANCELLED,
}
_AT_ONCE = 16
"""Requests for the results of single children that are under way at the same time."""


def circuit_name(index: int) -> str:
    """What a circuit of a job is called: its child carries the name, should the list of ids be damaged."""
    return f"circuit {index}"


class IonQService:
    """The jobs of one machine.

    Args:
        api: the service.
        target: its name of the machine.
    """

    def __init__(self, api: IonQApi, target: str) -> None:
        self._api, self._target = api, target

    @property
    def name(self) -> str:
        return f"IonQ ({self._target})"

    def server_time_s(self) -> float | None:
        return self._api.server_time_s()

    async def submit(self, request: JobRequest) -> RemoteJob:
        body = dict(request.content["body"])
        body["metadata"] = {**body.get("metadata", {}), TAG: request.tag}
        document = await self._api.create_job(dump(body))
        status = document.get("status")
        state = _STATES.get(status, RemoteState.QUEUED) if isinstance(status, str) else RemoteState.QUEUED
        # Whatever the answer calls it, a new job is asked for at least once more.
        state = RemoteState.RUNNING if state is RemoteState.RUNNING else RemoteState.QUEUED
        return RemoteJob(document["id"], state, document)

    async def find(self, tag: str, since_s: float) -> Sequence[RemoteJob]:
        found: list[RemoteJob] = []
        previous, older = float("inf"), 0
        async for job in self._api.jobs({}):
            metadata = job.get("metadata")
            if isinstance(metadata, dict) and metadata.get(TAG) == tag and job.get("parent_job_id") is None:
                found.append(self._remote(job))
            created = _unix_s(job.get("submitted_at"))
            # The newest come first, as far as that can be seen; what is older than the window need not be read.
            ordered = created is not None and created <= previous
            older = older + 1 if ordered and created is not None and created < since_s else 0
            previous = created if created is not None and ordered else float("-inf")
            if older > _OLDER_IN_A_ROW:
                break
        return sorted(found, key=lambda job: (job.created_s or 0.0, job.job_id))

    async def poll(self, job_id: str) -> RemoteJob:
        document = await self._api.job(job_id)
        if document is None:
            return RemoteJob(job_id, RemoteState.UNKNOWN)
        what = f"GET /jobs/{job_id}"
        if field(document, "id", str, what) != job_id:
            raise ServiceError(f"{what}: 'id' is {document['id']!r}, another job's.")
        field(document, "status", str, what)
        job = self._remote(document)
        if job.state in {RemoteState.FAILED, RemoteState.CANCELLED} and document.get("child_job_ids"):
            job = await self._salvaged(job)
        if job.state in {RemoteState.COMPLETED, RemoteState.FAILED, RemoteState.CANCELLED}:
            job = _billed(job, await self._cost(job))
        return job

    async def fetch(self, request: JobRequest, job: RemoteJob) -> Mapping[str, Any]:
        read = request.content["read"]
        widths: list[int] = read["widths"]
        if request.content["body"].get("dry_run"):
            return {"circuits": [{"dry_run": True} for _ in widths], "cost": await self._price(job.job_id)}
        if request.content["body"]["type"] == "ionq.circuit.v1":
            return {"circuits": [await self._one(job.job_id, widths[0], request, read)]}
        return {"circuits": await self._children(job, request, read)}

    async def cancel(self, job_id: str) -> None:
        await self._api.cancel(job_id)

    def _remote(self, document: Mapping[str, Any]) -> RemoteJob:
        status = document.get("status")
        submitted, started, completed = (
            _unix_s(document.get(name)) for name in ("submitted_at", "started_at", "completed_at")
        )
        duration = document.get("execution_duration_ms")
        run_s = duration / 1000 if isinstance(duration, (int, float)) and duration >= 0 else None
        if run_s is None and started is not None and completed is not None:
            run_s = max(completed - started, 0.0)
        return RemoteJob(
            job_id=field(document, "id", str, "GET /jobs"),
            state=_STATES.get(status, RemoteState.UNKNOWN)
            if isinstance(status, str)
            else RemoteState.UNKNOWN,
            raw=document,
            failure=_failure(document),
            created_s=submitted,
            queued_s=None if submitted is None or started is None else max(started - submitted, 0.0),
            run_s=run_s,
        )

    async def _salvaged(self, job: RemoteJob) -> RemoteJob:
        """A job that ended badly as a whole counts as completed when some of its circuits have results, paid for."""
        states = [child.get("status") async for child in self._api.jobs({"parent_job_id": job.job_id})]
        if "completed" not in states:
            return job
        return RemoteJob(job.job_id, RemoteState.COMPLETED, job.raw, job.failure, None, job.created_s, job.queued_s,
                         job.run_s)  # fmt: skip

    async def _cost(self, job: RemoteJob) -> Decimal | None:
        if self._target == SIMULATOR:
            return Decimal(0)
        try:
            document = await self._api.cost(job.job_id)
        except (ServiceError, NotAccepted) as exc:
            log.warning("What job %s cost is not known: %s", job.job_id, exc)
            return None
        if document is None:
            return None
        cost = document.get("cost")
        if cost is None and job.state is not RemoteState.COMPLETED:
            return Decimal(0)  # only what ran is charged: a failed or cancelled job's reservation is released
        return dollars(cost)

    async def _price(self, job_id: str) -> str | None:
        document = await self._api.cost(job_id) or {}
        found = dollars(document.get("estimated_cost"))
        return None if found is None else str(found)

    async def _one(
        self, job_id: str, width: int, request: JobRequest, read: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The result of one circuit's job."""
        kind, shots = read["kind"], request.shots or 0
        document = await self._api.result(job_id, kind, sharpen=read.get("sharpen"))
        return _checked(document, kind, width, shots, f"Job {job_id}")

    async def _children(
        self, job: RemoteJob, request: JobRequest, read: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The results of a job's circuits, by the ids of its children."""
        what, widths = f"Job {job.job_id}", read["widths"]
        children = await self._child_ids(job, len(widths))
        together: Mapping[str, Any] = {}
        if read["kind"] == "probabilities":
            together, twice = await self._api.aggregated(job.job_id, sharpen=read.get("sharpen"))
            if twice:
                log.warning("%s: the children %s came twice; they are asked for one by one.", what, twice)
            if strangers := set(together) - set(children):
                log.warning("%s: results of %d unknown children are left out.", what, len(strangers))
        room = asyncio.Semaphore(_AT_ONCE)

        async def result(child: str | None, width: int) -> dict[str, Any]:
            if child is None:
                return {"failure": "the service does not list this circuit among the job's children"}
            if child in together:
                try:
                    return _checked(together[child], "probabilities", width, 0, f"Child {child}")
                except ServiceError as exc:
                    log.warning("%s: %s It is asked for again, by itself.", what, exc)
            async with room:
                return await self._child(child, width, request, read)

        return list(await asyncio.gather(*map(result, children, widths)))

    async def _child_ids(self, job: RemoteJob, circuits: int) -> list[str | None]:
        """The child of each circuit; by the circuits' names where the list of ids is not whole."""
        found = child_ids(job.raw.get("child_job_ids"), circuits)
        if None not in found:
            return found
        names = {circuit_name(index): index for index in range(circuits)}
        by_name: dict[int, str] = {}
        async for child in self._api.jobs({"parent_job_id": job.job_id}):
            index = names.get(str(child.get("name")))
            if index is not None and child.get("parent_job_id") == job.job_id:
                by_name.setdefault(index, field(child, "id", str, "GET /jobs"))
        return [by_name.get(index, child) for index, child in enumerate(found)]

    async def _child(
        self, child: str, width: int, request: JobRequest, read: Mapping[str, Any]
    ) -> dict[str, Any]:
        """One child's own result, or why there is none."""
        document = await self._api.job(child)
        if document is None:
            return {"failure": f"the service does not know its job {child}"}
        state = self._remote(document).state
        if state in {RemoteState.FAILED, RemoteState.CANCELLED}:
            return {"failure": _failure(document) or state.value, "refused": True}
        # An answer that cannot be read raises: the job is kept, and nothing that was paid for is given up.
        return await self._one(child, width, request, read)


_OLDER_IN_A_ROW = 200
"""So many jobs older than the window, one after the other, end a search."""


def dollars(amount: Any) -> Decimal | None:
    """`{"value", "unit"}` in dollars; None where it is missing, or cannot be read, which is logged."""
    if amount is None:
        return None
    parts = amount if isinstance(amount, dict) else {}
    value, unit = parts.get("value"), parts.get("unit")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    usd = Decimal(str(value)) if number and isinstance(unit, str) and unit.lower() == "usd" else None
    if usd is None or usd < 0:
        log.warning("A cost is given as %.80r, which is not an amount in dollars.", amount)
        return None
    return usd


def _checked(document: Any, kind: str, width: int, shots: int, what: str) -> dict[str, Any]:
    if kind == "histogram":
        return {kind: {str(state): n for state, n in read_histogram(document, width, shots, what).items()}}
    if kind == "shots":
        return {kind: read_shots(document, width, shots, what)}
    return {kind: {str(state): p for state, p in read_probabilities(document, width, what).items()}}


def _billed(job: RemoteJob, usd: Decimal | None) -> RemoteJob:
    return RemoteJob(job.job_id, job.state, job.raw, job.failure, usd, job.created_s, job.queued_s, job.run_s)


def _failure(document: Mapping[str, Any]) -> str:
    """`{code, message}` of v0.4, `{code, error}` of v0.3."""
    failure = document.get("failure")
    if failure is None:
        return ""
    parts = mapping(failure, "GET /jobs: 'failure'")
    code = optional(parts, "code", str, "GET /jobs: 'failure'")
    words = parts.get("message") or parts.get("error")
    return ": ".join(str(part) for part in (code, words) if part)[:500]


def _unix_s(text: Any) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
