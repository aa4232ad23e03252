# SPDX-License-Identifier: Apache-2.0
"""A method that is cheap early, exact near the end, and geometric when progress stalls.

The rule, first line that applies, in step k with the losses known so far:

    k < warmup                                   spsa               any direction is good, two circuits
    fewer than `window` losses are known         parameter_shift where k is a multiple of `interval`, else spsa
    progress < stalled                           natural            (parameter_shift where a circuit has no metric)
    progress < converging                        parameter_shift    exact steps near the end
    otherwise                                    parameter_shift where k is a multiple of `interval`, else spsa

`progress` is the part of all improvement so far that the last `window` losses brought:
    (mean of their first half - mean of their second half) / (first loss - lowest loss);
it knows no units. Where nothing has improved yet it is 0. `window` losses of noise alone can look like a stall, so with
few shots take a longer window.

A method is a pure function of (batch, step). What else the rule needs, the losses, is therefore part of the method's
value: `adaptive.observed(loss)` is a new method that also knows this loss.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import OptionError
from qstore.gradients.natural import Natural, reason_against_metric
from qstore.gradients.options import integer, number
from qstore.gradients.parameter_shift import ParameterShift
from qstore.gradients.spsa import Spsa
from qstore.plugins import GradientMethod, GradientResult

__all__ = ["Adaptive"]


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """SPSA, parameter shift or natural gradient, by the documented rule.

    Attributes:
        epsilon, samples, seed: of spsa.
        ridge: of natural.
        warmup: number of first steps that always take spsa.
        interval: every so many steps parameter shift corrects the direction.
        window: number of last losses that progress is read from; even, at least 2.
        converging, stalled: bounds of progress, 0 <= stalled <= converging.
        first_loss, lowest_loss, losses: what was observed; filled by `observed`.

    Raises:
        OptionError: an option is out of range.

    Example:
        >>> method = Adaptive(warmup=2, interval=5, window=2)
        >>> [method.chosen(step) for step in range(6)]
        ['spsa', 'spsa', 'spsa', 'spsa', 'spsa', 'parameter_shift']
        >>> method.observed(1.0).observed(0.5).observed(0.5).chosen(7)
        'natural'
    """

    epsilon: float | None = None
    samples: int = 1
    seed: int = 0
    ridge: float = 0.01
    warmup: int = 10
    interval: int = 10
    window: int = 10
    converging: float = 0.05
    stalled: float = 0.005
    first_loss: float | None = None
    lowest_loss: float | None = None
    losses: tuple[float, ...] = ()
    _methods: dict[str, GradientMethod] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        integer("warmup", self.warmup)
        integer("interval", self.interval, least=1)
        if integer("window", self.window, least=2) % 2:
            raise OptionError(f"window must be an even number from 2 up, got {self.window!r}.")
        if number("stalled", self.stalled, zero=True) > number("converging", self.converging, zero=True):
            raise OptionError(
                f"stalled must not exceed converging, got {self.stalled!r} and {self.converging!r}."
            )
        methods: dict[str, GradientMethod] = {
            "spsa": Spsa(self.epsilon, self.samples, self.seed),
            "parameter_shift": ParameterShift(),
            "natural": Natural(self.ridge),
        }
        object.__setattr__(self, "_methods", methods)

    def observed(self, loss: float) -> Adaptive:
        """The method that also knows this loss, of the step just taken.

        Raises:
            OptionError: the loss is not finite.
        """
        loss = float(loss)
        if not math.isfinite(loss):
            raise OptionError(f"A loss must be a finite number, got {loss!r}; training has diverged.")
        first = loss if self.first_loss is None else self.first_loss
        lowest = loss if self.lowest_loss is None else min(loss, self.lowest_loss)
        return replace(
            self, first_loss=first, lowest_loss=lowest, losses=(*self.losses, loss)[-self.window :]
        )

    @property
    def progress(self) -> float | None:
        """The part of all improvement that the last `window` losses brought; None before there are so many."""
        if len(self.losses) < self.window or self.first_loss is None or self.lowest_loss is None:
            return None
        half = self.window // 2
        improved = self.first_loss - self.lowest_loss
        return (fmean(self.losses[:half]) - fmean(self.losses[half:])) / improved if improved > 0 else 0.0

    def chosen(self, step: int) -> str:
        """The name of the method for this step."""
        progress = self.progress
        if step >= self.warmup and progress is not None:
            if progress < self.stalled:
                return "natural"
            if progress < self.converging:
                return "parameter_shift"
        return "parameter_shift" if step >= self.warmup and step % self.interval == 0 else "spsa"

    def check(self, batch: CircuitBatch) -> None:
        """Refuse outputs that are not real numbers with a derivative.

        Raises:
            CapabilityError: it is such an output.
        """
        ParameterShift().check(batch)

    def expand(self, batch: CircuitBatch, *, wrt: Collection[str], step: int) -> tuple[CircuitBatch, ...]:
        """The batches of the chosen method.

        Raises:
            CapabilityError: the output is not real numbers with a derivative.
        """
        return self._methods[self._for(batch, step)].expand(batch, wrt=wrt, step=step)

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int,
    ) -> GradientResult:  # fmt: skip
        """What the chosen method makes of them, with its name in the notes."""
        name = self._for(batch, step)
        found = self._methods[name].combine(batch, results, cotangent, wrt=wrt, step=step)
        return replace(found, notes=(f"adaptive: {name} in step {step}", *found.notes))

    def _for(self, batch: CircuitBatch, step: int) -> str:
        name = self.chosen(step)
        return "parameter_shift" if name == "natural" and reason_against_metric(batch) else name
