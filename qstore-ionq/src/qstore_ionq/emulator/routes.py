# SPDX-License-Identifier: Apache-2.0
"""The v0.4 API: which handler answers which route. What each one says is in `views.py` and `results.py`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from qstore_ionq.emulator import views
from qstore_ionq.emulator.compiled import native_circuit
from qstore_ionq.emulator.devices import Device, device_named
from qstore_ionq.emulator.front import Endpoint, Front
from qstore_ionq.emulator.jobs import Job
from qstore_ionq.emulator.results import FORMATS, aggregated, payload, probabilities, variant
from qstore_ionq.emulator.sessions import PROJECT, USER
from qstore_ionq.emulator.wire import ApiError, Reply, Request

__all__ = ["API"]


def submit(front: Front, request: Request) -> Reply:
    job = front.service.submit(request.json(), request.headers.get("content-type", ""))
    return _created(job)


def clone(front: Front, request: Request) -> Reply:
    return _created(front.service.clone(request.arguments["id"], _changes(request)))


def move(front: Front, request: Request) -> Reply:
    """Another machine for a job that has not ended: it is cancelled, and submitted again there."""
    old = front.service.find(request.arguments["id"])
    if old.is_final(front.service.clock.now()):
        raise ApiError(400, f"Job {old.id} has ended and cannot be moved.")
    new = front.service.clone(old.id, _changes(request))
    front.service.cancel(old.id)
    return _created(new)


def _created(job: Job) -> Reply:
    return Reply(201, {"id": job.id, "status": "submitted", "session_id": job.session_id})


def _changes(request: Request) -> dict[str, Any]:
    changes = request.json() if request.body else {}
    if not isinstance(changes, dict):
        raise ApiError(400, "Invalid request payload input: changes are a JSON object.", keys=("",))
    return changes


def job(front: Front, request: Request) -> Reply:
    return Reply(200, views.job_view(front.service, front.service.find(request.arguments["id"])))


def cost(front: Front, request: Request) -> Reply:
    return Reply(200, views.cost_view(front.service, front.service.find(request.arguments["id"])))


def listed(front: Front, request: Request) -> Reply:
    """A page of jobs, the newest first; children only by `parent_job_id` or `ids`.

    A body, as cirq-ionq sends one, is ignored.
    """
    query, service, listing = request.query, front.service, front.injector.plan.listing
    now = service.clock.now()
    ids = {each for each in query.get("ids", "").split(",") if each}
    parent = query.get("parent_job_id")

    def wanted(each: Job) -> bool:
        if ids:
            return each.id in ids
        checks = (
            (query.get("status"), each.status(now)), (query.get("target"), each.backend),
            (query.get("session_id"), each.session_id), (query.get("submitter_id"), USER),
        )  # fmt: skip
        return each.parent_id == parent and all(asked in {None, found} for asked, found in checks)

    found = (each for each in service.jobs() if each.submitted_at + listing.lag_s <= now and wanted(each))
    size = min(_limit(query.get("limit")), listing.page_size or front.options.page_size)
    page, cursor = (_page_by_position if listing.shifting else _page_by_number)(
        found, size, query.get("next")
    )
    return Reply(200, {"jobs": [views.job_view(service, each) for each in page], "next": cursor})


def _limit(text: str | None) -> int:
    if text is None:
        return 1 << 30
    if not text.isdigit() or not 1 <= int(text[:9]) <= 1 << 30:
        raise ApiError(400, '"limit" must be a number from 1 up.', keys=("limit",))
    return int(text[:9])


def _page_by_number(found: Iterator[Job], size: int, cursor: str | None) -> tuple[list[Job], str | None]:
    """Jobs older than the cursor: new ones do not move the pages."""
    before = _position(cursor) if cursor else 1 << 62
    page = list(islice((each for each in found if each.number < before), size + 1))
    return page[:size], _cursor(page[size - 1].number) if len(page) > size else None


def _page_by_position(found: Iterator[Job], size: int, cursor: str | None) -> tuple[list[Job], str | None]:
    """Jobs from a position on: a new one moves all others by one."""
    start = _position(cursor) if cursor else 0
    page = list(islice(found, start, start + size + 1))
    return page[:size], _cursor(start + size) if len(page) > size else None


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"page:{number}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        kind, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if kind == "page":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise ApiError(400, '"next" is no cursor of this listing.', keys=("next",))


def cancel(front: Front, request: Request) -> Reply:
    found = front.service.cancel(request.arguments["id"])
    return Reply(200, {"id": found.id, "status": found.status(front.service.clock.now())})


def cancel_all(front: Front, request: Request) -> Reply:
    ids = [front.service.cancel(each).id for each in _ids(front, request)]
    return Reply(200, {"ids": ids, "status": "canceled"})


def delete(front: Front, request: Request) -> Reply:
    return Reply(200, {"id": front.service.delete(request.arguments["id"]).id, "status": "deleted"})


def delete_all(front: Front, request: Request) -> Reply:
    ids = [front.service.delete(each).id for each in _ids(front, request)]
    return Reply(200, {"ids": ids, "status": "deleted"})


def _ids(front: Front, request: Request) -> Iterable[str]:
    body = request.json()
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not ids or not all(isinstance(each, str) for each in ids):
        raise ApiError(400, 'Invalid request payload input: "ids" must be a list of job ids.', keys=("ids",))
    return [front.service.find(each).id for each in ids]  # all of them, or none


def result(front: Front, request: Request) -> Reply:
    """Results of version 1; those of a batch are the aggregate, under either path."""
    service, name = front.service, request.arguments["name"]
    found = service.find(request.arguments["id"])
    if name == "probabilities":
        sharpened = request.query.get("sharpen", "").lower() in {"true", "1"}
        sharpened = sharpened or request.query.get("aggregation") == "voting"
        write = aggregated if found.child_ids else probabilities
        return Reply(200, write(service, found, sharpened=sharpened))
    return Reply(200, payload(service, found, name))


def aggregate(front: Front, request: Request) -> Reply:
    found = front.service.find(request.arguments["id"])
    if not found.child_ids:
        raise ApiError(404, f"Job {found.id} has one circuit; its results are not aggregated.")
    sharpened = request.query.get("sharpen", "").lower() in {"true", "1"}
    return Reply(200, aggregated(front.service, found, sharpened=sharpened))


def artifact(front: Front, request: Request) -> Reply:
    found, name = front.service.find(request.arguments["id"]), request.arguments["artifact"]
    if name == "native":
        return Reply(200, native_circuit(front.service, found))
    return Reply(200, payload(front.service, found, name))


def compiled(front: Front, request: Request) -> Reply:
    return Reply(200, native_circuit(front.service, front.service.find(request.arguments["id"])))


def variant_result(front: Front, request: Request) -> Reply:
    arguments = request.arguments
    found = front.service.find(arguments["id"])
    return Reply(200, variant(front.service, found, arguments["variant"], arguments["name"]))


def estimated(front: Front, request: Request) -> Reply:
    return Reply(200, views.estimate(front.service, request.query))


def backends(front: Front, _request: Request) -> Reply:
    return Reply(200, views.backends(front.service))


def backend(front: Front, request: Request) -> Reply:
    return Reply(200, views.backend_view(front.service, _device(request)))


def characterizations(front: Front, request: Request) -> Reply:
    return Reply(200, views.characterizations(front.service, _device(request), request.query))


def characterization(front: Front, request: Request) -> Reply:
    device = _device(request)
    found = views.characterization(front.service, device)
    if device.is_simulator or request.arguments["characterization"] != found["id"]:
        raise ApiError(404, f"{device.name} has no such characterization.")
    return Reply(200, found)


def _device(request: Request) -> Device:
    device = device_named(request.arguments["name"])
    if device is None:
        raise ApiError(404, f"There is no backend {request.arguments['name']!r}.")
    return device


def create_session(front: Front, request: Request) -> Reply:
    return Reply(201, front.service.sessions.create(request.json()))


def sessions(front: Front, request: Request) -> Reply:
    active = {"true": True, "false": False}.get(request.query.get("active", "").lower())
    return Reply(200, {"sessions": front.service.sessions.listed(active)})


def session(front: Front, request: Request) -> Reply:
    return Reply(200, front.service.sessions.find(request.arguments["id"]))


def session_jobs(front: Front, request: Request) -> Reply:
    record = front.service.sessions.find(request.arguments["id"])
    found = [each for each in front.service.of_session(record["id"]) if each.deleted_at is None]
    return Reply(
        200, {"jobs": [views.job_view(front.service, each) for each in reversed(found)], "next": None}
    )


def end_session(front: Front, request: Request) -> Reply:
    return Reply(200, front.service.sessions.end(request.arguments["id"]))


def whoami(_front: Front, _request: Request) -> Reply:
    return Reply(200, {"key_id": USER, "key_name": "emulator", "project_id": PROJECT})


def usage(front: Front, request: Request) -> Reply:
    return Reply(200, views.usage(front.service, request.query))


def schema(_front: Front, request: Request) -> Reply:
    name = request.arguments["format"]
    if name not in {each.format_id for each in FORMATS.values()}:
        raise ApiError(404, f"There is no format {name!r}.")
    kind = "array" if name == "ionq.result.shots.json.v1" else "object"
    draft = "https://json-schema.org/draft/2020-12/schema"
    return Reply(200, {"$schema": draft, "$id": name, "title": name, "type": kind})


_JOB = "/v0.4/jobs/{id}"
_BACKEND = "/v0.4/backends/{name}"
_SESSION = "/v0.4/sessions/{id}"

API = (
    Endpoint("POST", "/v0.4/jobs", "submit", submit),
    Endpoint("GET", "/v0.4/jobs", "list", listed),
    Endpoint("DELETE", "/v0.4/jobs", "delete", delete_all),
    Endpoint("GET", "/v0.4/jobs/estimate", "estimate", estimated),
    Endpoint("PUT", "/v0.4/jobs/status/cancel", "cancel", cancel_all),
    Endpoint("GET", _JOB, "job", job),
    Endpoint("DELETE", _JOB, "delete", delete),
    Endpoint("PUT", f"{_JOB}/status/cancel", "cancel", cancel),
    Endpoint("POST", f"{_JOB}/clone", "submit", clone),
    Endpoint("POST", f"{_JOB}/move", "submit", move),
    Endpoint("GET", f"{_JOB}/cost", "cost", cost),
    Endpoint("GET", f"{_JOB}/results/{{name}}", "result", result),
    Endpoint("GET", f"{_JOB}/results/probabilities/aggregated", "result", aggregate),
    Endpoint("GET", f"{_JOB}/artifacts/{{artifact}}", "result", artifact),
    Endpoint("GET", f"{_JOB}/circuits/native", "result", compiled),
    Endpoint("GET", f"{_JOB}/variants/{{variant}}/results/{{name}}", "result", variant_result),
    Endpoint("GET", "/v0.4/backends", "backends", backends, open=True),
    Endpoint("GET", _BACKEND, "backends", backend, open=True),
    Endpoint("GET", f"{_BACKEND}/characterizations", "backends", characterizations, open=True),
    Endpoint(
        "GET", f"{_BACKEND}/characterizations/{{characterization}}", "backends", characterization, open=True
    ),
    Endpoint("POST", "/v0.4/sessions", "sessions", create_session),
    Endpoint("GET", "/v0.4/sessions", "sessions", sessions),
    Endpoint("GET", _SESSION, "sessions", session),
    Endpoint("GET", f"{_SESSION}/jobs", "sessions", session_jobs),
    Endpoint("POST", f"{_SESSION}/end", "sessions", end_session),
    Endpoint("GET", "/v0.4/whoami", "account", whoami),
    Endpoint("GET", "/v0.4/organizations/{organization}/usage", "account", usage),
    Endpoint("GET", "/v0.4/schemas/formats/{format}", "account", schema, open=True),
)
"""Every route of the service; the calibrations of v0.1 are not among them, and answered with 404 as in reality."""
