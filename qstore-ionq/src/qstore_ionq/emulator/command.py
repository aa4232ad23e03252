# SPDX-License-Identifier: Apache-2.0
"""The command `qstore-ionq-emulator`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from textwrap import dedent

from qstore.errors import OptionError
from qstore_ionq.emulator.faults import KINDS, ROUTES, FaultPlan
from qstore_ionq.emulator.front import Front
from qstore_ionq.emulator.options import Options
from qstore_ionq.emulator.prices import PRICE_LISTS
from qstore_ionq.emulator.server import HOST, Server, listening_socket, run_loop

__all__ = ["main"]

_PORT = 8400

_ABOUT = """
    IonQ's cloud on your own computer: the v0.4 API on 127.0.0.1, over qstore's simulator, with noise models, queues,
    prices, sessions and, if you like, faults. It is free, needs no account, and any key is accepted.
"""

_CLIENTS = """
    point a client at it (any key will do):

      qstore      qs.get_backend("ionq.simulator", url="<url>/v0.4"), or QSTORE_IONQ_URL=<url>/v0.4
      cirq-ionq   cirq_ionq.Service(remote_host="<url>", api_key="test"), or IONQ_REMOTE_HOST=<url>
      qiskit-ionq IONQ_API_URL=<url>/v0.4 IONQ_API_KEY=test in the environment; the argument url= alone is not enough
      pennylane   from pennylane_ionq.api_client import APIClient; APIClient.BASE_URL = "<url>/v0.4"
      curl        curl -H "Authorization: apiKey test" <url>/v0.4/jobs

    look at <url>/ for a page with jobs, money, requests and faults, and steer it:

      GET  /_emulator/stats     counts; also /_emulator/requests and /_emulator/faults
      PUT  /_emulator/faults    a fault plan, as JSON, or as TOML with Content-Type: application/toml; DELETE clears it
      POST /_emulator/advance   {"seconds": 60} moves the clock; also /_emulator/refuse and /_emulator/reset

    a fault plan (`--list-faults` shows what it can say):

      seed = 7                 # of the chances
      [listing]
      lag_s = 2.0              # jobs show up in listings so much later
      [[fault]]
      kind = "reset"           # the job was accepted, and the answer is lost: does your program pay twice?
      route = "submit"
      attempts = [1]           # or "1-5"; without it, every attempt
      stage = "after"
      [[fault]]
      kind = "status"
      route = "job"
      status = 429
      retry_after = "2"
      probability = 0.2
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulator until it is interrupted; the exit status."""
    given = _parser().parse_args(arguments)
    if given.list_faults:
        sys.stdout.write(_fault_list())
        return 0
    try:
        options = Options(
            seed=given.seed, strict=given.strict, speed=given.speed, queue_s=given.queue, latency_s=given.latency,
            prices=given.prices, api_key=given.key, database=given.db, qpu_noise=not given.no_qpu_noise,
            rate_limit=given.rate_limit, clock_offset_s=given.clock_offset,
        )  # fmt: skip
        plan = FaultPlan.of(given.faults)
        listener = listening_socket(given.port)
        try:
            front = Front(options, plan)
        except OptionError:
            listener.close()
            raise
    except OptionError as exc:
        sys.stderr.write(f"qstore-ionq-emulator: {exc}\n")
        return 2
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    run_loop(_serve(Server(front, listener)))
    return 0


async def _serve(server: Server) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl+C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, stop.set)
    await server.start()
    url = f"http://{HOST}:{server.port}"
    sys.stdout.write(f"IonQ emulator: {url}/v0.4, status page {url}/ (Ctrl+C ends it)\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qstore-ionq-emulator",
        description=dedent(_ABOUT),
        epilog=dedent(_CLIENTS).replace("<url>", f"http://{HOST}:{_PORT}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--port",
        type=int,
        default=_PORT,
        help=f"where to listen on {HOST}; 0 for a free port (default {_PORT})",
    )
    add("--seed", type=int, help="make job ids and measured outcomes repeat")
    add("--faults", metavar="PLAN.toml", help="what goes wrong; see below")
    add("--list-faults", action="store_true", help="show every fault that a plan can ask for, and end")
    add("--strict", action="store_true", help="refuse what the published schema does not list, with 400")
    add(
        "--db",
        metavar="FILE",
        help="keep jobs in this SQLite file, and find them there again (default: memory)",
    )
    add("--latency", type=float, default=0.0, metavar="S", help="seconds added to every request")
    add("--speed", type=float, default=100.0, metavar="X",
        help="seconds of the machine for one of yours: 1 is as slow as the real queue, inf is instant (default 100)")  # fmt: skip
    add(
        "--queue",
        type=float,
        metavar="S",
        help="how long jobs wait, in seconds of the machine (default: each its own)",
    )
    add("--prices", choices=list(PRICE_LISTS), default="azure", help="which price list bills (default azure)")
    add("--key", metavar="KEY", help="accept this API key only (default: any)")
    add("--no-qpu-noise", action="store_true", help="machines without errors, still measured shot by shot")
    add("--rate-limit", type=float, metavar="N", help="answer 429 beyond so many requests per second")
    add(
        "--clock-offset",
        type=float,
        default=0.0,
        metavar="S",
        help="how far the service's clock is ahead of yours",
    )
    return parser


def _fault_list() -> str:
    lines = ["Kinds of faults, the settings that each takes, and what happens:", ""]
    for name, kind in KINDS.items():
        lines.append(f"  {name:<14}{', '.join(kind.takes) or '-'}")
        lines.append(f"  {'':<14}{kind.summary}")
    lines += ["", "Every fault also takes route, attempts, probability and times. Routes:", ""]
    lines += [f"  {name:<14}{what}" for name, what in ROUTES.items()]
    return "\n".join([*lines, f"  {'*':<14}all of them", ""])
