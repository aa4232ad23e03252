# SPDX-License-Identifier: Apache-2.0
"""The options of the conformance kit, for pytest (entry point `pytest11`); the kit itself is `qstore.testing`.

A package of its own because pytest imports its plugins in every run of every project: this one costs a millisecond as
long as none of its options is given, where `qstore` would bring numpy along.
"""

from __future__ import annotations

from typing import Any

__all__ = ["pytest_addoption", "pytest_configure"]

_SUBJECTS = ("backend", "converter", "compiler", "gradient", "store")
_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((f"--qstore-{kind}", {"action": "append", "default": [], "metavar": "NAME",
       "help": f"examine this {kind}, by its registered name or as package.module:callable; may be repeated"})
      for kind in _SUBJECTS),
    ("--qstore-options", {"action": "append", "default": [], "metavar": "K=V",
                          "help": "an option that the subject is made with, a Python literal or text; may be repeated"}),
    ("--qstore-tolerance", {"type": float, "default": None, "metavar": "X",
                            "help": "largest deviation of an exact value (1e-9); 1e-4 for single precision"}),
    ("--qstore-budget", {"type": float, "default": 0.0, "metavar": "USD",
                         "help": "most that a paid backend may be asked for, by its own estimates (0)"}),
    ("--qstore-expected-failures", {"default": None, "metavar": "FILE",
                                    "help": "lines 'check: reason'; these are run, and one that passes is a failure"}),
    ("--qstore-judge", {"default": None, "metavar": "MODULE:CALLABLE",
                        "help": "for a converter: gives the unitary of the other library's circuit, qubit 0 least significant"}),
    ("--qstore-only", {"action": "append", "default": [], "metavar": "SUBJECT",
                       "help": "only these groups of checks (gates, shots ...) or checks; may be repeated"}),
    ("--qstore-self-test", {"action": "store_true", "default": False,
                            "help": "examine planted faults and print how many were caught"}),
)  # fmt: skip


def pytest_addoption(parser: Any) -> None:
    """Tell pytest the options."""
    group = parser.getgroup("qstore", "conformance kit of qstore")
    for name, settings in _OPTIONS:
        group.addoption(name, **settings)


def pytest_configure(config: Any) -> None:
    """Bring in the kit when it is asked for."""
    asked = any(config.getoption(f"qstore_{kind}") for kind in _SUBJECTS)
    if asked or config.getoption("qstore_self_test"):
        from qstore.testing.collecting import Kit  # imports qstore and numpy

        config.pluginmanager.register(Kit(config), "qstore-kit")
    elif "qstore.testing" in config.args:
        import pytest

        raise pytest.UsageError(
            "say what to examine, for instance --qstore-backend statevector, or --qstore-self-test"
        )
