# SPDX-License-Identifier: Apache-2.0
"""`qstore estimate`: what a circuit would cost on each backend: dollars, seconds, error. Nothing is sent."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from qstore.cli.circuit_input import add_circuit_arguments, batch_of
from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.cli.words import dollars, error, seconds

if TYPE_CHECKING:
    from qstore.batch import CircuitBatch
    from qstore.routing.candidates import Candidate

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore estimate bell.qasm --shots 1000
  qstore estimate bell.qasm --shots 1000 --backend ionq.aria-1 --backend ionq.forte-1
  qstore estimate ansatz.json --bind theta=0.1 --observable "Z0 Z1" --json

exit codes: 0 some backend can run it, 1 none can, or the circuit cannot be read
"""


class _Line(NamedTuple):
    """What one backend says; a reason in the place of figures where it cannot run the circuit."""

    backend: str
    usd: Decimal | None = None
    seconds: float = math.inf
    error: float = math.inf
    model: str = ""
    reason: str = ""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    add_circuit_arguments(parser)
    parser.add_argument("--backend", action="append", metavar="NAME",
                        help="only this backend; may be given several times; by default all")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.epilog = _EPILOG
    return _run


def _run(args: argparse.Namespace) -> int:
    from qstore.routing.candidates import candidates_from

    batch = batch_of(args)
    lines = [_line(candidate, batch) for candidate in candidates_from(args.backend)]
    # What can run it first, the cheap and fast ones on top.
    lines.sort(key=lambda line: (line.usd is None, line.usd or 0, line.seconds, line.backend))
    if args.json:
        records = [
            {"backend": line.backend, "usd": str(line.usd), "seconds": line.seconds, "error": line.error, "model": line.model}
            if line.usd is not None else {"backend": line.backend, "reason": line.reason}
            for line in lines
        ]  # fmt: skip
        print(json_text(records))
    else:
        print(_text(lines))
    if any(line.usd is not None for line in lines):
        return 0
    sys.stderr.write("qstore: no backend here can run this circuit; the reasons are in the table.\n")
    return 1


def _text(lines: list[_Line]) -> str:
    able = [line for line in lines if line.usd is not None]
    models = list(dict.fromkeys(line.model for line in able))
    rows = [
        [line.backend, dollars(line.usd or Decimal(0)), seconds(line.seconds), error(line.error),
         f"[{models.index(line.model) + 1}]"]
        for line in able
    ]  # fmt: skip
    parts = (
        [table(["backend", "cost", "time", "error", "source"], rows, right={"cost", "time", "error"})]
        if rows
        else []
    )
    if models:
        parts.append("\n".join(f"[{number}] {model}" for number, model in enumerate(models, 1)))
    unable = [line for line in lines if line.usd is None]
    if unable:
        parts.append("Cannot run it:\n" + "\n".join(f"  {line.backend}: {line.reason}" for line in unable))
    return "\n\n".join(parts)


def _line(candidate: Candidate, batch: CircuitBatch) -> _Line:
    from qstore.cli.paying import total_estimate

    try:
        usd, took, wrong, model = total_estimate(batch, candidate.backend(None, None))
    except Exception as exc:  # noqa: BLE001  # a stranger's estimate may raise anything; the others are still of use
        return _Line(candidate.name, reason=str(exc) or type(exc).__name__)
    return _Line(candidate.name, usd, took, wrong, model)
