# SPDX-License-Identifier: Apache-2.0
"""A search among states of other sizes finds nothing; that is told, not answered with an empty list."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from qstore.errors import OptionError

__all__ = ["check_sizes"]


def check_sizes(n_qubits: int, held: AbstractSet[int], namespace: str) -> None:
    """Nothing, if a namespace holds states of as many qubits or none at all.

    Raises:
        OptionError: all it holds are of another number of qubits.
    """
    if held and n_qubits not in held:
        raise OptionError(
            f"The query has {n_qubits} qubits; the namespace {namespace!r} holds states of "
            f"{', '.join(map(str, sorted(held)))}. Only states of as many qubits are compared."
        )
