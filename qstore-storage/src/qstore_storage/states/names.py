# SPDX-License-Identifier: Apache-2.0
"""Names of states, namespaces and indexes: one rule that is safe in file names, URLs, SQL and at every provider.

A name has 1 to 128 of the characters A-Z a-z 0-9 . _ -, begins with a letter, a digit or `_`, does not end with a dot
and is no device of Windows (`con`, `nul`, `com1`, ...). Upper and lower case are different names of states.
"""

from __future__ import annotations

import re

from qstore.errors import OptionError
from qstore_storage.states.showing import shown

__all__ = ["checked_name"]

_RULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)))
)


def checked_name(name: object, what: str) -> str:
    """The name, if it is one.

    Args:
        name: what the user gave.
        what: what it names, for the message ("A state's id").

    Raises:
        OptionError: it breaks the rule above.

    Example:
        >>> checked_name("vqe-run_3.step-10", "A state's id")
        'vqe-run_3.step-10'
    """
    if not isinstance(name, str):
        raise OptionError(f"{what} is a string, got {shown(name)}.")
    if not _RULE.fullmatch(name) or name.endswith(".") or name.partition(".")[0].casefold() in _DEVICES:
        raise OptionError(
            f"{what} has 1 to 128 letters, digits, '.', '_' or '-', begins with none of '.' and '-', does not end with "
            f"'.' and is no name of a device; got {shown(name)}."
        )
    return name
