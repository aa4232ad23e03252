# SPDX-License-Identifier: Apache-2.0
"""What is asked of a gradient, checked: the parameters that it is wanted for, and the cotangent's rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch
from qstore.errors import BindingError, OptionError

__all__ = ["cotangent_rows", "wanted_parameters"]


def wanted_parameters(batch: CircuitBatch, wrt: Collection[str] | None) -> frozenset[str]:
    """The names in `wrt`, or all.

    Raises:
        BindingError: the circuit has no parameter of that name.
    """
    known = batch.bindings.keys()
    wanted = frozenset(known if wrt is None else wrt)
    if not wanted <= known:
        raise BindingError(f"No parameters named {sorted(wanted - known)}; the circuit has {sorted(known)}.")
    return wanted


def cotangent_rows(batch: CircuitBatch, cotangent: NDArray[Any]) -> NDArray[Any]:
    """The cotangent as an array with a row for each of the batch.

    Raises:
        OptionError: it has another number of rows.
    """
    given = np.asarray(cotangent)
    if given.ndim < 1 or len(given) != batch.size:
        raise OptionError(f"cotangent has shape {given.shape}; the batch has {batch.size} rows.")
    return given
