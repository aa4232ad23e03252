# SPDX-License-Identifier: Apache-2.0
"""What an answer means for money: every status of every request in one of few classes.

Safe to send again is only what certainly was not accepted: nothing left this machine, 408, 425, 429. Other 4xx are
refusals for good. All else (5xx, redirects, broken connections, a 2xx that cannot be read) leaves a submission *unclear*.
Reading is different: it may be repeated whatever happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from qstore.errors import (
    AuthenticationError,
    BackendUnavailable,
    BudgetExceeded,
    CapabilityError,
    QStoreError,
    ServiceError,
)
from qstore.execution.jobs import NotAccepted, Unclear
from qstore.execution.retry import retry_after_s
from qstore_ionq.transport import DeliveryError, Response
from qstore_ionq.wire import load

__all__ = ["REFUSALS", "TEMPORARY", "check_read", "check_write", "undelivered"]

TEMPORARY = frozenset({408, 425, 429})
"""Statuses that say: not now, and nothing happened."""

REFUSALS: Mapping[int, Callable[[str], QStoreError]] = MappingProxyType(
    {
        401: AuthenticationError,
        402: BudgetExceeded,
        403: AuthenticationError,
        404: BackendUnavailable,
    }
)
"""What a submission that was refused for good raises; `CapabilityError` for every other 4xx.

None of them is an `ExecutionError`, which would leave open whether a job was accepted.
"""
_LONGEST = 500


def check_write(response: Response, what: str, scrub: Callable[[str], str]) -> None:
    """Let a success pass.

    Args:
        response: the answer to a POST, PUT or DELETE.
        what: the request, for messages.
        scrub: takes the key out of a text.

    Raises:
        NotAccepted: nothing happened, and the same request may be accepted later.
        Unclear: nobody knows what happened.
        QStoreError: refused for good.
    """
    status = response.status
    if 200 <= status < 300:
        return
    reason = _reason(response, what, scrub)
    wait = _wait(response)
    if status in TEMPORARY:
        raise NotAccepted(True, wait, reason=reason, throttled=status == 429)
    if 400 <= status < 500:
        raise REFUSALS.get(status, CapabilityError)(reason)
    raise Unclear(reason, retry_after_s=wait)


def check_read(response: Response, what: str, scrub: Callable[[str], str]) -> None:
    """Let a success and a 404 pass; what a missing thing means is the caller's to say.

    Raises:
        NotAccepted: worth asking again.
        AuthenticationError: the key is not accepted.
        ServiceError: any other status.
    """
    status = response.status
    if 200 <= status < 300 or status == 404:
        return
    reason = _reason(response, what, scrub)
    if status in TEMPORARY or status >= 500:
        raise NotAccepted(True, _wait(response), reason=reason, throttled=status in {429, 503})
    if status in {401, 403}:
        raise AuthenticationError(reason)
    raise ServiceError(reason)


def undelivered(failure: DeliveryError) -> NotAccepted | Unclear:
    """What a submission without an answer comes to."""
    if failure.sent:
        return Unclear(str(failure), timeout=failure.timeout)
    return NotAccepted(True, reason=str(failure))


def _wait(response: Response) -> float | None:
    return retry_after_s(response.headers.get("retry-after"), date=response.headers.get("date"))


def _reason(response: Response, what: str, scrub: Callable[[str], str]) -> str:
    """Status and the service's own words, without the key, which some servers repeat."""
    try:
        phrase = f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = str(response.status)
    words = _words(response)
    text = scrub(f"{what}: IonQ answered {phrase}{f': {words}' if words else ''}")
    return text if text.endswith(".") else text + "."


def _words(response: Response) -> str:
    """From `{message, validation: {keys}}`, `{code, message}` or `{error: {message}}`; a redirect's goal."""
    if 300 <= response.status < 400:
        return f"a redirect to {response.headers.get('location', 'nowhere')[:200]!r}, which is not followed"
    try:
        document = load(response.body, "")
    except ServiceError:
        return ""
    if not isinstance(document, dict):
        return ""
    error: Any = document.get("error")
    message = document.get("message") or (error.get("message") if isinstance(error, dict) else error)
    validation = document.get("validation")
    keys = validation.get("keys") if isinstance(validation, dict) else None
    parts = [str(message)] if message else []
    parts += [f"(fields {', '.join(map(str, keys))})"] if isinstance(keys, list) and keys else []
    return " ".join(parts)[:_LONGEST]
