# SPDX-License-Identifier: Apache-2.0
"""Exact gradients from shifted circuits, on any backend, with shots or without.

With base frequency w and R frequencies w, 2 w .. R w in an angle, the derivative is
    w * sum over m = 1 .. 2 R of (-1)**(m - 1) / (4 R sin(x_m / 2)**2) * f(angle + x_m / w),  x_m = (2 m - 1) pi / (2 R):
two circuits for R = 1, four for R = 2. Each occurrence of a parameter is shifted by itself (the product rule), so an
entry that occurs m times takes 2 R m circuits. Initial amplitudes: see `amplitude_shift`.
Source: Wierichs et al., Quantum 6, 677 (2022), eq. 16.

Standard errors: all circuits are measured independently, so variances add up, with the squares of the factors above and
of the coefficients with which the occurrences enter a parameter. For expectations and probabilities the batch's own
values do not enter an angle's gradient; for a variance <O**2> - <O>**2 they do, by the factor -2 <O>, in all shifts at
once, and that share is propagated to first order.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Variance
from qstore.circuit import ShiftRule
from qstore.gradients.amplitude_shift import (
    amplitude_gradient,
    parts_of,
    repeated_preparation,
    shifted_amplitudes,
)
from qstore.gradients.copies import copied_keys, error_notes, roots
from qstore.gradients.linear import linear_cotangent, linear_outputs, original_result
from qstore.gradients.sampled import combination_variance
from qstore.gradients.slots import SLOTS, SlotTemplate, slot_template
from qstore.plugins import GradientResult

__all__ = ["Noise", "ParameterShift", "shift_noise"]

Array = NDArray[np.float64]


class Noise(NamedTuple):
    """Where the shot noise of the angles' gradients comes from.

    Attributes:
        slots: variance of each slot's derivative in each row, (B, n_slots), independent of each other.
        plain: derivatives of each slot's derivative by the batch's own linear values, (B, n_slots, K), for a variance;
            None where these values do not enter.
    """

    slots: Array
    plain: Array | None


class ParameterShift:
    """Two- and four-term parameter-shift rules, and their counterpart for initial amplitudes."""

    def check(self, batch: CircuitBatch) -> None:
        """Refuse outputs that are not real numbers with a derivative.

        Raises:
            CapabilityError: it is such an output.
        """
        linear_outputs(batch.outputs)

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
        amplitudes = [shifted_amplitudes(plain, slots, number, part) for number, part in parts_of(slots, wrt)]
        return (plain, *shifted, *amplitudes)

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int = 0,  # noqa: ARG002  # as above
    ) -> GradientResult:  # fmt: skip
        """The values, the gradients and what the shots leave open."""
        slots = slot_template(batch.circuit)
        plain = results[0]
        weights = linear_cotangent(batch, plain, cotangent)
        sums = _Sums(batch, plain, weights, wrt)
        position = 1
        trainable = slots.trainable(wrt)
        if trainable:
            per_slot = np.zeros((batch.size, len(slots.rules)))
            values = _values(results[1], weights)
            for number, factors, rows in _uses(slots, trainable):
                per_slot[:, number] = factors @ np.einsum("sbk,bk->sb", values[rows], weights)
            noise = shift_noise(batch, results, weights, wrt)
            for name in dict.fromkeys(wrt):
                sums.add_angles(name, slots, per_slot, noise)
            position = 2
        for (number, part), result in zip(parts_of(slots, wrt), results[position:], strict=True):
            name = slots.preparations[number].source.parameters[part].name
            sums.add_amplitudes(name, number, slots, result)
        return sums.result(results)

    def __repr__(self) -> str:
        return "ParameterShift()"


class _Sums:
    """Gradients and variances per row, (B, entries) by parameter name, as the sources add up."""

    def __init__(self, batch: CircuitBatch, plain: BatchResult, weights: Array, wrt: Collection[str]) -> None:
        self._batch, self._plain, self._weights = batch, plain, weights
        self._size = {
            name: batch.bindings[name].size // (batch.size if name in batch.per_sample else 1) for name in wrt
        }
        self._rows = {name: np.zeros((batch.size, size)) for name, size in self._size.items()}
        self._variances = {name: np.zeros((batch.size, size)) for name, size in self._size.items()}
        self._sensitive: dict[str, Array] = {}
        self._random = False

    def add_angles(self, name: str, slots: SlotTemplate, per_slot: Array, noise: Noise | None) -> None:
        size = self._size[name]
        self._rows[name] += slots.to_rows(name, size, per_slot)
        if noise is None:
            return
        self._random = True
        self._variances[name] += slots.to_rows(name, size, noise.slots, power=2)
        if noise.plain is not None:
            self._sense(name, slots.to_rows(name, size, noise.plain.swapaxes(1, 2)).transpose(2, 0, 1))

    def add_amplitudes(self, name: str, number: int, slots: SlotTemplate, result: BatchResult) -> None:
        source = slots.preparations[number].source
        made = amplitude_gradient(self._batch, source, name, self._plain, result, self._weights)
        self._rows[name] += made.gradient
        if made.variance is not None:
            self._random = True
            self._variances[name] += made.variance
            self._sense(name, made.plain)

    def result(self, results: Sequence[BatchResult]) -> GradientResult:
        for name, sensitive in self._sensitive.items():
            spread = combination_variance(self._plain, linear_outputs(self._batch.outputs), sensitive)
            if spread is not None:
                self._variances[name] += spread.T
        gradients = {name: self._shaped(name, rows) for name, rows in self._rows.items()}
        random = self._random or self._plain.standard_errors is not None
        variances = {name: self._shaped(name, rows) for name, rows in self._variances.items()}
        return GradientResult(
            original_result(self._batch, self._plain),
            gradients,
            roots(variances) if random else None,
            error_notes(self._batch, results if self._sensitive else results[1:]),
        )

    def _sense(self, name: str, plain: Array) -> None:
        self._sensitive[name] = self._sensitive[name] + plain if name in self._sensitive else plain

    def _shaped(self, name: str, rows: Array) -> Array:
        sums = rows if name in self._batch.per_sample else rows.sum(axis=0)
        return sums.reshape(self._batch.bindings[name].shape)


def shift_noise(
    batch: CircuitBatch, results: Sequence[BatchResult], weights: Array, wrt: Collection[str]
) -> Noise | None:
    """The shot noise of the slots' derivatives; None for exact results. `weights` (B, K) is the linear cotangent."""
    slots = slot_template(batch.circuit)
    trainable = slots.trainable(wrt)
    shifted = results[1]
    copies = _values(shifted, weights).shape[0]
    spread = combination_variance(shifted, linear_outputs(batch.outputs), np.tile(weights, (copies, 1))[None])
    if spread is None:
        return None
    per_copy = spread.reshape(copies, batch.size)
    variances = np.zeros((batch.size, len(slots.rules)))
    plain = None
    if isinstance(batch.outputs, Variance):
        plain = np.zeros((batch.size, len(slots.rules), weights.shape[1]))
    for number, factors, rows in _uses(slots, trainable):
        variances[:, number] = factors**2 @ per_copy[rows]
        if plain is not None:
            # Of the linear cotangent only the first half, -2 <O> c, depends on the batch's own values.
            half = weights.shape[1] // 2
            slopes = np.einsum("s,sbk->bk", factors, _values(shifted, weights)[rows, :, :half])
            plain[:, number, :half] = -2 * weights[:, half:] * slopes
    return Noise(variances, plain)


def _uses(slots: SlotTemplate, trainable: Sequence[int]) -> list[tuple[int, Array, slice]]:
    """For each slot: its number, the factors of its rule and which of the stacked shifts are its."""
    uses, position = [], 0
    for number in trainable:
        factors = _shifts(slots.rules[number])[1]
        uses.append((number, factors, slice(position, position + len(factors))))
        position += len(factors)
    return uses


def _shifts(rule: ShiftRule) -> tuple[Array, Array]:
    """Shifts and factors of a rule, (2 R,) each."""
    frequency, order = rule
    points = (2 * np.arange(1, 2 * order + 1) - 1) * math.pi / (2 * order)
    signs = (-1.0) ** np.arange(2 * order)
    return points / frequency, frequency * signs / (4 * order * np.sin(points / 2) ** 2)


def _values(result: BatchResult, weights: Array) -> Array:
    """The values of the stacked shifts, (shifts, B, K)."""
    assert result.values is not None
    return result.values.reshape(-1, *weights.shape)


def _shifted_angles(batch: CircuitBatch, slots: SlotTemplate, wrt: Collection[str]) -> CircuitBatch:
    """Rows are ordered shift by shift, the batch's own rows inside: row = shift * B + sample."""
    angles = slots.angles(batch)
    moves = [(number, shift) for number in slots.trainable(wrt) for shift in _shifts(slots.rules[number])[0]]
    stacked = np.broadcast_to(angles, (len(moves), *angles.shape)).copy()
    for index, (number, shift) in enumerate(moves):
        stacked[index, :, number] += shift
    bindings = {SLOTS: stacked.reshape(-1, angles.shape[1])}
    for preparation in slots.preparations:
        bindings |= repeated_preparation(batch, preparation, len(moves))
    return batch.replace(circuit=slots.template, bindings=bindings, **copied_keys(batch, len(moves), first=0))
