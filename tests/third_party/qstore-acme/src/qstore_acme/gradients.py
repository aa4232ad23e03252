# SPDX-License-Identifier: Apache-2.0
"""A gradient method: which batches to run, and what their results say."""

import numpy as np

from qstore.batch import CircuitBatch
from qstore.batch.streams import derived_keys
from qstore.plugins import GradientResult

POINTS = ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0))
"""f' = (8 f(h) - 8 f(-h) - f(2h) + f(-2h)) / (12 h), to fourth order."""


class FivePoints:
    """Central differences of fourth order, entry by entry.

    Args:
        exact_step: without shots.
        shot_step: with shots, whose noise is divided by it.
    """

    def __init__(self, exact_step=1e-3, shot_step=0.25):
        self.steps = {True: exact_step, False: shot_step}

    def expand(self, batch, *, wrt, step):
        """The batch itself, then four for each entry of each parameter."""
        h = self.steps[batch.shots is None]
        moves = [(name, index, h * times) for name, index in entries(batch, wrt) for times, _ in POINTS]
        return (batch, *(shifted(batch, *move, number) for number, move in enumerate(moves)))

    def combine(self, batch, results, cotangent, *, wrt, step):
        """The slopes, and their standard errors where there are shots."""
        h = self.steps[batch.shots is None]
        gradients = {name: np.zeros(batch.bindings[name].shape) for name in wrt}
        variances = {name: np.zeros(batch.bindings[name].shape) for name in wrt}
        moved = iter(results[1:])
        for name, index in entries(batch, wrt):
            for _, weight in POINTS:
                result, factor = next(moved), weight / (12 * h)
                slopes = factor * np.sum(cotangent * result.values, axis=1)
                errors = 0 if result.standard_errors is None else np.abs(cotangent) @ result.standard_errors.T
                squares = factor**2 * (np.diag(errors) ** 2 if np.ndim(errors) else np.zeros(batch.size))
                whole = name not in batch.per_sample
                gradients[name][(..., *index)] += slopes.sum() if whole else slopes
                variances[name][(..., *index)] += squares.sum() if whole else squares
        errors = None if batch.shots is None else {name: np.sqrt(variances[name]) for name in wrt}
        return GradientResult(results[0], gradients, errors)


def entries(batch, wrt):
    """Name and index of every entry of the parameters to differentiate."""
    shapes = {parameter.name: parameter.shape for parameter in batch.circuit.parameters}
    return [(name, index) for name in wrt for index in np.ndindex(shapes[name])]


def shifted(batch, name, index, step, number):
    """The batch with one entry of one parameter moved, in all rows."""
    array = np.array(batch.bindings[name])
    array[(..., *index)] += step
    keys = None if batch.shots is None else derived_keys(batch.stream_keys, number)
    return CircuitBatch.of(
        batch.circuit,
        {**batch.bindings, name: array},
        batch.outputs,
        shots=batch.shots,
        seed=batch.seed,
        stream_keys=keys,
    )
