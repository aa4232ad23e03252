# SPDX-License-Identifier: Apache-2.0
"""Which operations the outputs do not depend on: at the end of a circuit, those that commute with all that is read.

A rotation about P changes nothing if P commutes with the observables and with every rotation that stays behind it: then
it can be moved to the very end, where it cancels. In a layer of RZ before CNOTs and expectations of Z that is all of them.
Their derivatives are exactly zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qstore_sim.program.frame import Pauli
from qstore_sim.program.passes import Span
from qstore_sim.program.sequence import Dense, Diagonal, Item, Rotation


def relevant(items: Sequence[Item], read: Iterable[Pauli], n_bits: int) -> list[Item]:
    """The items that expectations of the strings in `read` depend on.

    Args:
        items: in order; diagonals of one mask each, as `Sequence` without `collect` leaves them.
        read: the strings, at the end of the circuit.
        n_bits: number of bits of an index.
    """
    # A string commutes with all of a set if it commutes with a basis of the space that the set spans over GF(2).
    span = Span()
    for pauli in read:
        span.add(_vector(pauli, n_bits))
    kept: list[Item] = []
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if isinstance(item, Dense) or len(span) == 2 * n_bits:
            return [*items[: place + 1], *reversed(kept)]
        strings = _strings(item)
        if all(_commutes(pauli, span, n_bits) for pauli in strings):
            continue
        kept.append(item)
        for pauli in strings:
            span.add(_vector(pauli, n_bits))
    return kept[::-1]


def _strings(item: Rotation | Diagonal) -> list[Pauli]:
    return [item.pauli] if isinstance(item, Rotation) else [Pauli(0, mask, 0) for mask in item.angles]


def _vector(pauli: Pauli, n_bits: int) -> int:
    return pauli.x | pauli.z << n_bits


def _commutes(pauli: Pauli, span: Span, n_bits: int) -> bool:
    swapped = pauli.z | pauli.x << n_bits
    return not any((member & swapped).bit_count() & 1 for member in span.basis.values())
