# SPDX-License-Identifier: Apache-2.0
"""`qstore doctor`: what is installed, what is broken, and what to do about it.

Exit code 0 when all is well or when only plugins are in trouble, which harm nothing else; 1 when the default backend
is missing, and with --strict for any trouble.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.errors import PluginError
from qstore.execution import default_backend_name
from qstore.plugins import API_VERSION, Loaded, load_factory, loaded_plugins
from qstore.plugins.registry import Registered

__all__ = ["add"]


@dataclass(frozen=True, slots=True)
class _Problem:
    """Something in trouble: "error" when nothing runs without it, else "warning"."""

    severity: str
    trouble: str
    what: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        text = (
            f"{self.severity}: {self.what}: {self.reason}" if self.what else f"{self.severity}: {self.reason}"
        )
        return f"{text}\n    {self.remedy}" if self.remedy else text


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("--imports", action="store_true",
                        help="also import every factory that a plugin names (slow: pulls in torch and the like)")  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="exit with 1 when there are warnings")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    return _run


def _run(args: argparse.Namespace) -> int:
    plugins = loaded_plugins()
    problems = [
        _Problem(
            "warning",
            each.trouble,
            f"plugin {each.plugin!r} of {each.distribution}",
            each.reason,
            each.remedy,
        )
        for each in plugins.broken
    ]
    records = []
    for kind, entries in _kinds(plugins):
        for entry in entries:
            found = _missing_factories(kind, entry, load=args.imports)
            problems += found
            state = "broken" if found else "ok"
            records.append(
                {"kind": kind, "name": entry.spec.name, "distribution": entry.distribution, "state": state}
            )
    problems += _default_backend(plugins)
    failed = any(problem.severity == "error" for problem in problems)
    show = _print_json if args.json else _print_text
    show(records, problems)
    return 1 if failed or (args.strict and problems) else 0


def _kinds(plugins: Loaded) -> tuple[tuple[str, Iterable[Registered[Any]]], ...]:
    return (
        ("backend", plugins.backends),
        ("compiler", plugins.compilers),
        ("gradient method", plugins.gradient_methods),
        ("converter", plugins.converters),
        ("framework", plugins.frameworks),
        ("store", plugins.stores),
        ("cache", plugins.caches),
        ("command", plugins.commands),
    )


def _print_text(records: list[dict[str, str]], problems: list[_Problem]) -> None:
    version = importlib.metadata.version("qstore-core")
    print(f"qstore-core {version}, plugin API {API_VERSION[0]}.{API_VERSION[1]}")
    print(f"Python {platform.python_version()} at {sys.executable}, {platform.platform()}\n")
    rows = [list(record.values()) for record in records]
    print(table(["kind", "name", "distribution", "state"], rows) if rows else "No plugins are installed.")
    if not problems:
        print("\nNo problems found.")
        return
    print("\nProblems:")
    for problem in problems:
        print(f"  - {problem}")


def _print_json(records: list[dict[str, str]], problems: list[_Problem]) -> None:
    found = {
        "qstore_core": importlib.metadata.version("qstore-core"),
        "plugin_api": list(API_VERSION),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "plugins": records,
        "problems": [asdict(problem) for problem in problems],
    }
    print(json_text(found))


def _default_backend(plugins: Loaded) -> list[_Problem]:
    default = default_backend_name()
    try:
        if plugins.backends.get(default) is not None:
            # The router is the core's own and always there.
            if default != "auto" or any(entry.spec.name != default for entry in plugins.backends):
                return []
            reason = "the default backend 'auto' has nothing to choose from"
        else:
            reason = f"the default backend {default!r} is not installed"
    except PluginError as exc:
        reason = f"the default backend cannot be used. {exc}"
    remedy = (
        "pip install qstore-sim"
        if default in {"statevector", "auto"}
        else "set QSTORE_BACKEND to an installed backend"
    )
    return [_Problem("error", "no default backend", "", reason, remedy)]


def _missing_factories(kind: str, entry: Registered[Any], *, load: bool) -> list[_Problem]:
    named = [getattr(entry.spec, field, "") for field in ("factory", "to_qstore", "from_qstore", "matches")]
    paths = dict.fromkeys(path for path in (*named, *getattr(entry.spec, "layers", ())) if path)
    what = f"{kind} {entry.spec.name!r} of {entry.distribution}"
    remedy = f"reinstall {entry.distribution.partition(' ')[0]}"
    found = [(_missing(path, load=load)) for path in paths]
    return [_Problem("warning", "broken", what, reason, remedy) for reason in found if reason]


def _missing(path: str, *, load: bool) -> str | None:
    """Why a factory cannot be there; by default judged without importing it."""
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
