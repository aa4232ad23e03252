# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: uvicorn's HTTP/1.1 protocol on a listening socket of our own, on 127.0.0.1 only.

uvicorn's own runner is not used, as the emulator must be able to refuse connections for a while and to listen again.
Faults that break connections need their transports: each connection's is put into its requests' scope.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from qstore.errors import OptionError
from qstore_ionq.emulator.app import make_app
from qstore_ionq.emulator.faults.delivery import TRANSPORT
from qstore_ionq.emulator.front import Front
from qstore_ionq.emulator.traffic import Traffic

__all__ = ["HOST", "Server", "listening_socket", "run_loop"]

HOST = "127.0.0.1"
_BACKLOG = 2048
_KEEP_ALIVE_S = 600


class _Protocol(H11Protocol):
    """A connection that lets its requests see its transport, and is counted."""

    traffic: Traffic

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
        super().connection_made(transport)
        self.traffic.connected()
        # What is in here goes into the scope of every request, under "state".
        self.app_state = {**self.app_state, TRANSPORT: transport}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.traffic.disconnected()


def listening_socket(port: int) -> socket.socket:
    """A socket bound to a port of this computer, 0 for a free one.

    Raises:
        OptionError: the port is taken or not allowed.
    """
    # With the protocol named: asyncio turns Nagle's algorithm off only where it sees TCP, and answers take 40 ms with it.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except (OSError, OverflowError) as exc:
        found.close()
        raise OptionError(
            f"Port {port} cannot be used: {exc}. Choose another one, or 0 for a free one."
        ) from exc
    return found


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a loop that can watch a listening socket, on every system."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(work)


class Server:
    """Serves one emulator on the running loop.

    Args:
        front: the emulator.
        listener: a bound socket; the server closes it.
    """

    def __init__(self, front: Front, listener: socket.socket) -> None:
        self._front = front
        self._socket = listener
        self.port: int = listener.getsockname()[1]
        self._listening = False
        self._again: asyncio.TimerHandle | None = None
        self._accepting: set[asyncio.Task[tuple[asyncio.Transport, asyncio.Protocol]]] = set()
        self._state = ServerState()
        self._config = Config(
            make_app(front), http="h11", ws="none", lifespan="off", log_config=None, log_level="warning", access_log=False,
            server_header=False, date_header=False, timeout_keep_alive=_KEEP_ALIVE_S,
        )  # fmt: skip
        self._config.load()
        front.refuse = self.refuse

    async def start(self) -> None:
        """Begin to answer."""
        self._front.service.start()
        self._listen()

    async def stop(self) -> None:
        """Close every connection and end; what hangs is let go."""
        self._stop_listening()
        self._front.closing.set()
        for connection in list(self._state.connections):
            connection.shutdown()
        tasks = {*self._state.tasks, *self._accepting}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the transports report their end
        self._front.service.stop()

    def refuse(self, seconds: float) -> None:
        """Refuse connections for so long; open ones that are idle are closed. The port stays ours."""
        if not self._listening:
            return
        self._stop_listening()
        for connection in list(self._state.connections):
            connection.shutdown()
        self._socket = listening_socket(self.port)  # bound, not listening: nobody else can take it
        self._again = asyncio.get_running_loop().call_later(seconds, self._listen)

    def stop_refusing(self) -> None:
        """Accept connections again, if they are refused now."""
        if not self._listening and self._again is not None:
            self._again.cancel()
            self._listen()

    # asyncio's own server fails when it is closed while a connection is being accepted (seen with Python 3.11), which
    # refusing does all the time.

    def _listen(self) -> None:
        self._socket.setblocking(False)
        self._socket.listen(_BACKLOG)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)
        self._listening = True

    def _stop_listening(self) -> None:
        if self._again is not None:
            self._again.cancel()
        if self._listening:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._listening = False
        self._socket.close()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_BACKLOG):
            try:
                accepted, _ = self._socket.accept()
            except OSError:  # nobody is left, or too many files are open: later
                return
            accepted.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(self._connection, accepted))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    def _connection(self) -> _Protocol:
        made = _Protocol(config=self._config, server_state=self._state, app_state={})
        made.traffic = self._front.traffic
        return made
