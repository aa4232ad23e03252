# SPDX-License-Identifier: Apache-2.0
"""Rotations whose angle depends on the state of other qubits, as plain rotations between CX gates.

A rotation about Y or Z by `block[j]`, where the controls are in state j, is 2**k rotations by other angles with a CX
behind each, along a Gray code: a CX in front and behind turns a rotation round, so every state of the controls sees
the same angles with its own signs. The two sets of angles are each other's Walsh transform (Mottonen, Vartiainen,
Bergholm, Salomaa, "Quantum circuits for general multiqubit gates", arXiv:quant-ph/0404089).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.angles import Angle
from qstore.circuit.operation import Condition, Operation

__all__ = ["multiplexed", "multiplexed_angles", "multiplexed_cotangent"]

Array = NDArray[np.float64]


def multiplexed_angles(blocks: Array) -> Array:
    """From the angles that the states of k controls ask for to those of the rotations; both (..., 2**k)."""
    size = blocks.shape[-1]
    angles: Array = _walsh(blocks)[..., _gray(size)] / size
    return angles


def multiplexed_cotangent(cotangent: Array) -> Array:
    """The VJP of `multiplexed_angles`; both (..., 2**k)."""
    size = cotangent.shape[-1]
    sorted_back = np.empty_like(cotangent)
    sorted_back[..., _gray(size)] = cotangent
    blocks: Array = _walsh(sorted_back) / size
    return blocks


def multiplexed(
    gate: str,
    target: int,
    controls: Sequence[int],
    angles: Sequence[Angle],
    *,
    mirrored: bool = False,
    condition: Condition | None = None,
) -> list[Operation]:
    """The gates of one such rotation.

    Args:
        gate: "ry" or "rz".
        target: what is rotated.
        controls: the first is the least significant bit of their state.
        angles: 2**k of them, from `multiplexed_angles`.
        mirrored: the other way round, which is the same rotation: behind one that is not, two CX cancel.
        condition: of every gate.
    """
    made = []
    for index, angle in enumerate(angles):
        made.append(Operation(gate, (target,), (angle,), condition=condition))
        if controls:
            made.append(
                Operation("cx", (controls[_flipped(index, len(controls))], target), condition=condition)
            )
    return made[::-1] if mirrored else made


def _gray(size: int) -> NDArray[np.intp]:
    numbers = np.arange(size)
    return numbers ^ numbers >> 1


def _flipped(index: int, n_controls: int) -> int:
    """Which bit of the Gray code changes behind the rotation at `index`; the last one closes the circle."""
    lowest = ~index & index + 1
    return min(lowest.bit_length(), n_controls) - 1


def _walsh(values: Array) -> Array:
    """The sum over j of (-1)**popcount(i & j) * values[..., j].

    One step per bit: the highest bit of the index is summed over and becomes the lowest, so that after all of them the
    bits are in their order again and every step works on two halves that lie in one piece.
    """
    half = values.shape[-1] // 2
    result = values
    for _ in range(half.bit_length()):
        first, second = result[..., :half], result[..., half:]
        result = np.empty_like(values)
        np.add(first, second, out=result[..., 0::2])
        np.subtract(first, second, out=result[..., 1::2])
    return result
