# SPDX-License-Identifier: Apache-2.0
"""Generators of gates, and the layers of a circuit in which they commute; what the metric of `natural` is made of.

A gate exp(-i t K) has the generator K, here as an observable without its constant, which no covariance sees. Gates with
several angles, or with an angle that turns the generator itself, are decomposed first: then every angle has a constant
generator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

from qstore.circuit import Observable, Operation, Template, X, Y, Z
from qstore.circuit.transform import decompose

__all__ = ["GENERATORS", "GeneratorLayer", "generator_layers"]

GENERATORS: dict[str, Callable[..., Observable]] = {
    "rx": lambda q: 0.5 * X(q),
    "ry": lambda q: 0.5 * Y(q),
    "rz": lambda q: 0.5 * Z(q),
    "p": lambda q: 0.5 * Z(q),
    "crx": lambda c, q: 0.25 * X(q) - 0.25 * Z(c) @ X(q),
    "cry": lambda c, q: 0.25 * Y(q) - 0.25 * Z(c) @ Y(q),
    "crz": lambda c, q: 0.25 * Z(q) - 0.25 * Z(c) @ Z(q),
    "cp": lambda a, b: 0.25 * Z(a) + 0.25 * Z(b) - 0.25 * Z(a) @ Z(b),
    "rxx": lambda a, b: 0.5 * X(a) @ X(b),
    "ryy": lambda a, b: 0.5 * Y(a) @ Y(b),
    "rzz": lambda a, b: 0.5 * Z(a) @ Z(b),
    "zz": lambda a, b: 0.5 * Z(a) @ Z(b),
}
"""The generator of each gate with one constant one, on the gate's qubits."""


@dataclass(frozen=True, slots=True, eq=False)
class GeneratorLayer:
    """Gates that commute and act, one after the other, on one state.

    Attributes:
        before: the circuit that prepares this state.
        slots: number of the slot of each gate's angle, in the decomposed circuit.
        generators: of each gate.
        products: of each pair of generators, row by row of the upper triangle.
    """

    before: Template
    slots: tuple[int, ...]
    generators: tuple[Observable, ...]
    products: tuple[Observable, ...]


@lru_cache(maxsize=64)
def generator_layers(circuit: Template, names: frozenset[str]) -> tuple[Template, tuple[GeneratorLayer, ...]]:
    """The circuit with constant generators, and the layers of its gates that depend on any of the named parameters.

    Layers are as long as possible: an operation joins, or moves in front of, a layer when it commutes with everything
    since the layer began, by the table's `bases` on the qubits they share.
    """
    plain = Template(circuit.n_qubits, [part for op in circuit.operations for part in _parts(op, names)])
    layers: list[GeneratorLayer] = []
    front: list[Operation] = []
    window: list[Operation] = []
    members: list[tuple[int, Operation]] = []
    slot = -1
    for op in plain.operations:
        slots = [slot + 1 + index for index in range(sum(not angle.is_constant for angle in op.angles))]
        slot += len(slots)
        free = all(_commute(op, other) for other in window)
        if not _depends(op, names):
            (front if free else window).append(op)
            continue
        if not free:
            layers.append(_layer(circuit.n_qubits, front, members))
            front, window, members = [*front, *window], [], []
        window.append(op)
        members.append((slots[0], op))
    if members:
        layers.append(_layer(circuit.n_qubits, front, members))
    return plain, tuple(layers)


def _layer(n_qubits: int, front: list[Operation], members: list[tuple[int, Operation]]) -> GeneratorLayer:
    generators = [GENERATORS[op.gate](*op.qubits) for _, op in members]
    products = [left @ right for index, left in enumerate(generators) for right in generators[index:]]
    return GeneratorLayer(
        Template(n_qubits, front), tuple(slot for slot, _ in members), tuple(generators), tuple(products)
    )


def _parts(op: Operation, names: Collection[str]) -> tuple[Operation, ...]:
    if not _depends(op, names) or op.gate in GENERATORS:
        return (op,)
    return tuple(part for step in decompose(op) for part in _parts(step, names))


def _depends(op: Operation, names: Collection[str]) -> bool:
    return any(term.parameter.name in names for angle in op.angles for term in angle.terms)


def _commute(first: Operation, second: Operation) -> bool:
    """Whether the table says so: on every shared qubit both commute with the same Pauli."""
    return all(
        _basis(first, qubit) and _basis(first, qubit) == _basis(second, qubit)
        for qubit in set(first.qubits) & set(second.qubits)
    )


def _basis(op: Operation, qubit: int) -> str:
    bases = op.spec.bases
    return bases[op.qubits.index(qubit)] if bases else ""
