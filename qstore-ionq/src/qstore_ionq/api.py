# SPDX-License-Identifier: Apache-2.0
"""IonQ's API v0.4, one method for each endpoint that is used: paths, checks of what comes back, nothing about jobs' lives.

Every method raises what `outcome` says. Paths are built here from checked ids; an address in an answer is never used.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

from qstore.errors import ServiceError
from qstore.execution.jobs import NotAccepted, Unclear
from qstore_ionq.outcome import check_read, check_write, undelivered
from qstore_ionq.secret import Secret
from qstore_ionq.transport import MAX_ANSWER, MAX_RESULT, DeliveryError, Response, Transport
from qstore_ionq.wire import dump, field, load, load_by_key, mapping

__all__ = ["IonQApi", "sleepless_s"]

log = logging.getLogger("qstore.ionq")

Read = TypeVar("Read")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PAGE = 100
_LARGE = 1 << 18
_MAX_PAGES = 10_000


def sleepless_s() -> float:
    """Seconds from some moment on, those included in which this machine was suspended.

    `time.monotonic()` leaves those out on Linux and on macOS, where it reads another clock than CLOCK_MONOTONIC; on
    Windows it counts them.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


class IonQApi:
    """The service, reached through a transport.

    Args:
        transport: carries the requests.
        key: only used to take it out of messages that the service sends.
        clock: carries the server's time on between two answers; in seconds from any moment on.
    """

    def __init__(
        self, transport: Transport, key: Secret, *, clock: Callable[[], float] = sleepless_s
    ) -> None:
        self._transport, self._key, self._clock = transport, key, clock
        self._heard: tuple[float, float] | None = None  # the server's clock, ours at that moment

    def server_time_s(self) -> float | None:
        """Seconds since 1970 by the server's clock; None before it was first heard."""
        if self._heard is None:
            return None
        return self._heard[0] + self._clock() - self._heard[1]

    async def create_job(self, body: bytes) -> dict[str, Any]:
        """POST /jobs; the answer has at least a usable `id`."""
        document = await self._write("POST", "/jobs", body)
        try:
            checked_id(field(document, "id", str, "POST /jobs"), "POST /jobs")
        except ServiceError as exc:
            raise Unclear(str(exc)) from None
        return document

    async def job(self, job_id: str) -> dict[str, Any] | None:
        """GET /jobs/{id}; None where the service does not know it."""
        return await self._read_mapping(f"/jobs/{checked_id(job_id)}")

    async def jobs(self, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """GET /jobs, page after page, each job once."""
        seen: set[str] = set()
        cursors: set[str] = set()
        cursor = None
        for _ in range(_MAX_PAGES):
            page = await self._page({"limit": str(_PAGE), **query, **({"next": cursor} if cursor else {})})
            for each in field(page, "jobs", list, "GET /jobs"):
                job = mapping(each, "GET /jobs")
                job_id = field(job, "id", str, "GET /jobs")
                if job_id not in seen:  # a job that moves to the next page while the list grows
                    seen.add(job_id)
                    yield job
            following = page.get("next")
            if following is None or following == "":
                return
            if not isinstance(following, str) or following in cursors:
                raise ServiceError(f"GET /jobs: 'next' is {following!r:.80}, which leads nowhere new.")
            cursors.add(following)
            cursor = following
        raise ServiceError(f"GET /jobs: more than {_MAX_PAGES} pages.")

    async def cancel(self, job_id: str) -> None:
        """PUT /jobs/{id}/status/cancel; a job that is over or unknown is left as it is."""
        await self._write("PUT", f"/jobs/{checked_id(job_id)}/status/cancel", b"", passing=(404, 409))

    async def cost(self, job_id: str) -> dict[str, Any] | None:
        """GET /jobs/{id}/cost."""
        return await self._read_mapping(f"/jobs/{checked_id(job_id)}/cost")

    async def result(self, job_id: str, kind: str, *, sharpen: bool | None = None) -> Any:
        """GET /jobs/{id}/results/{kind}; `kind` is probabilities, histogram or shots.

        Raises:
            NotAccepted: there is none yet (404), besides what `outcome` says.
        """
        path, body = await self._result(job_id, kind, sharpen)
        return await _parsed(load, body, f"GET {path}")

    async def aggregated(
        self, job_id: str, *, sharpen: bool | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        """GET /jobs/{id}/results/probabilities/aggregated: by child id, and the ids that came twice.

        Raises:
            NotAccepted: as `result`.
        """
        path, body = await self._result(job_id, "probabilities/aggregated", sharpen)
        return await _parsed(load_by_key, body, f"GET {path}")

    async def backends(self) -> list[dict[str, Any]]:
        """GET /backends."""
        response = await self._read("/backends", {})
        found = load(response.body, "GET /backends") if response.status != 404 else []
        if not isinstance(found, list):
            raise ServiceError("GET /backends: expected a list.")
        return [mapping(each, "GET /backends") for each in found]

    async def characterization(self, backend: str) -> dict[str, Any] | None:
        """The newest of GET /backends/{b}/characterizations; None where there is none."""
        path = f"/backends/{checked_id(backend)}/characterizations"
        document = await self._read_mapping(path, {"limit": "1"})
        found = (document or {}).get("characterizations")
        return mapping(found[0], f"GET {path}") if isinstance(found, list) and found else None

    async def create_session(self, backend: str, settings: Mapping[str, Any]) -> str:
        """POST /sessions; its id."""
        document = await self._write(
            "POST", "/sessions", dump({"backend": backend, "settings": dict(settings)})
        )
        return checked_id(field(document, "id", str, "POST /sessions"), "POST /sessions")

    async def end_session(self, session_id: str) -> None:
        """POST /sessions/{id}/end; one that is over already is fine."""
        await self._write("POST", f"/sessions/{checked_id(session_id)}/end", b"", passing=(404, 409))

    async def close(self) -> None:
        """Give connections back."""
        await self._transport.close()

    async def _result(self, job_id: str, kind: str, sharpen: bool | None) -> tuple[str, bytes]:
        path = f"/jobs/{checked_id(job_id)}/results/{kind}"
        query = {} if sharpen is None else {"sharpen": "true" if sharpen else "false"}
        response = await self._read(path, query, limit=MAX_RESULT)
        if response.status == 404:
            raise NotAccepted(True, reason=f"GET {path}: the result is not there yet (404).")
        return path, response.body

    async def _page(self, query: Mapping[str, str]) -> dict[str, Any]:
        page = await self._read_mapping("/jobs", query)
        if page is None:
            raise ServiceError("GET /jobs: IonQ answered 404 Not Found; check the url.")
        return page

    async def _read_mapping(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        response = await self._read(path, query or {})
        return None if response.status == 404 else mapping(load(response.body, f"GET {path}"), f"GET {path}")

    async def _read(self, path: str, query: Mapping[str, str], *, limit: int = MAX_ANSWER) -> Response:
        response = await self._transport.read(path, query, limit=limit)
        self._hear(response)
        log.debug("GET %s: %d, %d bytes", path, response.status, len(response.body))
        check_read(response, f"GET {path}", self._key.scrub)
        return response

    async def _write(
        self, method: str, path: str, body: bytes, *, passing: tuple[int, ...] = ()
    ) -> dict[str, Any]:
        what = f"{method} {path}"
        try:
            response = await self._transport.write(method, path, body)
        except DeliveryError as exc:
            raise undelivered(exc) from exc
        except ServiceError as exc:  # an answer came, but not one that can be read
            raise Unclear(str(exc)) from exc
        self._hear(response)
        log.debug("%s: %d, %d bytes", what, response.status, len(response.body))
        if response.status in passing:
            return {}
        check_write(response, what, self._key.scrub)
        if not response.body:
            return {}
        try:
            return mapping(load(response.body, what), what)
        except ServiceError as exc:
            raise Unclear(str(exc)) from None

    def _hear(self, response: Response) -> None:
        """Take the server's time from its own fresh answer; a gateway's failure and a cache have clocks of their own."""
        date = response.headers.get("date")
        if date and 200 <= response.status < 300 and "age" not in response.headers:
            from email.utils import parsedate_to_datetime

            try:
                self._heard = (parsedate_to_datetime(date).timestamp(), self._clock())
            except (TypeError, ValueError, OverflowError, IndexError):
                log.debug("The service's Date header cannot be read.")


async def _parsed(read: Callable[[bytes, str], Read], body: bytes, what: str) -> Read:
    """Large results are read in a thread, so that other jobs' requests are not kept waiting."""
    return await asyncio.to_thread(read, body, what) if len(body) > _LARGE else read(body, what)


def checked_id(text: str, what: str = "") -> str:
    """An id that can stand in a path.

    Raises:
        ServiceError: it has characters that no id of the service has.
    """
    if not _ID.fullmatch(text) or ".." in text:
        raise ServiceError(f"{what or 'A job'}: 'id' is {text[:80]!r}, which is no id.")
    return text
