# SPDX-License-Identifier: Apache-2.0
"""What a layer measures by default: one Pauli per qubit and basis."""

from __future__ import annotations

from collections.abc import Iterable

from qstore.circuit import Observable, X, Y, Z
from qstore.errors import OptionError

__all__ = ["basis_letters", "basis_observables"]

_PAULIS = {"X": X, "Y": Y, "Z": Z}


def basis_observables(n_qubits: int, bases: str | Iterable[str] = "Z") -> list[Observable]:
    """For each basis in turn, its Pauli on every qubit: `n_qubits * len(bases)` observables.

    Args:
        n_qubits: number of qubits.
        bases: letters out of "XYZ", as one string or several.

    Raises:
        OptionError: another letter, a letter twice, or none.

    Example:
        >>> basis_observables(2, "ZX")
        [Z(0), Z(1), X(0), X(1)]
    """
    return [_PAULIS[letter](q) for letter in basis_letters(bases) for q in range(n_qubits)]


def basis_letters(bases: str | Iterable[str]) -> tuple[str, ...]:
    """The letters of bases, one by one.

    Raises:
        OptionError: as above.
    """
    letters = tuple(bases) if isinstance(bases, Iterable) else ()
    known = all(isinstance(letter, str) and letter in _PAULIS for letter in letters)
    if not letters or not known or len(set(letters)) != len(letters):
        raise OptionError(
            f"measurement_bases must be different letters out of 'XYZ', such as 'ZX', got {bases!r}."
        )
    return letters
