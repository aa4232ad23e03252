# SPDX-License-Identifier: Apache-2.0
"""The tokens of OpenQASM 3."""

from __future__ import annotations

import re

from qstore.circuit.text import Language, Source, Tokens

__all__ = ["KEYWORDS", "QASM3", "REFUSED", "TYPES", "tokens_of"]

TYPES = frozenset({"int", "uint", "float", "angle", "bool", "bit"})
"""Types of classical values that are read."""

REFUSED = {
    "def": "subroutines", "extern": "external functions", "return": "subroutines", "while": "loops of unknown length",
    "break": "leaving a loop", "continue": "leaving a loop", "switch": "switch statements", "end": "ending early",
    "cal": "pulses", "defcal": "pulses", "defcalgrammar": "pulses", "duration": "times", "stretch": "times",
    "delay": "times", "box": "times", "output": "outputs (every qubit is measured)", "complex": "complex numbers",
    "pragma": "pragmas", "opaque": "opaque gates",
}  # fmt: skip
"""Words that start what is left out, and what that is."""

KEYWORDS = frozenset({
    "OPENQASM", "include", "qubit", "qreg", "creg", "gate", "barrier", "measure", "reset", "if", "else", "for", "in",
    "let", "const", "input", "array", "ctrl", "negctrl", "inv", "pow", "gphase", "U", "pi", "π", "tau", "τ", "euler",
    "ℇ", "true", "false", "arccos", "arcsin", "arctan", "ceiling", "cos", "exp", "floor", "log", "mod", "popcount",
    "rotl", "rotr", "sin", "sizeof", "sqrt", "tan", "im", "mutable", "readonly", "void", "case", "default", "durationof",
    "nop", *TYPES, *REFUSED,
})  # fmt: skip
"""Names with a meaning of their own, which nothing can be called."""

_DIGITS = "[0-9](?:_?[0-9])*+"
_TOKEN = re.compile(
    rf"""(?:[ \t\r\n\f\v]++|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+
    (?: (?P<real>  (?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?{_DIGITS})? | {_DIGITS}[eE][-+]?{_DIGITS} )
      | (?P<integer> 0[xX][0-9a-fA-F_]++ | 0[bB][01_]++ | 0o[0-7_]++ | {_DIGITS} )
      | (?P<name>    [^\W\d]\w*+ | ℇ )
      | (?P<string>  "[^"\r\n]*+" )
      | (?P<sign>    \*\*=|<<=|>>= | -> | == | != | <= | >= | && | \|\| | \*\* | \+\+ | << | >> | [-+*/%&|^]= | [-+*/%^&|~!<>=()\[\]{{}};:,@] )
      | (?P<end>     \Z )
      | (?P<other>   . ) )""",
    re.VERBOSE | re.DOTALL,
)
QASM3 = Language(KEYWORDS, _TOKEN)


def tokens_of(source: Source, position: int = 0) -> Tokens:
    """The tokens of a program from a position on."""
    return Tokens(source, QASM3, position)
