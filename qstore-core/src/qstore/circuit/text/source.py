# SPDX-License-Identifier: Apache-2.0
"""The text that is read, and errors that point into it."""

from __future__ import annotations

from qstore.errors import CircuitFormatError

__all__ = ["MAX_CHARACTERS", "Source"]

MAX_CHARACTERS = 64 * 2**20
_EXCERPT = 100
"""Most characters of a line that an error shows."""


class Source:
    """A program's text.

    Args:
        text: the program, as text or UTF-8; a byte order mark is ignored.
        language: what it is written in, for errors.

    Raises:
        CircuitFormatError: it is no text, or longer than `MAX_CHARACTERS`.
    """

    __slots__ = ("text",)

    def __init__(self, text: str | bytes, language: str = "A program") -> None:
        if not isinstance(text, (str, bytes)):
            raise CircuitFormatError(f"{language} is read from str or bytes, got {type(text).__name__}.")
        if len(text) > MAX_CHARACTERS:
            raise CircuitFormatError(
                f"The program has {len(text)} characters; at most {MAX_CHARACTERS} are read."
            )
        if isinstance(text, bytes):
            try:
                text = text.decode()
            except UnicodeDecodeError as exc:
                raise CircuitFormatError(f"The program is not UTF-8: {exc}.") from exc
        self.text = text.removeprefix("\ufeff")

    def error(self, position: int, message: str, length: int = 1) -> CircuitFormatError:
        """An error about `length` characters at `position`: line, column, the line itself, a caret below it."""
        text = self.text
        start = text.rfind("\n", 0, position) + 1
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line, column = text.count("\n", 0, position) + 1, position - start + 1
        first = max(start, position - _EXCERPT // 2)
        shown = text[first : min(end, first + _EXCERPT)].rstrip("\r")
        excerpt = "".join(character if character.isprintable() else " " for character in shown)
        length = max(1, min(length, end - position, first + _EXCERPT - position))
        caret = " " * (position - first) + "^" + "~" * (length - 1)
        return CircuitFormatError(f"Line {line}, column {column}: {message}\n    {excerpt}\n    {caret}")
