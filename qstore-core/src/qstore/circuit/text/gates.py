# SPDX-License-Identifier: Apache-2.0
"""What the readers of gates share: the names that a definition gives, the head of a call, and what a call goes over."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from qstore.circuit.text.tokens import END, Token, Tokens, listed
from qstore.errors import nearest_names

__all__ = [
    "broadcast",
    "callee",
    "check_number",
    "different_names",
    "formal_qubit",
    "read_include",
    "same_tokens",
]

_MAX_HINTS = 1000

Gate = TypeVar("Gate")


class Members(Protocol):
    """Qubits that a call names: a register, or one of its members alone."""

    @property
    def members(self) -> Sequence[int]:
        """The qubits, by number."""

    @property
    def single(self) -> bool:
        """Whether this is one qubit, which goes along with whole registers."""


def read_include(tokens: Tokens, library: str) -> Token:
    """Read the file's name behind `include`, and the end of the statement; no other file than the library's.

    Returns:
        The file's name, for errors.
    """
    file = tokens.next
    if file.kind != "string":
        raise tokens.unexpected(f'"{library}" in quotes')
    if file.text[1:-1] != library:
        msg = f"Only {library!r} can be included, which is built in; put the gates of other files into the text."
        raise tokens.error(msg)
    tokens.take()
    tokens.expect(";")
    return file


def different_names(tokens: Tokens, what: str) -> dict[str, int]:
    """Read a list of different names, each with its position; `what` says of what, for errors."""
    found: dict[str, int] = {}

    def one() -> None:
        name = tokens.name(what)
        if name.text in found:
            raise tokens.error(f"{name.text!r} occurs twice.", name)
        found[name.text] = len(found)

    listed(tokens, one)
    return found


def formal_qubit(tokens: Tokens, qubits: Mapping[str, int]) -> int:
    """Read the name of one of a gate's own qubits; returns its position."""
    name = tokens.name("the name of a qubit")
    if name.text not in qubits:
        raise tokens.error(f"This gate has no qubit {name.text!r}, it has {', '.join(qubits)}.", name)
    return qubits[name.text]


def same_tokens(theirs: Tokens, ours: Tokens) -> bool:
    """Whether a text begins with all of ours, token by token."""
    while ours.next.kind != END:
        if theirs.take().text != ours.take().text:
            return False
    return True


def callee(
    tokens: Tokens, gates: Mapping[str, Gate], library: str, missing: Callable[[], Container[str]]
) -> tuple[Token, Gate]:
    """Read the name of a gate.

    Args:
        tokens: the program's.
        gates: those there are.
        library: the file that brings more.
        missing: the names in that file, as long as it is not included.
    """
    name = tokens.next
    if name.kind != "name":
        raise tokens.unexpected("a statement")
    found = gates.get(name.text)
    if found is not None:
        return tokens.take(), found
    if name.text in missing():
        raise tokens.error(f'The gate {name.text!r} comes with include "{library}";, which is missing.')
    raise tokens.error(f"No gate named {name.text!r}.{nearest_names(name.text, [*gates][:_MAX_HINTS])}")


def check_number(tokens: Tokens, name: Token, what: str, wanted: int, given: int) -> None:
    """Refuse a call with the wrong number of parameters or qubits."""
    if wanted != given:
        raise tokens.error(f"{name.text!r} takes {wanted} {what}(s), got {given}.", name)


def broadcast(tokens: Tokens, name: Token, given: Sequence[Members]) -> Iterator[tuple[int, ...]]:
    """The qubits of each single call: whole registers go along in step, single qubits stay."""
    sizes = {len(each.members) for each in given if not each.single}
    if len(sizes) > 1:
        numbers = " and ".join(map(str, sorted(sizes)))
        raise tokens.error(f"{name.text!r} on registers of different sizes: {numbers}.", name)
    for step in range(sizes.pop() if sizes else 1):
        yield tuple(each.members[0 if each.single else step] for each in given)
