# SPDX-License-Identifier: Apache-2.0
"""What names mean at some point of the program."""

from __future__ import annotations

from dataclasses import dataclass

from qstore.circuit.angles import Parameter
from qstore.circuit.qasm3.values import Value
from qstore.circuit.text import Register, Token, Tokens
from qstore.errors import nearest_names

__all__ = ["Qubits", "Scope", "Variable"]

_MAX_HINTS = 1000


@dataclass(frozen=True, slots=True)
class Qubits:
    """Qubits by number, in order; one qubit alone goes along with a whole register."""

    members: tuple[int, ...]
    single: bool = False


@dataclass(slots=True)
class Variable:
    """A classical value with a name.

    Attributes:
        value: at this moment.
        kind: its type; `size` its number of bits, 0 if it says none.
        constant: whether it may be assigned to.
    """

    value: Value
    kind: str
    size: int = 0
    constant: bool = False


Meaning = Variable | Qubits | Register | Parameter


class Scope:
    """Names of a block, and behind them those of the blocks around it.

    Args:
        outer: the block around this one.
        gate: whether this is the body of a gate, which sees no qubits and bits from outside.
    """

    __slots__ = ("_names", "gate", "outer")

    def __init__(self, outer: Scope | None = None, *, gate: bool = False) -> None:
        self.outer, self.gate = outer, gate
        self._names: dict[str, Meaning] = {}

    def declare(self, tokens: Tokens, name: Token, meaning: Meaning) -> None:
        """Give a name its meaning.

        Raises:
            CircuitFormatError: it has one in this block already.
        """
        if name.text in self._names:
            raise tokens.error(f"There is a {name.text!r} already.", name)
        self._names[name.text] = meaning

    def put(self, name: str, meaning: Meaning) -> None:
        """Give a name its meaning, whatever it was."""
        self._names[name] = meaning

    def find(self, name: str) -> Meaning | None:
        """What a name means here, if anything."""
        scope: Scope | None = self
        inside = False
        while scope is not None:
            found = scope._names.get(name)
            if found is not None:
                return None if inside and isinstance(found, (Qubits, Register)) else found
            inside = inside or scope.gate
            scope = scope.outer
        return None

    def missing(self, tokens: Tokens, name: Token, what: str) -> Exception:
        """The error about a name that means nothing here, or something else than wanted."""
        known: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            known += [*scope._names][:_MAX_HINTS]
            scope = scope.outer
        if name.text in known and self.find(name.text) is not None:
            return tokens.error(f"{name.text!r} is no {what}.", name)
        return tokens.error(f"No {what} named {name.text!r}.{nearest_names(name.text, known)}", name)
