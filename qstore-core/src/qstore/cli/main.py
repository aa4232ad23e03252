# SPDX-License-Identifier: Apache-2.0
"""The `qstore` command: an argparse parser with a sub-command per installed `CommandSpec`.

Results go to stdout, everything else to stderr. Exit codes: 0 for success, 1 for a failure, 2 for a command line that
cannot be read, 130 for Ctrl-C. Only the command that is asked for is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from qstore.errors import PluginError, QStoreError
from qstore.plugins import CommandSpec, load_factory, loaded_plugins
from qstore.plugins.registry import Registered

__all__ = ["main"]

Run = Callable[[argparse.Namespace], int]

_EPILOG = """\
examples:
  qstore backends                              what can run circuits here
  qstore run bell.qasm --shots 1000            run a circuit
  qstore explain bell.qasm                     which backend "auto" would choose, and why
  qstore COMMAND --help                        the options of a command, with examples

exit codes: 0 success, 1 failure, 2 a command line that cannot be read, 130 Ctrl-C
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # What the terminal cannot show is shown by its number instead of ending the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except SystemExit:
        # argparse is through, after --help for instance. Whoever reads may have gone meanwhile.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        raise
    except BrokenPipeError:
        _forget_stdout()
        return 0  # the reader, such as `head`, has seen enough
    except KeyboardInterrupt:
        sys.stderr.write("qstore: interrupted\n")
        return 130
    except QStoreError as exc:
        sys.stderr.write(f"qstore: {type(exc).__name__}: {exc}\n")
        return 1
    except OSError as exc:
        _forget_stdout()
        sys.stderr.write(f"qstore: {exc}\n")  # stdout is on a full disk, for instance
        return 1
    return code


def _run(argv: list[str]) -> int:
    # What is broken is shown by `doctor`, in full; a log line on top of it would only be in the way.
    logging.getLogger("qstore").addHandler(logging.NullHandler())
    commands = {entry.spec.name: entry for entry in loaded_plugins().commands}
    chosen = next((word for word in argv if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="qstore", description="Train hybrid quantum-classical models on any quantum backend.",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens to stderr")
    adding = parser.add_subparsers(title="commands", metavar="COMMAND")
    run: Run | None = None
    for name, entry in commands.items():
        spec = entry.spec
        # argparse formats `help` with %: a plain percent sign in a summary must not break the whole command.
        summary = spec.summary.replace("%", "%%")
        sub = adding.add_parser(
            name, help=summary, description=f"{spec.summary[:1].upper()}{spec.summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        if name == chosen:
            run = _filled(sub, entry)
            if run is None:
                return 1
    args = parser.parse_args(argv)
    if args.version:
        from qstore import __version__

        print(f"qstore {__version__}")
        return 0
    if run is None:
        parser.print_help()
        return 2
    with _logging(logging.INFO if args.verbose else logging.WARNING):
        return int(run(args) or 0)


def _filled(parser: argparse.ArgumentParser, entry: Registered[CommandSpec]) -> Run | None:
    try:
        run: Run = load_factory(entry.spec.factory)(parser)
    except Exception as exc:  # noqa: BLE001  # a stranger's code: its command is lost, and who it is is said
        reason = str(exc) if isinstance(exc, PluginError) else f"{type(exc).__name__}: {exc}"
        sys.stderr.write(f"qstore: command {entry.spec.name!r} of {entry.distribution} is broken: {reason}\n")
        return None
    return run


@contextlib.contextmanager
def _logging(level: int) -> Iterator[None]:
    """What `qstore.*` logs goes to stderr while a command runs."""
    logger = logging.getLogger("qstore")
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    if level < logging.WARNING:
        logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def _forget_stdout() -> None:
    """Let what is still to be written go nowhere, so that Python does not complain about it at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
