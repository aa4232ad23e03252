# SPDX-License-Identifier: Apache-2.0
"""The ASGI application: every route of the service and of the emulator, and errors in the service's form."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from qstore_ionq.emulator.control import CONTROL
from qstore_ionq.emulator.front import Endpoint, Front
from qstore_ionq.emulator.routes import API
from qstore_ionq.emulator.wire import ApiError, error_reply

__all__ = ["make_app"]


class _Bound:
    """An endpoint of one emulator, as an ASGI application."""

    def __init__(self, front: Front, endpoint: Endpoint) -> None:
        self._front, self._endpoint = front, endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._front.serve(self._endpoint, scope, receive, send)


def make_app(front: Front) -> Starlette:
    """The application of one emulator; it needs a server that puts the transport into the scope (`server.py`)."""
    routes = [Route(each.path, _Bound(front, each), methods=[each.method]) for each in (*API, *CONTROL)]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error, Exception: _server_error})


async def _http_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    version = request.url.path.split("/")[1:2]
    hint = " This emulator speaks v0.4 only." if version == ["v0.3"] else ""
    return _response(ApiError(exc.status_code, f"{request.method} {request.url.path}: {exc.detail}.{hint}"))


async def _server_error(_request: Request, exc: Exception) -> Response:
    return _response(ApiError(500, f"The emulator failed: {type(exc).__name__}. Its log has the details."))


def _response(error: ApiError) -> Response:
    reply = error_reply(error)
    return Response(reply.body(), reply.status, media_type=reply.media_type)
