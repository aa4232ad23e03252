# SPDX-License-Identifier: Apache-2.0
"""The tokens of OpenQASM 2."""

from __future__ import annotations

import re

from qstore.circuit.text import Language, Source, Tokens

__all__ = ["KEYWORDS", "QASM2", "tokens_of"]

KEYWORDS = frozenset({
    "OPENQASM", "include", "qreg", "creg", "gate", "opaque", "barrier", "measure", "reset", "if", "pi", "sin", "cos",
    "tan", "exp", "ln", "sqrt", "U", "CX",
})  # fmt: skip
"""Names with a meaning of their own, which nothing can be called."""

_TOKEN = re.compile(
    r"""(?:[ \t\r\n\f\v]++|//[^\n]*+)*+
    (?: (?P<real>  (?:[0-9]++\.[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)? | [0-9]++[eE][-+]?[0-9]++ )
      | (?P<integer> [0-9]++ )
      | (?P<name>    [A-Za-z_][A-Za-z0-9_]*+ )
      | (?P<string>  "[^"\r\n]*+" )
      | (?P<sign>    -> | == | [-+*/^()\[\]{};,] )
      | (?P<end>     \Z )
      | (?P<other>   . ) )""",
    re.VERBOSE | re.DOTALL,
)
QASM2 = Language(KEYWORDS, _TOKEN)


def tokens_of(source: Source, position: int = 0) -> Tokens:
    """The tokens of a program from a position on."""
    return Tokens(source, QASM2, position)
