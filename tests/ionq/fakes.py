# SPDX-License-Identifier: Apache-2.0
"""A transport that is a plain function from request to response, and a service of a few lines behind it."""

import itertools
import json
from dataclasses import dataclass
from typing import Any

from qstore_ionq.transport import MAX_ANSWER, Response

KEY = "canary-key-7f3a9b"


@dataclass
class Request:
    method: str
    path: str
    query: dict
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeTransport:
    """Carries every request to a function; an exception that it returns is raised."""

    def __init__(self, handler):
        self.handler, self.requests = handler, []

    async def read(self, path, query=None, *, limit=MAX_ANSWER):
        return self._answer(Request("GET", path, dict(query or {}), b""))

    async def write(self, method, path, body=b""):
        return self._answer(Request(method, path, {}, body))

    async def close(self):
        pass

    def _answer(self, request):
        self.requests.append(request)
        found = self.handler(request)
        if isinstance(found, Exception):
            raise found
        return found

    def sent(self, method, path="/jobs"):
        return [each for each in self.requests if each.method == method and each.path == path]


def answer(document, status=200, **headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class FakeService:
    """Jobs that are completed at once; `probabilities` says what each circuit gives."""

    def __init__(self, probabilities=lambda circuit: {"0": 1.0}):
        self.probabilities, self.jobs, self.results = probabilities, {}, {}
        self.overrides, self.shots = {}, {}
        self._numbers = itertools.count(1)
        self.transport = FakeTransport(self.handle)

    def handle(self, request):
        key = (request.method, request.path)
        if key in self.overrides:
            return self.overrides[key](request)
        if key == ("POST", "/jobs"):
            return self.create(request.json)
        if key == ("GET", "/backends"):
            return answer([])
        if request.path.endswith("/characterizations"):
            return answer({"characterizations": [], "pages": 1})
        if key == ("GET", "/jobs"):
            parent = request.query.get("parent_job_id")
            listed = [job for job in self.jobs.values() if parent is None or job["parent_job_id"] == parent]
            return answer({"jobs": listed, "next": None})
        parts = request.path.split("/")
        job = self.jobs.get(parts[2])
        if job is None:
            return answer({"message": "no such job"}, 404)
        if len(parts) == 3:
            return answer(job)
        if parts[3] == "cost":
            return answer({"dry_run": False, "estimated_cost": {"value": 3.5, "unit": "usd"},
                           "cost": {"value": 3.25, "unit": "usd"}})  # fmt: skip
        if request.path.endswith("aggregated"):
            return answer(
                {child: self.results[child] for child in job["child_job_ids"] if child in self.results}
            )
        if parts[2] not in self.results:
            return answer({}, 404)
        result = self.results[parts[2]]
        if request.path.endswith("histogram"):
            return answer({state: round(p * self.shots[parts[2]]) for state, p in result.items()})
        return answer(result)

    def create(self, body):
        job = self._job(body["name"], body, None)
        circuits = body["input"].get("circuits")
        if circuits is None:
            self.results[job["id"]] = self.probabilities(body["input"]["circuit"])
        else:
            children = [self._job(each["name"], body, job["id"]) for each in circuits]
            job["child_job_ids"] = [child["id"] for child in children]
            for child, each in zip(children, circuits, strict=True):
                self.results[child["id"]] = self.probabilities(each["circuit"])
        return answer({"id": job["id"], "status": "submitted", "session_id": None}, 201)

    def _job(self, name, body, parent):
        job_id = f"job-{next(self._numbers)}"
        self.shots[job_id] = body.get("shots", 0)
        self.jobs[job_id] = {
            "id": job_id, "status": "completed", "name": name, "parent_job_id": parent, "child_job_ids": None,
            "metadata": body.get("metadata") if parent is None else None, "failure": None, "dry_run": False,
            "submitted_at": "2026-11-20T10:00:00.000Z", "started_at": "2026-11-20T10:00:02.000Z",
            "completed_at": "2026-11-20T10:00:05.000Z", "execution_duration_ms": 2500,
        }  # fmt: skip
        return self.jobs[job_id]
