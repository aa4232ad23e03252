# SPDX-License-Identifier: Apache-2.0
"""Names of parameters as identifiers of OpenQASM 3, where gates and values share one set of names.

A parameter that is called like a gate or a word of the language (`x`, `p`, `angle`) is written with an underscore
behind (`x_`), and read back without it.
"""

from __future__ import annotations

from qstore.circuit.qasm3.library import BUILT_IN, DEFINITIONS, STANDARD
from qstore.circuit.qasm3.tokens import KEYWORDS

__all__ = ["REGISTERS", "escaped_name", "plain_name"]

REGISTERS = ("q", "c", "m")
"""What the writer calls its registers."""
_RESERVED = KEYWORDS | STANDARD.keys() | DEFINITIONS.keys() | BUILT_IN.keys() | {*REGISTERS}


def escaped_name(name: str) -> str:
    """The name as the writer writes it.

    Example:
        >>> escaped_name("x"), escaped_name("theta")
        ('x_', 'theta')
    """
    return f"{name}_" if name.rstrip("_") in _RESERVED else name


def plain_name(name: str) -> str:
    """The name that was written as this one."""
    return name[:-1] if name.endswith("_") and name.rstrip("_") in _RESERVED else name
