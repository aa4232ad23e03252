# SPDX-License-Identifier: Apache-2.0
"""`qstore backends`: what can be passed to `backend=`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict

from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.execution import default_backend_name
from qstore.plugins import loaded_plugins

__all__ = ["add"]


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("--json", action="store_true", help="machine-readable, with all capabilities")
    return _run


def _run(args: argparse.Namespace) -> int:
    plugins = loaded_plugins()
    entries = list(plugins.backends)
    if args.json:
        records = [
            {"name": e.spec.name, "aliases": list(e.spec.aliases), "summary": e.spec.summary, "distribution": e.distribution,
             "capabilities": asdict(e.spec.capabilities) if e.spec.capabilities else None}
            for e in entries
        ]  # fmt: skip
        print(json_text(records))
        return 0
    if not entries:
        print("No backends are installed. The embedded simulator comes with: pip install qstore-sim")
    else:
        default = default_backend_name()
        rows = [
            [e.spec.name + (" *" if default in (e.spec.name, *e.spec.aliases) else ""), e.spec.summary,
             e.spec.capabilities.summary() if e.spec.capabilities else "not known before it is made", e.distribution]
            for e in entries
        ]  # fmt: skip
        print(table(["backend", "what it is", "capabilities", "distribution"], rows))
        print("\n* the default. Use: qs.run(circuit, bindings, backend=NAME)")
    if plugins.broken:
        print(f"\n{len(plugins.broken)} broken plugin(s); run 'qstore doctor' to see why.")
    return 0
