# SPDX-License-Identifier: Apache-2.0
"""The conformance kit: proves that a backend, converter, compiler pass, gradient method or store keeps its contract.

    pytest --qstore-backend NAME            the report card of a backend, by its registered name
    pytest --qstore-converter NAME          likewise; also --qstore-compiler, --qstore-gradient, --qstore-store
    pytest --qstore-self-test               planted faults, and how many of them the kit catches

In code, `examine_backend(...)` returns the card. `docs/plugins.md` tells the whole story. Nothing here is imported by
the rest of qstore, and pytest only loads it when one of the options is given.
"""

from qstore.testing.card import Card, Verdict
from qstore.testing.check import Check, NotClaimed, Violation
from qstore.testing.exam import BackendExam
from qstore.testing.examine import backend_exam, examine, examine_backend
from qstore.testing.loopback import LoopbackBackend
from qstore.testing.strict import StrictBackend

__all__ = [
    "BackendExam",
    "Card",
    "Check",
    "LoopbackBackend",
    "NotClaimed",
    "StrictBackend",
    "Verdict",
    "Violation",
    "backend_exam",
    "examine",
    "examine_backend",
]
