# SPDX-License-Identifier: Apache-2.0
"""`qstore explain`: which backend the router would choose for a circuit, and why. Nothing is sent."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack

from qstore.cli.circuit_input import add_circuit_arguments, batch_of
from qstore.cli.json_text import json_text

__all__ = ["add"]

_EPILOG = """\
examples:
  qstore explain bell.qasm
  qstore explain bell.qasm --shots 1000 --budget 5 --prefer accuracy=1
  qstore explain ansatz.json --bind theta=0.1 --observable "Z0 Z1" --json

Without a budget nothing that costs money is a candidate.
exit codes: 0 a backend would run it, 1 none can, or the circuit cannot be read
"""


def add(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """Fill the parser and return what runs the command."""
    add_circuit_arguments(parser)
    parser.add_argument("--backend", action="append", metavar="NAME",
                        help="consider only this backend; may be given several times; by default all")  # fmt: skip
    parser.add_argument("--budget", metavar="USD", help="as if this much might be spent")
    parser.add_argument("--prefer", metavar="cost=0.3,speed=0.5,accuracy=0.2", help="what counts how much")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.epilog = _EPILOG
    return _run


def _run(args: argparse.Namespace) -> int:
    from qstore.execution import configured
    from qstore.routing.factory import auto

    with ExitStack() as scope:
        if args.budget is not None:
            scope.enter_context(configured(budget_usd=args.budget))
        if args.prefer is not None:
            scope.enter_context(configured(preferences=args.prefer))
        router = auto(**({"candidates": args.backend} if args.backend else {}))
        explanation = router.explain(batch_of(args))
    print(json_text(explanation.to_dict()) if args.json else explanation)
    return 0 if explanation.chosen is not None else 1
