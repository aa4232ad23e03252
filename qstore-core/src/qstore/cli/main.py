# SPDX-License-Identifier: Apache-2.0
"""The `qstore` command: an argparse parser with a sub-command per installed `CommandSpec`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from qstore.errors import QStoreError
from qstore.plugins import load_factory, loaded_plugins

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command; returns the exit code (2 for a command line that cannot be read, 1 for a failure)."""
    # What is broken is shown by `doctor`, in full; a log line on top of it would only be in the way.
    logging.getLogger("qstore").addHandler(logging.NullHandler())
    parser = argparse.ArgumentParser(
        prog="qstore",
        description="Train hybrid quantum-classical models on any quantum backend.",
        epilog="Run 'qstore COMMAND --help' for the options of a command.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    runners = {}
    for entry in loaded_plugins().commands:
        spec = entry.spec
        # argparse formats `help` with %: a plain percent sign in a summary must not break the whole command.
        summary = spec.summary.replace("%", "%%")
        sub = commands.add_parser(
            spec.name, help=summary, description=f"{spec.summary[:1].upper()}{spec.summary[1:]}."
        )
        sub.set_defaults(command=spec.name)
        try:
            runners[spec.name] = load_factory(spec.factory)(sub)
        except Exception as exc:  # noqa: BLE001  # a stranger's code: its command is lost, the others are not
            sys.stderr.write(f"qstore: command {spec.name!r} of {entry.distribution} is broken: {exc}\n")
    args = parser.parse_args(argv)
    if getattr(args, "command", None) not in runners:
        parser.print_help()
        return 2
    try:
        return int(runners[args.command](args) or 0)
    except QStoreError as exc:
        sys.stderr.write(f"qstore: {type(exc).__name__}: {exc}\n")
        return 1
    except BrokenPipeError:
        return 0  # the reader, such as `head`, has seen enough
