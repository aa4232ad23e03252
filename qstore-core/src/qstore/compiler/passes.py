# SPDX-License-Identifier: Apache-2.0
"""Passes for any hardware: merging, cancelling, dropping, and rewriting into a basis of gates."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from qstore.circuit import GateKind, Operation, Template, decompose
from qstore.errors import CompilationError

__all__ = ["CancelInverses", "DecomposeInto", "DropIdentities", "MergeRotations"]

_PERIODS = {"rx": 4 * math.pi, "ry": 4 * math.pi, "rz": 4 * math.pi, "p": 2 * math.pi, "rxx": 4 * math.pi,
            "ryy": 4 * math.pi, "rzz": 4 * math.pi, "zz": 4 * math.pi, "cp": 2 * math.pi, "crx": 4 * math.pi,
            "cry": 4 * math.pi, "crz": 4 * math.pi}  # fmt: skip
"""Gates with one angle that add up when they follow each other, and the angle after which they are the identity."""
_SYMMETRIC = {"rxx", "ryy", "rzz", "zz", "cp", "cz", "swap", "iswap"}


class MergeRotations:
    """Adds the angles of rotations about the same axis that meet, symbolic or not, and drops those that are zero."""

    name = "merge-rotations"

    def __call__(self, circuit: Template) -> Template:
        """The rewritten circuit."""
        kept: list[Operation | None] = []
        last: dict[int, int] = {}
        for op in circuit.operations:
            place = _meets(op, kept, last)
            other = kept[place] if place is not None else None
            if (
                other is not None
                and other.gate == op.gate
                and op.gate in _PERIODS
                and other.condition == op.condition
            ):
                angle = other.angles[0] + op.angles[0]
                kept[place] = Operation(op.gate, other.qubits, (angle,), condition=op.condition)  # type: ignore[index]
                continue
            last.update(dict.fromkeys(op.qubits, len(kept)))
            kept.append(op)
        return Template(circuit.n_qubits, _without_identities([op for op in kept if op is not None]))


class CancelInverses:
    """Drops neighbouring operations that undo each other, again and again until none are left."""

    name = "cancel-inverses"

    def __call__(self, circuit: Template) -> Template:
        """The rewritten circuit."""
        operations = list(circuit.operations)
        while True:
            kept: list[Operation | None] = []
            last: dict[int, int] = {}
            for op in operations:
                place = _meets(op, kept, last)
                other = kept[place] if place is not None else None
                if other is not None and _undo(other, op):
                    kept[place] = None  # type: ignore[index]
                    for qubit in op.qubits:
                        last.pop(qubit, None)
                    continue
                last.update(dict.fromkeys(op.qubits, len(kept)))
                kept.append(op)
            fewer = [op for op in kept if op is not None]
            if len(fewer) == len(operations):
                return Template(circuit.n_qubits, fewer)
            operations = fewer


class DropIdentities:
    """Drops identity gates and rotations by nothing."""

    name = "drop-identities"

    def __call__(self, circuit: Template) -> Template:
        """The rewritten circuit."""
        return Template(circuit.n_qubits, _without_identities(circuit.operations))


class DecomposeInto:
    """Rewrites every unitary of the gate table into the gates of a basis, by the table's decompositions.

    Args:
        basis: names of the gates that may stay; by default those that the table's decompositions end in.
    """

    def __init__(self, basis: Collection[str] = ("h", "p", "rx", "ry", "rz", "cx", "unitary")) -> None:
        self._basis = frozenset(basis)

    @property
    def name(self) -> str:
        """What reports and errors call it."""
        return f"decompose-into-{'-'.join(sorted(self._basis))}"

    def __call__(self, circuit: Template) -> Template:
        """The rewritten circuit.

        Raises:
            CompilationError: a gate has no decomposition into the basis.
        """
        return Template(circuit.n_qubits, [made for op in circuit.operations for made in self._parts(op)])

    def _parts(self, op: Operation) -> Iterator[Operation]:
        if op.gate in self._basis or op.spec.kind is not GateKind.UNITARY:
            yield op
            return
        parts = decompose(op)
        if parts == (op,):
            raise CompilationError(
                f"{op.gate!r} has no decomposition into {sorted(self._basis)}; add it to the basis, or h, p, rx, ry, rz, cx."
            )
        for part in parts:
            yield from self._parts(part)


def _meets(op: Operation, kept: list[Operation | None], last: dict[int, int]) -> int | None:
    """The place of the operation just before this one on all of its qubits, if it is one and acts on just these."""
    places = {last.get(q) for q in op.qubits}
    if len(places) != 1:
        return None
    place = places.pop()
    other = kept[place] if place is not None else None
    if other is None or op.bit is not None or other.bit is not None:
        return None
    same = other.qubits == op.qubits or (op.gate in _SYMMETRIC and set(other.qubits) == set(op.qubits))
    return place if same else None


def _undo(first: Operation, second: Operation) -> bool:
    if first.spec.kind is not GateKind.UNITARY or first.condition != second.condition or first.unitary:
        return False
    back = first.spec.inverse
    if back is None or back[0] != second.gate:
        return False
    if not first.angles:
        return not second.angles
    return first.gate in _PERIODS and first.angles[0].scaled(-1.0) == second.angles[0]


def _without_identities(operations: Collection[Operation]) -> list[Operation]:
    return [op for op in operations if not _is_identity(op)]


def _is_identity(op: Operation) -> bool:
    if op.gate == "i":
        return op.condition is None
    if op.gate not in _PERIODS or not op.angles[0].is_constant:
        return False
    return math.remainder(op.angles[0].constant, _PERIODS[op.gate]) == 0
