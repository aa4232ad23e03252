# SPDX-License-Identifier: Apache-2.0
"""A template in the gates of one library, with numbered symbols for its angles: converted once, bound as arrays.

Every angle that depends on a parameter is a *slot*. The library's circuit has one plain symbol per slot, and the values
of all slots for all rows come from the core's binding map as one array, so no symbolic arithmetic is left to the library.
Gates that the library does not have become matrices where their angles are constant, and otherwise the gates of their
row's decomposition, which keeps the global phase.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle, BindingMap, GateKind, Operation, Parameter, Template, decompose
from qstore.circuit.angles import as_angle
from qstore_sim.preparation import start_amplitudes

Floats = NDArray[np.float64]
Bindings = Mapping[str, Floats]

__all__ = ["SlottedCircuit", "with_constant_channels"]


class SlottedCircuit:
    """A template without its `initialize` operations, in a library's own gates.

    Args:
        template: the circuit.
        natives: names of the gate table that the library has with symbolic angles; "unitary" for matrices and "kraus"
            for channels stand for themselves.

    Attributes:
        n_qubits: of the circuit.
        starts: the `initialize` operations.
        operations: everything else.
        n_slots: how many angles depend on parameters, S.
        template: the operations with the entries of one parameter "slots" of shape (S,) for angles, for converters.
    """

    def __init__(self, template: Template, natives: Collection[str]) -> None:
        self.n_qubits = template.n_qubits
        self.starts = tuple(op for op in template.operations if op.gate == "initialize")
        rest = (op for op in template.operations if op.gate != "initialize")
        self.operations = tuple(made for op in rest for made in _in_terms_of(op, natives))
        self._map = BindingMap(Template(template.n_qubits, self.operations))
        self.n_slots = len(self._map.slots)

    @property
    def template(self) -> Template:
        slots = Parameter("slots", (max(1, self.n_slots),))
        symbols = [slots[k] for k in range(self.n_slots)]
        return Template(
            self.n_qubits,
            (replace(op, angles=tuple(map(as_angle, angles))) for op, angles in self.steps(symbols)),
        )

    def angles(self, bindings: Bindings, per_sample: frozenset[str], size: int) -> Floats:
        """The angles of all rows, (size, S) float64, radians."""
        plan = self._map.plan(per_sample)
        shared, sample = plan.evaluate(bindings, size)
        angles = np.empty((size, self.n_slots))
        angles[:, plan.shared_slots] = shared
        angles[:, plan.sample_slots] = sample
        return angles

    def pull_back(
        self, gradient: Floats, bindings: Bindings, per_sample: frozenset[str], wanted: Collection[str]
    ) -> dict[str, Floats]:
        """Gradients of the parameters in `wanted`, shaped like their bindings, from those of the angles (size, S)."""
        plan = self._map.plan(per_sample)
        found = plan.pull_back(
            gradient[:, plan.shared_slots].sum(axis=0), gradient[:, plan.sample_slots], wanted
        )
        for name in wanted:
            found.setdefault(name, np.zeros(bindings[name].shape))
        return found

    def start(self, bindings: Bindings) -> NDArray[np.complex128] | None:
        """What the `initialize` operations prepare, (rows or 1, 2**n); None where there are none."""
        return start_amplitudes(self.starts, self.n_qubits, bindings) if self.starts else None

    def steps(self, symbols: Sequence[Any]) -> Iterator[tuple[Operation, tuple[Any, ...]]]:
        """Each operation with its angles: numbers, and `symbols[k]` for slot k."""
        slot = iter(range(self.n_slots))
        for op in self.operations:
            yield op, tuple(a.constant if a.is_constant else symbols[next(slot)] for a in op.angles)


def with_constant_channels(template: Template, bindings: Bindings) -> Template:
    """The template with the strengths of its channels taken from one row's bindings: libraries want them as numbers."""
    operations = [
        replace(op, angles=tuple(Angle(constant=a.value(bindings)) for a in op.angles))
        if op.spec.kind is GateKind.CHANNEL
        else op
        for op in template.operations
    ]
    return Template(template.n_qubits, operations)


def _in_terms_of(op: Operation, natives: Collection[str]) -> Iterator[Operation]:
    if op.gate in natives or op.spec.kind is not GateKind.UNITARY or op.gate == "unitary":
        yield op
    elif all(angle.is_constant for angle in op.angles):
        yield Operation("unitary", op.qubits, unitary=tuple(complex(entry) for entry in op.matrix().ravel()))
    else:
        for step in decompose(op):
            yield from _in_terms_of(step, natives)
