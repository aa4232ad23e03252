# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire: requests as the handlers see them, replies before they are bytes, errors in the service's form.

Bodies are read by their bytes, never by their Content-Type: PennyLane's plugin sends none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from qstore.errors import QStoreError

__all__ = [
    "MAX_BODY",
    "ApiError",
    "Reply",
    "Request",
    "as_time",
    "dumps",
    "error_reply",
    "from_time",
    "loads",
]

MAX_BODY = 10_000_000
"""Bytes; more are answered with 413."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, its body read.

    Attributes:
        method, path: as sent; the path without its query.
        arguments: the named parts of the path.
        query: the query string; of a repeated name the last value.
        headers: with lower-case names.
        body: the bytes.
    """

    method: str
    path: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ApiError: it is none.
        """
        return loads(self.body)


@dataclass(slots=True)
class Reply:
    """One answer.

    Attributes:
        content: what becomes JSON, or bytes that are sent as they are.
        media_type: of the bytes.
    """

    status: int
    content: Any
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """The bytes to send."""
        return self.content if isinstance(self.content, bytes) else dumps(self.content)


class ApiError(QStoreError):
    """A request that is answered with an error.

    Attributes:
        status: the HTTP status.
        keys: which fields of the body are wrong, by their dotted paths.
        headers: to send along.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        keys: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keys = keys
        self.headers = dict(headers or {})


def error_reply(error: ApiError) -> Reply:
    """The service's form of an error."""
    content: dict[str, Any] = {
        "statusCode": error.status,
        "error": phrase(error.status),
        "message": str(error),
    }
    if error.keys:
        content["validation"] = {"source": "body", "keys": list(error.keys)}
    return Reply(error.status, content, headers=error.headers)


def phrase(status: int) -> str:
    """The words that go with an HTTP status; the proxies' 520-529 have none of their own."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Error"


def dumps(content: Any) -> bytes:
    """JSON, as short as it gets."""
    return json.dumps(content, separators=(",", ":")).encode()


def loads(body: bytes) -> Any:
    """JSON of a request.

    Raises:
        ApiError: it is none, it is nested too deep, or it has numbers that JSON does not know.
    """
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise ApiError(400, f"Invalid request payload JSON format: {str(exc)[:200]}") from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def as_time(seconds: float | None) -> str | None:
    """Unix seconds as the service writes times."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_time(text: str) -> float:
    """Unix seconds of a time or a date.

    Raises:
        ApiError: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ApiError(400, f"{text!r} is not a date.") from exc
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
