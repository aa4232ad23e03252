# SPDX-License-Identifier: Apache-2.0
"""`Emulator`: the service on a free port of this computer, for as long as a `with` block lasts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from qstore.errors import OptionError, QStoreError
from qstore_ionq.emulator.faults import Fault, FaultPlan
from qstore_ionq.emulator.front import Front
from qstore_ionq.emulator.options import Options
from qstore_ionq.emulator.server import HOST, Server, listening_socket, run_loop
from qstore_ionq.emulator.traffic import Exchange, Stats

__all__ = ["Emulator"]

Plan = FaultPlan | Fault | Mapping[str, Any] | Iterable[Fault] | str | Path | None
Value = TypeVar("Value")


class Emulator(AbstractContextManager["Emulator"]):
    """IonQ's API on 127.0.0.1, over the embedded simulator, in a thread of its own.

    Args:
        faults: what goes wrong: a `FaultPlan`, `Fault` objects, a mapping, or the path of a TOML file.
        port: of this computer; 0 for a free one.
        options: the fields of `Options`, such as seed, strict, speed, queue_s, latency_s, database.

    Raises:
        OptionError: an option out of its range, a damaged plan, or a port that is taken.

    Example:
        >>> with Emulator(seed=7) as emulator:
        ...     emulator.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(self, faults: Plan = None, *, port: int = 0, **options: Any) -> None:
        try:
            self.options = Options(**options)
        except TypeError as exc:
            raise OptionError(f"Emulator: {exc}.") from exc
        self._plan = FaultPlan.of(faults)
        self._port = port
        self._front: Front | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failed: Exception | None = None

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise OptionError("This emulator is running already.")
        listener = listening_socket(self._port)
        try:
            self._front = Front(self.options, self._plan)
        except BaseException:
            listener.close()
            raise
        self._server = Server(self._front, listener)
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: run_loop(self._run(started)), name="qstore-emulator", daemon=True
        )
        self._thread.start()
        started.wait()
        if self._failed is not None:
            self._thread.join()
            self._thread = None
            raise self._failed
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._thread is not None and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = None

    def start(self) -> Self:
        """What entering a `with` block does, for notebooks; `close` ends it."""
        return self.__enter__()

    def close(self) -> None:
        """Stop, if it is running."""
        self.__exit__()

    async def _run(self, started: threading.Event) -> None:
        assert self._server is not None
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            await self._server.start()
        except (OSError, RuntimeError, QStoreError) as exc:
            self._failed = exc
            self._stop.set()
        finally:
            started.set()
        await self._stop.wait()
        await self._server.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._running()[1].port

    @property
    def root(self) -> str:
        """The address of its status page."""
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL of its API, such as "http://127.0.0.1:8000/v0.4"."""
        return f"{self.root}/v0.4"

    @property
    def stats(self) -> Stats:
        """What happened so far."""
        front = self._running()[0]
        return self._on_loop(front.stats)

    @property
    def exchanges(self) -> list[Exchange]:
        """Every request so far, the oldest first."""
        front = self._running()[0]
        return self._on_loop(lambda: list(front.traffic.exchanges))

    def fired(self) -> list[int]:
        """How often each fault of the plan happened, in its order."""
        front = self._running()[0]
        return self._on_loop(lambda: list(front.injector.fired))

    def set_faults(self, faults: Plan) -> None:
        """Another plan; attempts are counted from one again."""
        plan = FaultPlan.of(faults)
        front = self._running()[0]
        self._on_loop(lambda: front.set_plan(plan))

    def clear_faults(self) -> None:
        """From now on nothing goes wrong, and nobody is refused any more."""
        self.set_faults(None)
        self._on_loop(self._running()[1].stop_refusing)

    def refuse(self, seconds: float) -> None:
        """Refuse connections for so long, from now on."""
        server = self._running()[1]
        self._on_loop(lambda: server.refuse(seconds))

    def advance(self, seconds: float) -> None:
        """Move the service's clock forward."""
        front = self._running()[0]
        self._on_loop(lambda: front.service.clock.advance(seconds))

    def cancel(self, job_id: str) -> None:
        """Cancel a job, as somebody else would."""
        front = self._running()[0]
        self._on_loop(lambda: front.service.cancel(job_id))

    def reset(self) -> None:
        """Forget all jobs, sessions, requests and counts."""
        front = self._running()[0]
        self._on_loop(front.forget)

    def job_ids(self, tag: str | None = None) -> list[str]:
        """The jobs that are not deleted, children apart, the oldest first; only those of a tag if one is given."""
        front = self._running()[0]
        return self._on_loop(
            lambda: [
                job.id
                for job in reversed(list(front.service.jobs()))
                if job.parent_id is None and tag in {None, job.tag}
            ]
        )

    def wait_until_idle(self, timeout_s: float = 120.0) -> None:
        """Wait until every job has ended.

        Raises:
            OptionError: some have not within that time.
        """
        until = time.monotonic() + timeout_s
        while any(self.stats.jobs.get(word) for word in ("submitted", "ready", "started")):
            if time.monotonic() > until:
                raise OptionError(f"Jobs have not ended within {timeout_s:g} s: {self.stats.jobs}.")
            time.sleep(0.005)

    def _running(self) -> tuple[Front, Server]:
        if self._thread is None or self._front is None or self._server is None:
            raise OptionError("The emulator is not running: use it in a `with` block.")
        return self._front, self._server

    def _on_loop(self, call: Callable[[], Value]) -> Value:
        """Run a call on the server's thread, which alone touches the service."""
        assert self._loop is not None

        async def run() -> Value:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def __repr__(self) -> str:
        where = self.url if self._thread is not None else "not running"
        return f"<Emulator: {where}>"
