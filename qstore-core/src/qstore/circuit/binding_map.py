# SPDX-License-Identifier: Apache-2.0
"""From bindings to a circuit's angles and back: the affine map, vectorised over the batch, with its VJP.

Every angle occurrence that depends on a parameter is a *slot*, numbered in the order of the operations. A slot is
per sample as soon as one of its parameters is, and shared otherwise. Bindings have exactly the parameter's shape
(shared) or one more leading axis (per sample). Initial amplitudes are no angles and do not pass through here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.angles import Angle, Parameter
from qstore.circuit.view import CircuitView

__all__ = ["AnglePlan", "BindingMap", "Slot"]

Array = NDArray[np.float64]


class Slot(NamedTuple):
    """Where an angle stands: position of the operation, of the angle in it, and the expression."""

    operation: int
    position: int
    angle: Angle


class _Terms(NamedTuple):
    """All terms of one parameter in one group of slots: `angles[slots] += coefficients * flat[entries]`."""

    parameter: Parameter
    slots: NDArray[np.intp]
    entries: NDArray[np.intp]
    coefficients: Array
    distinct_slots: bool
    distinct_entries: bool


@dataclass(frozen=True, slots=True, eq=False)
class AnglePlan:
    """The binding map for one choice of which parameters are per sample.

    Attributes:
        shared_slots: numbers of the slots that are shared, in order; (S,).
        sample_slots: numbers of the slots that are per sample, in order; (P,).
    """

    shared_slots: NDArray[np.intp]
    sample_slots: NDArray[np.intp]
    _shared: tuple[_Terms, ...]
    _sample: tuple[_Terms, ...]
    _shared_constants: Array
    _sample_constants: Array
    _per_sample: frozenset[str]

    def evaluate(self, bindings: Mapping[str, Array], size: int) -> tuple[Array, Array]:
        """The angles for a batch of `size` rows: shared (S,) and per sample (size, P), radians."""
        shared = self._shared_constants.copy()
        for terms in self._shared:
            _accumulate(shared, terms, bindings[terms.parameter.name].reshape(-1))
        sample = np.empty((size, len(self.sample_slots)))
        sample[:] = self._sample_constants
        for terms in self._sample:
            flat = bindings[terms.parameter.name]
            per_sample = terms.parameter.name in self._per_sample
            _accumulate(sample, terms, flat.reshape(size, -1) if per_sample else flat.reshape(-1))
        return shared, sample

    def pull_back(self, shared: Array, sample: Array, wrt: Collection[str]) -> dict[str, Array]:
        """Gradients of the parameters named in `wrt` from those of the angles.

        Shapes: `shared` (S,), `sample` (size, P); the result is shaped like the bindings: the parameter's shape for a
        shared one (summed over the batch), with a leading batch axis for a per-sample one.
        """
        size = len(sample)
        result: dict[str, Array] = {}
        for group, cotangent in ((self._shared, shared), (self._sample, sample)):
            for terms in group:
                parameter = terms.parameter
                if parameter.name not in wrt:
                    continue
                per_sample = parameter.name in self._per_sample
                lead = (size,) if per_sample else ()
                grad = result.setdefault(parameter.name, np.zeros((*lead, parameter.size)))
                if cotangent.ndim == 2 and not per_sample:
                    _scatter(grad, terms, cotangent.sum(axis=0))
                else:
                    _scatter(grad, terms, cotangent)
        return {name: grad.reshape((*grad.shape[:-1], *self._shape(name))) for name, grad in result.items()}

    def _shape(self, name: str) -> tuple[int, ...]:
        return next(
            terms.parameter.shape for terms in (*self._shared, *self._sample) if terms.parameter.name == name
        )


class BindingMap:
    """The affine map of one circuit.

    Attributes:
        slots: every angle occurrence that depends on a parameter, in the order of the operations.
    """

    __slots__ = ("_plans", "slots")

    def __init__(self, circuit: CircuitView) -> None:
        self.slots = tuple(
            Slot(index, position, angle)
            for index, op in enumerate(circuit.operations)
            for position, angle in enumerate(op.angles)
            if not angle.is_constant
        )
        self._plans: dict[frozenset[str], AnglePlan] = {}

    def plan(self, per_sample: Collection[str]) -> AnglePlan:
        """The map for the given per-sample parameters; made once and kept."""
        used = {term.parameter.name for slot in self.slots for term in slot.angle.terms}
        key = frozenset(per_sample) & used
        if key not in self._plans:
            self._plans[key] = self._planned(key)
        return self._plans[key]

    def _planned(self, per_sample: frozenset[str]) -> AnglePlan:
        varies = [any(term.parameter.name in per_sample for term in slot.angle.terms) for slot in self.slots]
        shared = [number for number, sample in enumerate(varies) if not sample]
        sample = [number for number, sample in enumerate(varies) if sample]
        return AnglePlan(
            shared_slots=np.array(shared, dtype=np.intp),
            sample_slots=np.array(sample, dtype=np.intp),
            _shared=_gathered([self.slots[number].angle for number in shared]),
            _sample=_gathered([self.slots[number].angle for number in sample]),
            _shared_constants=np.array([self.slots[number].angle.constant for number in shared]),
            _sample_constants=np.array([self.slots[number].angle.constant for number in sample]),
            _per_sample=per_sample,
        )


def _gathered(angles: list[Angle]) -> tuple[_Terms, ...]:
    found: dict[Parameter, list[tuple[int, int, float]]] = {}
    for slot, angle in enumerate(angles):
        for parameter, entry, coefficient in angle.terms:
            found.setdefault(parameter, []).append((slot, entry, coefficient))
    gathered = []
    for parameter, terms in found.items():
        slots, entries, coefficients = zip(*terms, strict=True)
        gathered.append(
            _Terms(parameter, np.array(slots, dtype=np.intp), np.array(entries, dtype=np.intp),
                   np.array(coefficients), len(set(slots)) == len(slots), len(set(entries)) == len(entries))
        )  # fmt: skip
    return tuple(gathered)


def _accumulate(angles: Array, terms: _Terms, flat: Array) -> None:
    """angles[..., slots] += coefficients * flat[..., entries], slots that repeat added up."""
    values = flat[..., terms.entries] * terms.coefficients
    if terms.distinct_slots:
        angles[..., terms.slots] += values
    else:
        np.add.at(angles.T, terms.slots, values.T if values.ndim == angles.ndim else values[:, None])


def _scatter(grad: Array, terms: _Terms, cotangent: Array) -> None:
    """grad[..., entries] += coefficients * cotangent[..., slots], entries that repeat added up."""
    values = cotangent[..., terms.slots] * terms.coefficients
    if terms.distinct_entries:
        grad[..., terms.entries] += values
    elif values.ndim == 1:
        grad += np.bincount(terms.entries, weights=values, minlength=grad.shape[-1])
    else:
        np.add.at(grad.T, terms.entries, values.T)
