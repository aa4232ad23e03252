# SPDX-License-Identifier: Apache-2.0
"""What is asked of the final state, mapped through the frame to physical rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qstore.circuit import Observable
from qstore_sim.program import layout
from qstore_sim.program.frame import Frame


def _readout(
    kind: int, variance: int, groups: list[list[int]], terms: list[list[int]], factors: list[float]
) -> layout.Readout:
    return layout.Readout(
        kind=np.array([kind]), variance=np.array([variance]),
        groups=np.array(groups, dtype=np.int64).reshape(-1, 4), terms=np.array(terms, dtype=np.int64).reshape(-1, 2),
        coefficients=np.array(factors, dtype=np.float64),
    )  # fmt: skip


def read_terms(observables: Sequence[Observable], frame: Frame, *, variance: bool) -> layout.Readout:
    """Expectations, or variances: then the squares come first and the observables themselves after them."""
    wanted = (
        [observable.squared() for observable in observables] + list(observables) if variance else observables
    )
    found: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for output, observable in enumerate(wanted):
        for term in observable.terms:
            letters = term.letters
            physical = frame.pauli("".join(letter for _, letter in letters), tuple(q for q, _ in letters))
            # Even: P psi has the real weight i**phase (-1)**parity(j & z), j = i ^ x. Odd: i times a real one.
            sign = 1.0 if physical.phase in {0, 1} else -1.0
            if physical.phase % 2 == 0 and (physical.x & physical.z).bit_count() % 2:
                sign = -sign
            found.setdefault((physical.x, physical.phase & 1), []).append(
                (physical.z, output, sign * term.coefficient)
            )
    groups: list[list[int]] = []
    terms: list[list[int]] = []
    factors: list[float] = []
    for (x, odd), members in sorted(found.items()):
        groups.append([x, odd, len(terms), len(terms) + len(members)])
        terms += [[z, output] for z, output, _ in members]
        factors += [factor for _, _, factor in members]
    return _readout(layout.TERMS, int(variance), groups, terms, factors)


def read_probabilities() -> layout.Readout:
    """Probabilities of all outcomes."""
    return _readout(layout.PROBABILITIES, 0, [], [], [])


def read_amplitudes() -> layout.Readout:
    """All amplitudes."""
    return _readout(layout.AMPLITUDES, 0, [], [], [])
