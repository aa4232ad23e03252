# SPDX-License-Identifier: Apache-2.0
"""A product of linear maps on a vector, and its derivative by one sweep back.

With final vector psi and loss change Re<lambda, d psi>, the change by a map M of the chain is Re<lambda, dM psi>,
psi before the map and lambda pulled back to just after it. Unitary maps are undone on psi; what cannot be undone is
remembered, all of it where memory allows and else every few maps, with the stretch between recomputed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle
from qstore_sim.memory import available_bytes
from qstore_sim.noise.kernels import State, multiply, overlap

REMEMBERED_BYTES = 1 << 30
"""How much may be remembered for the way back, where half of the free memory is not less."""
_UNASKED_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Map:
    """A matrix (d, d, samples or 1) on some bits; derivatives: angles with d matrix / d angle."""

    bits: tuple[int, ...]
    matrix: NDArray[np.complex128]
    derivatives: tuple[tuple[Angle, NDArray[np.complex128]], ...] = ()
    unitary: bool = True


Report = Callable[[Angle, NDArray[np.float64]], None]


def run(maps: Sequence[Map], psi: State) -> None:
    """Apply all maps in place."""
    for each in maps:
        multiply(psi, each.bits, each.matrix)


def sweep_back(maps: Sequence[Map], psi: State, final: State, lam: State, report: Report) -> None:
    """Pull lambda back through all maps and report the derivative by every trained angle.

    Args:
        maps: the chain.
        psi: the vector before the first map.
        final: the one after the last, which is used up.
        lam: lambda after the last map; afterwards, the one before the first.
        report: called with an angle and the derivative for each sample.
    """
    lossy = [place for place, each in enumerate(maps) if not each.unitary]
    if not lossy:
        _back(maps, final, lam, {}, report)
        return
    budget = REMEMBERED_BYTES
    if len(lossy) * psi.nbytes > _UNASKED_BYTES:
        budget = min(budget, available_bytes() // 2)
    most = max(1, budget // psi.nbytes)
    stretch = len(lossy) if len(lossy) <= most else max(1, math.isqrt(len(lossy)))
    cuts = [0, *lossy[stretch::stretch], len(maps)]
    starts = {0: psi}
    current = psi.copy()
    for first, last in pairwise(cuts[:-1]):
        run(maps[first:last], current)
        starts[last] = current.copy()
    for first, last in reversed(list(pairwise(cuts))):
        current = starts.pop(first).copy()
        before: dict[int, State] = {}
        for place, each in enumerate(maps[first:last]):
            if not each.unitary:
                before[place] = current.copy()
            multiply(current, each.bits, each.matrix)
        _back(maps[first:last], current, lam, before, report)


def _back(maps: Sequence[Map], psi: State, lam: State, before: dict[int, State], report: Report) -> None:
    for place in range(len(maps) - 1, -1, -1):
        each = maps[place]
        adjoint = each.matrix.conj().transpose(1, 0, 2)
        if each.unitary:
            multiply(psi, each.bits, adjoint)
        else:
            psi = before.pop(place)
        if each.derivatives:
            met = overlap(lam, psi, each.bits)
            for angle, change in each.derivatives:
                report(angle, np.einsum("ijs,ijs->s", np.broadcast_to(change, met.shape), met).real)
        multiply(lam, each.bits, adjoint)


class Gradients:
    """Adds derivatives by angles up onto parameters.

    Args:
        names: the parameters, with their sizes.
        samples: length of the derivatives that come in.
    """

    def __init__(self, names: dict[str, int], samples: int) -> None:
        self.by_name: dict[str, Any] = {name: np.zeros((samples, size)) for name, size in names.items()}

    def add(self, angle: Angle, derivative: NDArray[np.float64]) -> None:
        """Report the derivative by an angle for each sample."""
        for parameter, index, coefficient in angle.terms:
            if parameter.name in self.by_name:
                self.by_name[parameter.name][:, index] += coefficient * derivative
