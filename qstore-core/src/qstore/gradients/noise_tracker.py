# SPDX-License-Identifier: Apache-2.0
"""How noisy gradients are: norm, variance and signal-to-noise, from estimators and never from drift.

The variance of a gradient estimate at fixed parameters comes from its standard errors, or from repeated draws at the same
parameters. How gradients change from step to step says nothing about it: there the signal itself moves.

For an estimate g with total variance v (the trace of its covariance) E|g|**2 = |true g|**2 + v, so
    signal-to-noise = sqrt(max(|g|**2 - v, 0) / v).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError
from qstore.plugins import GradientResult

__all__ = ["GradientNoise", "GradientNoiseTracker"]

Gradients = Mapping[str, NDArray[np.float64]]


class GradientNoise(NamedTuple):
    """The noise of one gradient estimate.

    Attributes:
        norm: of the estimate, over all parameters.
        variance: of the estimate, summed over all entries; 0 for exact gradients, NaN where it is not known.
        signal_to_noise: as above; infinite without noise, 0 where the noise explains all of the norm.
    """

    norm: float
    variance: float
    signal_to_noise: float


class GradientNoiseTracker:
    """Keeps the noise of the last gradients; memory for `window` triples of numbers, whatever is trained.

    Args:
        window: how many gradients it remembers.

    Raises:
        OptionError: the window is smaller than 1.

    Example:
        >>> import qstore as qs
        >>> from qstore.gradients import vjp
        >>> tracker = GradientNoiseTracker(window=100)
        >>> circuit = qs.QuantumCircuit(1).rx(0, "t")
        >>> found = vjp(circuit, {"t": 0.4}, qs.Expectations([qs.Z(0)]), shots=1000, seed=1)
        >>> tracker.update(found).signal_to_noise > 10
        True
    """

    def __init__(self, window: int = 100) -> None:
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise OptionError(f"window must be an integer from 1 up, got {window!r}.")
        self._recent: deque[GradientNoise] = deque(maxlen=window)

    def update(
        self,
        gradient: GradientResult | Gradients | Sequence[GradientResult | Gradients],
        standard_errors: Gradients | None = None,
    ) -> GradientNoise:
        """Take in one gradient and return its noise.

        Args:
            gradient: the result of `vjp`, whose standard errors are used; or arrays by parameter name, with
                `standard_errors`, exact if there are none; or a sequence of at least two independent draws of either
                kind at the same parameters, whose mean is then the estimate.
            standard_errors: of arrays that do not bring theirs.

        Raises:
            OptionError: fewer than two draws, or draws or errors of different parameters or shapes.
        """
        if isinstance(gradient, (GradientResult, Mapping)):
            estimate = _flat(gradient)
            errors = gradient.standard_errors if isinstance(gradient, GradientResult) else standard_errors
            variance = 0.0 if errors is None else float((_flat(errors, like=gradient) ** 2).sum())
        else:
            draws = list(gradient)
            if len(draws) < 2:
                raise OptionError(f"A variance takes at least two draws, got {len(draws)}.")
            array = np.array([_flat(draw, like=draws[0]) for draw in draws])
            estimate = array.mean(axis=0)
            variance = float(array.var(axis=0, ddof=1).sum()) / len(draws)
        noise = _noise(float(estimate @ estimate), variance)
        self._recent.append(noise)
        return noise

    @property
    def recent(self) -> tuple[GradientNoise, ...]:
        """The noise of the last gradients, oldest first."""
        return tuple(self._recent)

    @property
    def mean(self) -> GradientNoise:
        """Means over the window, of those gradients whose variance is known.

        Norm and variance are means; signal-to-noise is that of the mean square and the mean variance, so that one lucky
        step does not carry it.

        Raises:
            OptionError: there is no such gradient yet.
        """
        known = [noise for noise in self._recent if not np.isnan(noise.variance)]
        if not known:
            raise OptionError("No gradient with a known variance was taken in yet; call update first.")
        variance = float(np.mean([noise.variance for noise in known]))
        square = float(np.mean([noise.norm**2 for noise in known]))
        norm = float(np.mean([noise.norm for noise in known]))
        return GradientNoise(norm, variance, _noise(square, variance).signal_to_noise)

    def __len__(self) -> int:
        return len(self._recent)


def _noise(square: float, variance: float) -> GradientNoise:
    if np.isnan(variance):
        ratio = np.nan
    elif variance == 0:
        ratio = np.inf if square else 0.0
    else:
        ratio = (max(square - variance, 0.0) / variance) ** 0.5
    return GradientNoise(square**0.5, variance, float(ratio))


def _flat(
    given: GradientResult | Gradients, like: GradientResult | Gradients | None = None
) -> NDArray[np.float64]:
    arrays = _arrays(given)
    wanted = arrays if like is None else _arrays(like)
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    if shapes != {name: np.shape(array) for name, array in wanted.items()}:
        raise OptionError(f"Draws and errors must have the same parameters and shapes, got {shapes}.")
    parts: Iterable[NDArray[np.float64]] = [np.ravel(arrays[name]) for name in wanted]
    return np.concatenate([np.zeros(0), *parts])


def _arrays(given: GradientResult | Gradients) -> Gradients:
    return given.gradients if isinstance(given, GradientResult) else given
