# SPDX-License-Identifier: Apache-2.0
"""`qstore states FILE [list|show|similar|verify] [ID]`: look into an embedded database of states."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstore.cli.table import table
from qstore.errors import NotStored, OptionError

if TYPE_CHECKING:
    from qstore_storage.states.database import QuantumStateDB

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore states qstore-states/vqe.sqlite3                                  every state, and its metadata
  qstore states qstore-states/vqe.sqlite3 list --filter '{"loss": {"$lt": 0.1}}'
  qstore states qstore-states/vqe.sqlite3 show step-100                    its most probable outcomes
  qstore states qstore-states/vqe.sqlite3 similar step-100 --top-k 5       what is nearest to it, by fidelity
  qstore states qstore-states/vqe.sqlite3 verify                           read every byte; exit code 1 where one is damaged
"""
_OUTCOMES = 8


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser of the sub-command."""
    parser.epilog = _EPILOG
    parser.add_argument("file", metavar="FILE", help="the database's file")
    parser.add_argument(
        "action", nargs="?", choices=list(_ACTIONS), default="list", help="what to do (default: list)"
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="show, similar: of which state")
    parser.add_argument("--namespace", default="default", help="of which namespace (default: default)")
    parser.add_argument("--filter", metavar="JSON", help="list, similar: only states with such metadata")
    parser.add_argument("--top-k", type=int, default=10, metavar="K", help="similar: how many (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run


def run(args: argparse.Namespace) -> int:
    """Run the sub-command; returns the exit code."""
    from qstore_storage.states.database import QuantumStateDB

    if not Path(args.file).is_file():
        raise NotStored(f"There is no database of states {args.file!r}.")
    with QuantumStateDB(path=args.file, namespace=args.namespace) as db:
        return _ACTIONS[args.action](db, args)


def _list(db: QuantumStateDB, args: argparse.Namespace) -> int:
    found = [db.get(state_id) for state_id in db.ids(_filter(args))]
    rows = [
        {"id": each.id, "n_qubits": each.n_qubits, "mixed": each.mixed, "metadata": each.metadata}
        for each in found
    ]
    if not rows and not args.json:
        others = ", ".join(db.namespaces())
        raise NotStored(
            f"No such state in the namespace {db.namespace!r}; the file has: {others or 'none at all'}."
        )
    cells = [
        [each.id, str(each.n_qubits), "mixed" if each.mixed else "pure", _text(each.metadata)]
        for each in found
    ]
    return _tell(args, rows, ["id", "qubits", "kind", "metadata"], cells, right={"qubits"})


def _show(db: QuantumStateDB, args: argparse.Namespace) -> int:
    found = db.get(_id(args))
    weights = found.state.diagonal().real if found.mixed else abs(found.state) ** 2
    best = sorted(range(len(weights)), key=lambda outcome: (-weights[outcome], outcome))[:_OUTCOMES]
    outcomes = {f"{outcome:0{found.n_qubits}b}": round(float(weights[outcome]), 6) for outcome in best}
    row = {"id": found.id, "n_qubits": found.n_qubits, "mixed": found.mixed, "dtype": str(found.state.dtype),
           "metadata": found.metadata, "probabilities": outcomes}  # fmt: skip
    cells = [[outcome, f"{weight:.6f}"] for outcome, weight in outcomes.items()]
    if not args.json:
        kind = "density matrix" if found.mixed else "amplitudes"
        _say(f"{found.id}: {kind} of {found.n_qubits} qubits, {found.state.dtype}, {_text(found.metadata)}\n")
    return _tell(args, row, ["outcome", "probability"], cells, right={"probability"})


def _similar(db: QuantumStateDB, args: argparse.Namespace) -> int:
    found = db.find_similar(db.get(_id(args)).state, args.top_k, _filter(args), normalize=True)
    rows = [{"id": each.id, "fidelity": each.fidelity, "metadata": each.metadata} for each in found]
    cells = [[each.id, f"{each.fidelity:.6f}", _text(each.metadata)] for each in found]
    return _tell(args, rows, ["id", "fidelity", "metadata"], cells, right={"fidelity"})


def _verify(db: QuantumStateDB, args: argparse.Namespace) -> int:
    damaged = db.verify()
    if args.json:
        _say(json.dumps({"states": len(db), "damaged": damaged}, indent=2))
    else:
        _say(
            "\n".join(
                [
                    *(f"{state_id}: damaged" for state_id in damaged),
                    f"{len(db)} states, {len(damaged)} damaged",
                ]
            )
        )
    return int(bool(damaged))


_ACTIONS = {"list": _list, "show": _show, "similar": _similar, "verify": _verify}


def _id(args: argparse.Namespace) -> str:
    if args.id is None:
        raise OptionError(f"'{args.action}' needs the ID of a state; 'list' lists them.")
    return str(args.id)


def _filter(args: argparse.Namespace) -> Any:
    if args.filter is None:
        return None
    try:
        return json.loads(args.filter)
    except (ValueError, RecursionError) as exc:
        raise OptionError(f'--filter takes JSON such as \'{{"loss": {{"$lt": 0.1}}}}\': {exc}.') from exc


def _text(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, ensure_ascii=False)


def _tell(
    args: argparse.Namespace, rows: Any, header: list[str], cells: list[list[str]], right: set[str]
) -> int:
    _say(json.dumps(rows, indent=2) if args.json else table(header, cells, right=right))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
