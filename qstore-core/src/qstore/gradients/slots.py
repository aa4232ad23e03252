# SPDX-License-Identifier: Apache-2.0
"""A circuit with one parameter entry per angle occurrence, so that each occurrence can be shifted by itself.

`w[0]` may enter a circuit in ten places. The product rule shifts each place alone; so the shifted circuits are rows
of one batch of the *slot template*, whose only angle parameter holds the angles themselves. The same goes for the
amplitudes of an `initialize`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch
from qstore.circuit import Amplitudes, Angle, BindingMap, Operation, Parameter, ShiftRule, Template, Term

__all__ = ["SLOTS", "SlotTemplate", "slot_template"]

SLOTS = "angle slots"
"""Name of the parameter that holds the angles."""


class Preparation(NamedTuple):
    """An `initialize`: the parameters it reads in the user's circuit, and those it reads in the slot template."""

    source: Amplitudes
    slot: Amplitudes


@dataclass(frozen=True, slots=True, eq=False)
class SlotTemplate:
    """A template in slot form.

    Attributes:
        template: reads its angles from the parameter `SLOTS` of shape (n_slots,), amplitudes from parameters that
            each `initialize` has for itself.
        binding_map: from the user's bindings to the slots.
        rules: the shift rule of each slot.
        preparations: every `initialize` that reads parameters.
    """

    template: Template
    binding_map: BindingMap
    rules: tuple[ShiftRule, ...]
    preparations: tuple[Preparation, ...]

    def angles(self, batch: CircuitBatch) -> NDArray[np.float64]:
        """The angles of every row, (B, n_slots)."""
        plan = self.binding_map.plan(batch.per_sample)
        shared, sample = plan.evaluate(batch.bindings, batch.size)
        angles = np.empty((batch.size, len(self.rules)))
        angles[:, plan.shared_slots] = shared
        angles[:, plan.sample_slots] = sample
        return angles

    def pull_back(
        self, batch: CircuitBatch, gradient: NDArray[np.float64], wrt: Collection[str]
    ) -> dict[str, NDArray[np.float64]]:
        """Gradients of the user's parameters from those of the slots of every row, (B, n_slots)."""
        plan = self.binding_map.plan(batch.per_sample)
        return plan.pull_back(gradient[:, plan.shared_slots].sum(axis=0), gradient[:, plan.sample_slots], wrt)

    def entries(self, name: str) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """How a parameter enters the slots: slot, entry and coefficient of each of its terms, (T,) each."""
        found = [(number, term.entry, term.coefficient) for number, slot in enumerate(self.binding_map.slots)
                 for term in slot.angle.terms if term.parameter.name == name]  # fmt: skip
        slots, entries, coefficients = zip(*found, strict=True) if found else ((), (), ())
        return np.array(slots, dtype=np.intp), np.array(entries, dtype=np.intp), np.array(coefficients)

    def to_rows(
        self, name: str, size: int, per_slot: NDArray[np.float64], power: int = 1
    ) -> NDArray[np.float64]:
        """What reaches each entry of a parameter in every row, before shared rows are added up: (..., size).

        Args:
            name: the parameter.
            size: its number of entries.
            per_slot: (..., n_slots).
            power: of the coefficients; 1 for derivatives, 2 for variances of slots that are independent.
        """
        slots, entries, coefficients = self.entries(name)
        rows = np.zeros((*per_slot.shape[:-1], size))
        np.add.at(
            np.moveaxis(rows, -1, 0), entries, np.moveaxis(per_slot[..., slots] * coefficients**power, -1, 0)
        )
        return rows

    def trainable(self, wrt: Collection[str]) -> list[int]:
        """The slots that depend on any of these parameters."""
        return [number for number, slot in enumerate(self.binding_map.slots)
                if any(term.parameter.name in wrt for term in slot.angle.terms)]  # fmt: skip


@lru_cache(maxsize=64)
def slot_template(circuit: Template) -> SlotTemplate:
    """The slot form of a template."""
    binding_map = BindingMap(circuit)
    parameter = Parameter(SLOTS, (max(len(binding_map.slots), 1),))
    operations: list[Operation] = list(circuit.operations)
    rules = []
    for number, (index, position, _) in enumerate(binding_map.slots):
        op = operations[index]
        angles = list(op.angles)
        angles[position] = Angle((Term(parameter, number, 1.0),))
        operations[index] = replace(op, angles=tuple(angles))
        rules.append(op.spec.shift_rules[position])
    preparations = []
    for index, op in enumerate(operations):
        if op.amplitudes is not None and op.amplitudes.parameters:
            own = (Parameter(f"amplitudes {index} {part}", p.shape)
                   for part, p in zip(("real", "imag"), op.amplitudes.parameters, strict=False))  # fmt: skip
            slot = Amplitudes((), *own)
            operations[index] = replace(op, amplitudes=slot)
            preparations.append(Preparation(op.amplitudes, slot))
    return SlotTemplate(
        Template(circuit.n_qubits, operations), binding_map, tuple(rules), tuple(preparations)
    )
