# SPDX-License-Identifier: Apache-2.0
"""Exact gradients from shifted circuits, on any backend, with shots or without.

Angles: with base frequency w and R frequencies w, 2 w .. R w in an angle, the derivative is
    w * sum over m = 1 .. 2 R of (-1)**(m - 1) / (4 R sin(x_m / 2)**2) * f(angle + x_m / w),  x_m = (2 m - 1) pi / (2 R):
two terms for R = 1, four for R = 2. Each occurrence of a parameter is shifted by itself.
Source: Wierichs et al., Quantum 6, 677 (2022), eq. 16.

Initial amplitudes: f is a quadratic form F of the unit vector a, so for any step s
    dF/da_j = (F(a + s e_j) - F(a - s e_j)) / (2 s)  exactly,  with F(v) = |v|**2 f(v / |v|);
the gradient of x is that of a = x/|x|, projected and divided by |x|.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.batch.streams import derived_keys
from qstore.circuit import Amplitudes, ShiftRule
from qstore.errors import BindingError
from qstore.gradients.linear import linear_cotangent, linear_outputs, original_result
from qstore.gradients.slots import SLOTS, Preparation, SlotTemplate, slot_template
from qstore.plugins import Gradients

__all__ = ["ParameterShift"]

Array = NDArray[np.float64]
AMPLITUDE_STEP = 0.5
"""Any value but 1 works; 1 could meet a unit vector and leave nothing."""


class ParameterShift:
    """Two- and four-term parameter-shift rules, and their counterpart for initial amplitudes."""

    def expand(
        self,
        batch: CircuitBatch,
        *,
        wrt: Collection[str],
        step: int = 0,  # noqa: ARG002  # the contract has it
    ) -> tuple[CircuitBatch, ...]:
        """The batch itself, then one batch with all shifted angles, then two per amplitude parameter.

        Raises:
            CapabilityError: the output has no shift rule.
        """
        slots = slot_template(batch.circuit)
        plain = batch.replace(outputs=linear_outputs(batch.outputs))
        shifted = [_shifted_angles(plain, slots, wrt)] if slots.trainable(wrt) else []
        amplitudes = [_shifted_amplitudes(plain, slots, number, part) for number, part in _parts(slots, wrt)]
        return (plain, *shifted, *amplitudes)

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int = 0,  # noqa: ARG002  # as above
    ) -> tuple[BatchResult, Gradients]:  # fmt: skip
        """The values and the gradients."""
        slots = slot_template(batch.circuit)
        remaining = iter(results)
        plain = next(remaining)
        weights = linear_cotangent(batch, plain, cotangent)
        gradients: dict[str, Array] = {}
        trainable = slots.trainable(wrt)
        if trainable:
            per_slot = np.zeros((batch.size, len(slots.rules)))
            scalars = _contracted(next(remaining), weights)
            position = 0
            for number in trainable:
                _, factors = _shifts(slots.rules[number])
                per_slot[:, number] = factors @ scalars[position : position + len(factors)]
                position += len(factors)
            gradients.update(slots.pull_back(batch, per_slot, wrt))
        value = _contracted(plain, weights)[0]
        for number, part in _parts(slots, wrt):
            scalars = _contracted(next(remaining), weights)
            source = slots.preparations[number].source
            name = source.parameters[part].name
            gradient = _amplitude_gradient(batch, source, name, value, scalars)
            gradients[name] = gradients[name] + gradient if name in gradients else gradient
        for name in wrt:
            if name not in gradients:
                gradients[name] = np.zeros_like(batch.bindings[name])
        return original_result(batch, plain), gradients


def _shifts(rule: ShiftRule) -> tuple[Array, Array]:
    """Shifts and factors of a rule, (2 R,) each."""
    frequency, order = rule
    points = (2 * np.arange(1, 2 * order + 1) - 1) * math.pi / (2 * order)
    signs = (-1.0) ** np.arange(2 * order)
    return points / frequency, frequency * signs / (4 * order * np.sin(points / 2) ** 2)


def _contracted(result: BatchResult, weights: Array) -> Array:
    """sum(cotangent * values) for each of the stacked shifts and each row, (shifts, B)."""
    assert result.values is not None
    values = result.values.reshape(-1, *weights.shape)
    scalars: Array = np.einsum("sbk,bk->sb", values, weights)
    return scalars


def _shifted_angles(batch: CircuitBatch, slots: SlotTemplate, wrt: Collection[str]) -> CircuitBatch:
    """Rows are ordered shift by shift, the batch's own rows inside: row = shift * B + sample."""
    angles = slots.angles(batch)
    moves = [(number, shift) for number in slots.trainable(wrt) for shift in _shifts(slots.rules[number])[0]]
    stacked = np.broadcast_to(angles, (len(moves), *angles.shape)).copy()
    for index, (number, shift) in enumerate(moves):
        stacked[index, :, number] += shift
    bindings = {SLOTS: stacked.reshape(-1, angles.shape[1])}
    for preparation in slots.preparations:
        bindings |= _repeated(batch, preparation, len(moves))
    return batch.replace(circuit=slots.template, bindings=bindings, **_keys(batch, len(moves), first=0))


def _shifted_amplitudes(batch: CircuitBatch, slots: SlotTemplate, number: int, part: int) -> CircuitBatch:
    """Rows: for each sign and amplitude j, the batch's rows with s e_j added to one part of the normalised vector."""
    source, slot = slots.preparations[number]
    norms, arrays = _norms(batch, source)
    size = source.parameters[part].size
    bindings: dict[str, Array] = {}
    for position, (old, new) in enumerate(zip(source.parameters, slot.parameters, strict=True)):
        unit = arrays[old.name] / norms[:, None]
        stacked = np.broadcast_to(unit, (2, size, *unit.shape)).copy()
        if position == part:
            entries = np.arange(size)
            stacked[0, entries, :, entries] += AMPLITUDE_STEP
            stacked[1, entries, :, entries] -= AMPLITUDE_STEP
        bindings[new.name] = stacked.reshape(-1, size)
    if slots.rules:
        angles = slots.angles(batch)
        bindings[SLOTS] = np.broadcast_to(angles, (2 * size, *angles.shape)).reshape(-1, angles.shape[1])
    for other in slots.preparations:
        if other.slot is not slot:
            bindings |= _repeated(batch, other, 2 * size)
    # Far from the numbers of the shifted angles, so that no two circuits of a row share a key.
    first = (1 + 2 * number + part) << 32
    return batch.replace(circuit=slots.template, bindings=bindings, **_keys(batch, 2 * size, first=first))


def _amplitude_gradient(
    batch: CircuitBatch, source: Amplitudes, part: str, value: Array, scalars: Array
) -> Array:
    """The gradient of one part of x; `value` is F(a) of each row, (B,), `scalars` belong to `_shifted_amplitudes`."""
    norms, arrays = _norms(batch, source)
    size = arrays[part].shape[1]
    entries = arrays[part] / norms[:, None]
    steps = np.array([AMPLITUDE_STEP, -AMPLITUDE_STEP])[:, None, None]
    squared_norms = 1 + 2 * steps * entries.T + steps**2
    plus, minus = squared_norms * scalars.reshape(2, size, batch.size)
    quadratic = ((plus - minus) / (2 * AMPLITUDE_STEP)).T
    # The derivative along a itself, over both parts, is 2 F(a): the projection takes this part's share away.
    gradient: Array = (quadratic - 2 * value[:, None] * entries) / norms[:, None]
    return gradient if part in batch.per_sample else gradient.sum(axis=0)


def _norms(batch: CircuitBatch, source: Amplitudes) -> tuple[Array, dict[str, Array]]:
    """|x| of each row, (B,), and each part of x, (B, 2**k)."""
    arrays = {}
    for parameter in source.parameters:
        given = batch.bindings[parameter.name]
        arrays[parameter.name] = np.broadcast_to(given, (batch.size, parameter.size))
    norms: Array = np.sqrt(np.sum([(array**2).sum(axis=1) for array in arrays.values()], axis=0))
    if not norms.all():
        names = " and ".join(map(repr, arrays))
        raise BindingError(
            f"Row {int(norms.argmin())} of {names} is zero: it has no direction to prepare a state from."
        )
    return norms, arrays


def _parts(slots: SlotTemplate, wrt: Collection[str]) -> list[tuple[int, int]]:
    """The (preparation, part) pairs that read a parameter of `wrt`; part 0 is the real one."""
    return [(number, part) for number, (source, _) in enumerate(slots.preparations)
            for part, parameter in enumerate(source.parameters) if parameter.name in wrt]  # fmt: skip


def _repeated(batch: CircuitBatch, preparation: Preparation, times: int) -> dict[str, Array]:
    repeated = {}
    for old, new in zip(preparation.source.parameters, preparation.slot.parameters, strict=True):
        array = batch.bindings[old.name]
        repeated[new.name] = np.tile(array, (times, 1)) if old.name in batch.per_sample else array
    return repeated


def _keys(batch: CircuitBatch, copies: int, *, first: int) -> dict[str, Any]:
    if batch.shots is None:
        return {}
    return {
        "_keys": np.concatenate([derived_keys(batch.stream_keys, first + index) for index in range(copies)])
    }
