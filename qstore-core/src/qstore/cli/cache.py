# SPDX-License-Identifier: Apache-2.0
"""`qstore cache`: what is kept on disk to save time, and how to get rid of it.

The core knows no plugin's cache: whoever keeps one registers it (`qstore.plugins.CacheSpec`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from qstore.cli.json_text import json_text
from qstore.cli.table import table
from qstore.cli.words import size
from qstore.errors import ConfigurationError, OptionError, nearest_names
from qstore.plugins import CacheSpec, load_factory, loaded_plugins
from qstore.plugins.registry import Registered

__all__ = ["add", "throughput_files"]

_EPILOG = """\
examples:
  qstore cache
  qstore cache clear throughput
  qstore cache clear --all

Clearing costs nothing but time: results, journals and the ledger are no caches and stay.
exit codes: 0 done, 1 a cache cannot be looked at or cleared
"""


class _Cache(NamedTuple):
    """A cache with the files it has now; a reason in their place where its plugin does not say."""

    name: str
    entry: Registered[CacheSpec]
    files: tuple[Path, ...] = ()
    size: int = 0
    reason: str = ""

    @property
    def where(self) -> str:
        """The folder that holds all files."""
        if not self.files:
            return "-"
        return os.path.commonpath([str(path.parent.absolute()) for path in self.files])


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.epilog = _EPILOG
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    clear = actions.add_parser("clear", help="delete caches", description="Delete caches.")
    clear.add_argument("names", metavar="NAME", nargs="*", help="which, as 'qstore cache' lists them")
    clear.add_argument("--all", action="store_true", help="all of them")
    clear.set_defaults(action=_clear)
    return lambda args: int(args.action(args))


def throughput_files() -> list[Path]:
    """The router's memory of how long backends took."""
    from qstore.batch import state_home

    try:
        path = state_home() / "throughput.json"
    except ConfigurationError:
        return []  # a user without a home has none
    return [path] if path.is_file() else []


def _list(args: argparse.Namespace) -> int:
    caches = [_looked_at(entry) for entry in loaded_plugins().caches]
    if args.json:
        print(json_text([_record(cache) for cache in caches]))
    else:
        rows = [
            [cache.name, size(cache.size) if not cache.reason else "?", str(len(cache.files)), cache.where,
             cache.entry.spec.summary, cache.entry.distribution]
            for cache in caches
        ]  # fmt: skip
        print(
            table(
                ["cache", "size", "files", "folder", "what it is", "distribution"],
                rows,
                right={"size", "files"},
            )
        )
    return _complain(caches)


def _clear(args: argparse.Namespace) -> int:
    caches = loaded_plugins().caches
    names = [entry.spec.name for entry in caches]
    if bool(args.names) == args.all:
        raise OptionError(f"Say which caches to clear, or --all. There are: {', '.join(names)}.")
    chosen = []
    for name in dict.fromkeys(names if args.all else args.names):
        entry = caches.get(name)
        if entry is None:
            raise OptionError(
                f"There is no cache {name!r}.{nearest_names(name, names)} There are: {', '.join(names)}."
            )
        chosen.append(_looked_at(entry))
    failed = False
    for cache in chosen:
        freed, troubles = _deleted(cache.files)
        print(f"{cache.name}: {size(freed)} in {len(cache.files) - len(troubles)} files deleted")
        for trouble in troubles:
            failed = True
            sys.stderr.write(f"qstore: {trouble}\n")
    return 1 if _complain(chosen) or failed else 0


def _deleted(files: Iterable[Path]) -> tuple[int, list[OSError]]:
    freed, troubles = 0, []
    for path in files:
        try:
            count = path.lstat().st_size
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # somebody else was faster
        except OSError as exc:
            troubles.append(exc)
        else:
            freed += count
    return freed, troubles


def _looked_at(entry: Registered[CacheSpec]) -> _Cache:
    name = entry.spec.name
    try:
        # Sorted, each once, and no folders: a stranger's slip must not delete more than files.
        files = sorted({Path(path) for path in load_factory(entry.spec.factory)()})
        files = [path for path in files if path.is_file() or path.is_symlink()]
        total = sum(path.lstat().st_size for path in files)
    except Exception as exc:  # noqa: BLE001  # a stranger's code; the other caches are still of use
        return _Cache(name, entry, reason=f"{type(exc).__name__}: {exc}")
    return _Cache(name, entry, tuple(files), total)


def _complain(caches: Iterable[_Cache]) -> int:
    broken = [cache for cache in caches if cache.reason]
    for cache in broken:
        sys.stderr.write(f"qstore: cache {cache.name!r} of {cache.entry.distribution}: {cache.reason}\n")
    return 1 if broken else 0


def _record(cache: _Cache) -> dict[str, Any]:
    return {
        "name": cache.name, "summary": cache.entry.spec.summary, "distribution": cache.entry.distribution,
        "bytes": cache.size, "files": [str(path) for path in cache.files], "trouble": cache.reason or None,
    }  # fmt: skip
