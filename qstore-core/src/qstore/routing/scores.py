# SPDX-License-Identifier: Apache-2.0
"""Scores: dollars, seconds and error on one scale.

Each of the three is compared with what nobody minds: a cent, a millisecond, an error of 1e-4. `1 / (1 + x/negligible)` is
1 for nothing and halves with each doubling of what is far above it, whatever its unit; the score of a backend is the
product of the three, each to the power of its weight. So a score is between 0 and 1, depends on no other candidate, and
weights say how many doublings of one thing are worth a doubling of another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from qstore.errors import OptionError, nearest_names

__all__ = ["DEFAULT_PREFERENCES", "NEGLIGIBLE", "Score", "Weights", "score"]

DEFAULT_PREFERENCES: Mapping[str, float] = {"cost": 0.3, "speed": 0.5, "accuracy": 0.2}
NEGLIGIBLE: Mapping[str, float] = {"cost": 0.01, "speed": 1e-3, "accuracy": 1e-4}
"""Dollars, seconds, and absolute error of an expectation value of norm 1."""


class Score(NamedTuple):
    """How good a backend is for a batch, each part and the whole from 0 to 1."""

    cost: float
    speed: float
    accuracy: float
    total: float


@dataclass(frozen=True, slots=True)
class Weights:
    """How much cost, speed and accuracy count; they add up to 1.

    Example:
        >>> Weights.of({"speed": 3, "cost": 1})
        Weights(cost=0.25, speed=0.75, accuracy=0.0)
    """

    cost: float
    speed: float
    accuracy: float

    @classmethod
    def of(cls, preferences: Mapping[str, float] | None) -> Weights:
        """Weights from a user's preferences; what is not named does not count.

        Raises:
            OptionError: another name, a weight below zero, or none above it.
        """
        given = DEFAULT_PREFERENCES if preferences is None else preferences
        if not isinstance(given, Mapping):
            raise OptionError(f"preferences are weights such as {dict(DEFAULT_PREFERENCES)}, got {given!r}.")
        for name in given:
            if name not in DEFAULT_PREFERENCES:
                known = list(DEFAULT_PREFERENCES)
                hint = nearest_names(str(name), known)
                raise OptionError(f"preferences names {name!r}, which is none of {', '.join(known)}.{hint}")
        weights = {name: _weight(name, given.get(name, 0.0)) for name in DEFAULT_PREFERENCES}
        total = sum(weights.values())
        if not 0 < total < math.inf:
            raise OptionError(f"preferences need a weight above 0, got {dict(given)!r}.")
        return cls(**{name: weight / total for name, weight in weights.items()})

    def with_cost(self, factor: float) -> Weights:
        """With the weight of dollars multiplied; they add up to 1 again."""
        return Weights.of({"cost": self.cost * factor, "speed": self.speed, "accuracy": self.accuracy})


def score(weights: Weights, usd: Decimal, seconds: float, error: float) -> Score:
    """The score of a backend.

    Formula: (1 + usd/0.01)**-w_cost * (1 + seconds/0.001)**-w_speed * (1 + error/1e-4)**-w_accuracy

    Example:
        >>> free = score(Weights.of(None), Decimal(0), seconds=1.0, error=0.0)
        >>> paid = score(Weights.of(None), Decimal(3), seconds=1.0, error=0.0)
        >>> round(free.total, 3), round(paid.total, 3)
        (0.032, 0.006)
    """
    cost = 1 / (1 + float(usd) / NEGLIGIBLE["cost"])
    speed = 1 / (1 + seconds / NEGLIGIBLE["speed"])
    accuracy = 1 / (1 + error / NEGLIGIBLE["accuracy"])
    total = cost**weights.cost * speed**weights.speed * accuracy**weights.accuracy
    return Score(cost, speed, accuracy, total)


def _weight(name: str, given: float) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < math.inf:
        raise OptionError(f"preferences[{name!r}] must be a weight from 0 up, got {given!r}.")
    return float(given)
