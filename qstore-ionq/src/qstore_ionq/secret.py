# SPDX-License-Identifier: Apache-2.0
"""`Secret`: an API key that no repr, log, traceback, pickle or file can show.

Only `reveal()` gives the text; it is called in one place, where the Authorization header is written.
"""

from __future__ import annotations

import hmac
from typing import NoReturn

from qstore.errors import AuthenticationError

__all__ = ["Secret"]

_HIDDEN = "***"
_LONGEST = 4096
_SHORTEST_SCRUBBED = 6
"""A shorter key is a test's; taking it out of messages would garble words."""


class Secret:
    """A key as a value that hides itself.

    Args:
        value: printable ASCII without spaces.

    Raises:
        AuthenticationError: empty, too long, or with characters that have no place in a header. The message does not
            repeat the key.

    Example:
        >>> key = Secret("an-api-key")
        >>> f"{key} {key!r}"
        "*** Secret('***')"
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise AuthenticationError(f"An API key is a string, got {type(value).__name__}.")
        text = value.strip()  # keys are pasted, often with a line end
        if not text or len(text) > _LONGEST or not all("!" <= letter <= "~" for letter in text):
            msg = f"An API key is 1 to {_LONGEST} printable ASCII characters without spaces; this one is not."
            raise AuthenticationError(msg)
        self._value = text

    def reveal(self) -> str:
        """The key itself, for the header of a request."""
        return self._value

    def scrub(self, text: str) -> str:
        """`text` with every occurrence of the key replaced: servers have been seen to repeat keys in their errors."""
        return text.replace(self._value, _HIDDEN) if len(self._value) >= _SHORTEST_SCRUBBED else text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash could be tried out against guesses

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN!r})"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __reduce__(self) -> NoReturn:  # pickle, copy and deepcopy all come here
        raise TypeError("A Secret is not written anywhere; let the other process look the key up itself.")
