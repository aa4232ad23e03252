# SPDX-License-Identifier: Apache-2.0
"""`qstore config`: every setting, what it is now and where that came from."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.errors import ConfigurationError

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore config
  QSTORE_BUDGET_USD=5 qstore config
  qstore config --json

Settings come from qs.configure(...), the environment, the settings file, the defaults, in this order of strength.
exit codes: 0 shown, 1 a variable or the file says something that cannot be
"""

_PLACES = (
    ("QSTORE_CONFIG", "the settings file, in the place of the usual one"),
    ("QSTORE_HOME", "the folder of runs, ledger and what is remembered of backends"),
    ("QSTORE_RUN", "the name of the run"),
    ("QSTORE_PLUGINS", "the plugins to load, by name; by default all"),
)


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.epilog = _EPILOG
    return _run


def _run(args: argparse.Namespace) -> int:
    from qstore.execution.settings import explained_settings
    from qstore.execution.settings_fields import FIELDS
    from qstore.execution.settings_file import settings_path

    known = {field.variable for field in FIELDS} | {name for name, _ in _PLACES}
    _warn_of_misspelt(known)
    path = settings_path()
    there = path is not None and path.is_file()
    settings = explained_settings()
    if args.json:
        record = {
            "settings": {
                each.name: {"value": _plain(each.value), "source": each.source} for each in settings
            },
            "file": {"path": None if path is None else str(path), "exists": there},
            "home": _home(),
        }
        print(json_text(record))
        return 0
    variables = {field.name: field.variable for field in FIELDS}
    rows = [
        [
            each.name,
            _shown(each.value),
            each.source.removesuffix(f" variable {variables[each.name]}"),
            variables[each.name],
        ]
        for each in settings
    ]
    print(table(["setting", "value", "from", "environment variable"], rows))
    nowhere = "none, as this user has no home folder; set"
    file = f"{nowhere} QSTORE_CONFIG" if path is None else f"{path}{'' if there else ' (not there)'}"
    print(f"\nsettings file  {file}")
    print(f"state folder   {_home() or f'{nowhere} QSTORE_HOME'}")
    others = [[name, os.environ[name], what] for name, what in _PLACES if os.environ.get(name)]
    if others:
        print("\n" + table(["further variable", "value", "what it is"], others))
    if any(each.name == "daily_budget_usd" and each.value is not None for each in settings) and all(
        each.value is None for each in settings if each.name == "budget_usd"
    ):
        sys.stderr.write(
            "qstore: daily_budget_usd limits nothing without budget_usd: nothing paid is chosen at all.\n"
        )
    return 0


def _home() -> str | None:
    from qstore.batch import state_home

    try:
        return str(state_home())
    except ConfigurationError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, Decimal) else value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {weight:g}" for name, weight in value.items())
    if isinstance(value, Decimal):
        return f"${value}"
    return "none" if value is None else str(value)


def _warn_of_misspelt(known: set[str]) -> None:
    """A variable that is nearly a setting's would be passed over in silence otherwise."""
    from difflib import get_close_matches

    for name in sorted(os.environ):
        close = (
            get_close_matches(name, known, n=1, cutoff=0.9)
            if name.startswith("QSTORE_") and name not in known
            else []
        )
        if close:
            sys.stderr.write(f"qstore: {name} is no setting and is passed over; did you mean {close[0]}?\n")
