# SPDX-License-Identifier: Apache-2.0
"""`qstore run`: run the circuit of a file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from qstore.cli.circuit_input import add_circuit_arguments, batch_of
from qstore.cli.json_text import json_text
from qstore.errors import OptionError

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore run bell.qasm --shots 1000 --seed 7
  qstore run ansatz.json --bind theta=0.1,pi/2 --observable "Z0 Z1" --observable "0.5*X0"
  qstore run bell.qasm --backend ionq.simulator --option noise=aria-1 --shots 500
  cat bell.qasm | qstore run - --shots 100 --json

A backend that costs money runs only within a budget: --budget 5, or budget_usd in the settings.
exit codes: 0 done, 1 failed, 2 a command line that cannot be read
"""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    add_circuit_arguments(parser)
    parser.add_argument(
        "--backend", metavar="NAME", help="as 'qstore backends' lists it; by default the configured one"
    )
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                        help="an option of the backend, such as precision=single")  # fmt: skip
    parser.add_argument(
        "--budget", metavar="USD", help="the most dollars that may be spent under the budget's name"
    )
    parser.add_argument(
        "--run", metavar="NAME", help="name the run, so that the same command started again finds its jobs"
    )
    parser.add_argument(
        "--top", type=int, default=16, metavar="N", help="show the N most frequent outcomes (16)"
    )
    parser.add_argument("--output", metavar="FILE", help="write the whole result as JSON into a file")
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.epilog = _EPILOG
    return _run


def _run(args: argparse.Namespace) -> int:
    from qstore.batch import run_context
    from qstore.cli.paying import run_within_budget
    from qstore.cli.results import as_record, as_text
    from qstore.execution import configured

    options = _options(args.option)
    target = None if args.output is None else _writable(args.output)
    with ExitStack() as scope:
        if args.budget is not None:
            scope.enter_context(configured(budget_usd=args.budget))
        if args.run is not None:
            scope.enter_context(run_context(args.run))
        batch = batch_of(args)
        result = run_within_budget(batch, args.backend, options)
    for note in getattr(result, "notes", ()):
        sys.stderr.write(f"qstore: note: {note}\n")
    written = json_text(as_record(result, batch)) if args.json or target else ""
    if target is not None:
        _write(target, written)
    print(written if args.json else as_text(result, batch, top=args.top))
    return 0


def _options(given: list[str]) -> dict[str, Any]:
    options = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name.strip().isidentifier():
            raise OptionError(f"--option takes NAME=VALUE such as precision=single, got {name[:80]!r}.")
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value
    return options


def _writable(path: str) -> Path:
    """Where the result goes; looked at before anything runs, and is paid for."""
    target = Path(path)
    if (
        target.is_dir()
        or not os.access(target.parent, os.W_OK)
        or (target.exists() and not os.access(target, os.W_OK))
    ):
        raise OptionError(f"--output {path}: cannot be written.")
    return target


def _write(target: Path, text: str) -> None:
    if target.exists() and not target.is_file():
        target.write_text(f"{text}\n", encoding="utf-8")  # /dev/stderr, for instance
        return
    # Written beside it and renamed: a reader finds the old file or the new one.
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_text(f"{text}\n", encoding="utf-8")
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
