# SPDX-License-Identifier: Apache-2.0
"""Central differences: (f(x + h) - f(x - h)) / (2 h) for every entry of every parameter. Approximate; a cross-check.

Error: h**2 / 6 times the third derivative, plus the rounding (or shot noise) of f divided by h.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.batch.streams import derived_keys
from qstore.errors import CapabilityError, OptionError
from qstore.plugins import Gradients

__all__ = ["FiniteDifference"]

EXACT_STEP = 1e-5
"""Near the cube root of double rounding, where the two errors are equal."""
SHOT_STEP = 0.2
"""Large, because shot noise is divided by it."""


class FiniteDifference:
    """Central finite differences.

    Args:
        epsilon: the step h; by default 1e-5 for exact results (use 1e-2 with a single-precision backend) and 0.2 with
            shots.

    Raises:
        OptionError: the step is not positive and finite.
    """

    def __init__(self, epsilon: float | None = None) -> None:
        if epsilon is not None and not 0 < epsilon < np.inf:
            raise OptionError(f"epsilon must be a positive number, got {epsilon!r}.")
        self._epsilon = epsilon

    def expand(
        self,
        batch: CircuitBatch,
        *,
        wrt: Collection[str],
        step: int = 0,  # noqa: ARG002  # the contract has it
    ) -> tuple[CircuitBatch, ...]:
        """The batch itself, then for every entry a batch above and below, stacked into one per parameter.

        Raises:
            CapabilityError: the output is not real numbers with a derivative.
        """
        if type(batch.outputs).__name__ not in ("Expectations", "Variance", "Probabilities"):
            raise CapabilityError(f"Finite differences give no gradient of {type(batch.outputs).__name__}.")
        return (batch, *(self._shifted(batch, name, index) for index, name in enumerate(sorted(wrt))))

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int = 0,  # noqa: ARG002  # as above
    ) -> tuple[BatchResult, Gradients]:  # fmt: skip
        """The values and the gradients."""
        gradients = {}
        for name, result in zip(sorted(wrt), results[1:], strict=True):
            assert result.values is not None
            shape = batch.bindings[name].shape
            values = result.values.reshape(2, -1, *cotangent.shape)
            slopes = np.einsum("ebk,bk->be", values[0] - values[1], cotangent) / (2 * self._step(batch))
            gradients[name] = (slopes if name in batch.per_sample else slopes.sum(axis=0)).reshape(shape)
        return results[0], gradients

    def _step(self, batch: CircuitBatch) -> float:
        return self._epsilon or (EXACT_STEP if batch.shots is None else SHOT_STEP)

    def _shifted(self, batch: CircuitBatch, name: str, index: int) -> CircuitBatch:
        given = batch.bindings[name]
        flat = np.broadcast_to(given.reshape(batch.size if name in batch.per_sample else 1, -1),
                               (batch.size, given.size // (batch.size if name in batch.per_sample else 1)))  # fmt: skip
        size = flat.shape[1]
        stacked = np.broadcast_to(flat, (2, size, *flat.shape)).copy()
        entries = np.arange(size)
        stacked[0, entries, :, entries] += self._step(batch)
        stacked[1, entries, :, entries] -= self._step(batch)
        bindings = {
            other: np.tile(array, (2 * size, *[1] * (array.ndim - 1))) if other in batch.per_sample else array
            for other, array in batch.bindings.items()
        }
        shape = given.shape[1:] if name in batch.per_sample else given.shape
        bindings[name] = stacked.reshape(-1, *shape)
        if batch.shots is None:
            return batch.replace(bindings=bindings)
        first = (index + 1) << 32
        keys = [derived_keys(batch.stream_keys, first + copy) for copy in range(2 * size)]
        return batch.replace(bindings=bindings, _keys=np.concatenate(keys))
