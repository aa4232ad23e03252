# SPDX-License-Identifier: Apache-2.0
"""Simultaneous perturbation: all parameters moved at once in random directions, two circuits whatever their number.

For one random direction d of signs (+1 or -1 for every entry) and a move of size e
    g = (f(x + e d) - f(x - e d)) / (2 e) * d,
averaged over `samples` directions. Every row of a batch has directions of its own, for shared parameters too: the
noise that one row's entries put on each other then averages out over the rows instead of adding up.

Bias: O(e**2), the expectation of g is the gradient plus e**2 / 6 times third derivatives; no number of samples takes it
    away. Not unbiased at any finite e.
Spread: one entry carries the squares of all other entries' derivatives, so the relative error grows with the root of
    the number of parameters: two circuits buy a direction, not a gradient.
Size of the move in step k: e / (k + 1)**decay; the optimizer's learning rate is the optimizer's business.

Source: Spall, IEEE Transactions on Automatic Control 37, 332 (1992); for decay = 0.101, Spall, IEEE Transactions on
Aerospace and Electronic Systems 34, 817 (1998).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.batch.streams import derived_keys, stream_keys
from qstore.gradients.copies import per_row, stacked
from qstore.gradients.linear import contracted, linear_outputs, original_result
from qstore.gradients.options import integer, number
from qstore.plugins import GradientResult

__all__ = ["Spsa"]

Array = NDArray[np.float64]
EXACT_EPSILON, SHOT_EPSILON = 0.01, 0.1
DECAY = 0.101
FIRST_COPY = 1 << 40
"""Far from the numbers that other methods give to their circuits."""
ONE_SAMPLE = (
    "standard errors are NaN: one direction says nothing about the spread of several; use samples=2 or more"
)


class Spsa:
    """Simultaneous perturbation stochastic approximation.

    The directions are a function of (seed, step, the row's circuit and bindings) alone: not of the batch's size, nor of
    its order.

    Args:
        epsilon: size of the move in step 0, radians; by default 0.01 for exact results and 0.1 with shots.
        samples: number of directions that are averaged; two circuits per row each.
        seed: of the directions.
        decay: exponent with which the move shrinks over the steps; 0 keeps it.

    Raises:
        OptionError: an argument is out of range.
    """

    def __init__(
        self, epsilon: float | None = None, samples: int = 1, seed: int = 0, decay: float = DECAY
    ) -> None:
        self._epsilon = None if epsilon is None else number("epsilon", epsilon)
        self._samples = integer("samples", samples, least=1)
        self._seed = integer("seed", seed, below=2**64)
        self._decay = number("decay", decay, zero=True)

    def check(self, batch: CircuitBatch) -> None:
        """Refuse outputs that are not real numbers with a derivative.

        Raises:
            CapabilityError: it is such an output.
        """
        linear_outputs(batch.outputs)

    def expand(self, batch: CircuitBatch, *, wrt: Collection[str], step: int = 0) -> tuple[CircuitBatch, ...]:
        """The batch itself, then one batch with both sides of all directions.

        Raises:
            CapabilityError: the output is not real numbers with a derivative.
            OptionError: a negative step.
        """
        plain = batch.replace(outputs=linear_outputs(batch.outputs))
        if not wrt:
            return (plain,)
        size = self._size(batch, step)
        moved = {}
        for name, signs in self._signs(batch, wrt, step).items():
            here = per_row(batch, name)
            moved[name] = np.concatenate([here + size * signs, here - size * signs])
        return plain, stacked(plain, moved, 2 * self._samples, first=FIRST_COPY)

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int = 0,
    ) -> GradientResult:  # fmt: skip
        """The values, the mean of the directions' gradients, and its standard error from their spread."""
        found = original_result(batch, results[0])
        if not wrt:
            return GradientResult(found, {})
        above, below = np.split(contracted(batch, results[1], cotangent)[0], 2)
        slopes = (above - below) / (2 * self._size(batch, step))
        gradients, errors = {}, {}
        for name, signs in self._signs(batch, wrt, step).items():
            each = slopes[:, :, None] * signs
            each = (each if name in batch.per_sample else each.sum(axis=1)).reshape(
                self._samples, *batch.bindings[name].shape
            )
            gradients[name] = np.asarray(each.mean(axis=0))
            spread = each.std(axis=0, ddof=1) if self._samples > 1 else np.full(each.shape[1:], np.nan)
            errors[name] = np.asarray(spread / np.sqrt(self._samples))
        return GradientResult(found, gradients, errors, () if self._samples > 1 else (ONE_SAMPLE,))

    def _size(self, batch: CircuitBatch, step: int) -> float:
        step = integer("step, which counts training steps,", step)
        first = self._epsilon or (EXACT_EPSILON if batch.shots is None else SHOT_EPSILON)
        return float(first / (step + 1) ** self._decay)

    def _signs(self, batch: CircuitBatch, wrt: Collection[str], step: int) -> dict[str, Array]:
        """The directions, by parameter name (samples, B, entries) of +1 and -1."""
        keys = stream_keys(
            self._seed, batch.circuit.fingerprint, batch.bindings, batch.per_sample, batch.size
        )
        keys = derived_keys(keys, step)
        # Over all parameters and not just those of wrt, so that a direction does not depend on what else is asked for.
        sizes = {name: per_row(batch, name).shape[1] for name in sorted(batch.bindings)}
        words = -(-sum(sizes.values()) // 64)
        drawn = np.stack([derived_keys(keys, index) for index in range(self._samples * words)], axis=-1)
        bits = drawn.reshape(batch.size, self._samples, words, 1) >> np.arange(
            64, dtype=np.uint64
        ) & np.uint64(1)
        signs = np.where(bits.reshape(batch.size, self._samples, 64 * words).swapaxes(0, 1), -1.0, 1.0)
        ends = dict(zip(sizes, np.cumsum(list(sizes.values())), strict=True))
        return {name: signs[:, :, ends[name] - sizes[name] : ends[name]] for name in sizes if name in wrt}

    def __repr__(self) -> str:
        return (
            f"Spsa(epsilon={self._epsilon}, samples={self._samples}, seed={self._seed}, decay={self._decay})"
        )
