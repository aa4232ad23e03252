# SPDX-License-Identifier: Apache-2.0
"""From text to tokens, one at a time: a long program never stands in memory twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from qstore.circuit.text.source import Source
from qstore.errors import CircuitFormatError

__all__ = ["END", "MAX_NAME", "Language", "Token", "Tokens", "listed"]

END = "end"
MAX_NAME = 255
"""Most characters of a name."""
_MAX_DIGITS = 9

T = TypeVar("T")


class Language(NamedTuple):
    """What tells one language's tokens from another's.

    Attributes:
        keywords: names with a meaning of their own, which nothing can be called.
        pattern: matches one token behind blanks and comments, as the group of its kind: real, integer, name, string,
            sign, end, or other for what has no meaning.
    """

    keywords: frozenset[str]
    pattern: re.Pattern[str]


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: "name", "integer", "real", "string", "sign" or "end".
        text: as it is written.
        position: of its first character in the source.
    """

    kind: str
    text: str
    position: int


class Tokens:
    """The tokens of a source, with the one that comes next in `next`."""

    __slots__ = ("_stream", "language", "next", "source")

    def __init__(self, source: Source, language: Language, position: int = 0) -> None:
        self.source = source
        self.language = language
        self._stream = _stream(source, language.pattern, position)
        self.next = next(self._stream)

    def take(self) -> Token:
        """The next token, which is consumed."""
        token = self.next
        if token.kind != END:
            self.next = next(self._stream)
        return token

    def skip_line(self) -> None:
        """Go on behind the end of the line in which the next token stands."""
        end = self.source.text.find("\n", self.next.position)
        self._stream = _stream(self.source, self.language.pattern, len(self.source.text) if end < 0 else end)
        self.next = next(self._stream)

    def accept(self, text: str) -> bool:
        """Consume the next token if it is this sign or word; say whether it was."""
        if self.next.text != text:
            return False
        self.take()
        return True

    def expect(self, text: str, where: str = "") -> Token:
        """Consume this sign or word.

        Raises:
            CircuitFormatError: something else is next.
        """
        if self.next.text == text:
            return self.take()
        raise self.unexpected(repr(text), where)

    def name(self, what: str) -> Token:
        """Consume a name that is no keyword; `what` says of what, for the error."""
        if self.next.kind != "name":
            raise self.unexpected(what)
        if self.next.text in self.language.keywords:
            raise self.error(f"{self.next.text!r} is a word of the language and cannot be {what}.")
        return self.take()

    def integer(self, what: str) -> int:
        """Consume a whole number of at most nine digits."""
        if self.next.kind != "integer":
            raise self.unexpected(what)
        digits = self.next.text.lstrip("0") or "0"
        if len(digits) > _MAX_DIGITS:
            raise self.error(f"A number of {len(digits)} digits is too large for {what}.")
        self.take()
        return int(digits)

    def unexpected(self, wanted: str, where: str = "") -> CircuitFormatError:
        """An error that says what should have been next."""
        found = "the end of the program" if self.next.kind == END else repr(self.next.text[:40])
        return self.error(f"Expected {wanted}{where}, found {found}.")

    def error(self, message: str, token: Token | None = None) -> CircuitFormatError:
        """An error about a token, by default the next one."""
        token = token or self.next
        return self.source.error(token.position, message, len(token.text))


def listed(tokens: Tokens, one: Callable[[], T]) -> list[T]:
    """Read one or more, with commas between them."""
    found = [one()]
    while tokens.accept(","):
        found.append(one())
    return found


def _stream(source: Source, pattern: re.Pattern[str], position: int) -> Iterator[Token]:
    text = source.text
    match = pattern.match
    while True:
        found = match(text, position)
        assert found is not None  # the last alternatives take anything
        kind = found.lastgroup or END
        start, position = found.span(kind)
        if kind == "other":
            message = "This text has no closing quote." if text[start] == '"' else None
            raise source.error(start, message or f"{text[start]!r} has no meaning here.")
        if kind == "name" and position - start > MAX_NAME:
            raise source.error(
                start, f"A name of {position - start} characters; at most {MAX_NAME} are read."
            )
        yield Token(kind, text[start:position], start)
        if kind == END:
            return
