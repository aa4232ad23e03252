# SPDX-License-Identifier: Apache-2.0
"""`qstore report`: a training run as one HTML page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore report runs/digits
  qstore report runs/digits -o digits.html --title "Digits, 6 qubits"

The page needs no network and no other file: mail it, or put it beside the run. It follows the light or dark of its reader.
exit codes: 0 written, 1 there is no such run or it cannot be read
"""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("run", metavar="RUN", help="the run's folder")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the page; by default the run's name with .html, in this folder",
    )
    parser.add_argument("--title", metavar="TEXT", help="the page's title; by default the run's name")
    parser.epilog = _EPILOG
    return _run


def _run(args: argparse.Namespace) -> int:
    from qstore.errors import StorageError
    from qstore_storage.commands.page import page
    from qstore_storage.commands.series import summarise
    from qstore_storage.metrics.reader import MetricsReader
    from qstore_storage.metrics.run_folder import publish

    reader = MetricsReader(args.run, damaged="skip")
    target = Path(args.output or f"{reader.path.resolve().name or 'run'}.html")
    text = page(summarise(reader), args.title or "")
    try:
        publish(target, lambda path: path.write_text(text, "utf-8", errors="replace"), target.parent)
    except OSError as exc:
        raise StorageError(f"{target} cannot be written: {exc}") from exc
    sys.stdout.write(f"{target}: {len(text.encode('utf-8', 'replace')) // 1024 + 1:,} KiB\n")
    return 0
