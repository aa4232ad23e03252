# SPDX-License-Identifier: Apache-2.0
"""The HTTP transport against servers that misbehave on purpose: what was sent, what is taken, how long it may last."""

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import asynccontextmanager

import httpx2
import pytest

from ionq.fakes import KEY
from qstore.errors import ServiceError
from qstore_ionq.configuration import Address
from qstore_ionq.secret import Secret
from qstore_ionq.transport import DeliveryError, HttpTransport


@asynccontextmanager
async def serving(reply):
    """A server that hands every connection to `reply(request bytes, writer)`; gives (transport maker, requests seen)."""
    seen, tasks = [], set()

    async def handle(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                               if line.startswith(b"content-length")), 0)  # fmt: skip
                seen.append(head + (await reader.readexactly(length)))
                await reply(seen[-1], writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def transport(**options):
        return HttpTransport(Address(f"http://127.0.0.1:{port}/v0.4", True), Secret(KEY), **options)

    try:
        yield transport, seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def replies(*parts, head="HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"):
    body = b"".join(parts)

    async def reply(request, writer):
        writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return reply


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


async def outcome(reply, method="POST", limit=1 << 20, **options):
    async with serving(reply) as (make, seen):
        transport = make(**options)
        try:
            if method == "GET":
                return await transport.read("/jobs", {"limit": "5"}, limit=limit), seen
            return await transport.write(method, "/jobs", b'{"a":1}'), seen
        finally:
            await transport.close()


def test_the_key_travels_in_the_header_and_nowhere_else():
    response, seen = run(outcome(replies(b"{}"), "GET"))
    (request,) = seen
    assert (response.status, response.body) == (200, b"{}")
    assert request.startswith(b"GET /v0.4/jobs?limit=5 HTTP/1.1\r\n")
    assert request.lower().count(b"\r\nauthorization: apikey " + KEY.encode()) == 1
    assert request.count(KEY.encode()) == 1
    assert b"user-agent: qstore-ionq/" in request.lower()


def test_a_body_is_sent_as_json_bytes():
    _, (request,) = run(outcome(replies(b"{}")))
    assert request.endswith(b'\r\n\r\n{"a":1}')
    assert b"content-type: application/json" in request.lower()


def test_a_refused_connection_certainly_sent_nothing():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = Address(f"http://127.0.0.1:{free.getsockname()[1]}", True)
    with pytest.raises(DeliveryError, match="and nothing was sent: ConnectError") as caught:
        run(HttpTransport(address, Secret(KEY)).write("POST", "/jobs", b"{}"))
    assert not caught.value.sent


def test_a_name_that_does_not_resolve_certainly_sent_nothing():
    with pytest.raises(DeliveryError) as caught:
        run(HttpTransport(Address("http://nowhere.invalid", True), Secret(KEY)).write("POST", "/jobs", b"{}"))
    assert not caught.value.sent


def test_a_server_that_does_not_speak_tls_certainly_got_no_request():
    got = b""

    async def refuse(reader, writer):
        nonlocal got
        got = await reader.read(1)
        writer.close()

    async def connect():
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        address = Address(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", True)
        try:
            await HttpTransport(address, Secret(KEY)).write("POST", "/jobs", b"{}")
        finally:
            server.close()

    with pytest.raises(DeliveryError, match="and nothing was sent: ConnectError") as caught:
        run(connect())
    assert not caught.value.sent
    assert got == b"\x16"  # a TLS handshake, and nothing behind it


async def hang_up(request, writer):
    writer.close()


async def reset(request, writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def half(request, writer):
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id": ')
    await writer.drain()
    writer.close()


async def nonsense(request, writer):
    writer.write(b"SMTP 220 hello\r\n\r\n")


@pytest.mark.parametrize("reply", [hang_up, reset, half, nonsense])
def test_after_the_first_byte_nobody_knows(reply):
    with pytest.raises(DeliveryError, match="failed after it was sent") as caught:
        run(outcome(reply))
    assert caught.value.sent
    assert not caught.value.timeout
    assert caught.value.__context__ is None  # frames of the HTTP library hold the header


async def drip(request, writer):
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


def test_a_server_that_drips_is_cut_off_at_the_total_deadline():
    start = time.monotonic()
    with pytest.raises(DeliveryError, match=r"no whole answer within 0\.5 s") as caught:
        run(outcome(drip, timeout_s=0.5))
    assert caught.value.timeout
    assert caught.value.sent
    assert time.monotonic() - start < 10  # 1000 bytes at this pace take 20 s


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirects_are_not_followed(status, method):
    head = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:9/steal\r\n"
    response, seen = run(outcome(replies(b"", head=head), method))
    assert response.status == status
    assert len(seen) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_refused_while_it_streams(announced):
    sent = 0

    async def reply(request, writer):
        nonlocal sent
        writer.write(
            b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 1073741824\r\n\r\n" if announced else b"\r\n")
        )
        for _ in range(1 << 14):
            writer.write(b" " * (1 << 16))
            await writer.drain()
            sent += 1 << 16

    with pytest.raises(ServiceError, match=r"more than 1000000|larger than 1000000"):
        run(outcome(reply, "GET", limit=1_000_000))
    assert sent < 64 << 20  # a gigabyte was on its way


def zipped(body):
    return replies(gzip.compress(body), head="HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n")


def test_gzip_is_unpacked():
    document = json.dumps({str(state): 1 / 4096 for state in range(4096)}).encode()
    response, _ = run(outcome(zipped(document), "GET"))
    assert response.body == document


@pytest.mark.parametrize("limit", [64 << 20, 1 << 20])
def test_a_gzip_bomb_is_refused_long_before_it_is_unpacked(limit):
    with pytest.raises(ServiceError, match=r"unpacks to more than 200 times its size|larger than"):
        run(outcome(zipped(bytes(256 << 20)), "GET", limit=limit))


@pytest.mark.parametrize(
    ("body", "encoding", "text"),
    [(b"no gzip", "gzip", "not valid gzip"), (gzip.compress(b"x" * 100, mtime=0)[:-10], "gzip", "in the middle of its gzip"),
     (b"{}", "br", "encoded as 'br'"), (b"{}", "gzip, gzip", "encoded as")],
)  # fmt: skip
def test_an_encoding_that_was_not_asked_for_or_is_damaged_is_refused(body, encoding, text):
    with pytest.raises(ServiceError, match=text):
        run(outcome(replies(body, head=f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n"), "GET"))


def test_connections_are_pooled():
    async def several():
        connections = 0

        async def reply(request, writer):
            nonlocal connections
            connections += not hasattr(writer, "seen")
            writer.seen = True
            await replies(b"{}")(request, writer)

        async with serving(reply) as (make, seen):
            transport = make()
            for _ in range(5):
                await transport.read("/jobs")
            await transport.close()
            return connections, len(seen)

    assert run(several()) == (1, 5)


def test_cancelled_requests_leave_the_pool_whole():
    """The failure of httpx 0.28: after cancellations under load every slot is lost."""

    async def storm():
        async def slowly(request, writer):
            await asyncio.sleep(0.01)
            await replies(b"{}")(request, writer)

        async with serving(slowly) as (make, _):
            transport = make(max_connections=3, timeout_s=5)
            for round_ in range(40):
                tasks = [asyncio.create_task(transport.read("/jobs")) for _ in range(8)]
                await asyncio.sleep(0.001 * (round_ % 15))
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            answers = await asyncio.gather(*(transport.read("/jobs") for _ in range(5)))
            await transport.close()
            return [answer.status for answer in answers]

    assert run(storm()) == [200] * 5


def test_every_exception_of_the_http_library_is_covered():
    """Whatever httpx2 raises for a request is one of the classes that become a DeliveryError."""
    found = [each for each in vars(httpx2).values() if isinstance(each, type) and issubclass(each, Exception)]
    others = [
        each
        for each in found
        if not issubclass(each, (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError))
    ]
    assert {each.__name__ for each in others} <= {"CookieConflict", "SSEError", "HTTPStatusError"}


def test_a_script_ends_without_leaving_connections_open():
    """With every warning an error, where Python reports what was never closed."""
    script = """
        import os, tempfile
        os.environ["QSTORE_HOME"] = tempfile.mkdtemp()
        import qstore as qs
        from qstore_ionq.emulator import Emulator
        emulator = Emulator(seed=1)
        emulator.__enter__()
        backend = qs.get_backend("ionq.simulator", url=emulator.url)
        print(qs.run(qs.QuantumCircuit(1).h(0), shots=10, backend=backend).shots)
    """
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "10\n"
    assert "ResourceWarning" not in done.stderr
