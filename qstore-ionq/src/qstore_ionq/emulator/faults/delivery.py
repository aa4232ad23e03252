# SPDX-License-Identifier: Apache-2.0
"""Answers that arrive badly, and connections that break: what has to be done below ASGI.

The protocol class of the server puts each connection's transport into the scope, under "state"; nothing else of the
server's inside is used. After a transport was written to or closed here, the server is made to see the disconnection
before the application returns, so that it does not answer by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any

from qstore_ionq.emulator.faults.fault import Fault
from qstore_ionq.emulator.wire import Reply, phrase

__all__ = ["TRANSPORT", "break_connection", "deliver", "hang", "head", "http_date"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
TRANSPORT = "qstore.transport"
_CHUNK = 1 << 16
_BLOCK = 1 << 20
_TRICKLE = 1 << 20
"""A slow answer gives up after so many bytes; nobody waits that long."""
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def http_date(seconds: float) -> str:
    """Unix seconds in the form of HTTP headers."""
    return formatdate(seconds, usegmt=True)


def head(reply: Reply, length: int | None) -> list[tuple[bytes, bytes]]:
    """The headers of an answer."""
    found = {"content-type": reply.media_type, **reply.headers}
    if length is not None:
        found["content-length"] = str(length)
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in found.items()]


async def break_connection(transport: asyncio.Transport, receive: Receive, *, reset: bool) -> None:
    """Close the connection without an answer: by RST, or by FIN."""
    if reset:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):  # it is gone already
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    else:
        transport.close()
    await _until_gone(receive)


async def hang(seconds: float, receive: Receive, closing: asyncio.Event) -> None:
    """Wait until the client gives up, the time is over, or the emulator ends."""
    waits = {asyncio.ensure_future(_until_gone(receive)), asyncio.ensure_future(closing.wait())}
    _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def deliver(
    fault: Fault,
    reply: Reply,
    transport: asyncio.Transport,
    receive: Receive,
    send: Send,
    closing: asyncio.Event,
) -> None:
    """Send an answer as a delivery fault wants it."""
    body = reply.body()
    if fault.kind == "huge":
        await _stream(reply, fault.size, b" " * _CHUNK, transport, send)
    elif fault.kind == "gzip_bomb":
        reply.headers["content-encoding"] = "gzip"
        packed = _bomb(fault.size)
        await _stream(reply, len(packed), packed, transport, send)
    elif fault.kind in {"slow", "cut"}:
        reply.headers["connection"] = "close"
        lines = [b"HTTP/1.1 %d %s" % (reply.status, phrase(reply.status).encode())]
        lines += [name + b": " + value for name, value in head(reply, len(body))]
        start = b"\r\n".join(lines) + b"\r\n\r\n"
        if fault.kind == "cut":
            transport.write(start + body[: len(body) // 2])
        else:
            await _trickle(transport, start, body, fault, closing)
        await break_connection(transport, receive, reset=False)


async def _stream(reply: Reply, size: int, chunk: bytes, transport: asyncio.Transport, send: Send) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": head(reply, size)})
    left = size
    while left > 0 and not transport.is_closing():
        part = chunk[:left]
        left -= len(part)
        await send({"type": "http.response.body", "body": part, "more_body": left > 0})
        await asyncio.sleep(0)  # others are served, too
    if size == 0:
        await send({"type": "http.response.body", "body": b""})


async def _trickle(
    transport: asyncio.Transport, start: bytes, body: bytes, fault: Fault, closing: asyncio.Event
) -> None:
    slow = start + body
    if fault.part == "body":
        transport.write(start)
        slow = body
    for byte in slow[:_TRICKLE]:
        if transport.is_closing():
            return
        transport.write(bytes([byte]))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), fault.duration_s)
            return


def _bomb(size: int) -> bytes:
    """A gzip member of so many blanks, a thousandth of their size: one deflate block, repeated.

    Its checksum is wrong. Whoever gets as far as that has unpacked everything.
    """
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = compressor.compress(b" " * _BLOCK) + compressor.flush(zlib.Z_FULL_FLUSH)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return (
        header
        + block * max(1, size // _BLOCK)
        + compressor.flush()
        + struct.pack("<II", 0, size & 0xFFFFFFFF)
    )


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
