# SPDX-License-Identifier: Apache-2.0
"""`qstore checkpoints DIR [list|verify|show STEP]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from qstore.cli.table import table
from qstore.errors import NotStored

if TYPE_CHECKING:
    from qstore_storage.checkpoints.manager import CheckpointManager

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore checkpoints runs/digits               every checkpoint, and its metadata
  qstore checkpoints runs/digits verify        read every byte and compare; exit code 1 where one is damaged
  qstore checkpoints runs/digits show 1200     what is in one: names, dtypes, shapes
"""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser of the sub-command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "directory", metavar="DIR", help="a folder of checkpoints, or a URL of an object store"
    )
    parser.add_argument("action", nargs="?", choices=["list", "verify", "show"], default="list",
                        help="what to do (default: list)")  # fmt: skip
    parser.add_argument(
        "step", nargs="?", type=int, metavar="STEP", help="of which step; show: the newest by default"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run


def run(args: argparse.Namespace) -> int:
    """Run the sub-command; returns the exit code."""
    from qstore_storage.checkpoints.manager import CheckpointManager

    with CheckpointManager(args.directory) as manager:
        return _ACTIONS[args.action](manager, args)


def _list(manager: CheckpointManager, args: argparse.Namespace) -> int:
    found = [info for info in manager.list_checkpoints() if args.step in {None, info.step}]
    if args.json:
        rows = [{"step": info.step, "created": info.created, "bytes": info.nbytes, "shards": info.shards,
                 "metadata": dict(info.metadata)} for info in found]  # fmt: skip
        _say(json.dumps(rows, indent=2))
        return 0
    if not found:
        raise NotStored(f"There is no checkpoint in {args.directory!r}.")
    cells = [
        [str(info.step), info.created, _size(info.nbytes), _short(json.dumps(info.metadata))]
        for info in found
    ]
    _say(table(["step", "created", "size", "metadata"], cells, right={"step", "size"}))
    return 0


def _verify(manager: CheckpointManager, args: argparse.Namespace) -> int:
    found = manager.verify(args.step)
    if args.json:
        _say(
            json.dumps(
                [{"step": each.step, "ok": each.ok, "problem": each.problem} for each in found], indent=2
            )
        )
    elif found:
        _say(
            table(
                ["step", "state"],
                [[str(each.step), each.problem or "whole"] for each in found],
                right={"step"},
            )
        )
    else:
        raise NotStored(f"There is no checkpoint in {args.directory!r}.")
    return 0 if all(each.ok for each in found) else 1


def _show(manager: CheckpointManager, args: argparse.Namespace) -> int:
    trees = manager.describe(args.step)
    if args.json:
        _say(json.dumps(trees, indent=2))
        return 0
    _say(table(["name", "value"], [[name, _short(value)] for name, value in trees["entries"].items()]))
    return 0


_ACTIONS: dict[str, Callable[[CheckpointManager, argparse.Namespace], int]] = {
    "list": _list, "verify": _verify, "show": _show,
}  # fmt: skip


def _size(nbytes: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.1f} {unit}"
    return f"{nbytes} B"


def _short(text: str, width: int = 100) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
