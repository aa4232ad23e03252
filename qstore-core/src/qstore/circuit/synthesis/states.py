# SPDX-License-Identifier: Apache-2.0
"""From amplitudes to rotations and back: a binary tree over the amplitudes' index, the last qubit at its root.

Level l has a node for each state j of the last l qubits; there a rotation of the qubit before them shares out what
arrives between its two children (Mottonen, Vartiainen, Bergholm, Salomaa, "Transformation of quantum states using
uniformly controlled rotations", arXiv:quant-ph/0407010). RY shares out lengths; real amplitudes need nothing else,
because the angles at the leaves take care of signs. RZ shares out phases; the mean of all phases is the global one.

Shapes: amplitudes (..., 2**n), first qubit least significant; angles of level l (..., 2**l).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.circuit.angles import Angle
from qstore.circuit.operation import Operation
from qstore.circuit.synthesis.multiplexed import multiplexed, multiplexed_angles

__all__ = ["amplitude_angles", "amplitude_cotangents", "prepared", "rotation_level"]

Array = NDArray[np.float64]

_EMPTY = 1e-15
"""Share of the whole length below which a node carries nothing but rounding."""
_EQUAL = 1e-14
"""Angles closer than this count as equal where constant gates are saved."""


def amplitude_angles(real: Array, imag: Array | None = None) -> tuple[list[Array], list[Array]]:
    """The angles of RY and of RZ for every level, root first; none of RZ for real amplitudes.

    Where a node carries nothing its angle is 0; any length but zero and infinity gives the same angles.
    """
    turns, phases = [], []
    lengths = real if imag is None else np.hypot(real, imag)
    while lengths.shape[-1] > 1:
        left, right = lengths[..., 0::2], lengths[..., 1::2]
        turns.append(2 * np.arctan2(right, left))
        lengths = np.hypot(left, right)
    if imag is not None:
        means = np.arctan2(imag, real)
        while means.shape[-1] > 1:
            left, right = means[..., 0::2], means[..., 1::2]
            phases.append(right - left)
            means = (left + right) / 2
    return turns[::-1], phases[::-1]


def amplitude_cotangents(
    real: Array, imag: Array | None, turns: Sequence[Array], phases: Sequence[Array]
) -> tuple[Array, Array | None]:
    """The VJP of `amplitude_angles`: cotangents of the angles, level by level, to those of the amplitudes.

    At a node that carries nothing the tree has a corner: there the derivative is the one for growing along the real part
    of its first amplitude, and 0 for everything else below it.
    """
    magnitudes = real if imag is None else np.hypot(real, imag)
    lengths = [magnitudes]
    while lengths[-1].shape[-1] > 1:
        lengths.append(np.hypot(lengths[-1][..., 0::2], lengths[-1][..., 1::2]))
    floor = _EMPTY * lengths[-1]
    own = np.zeros_like(lengths[-1])
    for level, turn in enumerate(turns):
        children, whole = lengths[-2 - level], lengths[-1 - level]
        carries = whole > floor
        safe = np.where(carries, whole, 1.0)
        # With (cos, sin) the shares of the children: moving along them changes the length, across them the angle.
        cos = np.where(carries, children[..., 0::2] / safe, 1.0)
        sin = np.where(carries, children[..., 1::2] / safe, 0.0)
        across = np.where(carries, 2 * turn / safe, 0.0)
        below = np.empty_like(children)
        below[..., 0::2] = own * cos - across * sin
        below[..., 1::2] = own * sin + across * cos
        own = below
    if imag is None:
        return own, None
    angles = np.zeros_like(floor)
    for phase in phases:
        below = np.empty((*angles.shape[:-1], 2 * angles.shape[-1]))
        below[..., 0::2] = angles / 2 - phase
        below[..., 1::2] = angles / 2 + phase
        angles = below
    carries = magnitudes > floor
    safe = np.where(carries, magnitudes, 1.0)
    cos, sin = np.where(carries, real / safe, 1.0), np.where(carries, imag / safe, 0.0)
    across = np.where(carries, angles / safe, 0.0)
    return own * cos - across * sin, own * sin + across * cos


def rotation_level(
    target: int, controls: Sequence[int], turns: Sequence[Angle], phases: Sequence[Angle] = ()
) -> list[Operation]:
    """The gates of one level, given the angles of `multiplexed_angles`."""
    return _joined(
        multiplexed("ry", target, controls, turns),
        multiplexed("rz", target, controls, phases, mirrored=True),
    )


def prepared(amplitudes: ArrayLike, qubits: Sequence[int]) -> list[Operation]:
    """Gates that take qubits in |0> to constant amplitudes.

    Rotations that all states of a control agree on lose that control, so that basis, product, GHZ and other sparse
    states take few gates.
    """
    state = np.asarray(amplitudes, dtype=complex)
    state = state * np.exp(-1j * np.angle(state[np.argmax(np.abs(state))]))
    imag = None if np.abs(state.imag).max() < _EMPTY else state.imag
    turns, phases = amplitude_angles(state.real, imag)
    gates: list[Operation] = []
    carried = np.abs(state)
    free = []  # per level, which nodes carry nothing
    while len(carried) > 1:
        free.append(np.hypot(carried[0::2], carried[1::2]) < _EMPTY)
        carried = np.hypot(carried[0::2], carried[1::2])
    for level, turn in enumerate(turns):
        nothing = free[-1 - level]
        target, controls = qubits[len(qubits) - 1 - level], list(qubits[len(qubits) - level :])
        made = _constant_rotation("ry", target, controls, np.where(nothing, np.nan, turn), mirrored=False)
        if phases:
            wanted = np.where(nothing, np.nan, phases[level])
            made = _joined(made, _constant_rotation("rz", target, controls, wanted, mirrored=True))
        gates += made
    return gates


def _constant_rotation(
    gate: str, target: int, controls: list[int], wanted: Array, *, mirrored: bool
) -> list[Operation]:
    """A multiplexed rotation by constants, nan where any angle will do, without the controls that do not matter."""
    controls = list(controls)
    for position in range(len(controls) - 1, -1, -1):
        pairs = wanted.reshape(-1, 2, 1 << position)
        off, on = pairs[:, 0], pairs[:, 1]
        if not np.any(np.abs(off - on) > _EQUAL):  # nan compares as no difference
            wanted = np.where(np.isnan(off), on, off).reshape(-1)
            del controls[position]
    angles = multiplexed_angles(np.nan_to_num(wanted))
    if np.abs(angles).max() < _EMPTY:
        return []
    return multiplexed(
        gate, target, controls, [Angle((), float(angle) + 0.0) for angle in angles], mirrored=mirrored
    )


def _joined(first: list[Operation], second: list[Operation]) -> list[Operation]:
    """One behind the other, without two equal CX between them."""
    if first and second and first[-1] == second[0] and first[-1].gate == "cx":
        return first[:-1] + second[1:]
    return first + second
