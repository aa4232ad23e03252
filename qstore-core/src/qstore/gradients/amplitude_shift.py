# SPDX-License-Identifier: Apache-2.0
"""The counterpart of parameter shift for initial amplitudes: exact differences of a quadratic form.

f is a quadratic form F of the unit vector a, so for any step s
    dF/da_j = (F(a + s e_j) - F(a - s e_j)) / (2 s)  exactly,  with F(v) = |v|**2 f(v / |v|);
the gradient of x is that of a = x/|x|, projected and divided by |x|. Two circuits per entry of the real and of the
imaginary part; the projection takes the value of f itself, from the batch's own circuit.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Variance
from qstore.circuit import Amplitudes
from qstore.errors import BindingError
from qstore.gradients.copies import copied_keys
from qstore.gradients.linear import linear_outputs
from qstore.gradients.sampled import combination_variance
from qstore.gradients.slots import SLOTS, Preparation, SlotTemplate

__all__ = [
    "AmplitudeGradient",
    "amplitude_gradient",
    "parts_of",
    "repeated_preparation",
    "shifted_amplitudes",
]

Array = NDArray[np.float64]
AMPLITUDE_STEP = 0.5
"""Any value but 1 works; 1 could meet a unit vector and leave nothing."""


class AmplitudeGradient(NamedTuple):
    """The gradient of one part of x per row, and where its shot noise comes from.

    Attributes:
        gradient: (B, entries).
        variance: by the moved circuits, (B, entries); None for exact results.
        plain: derivatives by the batch's own linear values, (entries, B, K).
    """

    gradient: Array
    variance: Array | None
    plain: Array


def shifted_amplitudes(batch: CircuitBatch, slots: SlotTemplate, number: int, part: int) -> CircuitBatch:
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
            bindings |= repeated_preparation(batch, other, 2 * size)
    # Far from the numbers of the shifted angles, so that no two circuits of a row share a key.
    first = (1 + 2 * number + part) << 32
    return batch.replace(
        circuit=slots.template, bindings=bindings, **copied_keys(batch, 2 * size, first=first)
    )


def amplitude_gradient(
    batch: CircuitBatch, source: Amplitudes, part: str, plain: BatchResult, moved: BatchResult, weights: Array
) -> AmplitudeGradient:
    """From the results of the batch itself and of `shifted_amplitudes`; `weights` (B, K) is the linear cotangent."""
    assert plain.values is not None
    assert moved.values is not None
    norms, arrays = _norms(batch, source)
    size = arrays[part].shape[1]
    entries = arrays[part] / norms[:, None]
    steps = np.array([AMPLITUDE_STEP, -AMPLITUDE_STEP])[:, None, None]
    squared_norms = 1 + 2 * steps * entries.T + steps**2
    shape = (2, size, *weights.shape)
    # Per linear value, for the noise of a variance's own cotangent is one per value.
    factors = squared_norms * np.sign(steps) / (2 * AMPLITUDE_STEP) / norms
    slopes = np.einsum("pjb,pjbk->jbk", factors, moved.values.reshape(shape))
    # The derivative along a itself, over both parts, is 2 F(a): the projection takes this part's share away.
    along = -2 * entries.T / norms
    slopes += along[:, :, None] * plain.values
    gradient = np.einsum("jbk,bk->bj", slopes, weights)
    sensitive = along[:, :, None] * weights
    if isinstance(batch.outputs, Variance):
        half = weights.shape[1] // 2
        sensitive[:, :, :half] += -2 * weights[:, half:] * slopes[:, :, :half]
    outputs = linear_outputs(batch.outputs)
    spread = combination_variance(moved, outputs, np.tile(weights, (2 * size, 1))[None])
    variance = None if spread is None else (factors**2 * spread.reshape(2, size, -1)).sum(axis=0).T
    return AmplitudeGradient(gradient, variance, sensitive)


def parts_of(slots: SlotTemplate, wrt: Collection[str]) -> list[tuple[int, int]]:
    """The (preparation, part) pairs that read a parameter of `wrt`; part 0 is the real one."""
    return [(number, part) for number, (source, _) in enumerate(slots.preparations)
            for part, parameter in enumerate(source.parameters) if parameter.name in wrt]  # fmt: skip


def repeated_preparation(batch: CircuitBatch, preparation: Preparation, times: int) -> dict[str, Array]:
    """The bindings of an `initialize` in the slot template, for stacked copies of the batch's rows."""
    repeated = {}
    for old, new in zip(preparation.source.parameters, preparation.slot.parameters, strict=True):
        array = batch.bindings[old.name]
        repeated[new.name] = np.tile(array, (times, 1)) if old.name in batch.per_sample else array
    return repeated


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
