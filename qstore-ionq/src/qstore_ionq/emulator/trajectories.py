# SPDX-License-Identifier: Apache-2.0
"""Which Pauli errors each shot suffers.

The branches of a depolarising channel have probabilities that do not depend on the state, so that they can be drawn
before anything is simulated: a shot is a trajectory, and shots with the same errors (most of all, with none) share one
simulation. Numbers come from Philox with the circuit's own key, in an order that depends on the circuit and its shots
alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_ionq.emulator.lowering import Site

__all__ = ["Trajectories", "drawn"]

_HAS_X, _HAS_Z = (0, 1, 1, 0), (0, 0, 1, 1)
"""Of I, X, Y, Z."""


class Trajectories(NamedTuple):
    """The shots of one circuit.

    Attributes:
        patterns: each different set of errors, as the entries of the errors parameter that are pi; the first is empty.
        order: (shots,) the shots, those of one pattern together, in the order of the patterns.
        ends: (patterns,) where each pattern's shots end in it.
        numbers: (shots,) uniform in [0, 1): what its outcome is drawn with.
    """

    patterns: tuple[tuple[int, ...], ...]
    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.float64]

    def turns(self, pattern: int, size: int) -> NDArray[np.float64]:
        """The values of the errors parameter, (size,)."""
        values = np.zeros(size)
        values[list(self.patterns[pattern])] = math.pi
        return values

    def outcomes(self, pattern: int, probabilities: NDArray[np.float64], into: NDArray[np.int64]) -> None:
        """Draw the outcomes of the shots with a pattern."""
        shots = self.order[self.ends[pattern - 1] if pattern else 0 : self.ends[pattern]]
        cumulative = np.cumsum(probabilities)
        found = np.searchsorted(cumulative, self.numbers[shots] * cumulative[-1], side="right")
        into[shots] = np.minimum(found, len(cumulative) - 1)


def drawn(sites: Sequence[Site], shots: int, key: int) -> Trajectories:
    """Draw the errors of all shots of a circuit."""
    generator = np.random.Generator(np.random.Philox(key=key))
    errors: dict[int, list[int]] = {}
    first = 0
    for site in sites:
        hit = int(generator.binomial(shots, site.probability))
        if hit:
            who = generator.choice(shots, hit, replace=False).tolist()
            what = generator.integers(1, 4 ** len(site.qubits), hit).tolist()
            for shot, paulis in zip(who, what, strict=True):
                errors.setdefault(shot, []).extend(_turned(paulis, first, len(site.qubits)))
        first += 2 * len(site.qubits)
    patterns: dict[tuple[int, ...], int] = {(): 0}
    pattern_of = np.zeros(shots, dtype=np.int64)
    for shot, turned in errors.items():
        pattern_of[shot] = patterns.setdefault(tuple(turned), len(patterns))
    order = np.argsort(pattern_of, kind="stable")
    ends = np.cumsum(np.bincount(pattern_of, minlength=len(patterns)))
    return Trajectories(tuple(patterns), order, ends, generator.random(shots))


def _turned(paulis: int, first: int, count: int) -> list[int]:
    """The entries that are pi for Paulis on `count` qubits, two bits of `paulis` each."""
    found = []
    for position in range(count):
        letter = paulis >> 2 * position & 3
        found += [first + 2 * position] * _HAS_X[letter] + [first + 2 * position + 1] * _HAS_Z[letter]
    return found
