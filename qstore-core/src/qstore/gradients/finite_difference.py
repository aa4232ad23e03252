# SPDX-License-Identifier: Apache-2.0
"""Differences of moved parameters, for every entry of every parameter. Approximate; a cross-check.

    central  (f(x + h) - f(x - h)) / (2 h)    two circuits per entry; bias h**2 / 6 times the third derivative
    forward  (f(x + h) - f(x)) / h            one circuit per entry; bias h / 2 times the second derivative

To the bias comes the rounding, or the shot noise, of f divided by h; with shots the standard error says how much.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import OptionError
from qstore.gradients.copies import error_notes, per_row, roots, stacked
from qstore.gradients.linear import contracted, linear_outputs, original_result
from qstore.gradients.options import number
from qstore.plugins import GradientResult

__all__ = ["FiniteDifference"]

Array = NDArray[np.float64]
EXACT_STEPS = {"central": 1e-5, "forward": 1e-8}
"""Near the cube and the square root of double rounding, where bias and rounding are equal."""
SHOT_STEP = 0.2
"""Large, because shot noise is divided by it."""


class FiniteDifference:
    """Central or forward finite differences.

    Args:
        epsilon: the step h, radians; by default 1e-5 (central) or 1e-8 (forward) for exact results and 0.2 with shots.
            Use 1e-2 with a single-precision backend.
        form: "central" or "forward".

    Raises:
        OptionError: the step is not positive and finite, or there is no such form.
    """

    def __init__(self, epsilon: float | None = None, form: str = "central") -> None:
        if form not in EXACT_STEPS:
            raise OptionError(f"form must be one of {list(EXACT_STEPS)}, got {form!r}.")
        self._epsilon = None if epsilon is None else number("epsilon", epsilon)
        self._form = form

    def check(self, batch: CircuitBatch) -> None:
        """Refuse outputs that are not real numbers with a derivative.

        Raises:
            CapabilityError: it is such an output.
        """
        linear_outputs(batch.outputs)

    def expand(
        self,
        batch: CircuitBatch,
        *,
        wrt: Collection[str],
        step: int = 0,  # noqa: ARG002  # the contract has it
    ) -> tuple[CircuitBatch, ...]:
        """The batch itself, then for every entry a copy above (and one below), stacked into one batch per parameter.

        Raises:
            CapabilityError: the output is not real numbers with a derivative.
        """
        plain = batch.replace(outputs=linear_outputs(batch.outputs))
        return (plain, *(self._moved(plain, name, index) for index, name in enumerate(sorted(wrt))))

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int = 0,  # noqa: ARG002  # as above
    ) -> GradientResult:  # fmt: skip
        """The values, the gradients and what the shots leave open."""
        h = self._step(batch)
        plain, plain_variance = (
            contracted(batch, results[0], cotangent) if self._form == "forward" else (0.0, None)
        )
        gradients: dict[str, Array] = {}
        variances: dict[str, Array | None] = {}
        for name, result in zip(sorted(wrt), results[1:], strict=True):
            scalars, spread = contracted(batch, result, cotangent)
            if self._form == "central":
                above, below = np.split(scalars, 2)
                slopes = (above - below) / (2 * h)
                noise = None if spread is None else np.sum(np.split(spread, 2), axis=0) / (2 * h) ** 2
            else:
                slopes = (scalars - plain) / h
                noise = None if spread is None or plain_variance is None else (spread + plain_variance) / h**2
            gradients[name] = _shaped(batch, name, slopes)
            variances[name] = None if noise is None else _shaped(batch, name, noise)
        found = original_result(batch, results[0])
        used = results[1:] if self._form == "central" else results
        return GradientResult(found, gradients, roots(variances), error_notes(batch, used))

    def _step(self, batch: CircuitBatch) -> float:
        return self._epsilon or (EXACT_STEPS[self._form] if batch.shots is None else SHOT_STEP)

    def _moved(self, batch: CircuitBatch, name: str, index: int) -> CircuitBatch:
        flat = per_row(batch, name)
        size = flat.shape[1]
        signs = (1, -1) if self._form == "central" else (1,)
        moved = np.broadcast_to(flat, (len(signs), size, *flat.shape)).copy()
        entries = np.arange(size)
        for side, sign in enumerate(signs):
            moved[side, entries, :, entries] += sign * self._step(batch)
        return stacked(batch, {name: moved}, len(signs) * size, first=(index + 1) << 32)

    def __repr__(self) -> str:
        return f"FiniteDifference(epsilon={self._epsilon}, form={self._form!r})"


def _shaped(batch: CircuitBatch, name: str, per_entry: Array) -> Array:
    """(entries, B) to the shape of the binding; the rows of a shared one add up."""
    sums = per_entry.T if name in batch.per_sample else per_entry.sum(axis=1)
    return sums.reshape(batch.bindings[name].shape)
