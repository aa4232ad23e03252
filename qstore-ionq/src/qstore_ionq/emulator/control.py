# SPDX-License-Identifier: Apache-2.0
"""The emulator's own routes under `/_emulator`: counts, the log, the fault plan, the clock. They need no key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from qstore.errors import OptionError
from qstore_ionq.emulator.faults import KINDS, ROUTES, FaultPlan
from qstore_ionq.emulator.front import Endpoint, Front
from qstore_ionq.emulator.page import page
from qstore_ionq.emulator.wire import ApiError, Reply, Request

__all__ = ["CONTROL"]

_FEW = 200


def home(front: Front, _request: Request) -> Reply:
    return Reply(200, page(front), "text/html; charset=utf-8")


def stats(front: Front, _request: Request) -> Reply:
    found = front.stats()
    return Reply(200, {**asdict(found), "duplicates": found.duplicates})


def requests(front: Front, request: Request) -> Reply:
    """The last exchanges, the newest last."""
    text = request.query.get("limit", str(_FEW))
    if not text.isdigit():
        raise ApiError(400, '"limit" must be a number.', keys=("limit",))
    return Reply(
        200, {"requests": [asdict(each) for each in list(front.traffic.exchanges)[-int(text) or len(text) :]]}
    )


def faults(front: Front, _request: Request) -> Reply:
    """The plan, how often each fault happened, and what a plan can say."""
    injector = front.injector
    kinds = {name: {"takes": list(kind.takes), "summary": kind.summary} for name, kind in KINDS.items()}
    return Reply(
        200,
        {"plan": injector.plan.as_mapping(), "fired": injector.fired, "kinds": kinds, "routes": dict(ROUTES)},
    )


def set_faults(front: Front, request: Request) -> Reply:
    """Replace the plan by one in JSON, or in TOML where the Content-Type says so; attempts count from one again."""
    try:
        if "toml" in request.headers.get("content-type", ""):
            plan = FaultPlan.of_toml(request.body.decode("utf-8"))
        else:
            plan = FaultPlan.of(_mapping(request))
    except (OptionError, UnicodeDecodeError) as exc:
        raise ApiError(400, str(exc)) from exc
    front.set_plan(plan)
    return Reply(200, {"plan": plan.as_mapping()})


def clear_faults(front: Front, _request: Request) -> Reply:
    front.set_plan(FaultPlan())
    return Reply(200, {"plan": FaultPlan().as_mapping()})


def refuse(front: Front, request: Request) -> Reply:
    """Refuse connections for some seconds, these here included."""
    seconds = _seconds(request, 60.0)
    front.refuse(seconds)
    return Reply(200, {"refusing_for_s": seconds}, headers={"connection": "close"})


def advance(front: Front, request: Request) -> Reply:
    """Move the service's clock forward."""
    front.service.clock.advance(_seconds(request, 1e9))
    return Reply(200, {"now": front.service.clock.now()})


def reset(front: Front, _request: Request) -> Reply:
    """Forget all jobs, sessions, requests and counts; the plan stays."""
    front.forget()
    return Reply(200, {"jobs": 0})


def _mapping(request: Request) -> dict[str, Any]:
    found = request.json() if request.body else {}
    if not isinstance(found, dict):
        raise ApiError(400, "Send a JSON object.")
    return found


def _seconds(request: Request, most: float) -> float:
    value = _mapping(request).get("seconds")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
        raise ApiError(400, f'"seconds" must be a number up to {most:g}.', keys=("seconds",))
    return float(value)


CONTROL = (
    Endpoint("GET", "/", "", home),
    Endpoint("GET", "/_emulator/stats", "", stats),
    Endpoint("GET", "/_emulator/requests", "", requests),
    Endpoint("GET", "/_emulator/faults", "", faults),
    Endpoint("PUT", "/_emulator/faults", "", set_faults),
    Endpoint("DELETE", "/_emulator/faults", "", clear_faults),
    Endpoint("POST", "/_emulator/refuse", "", refuse),
    Endpoint("POST", "/_emulator/advance", "", advance),
    Endpoint("POST", "/_emulator/reset", "", reset),
)
