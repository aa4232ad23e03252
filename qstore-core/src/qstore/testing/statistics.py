# SPDX-License-Identifier: Apache-2.0
"""Whether shots come from a distribution: tests with a false-alarm rate of 1e-6 for a whole check, never rerun.

Two of the three bounds are rigorous for any number of shots; `check_standard_errors` leans on the central limit theorem.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from qstore.testing.check import require

__all__ = ["FALSE_ALARM", "check_counts", "check_estimates", "check_standard_errors"]

FALSE_ALARM = 1e-6
_NEVER = 1e-12
"""Outcomes less likely than this are rounding of zero: to see one is an error, not chance."""
Array = NDArray[np.float64]


def check_counts(
    counts: Mapping[int, int], probabilities: Array, *, of: str, tests: int = 1, allowance: float = 0.0
) -> None:
    """Compare one row's counts with the probabilities of all outcomes.

    Formula: n KL(found || expected) stays below t with exp(-t) (e t / (k - 1))**(k - 1) = 1e-6 / tests.
    Source:  Agrawal, "Finite-sample concentration of the multinomial in relative entropy", IEEE Trans. Inf. Theory 66,
             6297 (2020), theorem 1.2; with an `allowance` for noise the total variation distance is bounded instead by
             Weissman et al., "Inequalities for the L1 deviation of the empirical distribution" (2003).
    Raises:  Violation.
    """
    shots = sum(counts.values())
    found = np.zeros(len(probabilities))
    for outcome, number in counts.items():
        require(0 <= outcome < len(found), f"{of}: outcome {outcome} does not exist")
        found[outcome] = number / shots
    k = int(np.count_nonzero(probabilities > _NEVER))
    alpha = FALSE_ALARM / tests
    if allowance:
        distance = float(np.abs(found - probabilities).sum()) / 2
        limit = allowance + math.sqrt((len(found) * math.log(2) - math.log(alpha)) / (2 * shots))
        require(
            distance <= limit,
            f"{of}: total variation distance {distance:.3f} above {limit:.3f}. {_tell(found, probabilities)}",
        )
        return
    impossible = [int(outcome) for outcome in np.flatnonzero((probabilities <= _NEVER) & (found > 0))]
    require(
        not impossible,
        f"{of}: outcomes {impossible} were measured and cannot be. {_tell(found, probabilities)}",
    )
    seen = found > 0
    divergence = shots * float((found[seen] * np.log(found[seen] / probabilities[seen])).sum())
    limit = _divergence_limit(k, alpha)
    require(
        divergence <= limit,
        f"{of}: {shots} shots do not fit (n KL = {divergence:.1f}, above {limit:.1f} by chance in {FALSE_ALARM}). "
        f"{_tell(found, probabilities)}",
    )


def check_estimates(found: Array, expected: Array, scales: Array, shots: int, *, of: str) -> None:
    """Compare means of bounded quantities, each in an interval of half-width `scales`, with what they should be.

    Formula: |found - expected| <= scale * sqrt(2 ln(2 m / 1e-6) / shots), m quantities (Hoeffding 1963, theorem 2).
    Raises:  Violation.
    """
    limit = scales * math.sqrt(2 * math.log(2 * found.size / FALSE_ALARM) / shots)
    worst = int(np.argmax(np.abs(found - expected) - limit))
    off = float(np.abs(found - expected).ravel()[worst])
    require(
        off <= np.broadcast_to(limit, found.shape).ravel()[worst],
        f"{of}: {found.ravel()[worst]:.4f} is {off:.4f} from {expected.ravel()[worst]:.4f}, too far for {shots} shots",
    )


def check_standard_errors(found: Array, expected: Array, errors: Array, *, of: str) -> None:
    """Whether deviations are as large as their standard errors say: not larger, not smaller.

    Formula: sum(((found - expected) / error)**2) over N independent estimates is chi-squared with N degrees of freedom;
             its quantiles at 5e-7 and 1 - 5e-7 by Wilson and Hilferty, widened by a tenth for estimates that are not
             quite normal.
    Raises:  Violation.
    """
    require(
        np.all(np.isfinite(errors)) and np.all(errors > 0),
        f"{of}: standard errors are not all positive numbers",
    )
    degrees = found.size
    score = float((((found - expected) / errors) ** 2).mean())
    spread = math.sqrt(2 / (9 * degrees))
    low, high = ((1 - spread**2 + sign * 4.9 * spread) ** 3 for sign in (-1, 1))
    require(
        score <= 1.1 * high,
        f"{of}: deviations are {score**0.5:.2f} times the standard errors: these are too small",
    )
    require(
        score >= 0.9 * low,
        f"{of}: deviations are {score**0.5:.2f} times the standard errors: these are too large",
    )


def _divergence_limit(k: int, alpha: float) -> float:
    """The smallest t with exp(-t) (e t / (k - 1))**(k - 1) <= alpha, and t >= k - 1."""
    if k < 2:
        return 1e-9
    low, high = float(k - 1), 100.0 * k - math.log(alpha)
    for _ in range(100):
        t = (low + high) / 2
        bound = -t + (k - 1) * (1 + math.log(t / (k - 1)))
        low, high = (low, t) if bound <= math.log(alpha) else (t, high)
    return high


def _tell(found: Array, expected: Array) -> str:
    shown = ", ".join(
        f"{i}: {found[i]:.3f} for {expected[i]:.3f}" for i in np.argsort(-np.abs(found - expected))[:4]
    )
    return f"Found and expected probabilities, the worst first: {shown}"
