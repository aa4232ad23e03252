# SPDX-License-Identifier: Apache-2.0
"""Observables as people type them on a command line: "Z0 Z1", "0.5*X0 - 1.25 Z(0) @ Z(1) + 2"."""

from __future__ import annotations

import re

from qstore.circuit import MAX_QUBITS, I, Observable, X, Y, Z
from qstore.errors import CircuitError, OptionError

__all__ = ["parse_observable"]

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[+-])|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<times>[*@])"
    r"|(?P<pauli>[XYZ])(?P<qubit>\d{1,6}|\(\s*\d{1,6}\s*\))|(?P<identity>I(?:\(\s*\d*\s*\)|\d*)))",
    re.IGNORECASE,
)
_PAULIS = {"X": X, "Y": Y, "Z": Z}
_HOW = 'Write Pauli letters with qubit numbers, such as "Z0 Z1" or "0.5*X0 - 1.25*Z0 Z1"'


def parse_observable(text: str) -> Observable:
    """The observable that a text means: terms with + and -, in each a number and Pauli letters, * and @ as you like.

    Raises:
        OptionError: it cannot be read; says at which character.

    Example:
        >>> parse_observable("0.5*X0 - Z0 Z1 + 2")
        2.0 * I() - 1.0 * Z(0) @ Z(1) + 0.5 * X(0)
    """
    total, term, sign = Observable(), None, 1.0
    position, end = 0, len(text.rstrip())
    after_sign, after_times = False, False
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text, position)
        if match["sign"]:
            if after_times or (after_sign and term is None):
                raise _unreadable(text, position)
            total = total if term is None else total + sign * term
            term, sign, after_sign = None, -1.0 if match["sign"] == "-" else 1.0, True
        elif match["times"]:
            if after_times or term is None:
                raise _unreadable(text, position)
            after_times = True
        else:
            factor = _factor(match, text, position)
            try:
                term = factor if term is None else term @ factor
            except CircuitError as exc:
                raise OptionError(f"Observable {text!r}: {exc}") from None
            after_sign = after_times = False
        position = match.end()
    if after_times or term is None:
        raise _unreadable(text, end)
    try:
        return total + sign * term
    except CircuitError as exc:
        raise OptionError(f"Observable {text!r}: {exc}") from None


def _factor(match: re.Match[str], text: str, position: int) -> Observable:
    if match["number"]:
        try:
            return I() * float(match["number"])
        except CircuitError as exc:
            raise OptionError(f"Observable {text!r}: {exc}") from None
    if match["identity"]:
        return I()
    qubit = int(match["qubit"].strip("() "))
    if qubit >= MAX_QUBITS:
        raise _unreadable(text, position)
    return _PAULIS[match["pauli"].upper()](qubit)


def _unreadable(text: str, position: int) -> OptionError:
    rest = text[position:].strip()
    where = f"{rest[:20]!r} at character {position + 1}" if rest else "its end, where something is missing"
    return OptionError(f"Observable {text[:80]!r}: {where} cannot be read. {_HOW}.")
