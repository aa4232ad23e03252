# SPDX-License-Identifier: Apache-2.0
"""Gradients as PennyLane takes them, and Jacobians of tapes from vector-Jacobian products: one for each number of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qstore.errors import CapabilityError

__all__ = ["Gradients", "jacobian", "unit_cotangents"]


class Gradients(tuple[Any, ...]):
    """The gradient of each parameter of a tape; some have a batch axis and some have none.

    PennyLane's interface to PyTorch asks numpy to squeeze the whole of it, to see whether it is empty, and numpy refuses
    arrays of different shapes unless they know how to do it themselves.
    """

    __slots__ = ()

    def squeeze(self, axis: Any = None) -> Any:  # noqa: ARG002  # numpy's signature
        """An array with as many entries."""
        return np.empty(len(self))


def unit_cotangents(tape: Any, result: Any) -> list[Any]:
    """For each number of a tape's result the cotangent that is one there and zero elsewhere.

    Raises:
        CapabilityError: the tape is broadcast.
    """
    if tape.batch_size is not None:
        raise CapabilityError(
            "There is no Jacobian of a broadcast tape: let PennyLane ask for vector-Jacobian products, or expand the tape."
        )
    several = len(tape.measurements) > 1
    parts = [np.asarray(part) for part in (result if several else (result,))]
    units = []
    for number, part in enumerate(parts):
        for entry in range(part.size):
            own = [np.zeros(each.shape) for each in parts]
            own[number].flat[entry] = 1.0
            units.append(tuple(own) if several else own[0])
    return units


def jacobian(rows: Sequence[Sequence[Any]], result: Any, n_measurements: int) -> Any:
    """The Jacobian as PennyLane nests it: by measurement, then by parameter, without nests of one.

    Args:
        rows: the gradient of each number of the result.
        result: of the tape.
        n_measurements: of the tape.
    """
    parts = [np.asarray(part) for part in (result if n_measurements > 1 else (result,))]
    given = iter(rows)
    made = []
    for part in parts:
        mine = [next(given) for _ in range(part.size)]
        by_parameter = [
            np.array([row[k] for row in mine]).reshape(part.shape) for k in range(len(mine[0]) if mine else 0)
        ]
        made.append(by_parameter[0] if len(by_parameter) == 1 else tuple(by_parameter))
    return made[0] if len(made) == 1 else tuple(made)
