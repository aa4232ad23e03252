# SPDX-License-Identifier: Apache-2.0
"""What happens to a request between the socket and its handler: body, latency, limits, faults, key, errors, the log."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from qstore_ionq.emulator.faults import Fault, FaultPlan, Injector, Phase
from qstore_ionq.emulator.faults.delivery import (
    TRANSPORT,
    break_connection,
    deliver,
    hang,
    head,
    http_date,
)
from qstore_ionq.emulator.faults.payload import distorted
from qstore_ionq.emulator.options import Options
from qstore_ionq.emulator.schema import strict_query
from qstore_ionq.emulator.service import Service
from qstore_ionq.emulator.traffic import Exchange, Stats, Traffic
from qstore_ionq.emulator.wire import MAX_BODY, ApiError, Reply, Request, error_reply

__all__ = ["Endpoint", "Front", "Handler"]

Handler = Callable[["Front", Request], Reply]
_PAGE = b"<!doctype html><title>Error</title><h1>Service unavailable</h1>"


class Endpoint(NamedTuple):
    """One line of the table of routes.

    Attributes:
        name: in fault plans; "" for the emulator's own pages, which nothing goes wrong with.
        open: whether it needs no key.
    """

    method: str
    path: str
    name: str
    handler: Handler
    open: bool = False


class Front:
    """The emulator behind its HTTP server.

    Args:
        options: how it behaves.
        plan: what goes wrong.

    Attributes:
        refuse: makes the server refuse connections for some seconds; the server sets it.
    """

    def __init__(self, options: Options, plan: FaultPlan) -> None:
        self.options = options
        self.service = Service(options)
        self.injector = Injector(plan)
        self.traffic = Traffic(options.log_size)
        self.closing = asyncio.Event()
        self.refuse: Callable[[float], None] = lambda _seconds: None
        self._bucket = (time.monotonic(), 1.0)
        self._number = 0

    def set_plan(self, plan: FaultPlan) -> None:
        """Another plan; attempts are counted from one again."""
        self.injector = Injector(plan)

    def forget(self) -> None:
        """Forget all jobs, sessions, requests and counts; the plan stays."""
        self.service.forget()
        self.traffic.reset()

    def stats(self) -> Stats:
        """What happened so far."""
        tally = self.service.tally()
        traffic = self.traffic
        return Stats(
            requests=dict(traffic.requests), posts=traffic.requests["submit"], statuses=dict(traffic.statuses),
            faults=dict(traffic.faults), connections=traffic.connections, max_requests_in_flight=traffic.max_in_flight,
            max_connections=traffic.max_connections, max_jobs_in_flight=self.service.max_live, jobs=tally.by_status,
            circuits=tally.circuits, accepted=tally.accepted, billed=tally.billed, spent_usd=str(self.service.spent_usd()),
        )  # fmt: skip

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not endpoint.name:
            body, whole = await _body(receive)
            reply = self._carry_out(endpoint, _request(scope, body)) if whole else None
            if reply is not None:
                await self._send(reply, send)
            return
        began = self.traffic.began()
        request, attempt, fault, status = Request(method=scope["method"], path=scope["path"]), 0, None, 0
        try:
            body, whole = await _body(receive)
            request = _request(scope, body)
            attempt, fault = self.injector.choose(endpoint.name, _key(endpoint, request))
            if self.options.latency_s:
                await asyncio.sleep(self.options.latency_s)
            if whole:
                status = await self._answer(endpoint, request, fault, scope, receive, send)
        finally:
            self.traffic.ended(
                Exchange(
                    at=began, method=request.method, path=request.path, query=scope["query_string"].decode("latin-1"),
                    route=endpoint.name, tag=_tag(request) if endpoint.name == "submit" else "", attempt=attempt,
                    status=status, fault=fault.label if fault else "", took_s=time.monotonic() - began,
                )
            )  # fmt: skip

    async def _answer(
        self,
        endpoint: Endpoint,
        request: Request,
        fault: Fault | None,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> int:
        """Carry a request out and answer it, as far as the fault lets it; the status that was sent, 0 for none."""
        transport: asyncio.Transport = scope["state"][TRANSPORT]
        phase = fault.phase if fault else None
        if fault is not None and phase is Phase.CONNECTION and not fault.is_after:
            return await self._break(fault, transport, receive)
        if fault is not None and fault.kind == "delay":
            await hang(fault.duration_s, receive, self.closing)
        if fault is not None and fault.kind == "status" and not fault.is_after:
            return await self._send(self._error(fault), send)
        if fault is not None and phase is Phase.JOB and endpoint.name != "submit":
            self._afflict(fault, request.arguments.get("id", ""))
        reply = self._carry_out(endpoint, request)
        good = reply.status < 400
        if fault is not None and phase is Phase.JOB and endpoint.name == "submit" and good:
            self._afflict(fault, reply.content["id"])
        if fault is not None and phase is Phase.CONNECTION:
            return await self._break(fault, transport, receive)
        if fault is not None and fault.kind == "status":
            return await self._send(self._error(fault), send)
        if fault is not None and phase is Phase.PAYLOAD and good and not isinstance(reply.content, bytes):
            reply = distorted(fault, reply)
        if fault is not None and fault.kind == "date":
            return await self._send(reply, send, fault.duration_s)
        if fault is not None and phase is Phase.DELIVERY:
            self._stamp(reply, 0.0)
            await deliver(fault, reply, transport, receive, send, self.closing)
            return reply.status
        return await self._send(reply, send)

    def _carry_out(self, endpoint: Endpoint, request: Request) -> Reply:
        """The right answer."""
        try:
            if endpoint.name:
                self._check(endpoint, request)
            return endpoint.handler(self, request)
        except ApiError as exc:
            return error_reply(exc)

    def _check(self, endpoint: Endpoint, request: Request) -> None:
        if len(request.body) > MAX_BODY:
            raise ApiError(413, f"The body is larger than {MAX_BODY} bytes.")
        if not endpoint.open:
            self._check_key(request.headers.get("authorization", ""))
        if self.options.rate_limit is not None and not self._has_token(self.options.rate_limit):
            raise ApiError(429, "Too many requests.", headers={"retry-after": "1"})
        if self.options.strict and request.method == "GET":
            wrong = list(strict_query(request.query, request.body))
            if wrong:
                keys = tuple(key for key, _ in wrong)
                text = "; ".join(f'"{key}" {message}' for key, message in wrong)
                raise ApiError(400, f"Invalid request query input: {text}", keys=keys)

    def _check_key(self, header: str) -> None:
        scheme, _, key = header.partition(" ")
        if scheme != "apiKey" or not key.strip():
            raise ApiError(401, "Send your key as `Authorization: apiKey YOUR_KEY`.")
        expected = self.options.api_key
        if expected is not None and not hmac.compare_digest(key.strip().encode(), expected.encode()):
            raise ApiError(401, "Invalid key provided.")

    def _has_token(self, per_second: float) -> bool:
        """A bucket that fills with so many tokens a second and holds one second's worth."""
        now = time.monotonic()
        last, tokens = self._bucket
        tokens = min(max(1.0, per_second), tokens + (now - last) * per_second)
        self._bucket = (now, tokens - 1 if tokens >= 1 else tokens)
        return tokens >= 1

    def _afflict(self, fault: Fault, job_id: str) -> None:
        """Let something happen to a job; one that is not there stays not there."""
        service = self.service
        try:
            job = service.find(job_id)
            if fault.kind == "fail":
                service.fail(job.id, fault.code, fault.message)
            elif fault.kind == "fail_child" and fault.index < len(job.child_ids):
                service.fail(job.child_ids[fault.index], fault.code, fault.message)
            elif fault.kind == "cancel":
                service.cancel(job.id)
            elif fault.kind == "forget":
                service.delete(job.id)
        except ApiError:
            return

    async def _break(self, fault: Fault, transport: asyncio.Transport, receive: Receive) -> int:
        if fault.kind == "hang":
            await hang(fault.duration_s, receive, self.closing)
        if fault.kind == "refuse":
            self.refuse(fault.duration_s)
        await break_connection(transport, receive, reset=fault.kind in {"reset", "refuse"})
        return 0

    def _error(self, fault: Fault) -> Reply:
        reply = error_reply(ApiError(fault.status, fault.message))
        if fault.form != "json":
            reply = Reply(fault.status, _PAGE if fault.form == "html" else b"", "text/html")
        given = fault.retry_after
        if given is not None:
            ahead = given.removeprefix("date:")
            value = given if ahead == given else http_date(self.service.clock.now() + float(ahead))
            reply.headers["retry-after"] = value
        return reply

    async def _send(self, reply: Reply, send: Send, date_offset_s: float = 0.0) -> int:
        self._stamp(reply, date_offset_s)
        body = reply.body()
        await send({"type": "http.response.start", "status": reply.status, "headers": head(reply, len(body))})
        await send({"type": "http.response.body", "body": body})
        return reply.status

    def _stamp(self, reply: Reply, offset_s: float) -> None:
        self._number += 1
        reply.headers["date"] = http_date(self.service.clock.now() + offset_s)
        reply.headers["x-request-id"] = f"emulator-{self._number}"


async def _body(receive: Receive) -> tuple[bytes, bool]:
    """The body, as much of it as is allowed, and whether the client is still there."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body), False
        if len(body) <= MAX_BODY:  # what is over is read and dropped
            body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body), True


def _request(scope: Scope, body: bytes) -> Request:
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(
        method=scope["method"], path=scope["path"], arguments=scope.get("path_params", {}), query=dict(query),
        headers=headers, body=body,
    )  # fmt: skip


def _key(endpoint: Endpoint, request: Request) -> str:
    """What a request is about: equal for attempts of the same thing."""
    if endpoint.name == "submit":
        return _tag(request) or hashlib.blake2b(request.body, digest_size=16).hexdigest()
    return f"{request.method} {request.path} {request.query.get('next', '')}"


def _tag(request: Request) -> str:
    """The sender's own name of a submission."""
    if b"qstore_tag" not in request.body:
        return ""
    try:
        found: Any = json.loads(request.body)
    except (ValueError, RecursionError):
        return ""
    metadata = found.get("metadata") if isinstance(found, dict) else None
    tag = metadata.get("qstore_tag") if isinstance(metadata, Mapping) else None
    return tag if isinstance(tag, str) else ""
