# SPDX-License-Identifier: Apache-2.0
"""How bytes reach the service and come back: a three-method Protocol, and its implementation over httpx2.

`read` changes nothing at the other end, `write` may. What matters about a failure is one bit: whether any byte of the
request may have left this machine. `DeliveryError.sent` carries it; everything about money is decided from it.

The key is put into the Authorization header of each request, as it is sent, and nowhere else. Redirects are never
followed. A deadline covers the whole exchange, bodies are capped while they stream in, also after decompression.
httpx2 is imported with the first request.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import platform
import weakref
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from qstore.errors import ServiceError, TransportError
from qstore_ionq.configuration import Address
from qstore_ionq.secret import Secret

if TYPE_CHECKING:
    import httpx2

__all__ = ["MAX_ANSWER", "MAX_RESULT", "DeliveryError", "HttpTransport", "Response", "Transport"]

MAX_ANSWER = 8 << 20
"""Bytes of an answer that describes jobs."""
MAX_RESULT = 48 << 20
"""Bytes of an answer that holds results."""
_RATIO_FROM, _MAX_RATIO = 1 << 20, 200
"""A body above 1 MiB that was compressed more than 200 times is a bomb: JSON of results shrinks 3 to 30 times."""
_PIECE = 1 << 16
_IDLE_S = 3.0
"""Idle connections are dropped before common servers do it (5 s), so that a request does not meet a closing one."""
_CONNECT_S = 10.0
_SHARD = 8
"""Most connections of one of the library's pools."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the service answered.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
        body: decompressed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)  # in a traceback with locals it would show what a server echoes


class DeliveryError(TransportError):
    """No usable answer came.

    Attributes:
        sent: whether any byte of the request may have left; False only where it is certain that none did.
        timeout: whether the deadline passed.
    """

    def __init__(self, message: str, *, sent: bool, timeout: bool = False) -> None:
        super().__init__(message)
        self.sent, self.timeout = sent, timeout


class Transport(Protocol):
    """What carries requests; a test's is a plain function in a class of three methods."""

    async def read(
        self, path: str, query: Mapping[str, str] | None = None, *, limit: int = MAX_ANSWER
    ) -> Response:
        """GET a path.

        Raises:
            DeliveryError: no whole answer came.
            ServiceError: it is larger than `limit` bytes, or packed in a way that is not taken.
        """

    async def write(self, method: str, path: str, body: bytes = b"") -> Response:
        """POST, PUT or DELETE; raises as `read`."""

    async def close(self) -> None:
        """Give connections back."""


class HttpTransport:
    """Over httpx2; transports on one event loop share their connections.

    Args:
        address: where the service listens.
        key: sent in the Authorization header of every request.
        timeout_s: for a whole exchange.
        max_connections: open at the same time.
    """

    def __init__(
        self, address: Address, key: Secret, *, timeout_s: float = 60.0, max_connections: int = 100
    ) -> None:
        self._address, self._key = address, key
        self._timeout_s, self._max_connections = timeout_s, max_connections

    async def read(
        self, path: str, query: Mapping[str, str] | None = None, *, limit: int = MAX_ANSWER
    ) -> Response:
        return await self._exchange("GET", path, query or {}, b"", limit)

    async def write(self, method: str, path: str, body: bytes = b"") -> Response:
        return await self._exchange(method, path, {}, body, MAX_ANSWER)

    async def close(self) -> None:
        pools = _pools.get(asyncio.get_running_loop(), {})
        pool = pools.get(self._kind)
        if pool is not None:
            pool.users.discard(self)
            if not pool.users:
                del pools[self._kind]
                await pool.close()

    async def _exchange(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, limit: int
    ) -> Response:
        import httpx2

        sent = False

        async def watch(event: str, info: dict[str, Any]) -> None:  # noqa: ARG001  # httpx2 prescribes both
            nonlocal sent
            sent = sent or event.endswith("send_request_headers.started")

        failure, timed_out, refused = "", False, False
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._answer(method, path, query, body, limit, watch)
        except TimeoutError:
            timed_out = True
            failure = f"no whole answer within {self._timeout_s:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as exc:
            failure = f"{type(exc).__name__}: {self._key.scrub(str(exc)) or 'no reason given'}"
        except _RefusedBodyError as exc:
            failure, refused = str(exc), True
        # Raised out here, with no exception as its context: frames of the HTTP library hold the header.
        if refused:
            raise ServiceError(f"{method} {self._address.url}{path}: {failure}.")
        where = "after it was sent" if sent else "and nothing was sent"
        what = f"{method} {self._address.url}{path} failed {where}: {failure}."
        raise DeliveryError(what, sent=sent, timeout=timed_out)

    async def _answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, limit: int, watch: Any
    ) -> Response:
        import httpx2

        shard = self._shard()
        client = shard.client
        request = client.build_request(
            method,
            self._address.url + path,
            params=dict(query) or None,
            content=body or None,
            headers={"Authorization": f"apiKey {self._key.reveal()}"},
            extensions={"trace": watch},
            timeout=httpx2.Timeout(self._timeout_s, connect=min(_CONNECT_S, 0.9 * self._timeout_s)),
        )
        shard.busy += 1
        try:
            return await _answered(client, request, limit)
        finally:
            shard.busy -= 1

    def _shard(self) -> _Shard:
        """The least busy part of the pool."""
        pools = _pools.setdefault(asyncio.get_running_loop(), {})
        pool = pools.get(self._kind)
        if pool is None:
            pool = pools[self._kind] = _Pool(*self._kind)
        pool.users.add(self)
        return pool.shard()

    @property
    def _kind(self) -> tuple[bool, int]:
        """Which pool: with the proxies of the environment or not (they are for the way out), and how large."""
        return (not self._address.loopback, self._max_connections)

    def __repr__(self) -> str:
        return f"HttpTransport({self._address.url!r})"


class _Shard:
    """Some of the connections: the library goes through all of a pool's for every request, so its pools are kept small."""

    __slots__ = ("busy", "client")

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.busy, self.client = 0, client


class _Pool:
    """Connections, and the transports that use them; one that is forgotten leaves them to the others."""

    __slots__ = ("_kind", "_ssl", "pid", "shards", "users")

    def __init__(self, trust_env: bool, connections: int) -> None:
        import httpx2

        self._kind, self.pid = (trust_env, connections), os.getpid()
        self._ssl = httpx2.create_ssl_context(trust_env=trust_env)  # 20 ms: one for all
        self.shards: list[_Shard] = []
        self.users: weakref.WeakSet[HttpTransport] = weakref.WeakSet()

    def shard(self) -> _Shard:
        """The least busy one; another as long as all are full and connections are left."""
        best = min(self.shards, key=lambda shard: shard.busy, default=None)
        left = self._kind[1] - _SHARD * len(self.shards)
        if best is None or (best.busy >= _SHARD and left > 0):
            best = _Shard(self._client(min(_SHARD, left)))
            self.shards.append(best)
        return best

    async def close(self) -> None:
        """Close the connections."""
        for shard in self.shards:
            await shard.client.aclose()

    def _client(self, connections: int) -> httpx2.AsyncClient:
        import httpx2

        return httpx2.AsyncClient(
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Content-Type": "application/json",
                "User-Agent": f"qstore-ionq/{version('qstore-ionq')} (python/{platform.python_version()})",
            },
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_IDLE_S
            ),
            follow_redirects=False,
            trust_env=self._kind[0],
            verify=self._ssl,
        )


# A connection belongs to the loop that opened it; weak, so that a loop that is gone takes its pools along.
_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[bool, int], _Pool]] = (
    weakref.WeakKeyDictionary()
)


def _close_pools() -> None:
    """Close what is open on loops that still run, before the interpreter takes them away."""
    for loop, pools in list(_pools.items()):
        for pool in pools.values():
            if pool.pid == os.getpid() and loop.is_running():
                with contextlib.suppress(Exception):  # the process ends either way
                    asyncio.run_coroutine_threadsafe(pool.close(), loop).result(timeout=1.0)


atexit.register(_close_pools)


class _RefusedBodyError(Exception):
    """A body is too large or packed in a way that is not taken."""


async def _answered(client: httpx2.AsyncClient, request: httpx2.Request, limit: int) -> Response:
    response = await client.send(request, stream=True)
    try:
        content = await _read_capped(response, limit)
    finally:
        await response.aclose()
    return Response(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, content
    )


async def _read_capped(response: httpx2.Response, limit: int) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise _RefusedBodyError(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _RefusedBodyError(f"the answer has {announced} bytes, more than {limit}")
    inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    found, received = bytearray(), 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        if inflate is None:
            found += chunk
            _check_size(len(found), received, limit)
            continue
        rest = chunk
        while rest:
            try:
                found += inflate.decompress(rest, _PIECE)
            except zlib.error as exc:
                raise _RefusedBodyError(f"the answer is not valid gzip ({exc})") from None
            _check_size(len(found), received, limit)
            rest = inflate.unconsumed_tail
    if inflate is not None and received and not inflate.eof:
        raise _RefusedBodyError("the answer ends in the middle of its gzip stream")
    return bytes(found)


def _check_size(size: int, received: int, limit: int) -> None:
    if size > limit:
        raise _RefusedBodyError(f"the answer is larger than {limit} bytes")
    if size > _RATIO_FROM and size > _MAX_RATIO * received:
        raise _RefusedBodyError(f"the answer unpacks to more than {_MAX_RATIO} times its size")
