# SPDX-License-Identifier: Apache-2.0
"""`qstore doctor`: what is installed, what is broken, and what to do about it."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterable
from typing import Any

from qstore.cli.table import table
from qstore.execution import default_backend_name
from qstore.plugins import API_VERSION, loaded_plugins
from qstore.plugins.manager import Registered

__all__ = ["add"]


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("--imports", action="store_true",
                        help="also import every factory that a plugin names (slow: pulls in torch and the like)")  # fmt: skip
    return _run


def _run(args: argparse.Namespace) -> int:
    plugins = loaded_plugins()
    version = importlib.metadata.version("qstore-core")
    print(f"qstore-core {version}, plugin API {API_VERSION[0]}.{API_VERSION[1]}")
    print(f"Python {platform.python_version()} at {sys.executable}, {platform.platform()}\n")
    kinds: tuple[tuple[str, Iterable[Registered[Any]]], ...] = (
        ("backend", plugins.backends),
        ("gradient method", plugins.gradient_methods),
        ("converter", plugins.converters),
        ("framework", plugins.frameworks),
        ("command", plugins.commands),
    )
    problems = [str(broken) for broken in plugins.broken]
    rows = []
    for kind, entry in ((kind, entry) for kind, entries in kinds for entry in entries):
        state = "ok"
        for path in _factories(entry.spec):
            reason = _missing(path, load=args.imports)
            if reason:
                state = "broken"
                problems.append(f"{kind} {entry.spec.name!r} of {entry.distribution}: {reason}")
        rows.append([kind, entry.spec.name, entry.distribution, state])
    print(table(["kind", "name", "distribution", "state"], rows) if rows else "No plugins are installed.")
    default = default_backend_name()
    if plugins.backends.get(default) is None:
        hint = (
            "pip install qstore-sim"
            if default == "statevector"
            else "set QSTORE_BACKEND to an installed backend"
        )
        problems.append(f"the default backend {default!r} is not installed: {hint}")
    if problems:
        print("\nProblems:")
        for problem in problems:
            print(f"  - {problem}")
        return 1
    print("\nNo problems found.")
    return 0


def _factories(spec: object) -> list[str]:
    named = [getattr(spec, field, "") for field in ("factory", "to_qstore", "from_qstore", "matches")]
    return [path for path in (*named, *getattr(spec, "layers", ())) if path]


def _missing(path: str, *, load: bool) -> str | None:
    """Why a factory cannot be there; by default judged without importing it."""
    from qstore.errors import PluginError
    from qstore.plugins import load_factory

    if load:
        try:
            load_factory(path)
        except PluginError as exc:
            return str(exc)
        return None
    module = path.partition(":")[0]
    try:
        found = importlib.util.find_spec(module) is not None
    except Exception as exc:  # noqa: BLE001  # whatever happened, it is what doctor reports
        # find_spec imports the parent package, which is a stranger's.
        return f"{path!r}: importing the package around it failed: {type(exc).__name__}: {exc}"
    return None if found else f"{path!r}: there is no module {module!r}"
