# SPDX-License-Identifier: Apache-2.0
"""Which Pauli strings are measured together, and the gates that turn a circuit's measurement into theirs.

Strings that agree on every qubit they share (qubit-wise commuting) are read from one circuit, after a change of basis
on each qubit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.observables import Observable, PauliTerm
from qstore.circuit.operation import Operation
from qstore.circuit.template import Template

__all__ = ["MeasuredGroup", "grouped", "in_basis"]

_BASIS_CHANGE = {"X": ("h",), "Y": ("sdg", "h"), "Z": ()}
"""Gates that turn a measurement of the letter into one of Z."""


class MeasuredGroup(NamedTuple):
    """Strings measured together: the letter measured on each qubit, and (observable, support, coefficient) rows.

    The value of a row for an outcome is the coefficient, times -1 where outcome & support has an odd number of ones.
    """

    basis: dict[int, str]
    terms: list[tuple[int, int, float]]


def grouped(observables: Sequence[Observable]) -> tuple[NDArray[np.float64], list[MeasuredGroup]]:
    """The constant of each observable, and the groups of the other strings of all of them.

    Example:
        >>> from qstore.circuit import X, Z
        >>> constants, groups = grouped([Z(0) + 2 * Z(1) + 3, X(0) @ Z(1)])
        >>> constants.tolist(), [group.basis for group in groups]
        ([3.0, 0.0], [{1: 'Z', 0: 'Z'}, {0: 'X', 1: 'Z'}])
    """
    constants = np.zeros(len(observables))
    entries = []
    for number, observable in enumerate(observables):
        for term in observable.terms:
            if term.x_mask | term.z_mask:
                entries.append((number, term))
            else:
                constants[number] += term.coefficient
    groups: list[MeasuredGroup] = []
    # Heavy terms first: they found the groups, light ones join where they fit. Ties by the masks, for repeatability.
    for number, term in sorted(
        entries, key=lambda e: (-abs(e[1].coefficient), e[1].x_mask, e[1].z_mask, e[0])
    ):
        _place(groups, number, term)
    return constants, groups


def in_basis(circuit: Template, basis: Mapping[int, str]) -> Template:
    """The circuit, followed by the gates after which measuring Z measures `basis`."""
    changes = [Operation(gate, (q,)) for q, letter in sorted(basis.items()) for gate in _BASIS_CHANGE[letter]]
    return Template(circuit.n_qubits, (*circuit.operations, *changes)) if changes else circuit


def _place(groups: list[MeasuredGroup], number: int, term: PauliTerm) -> None:
    letters = dict(term.letters)
    row = (number, term.x_mask | term.z_mask, term.coefficient)
    for group in groups:
        if all(group.basis.get(qubit, letter) == letter for qubit, letter in letters.items()):
            group.basis.update(letters)
            group.terms.append(row)
            return
    groups.append(MeasuredGroup(letters, [row]))
