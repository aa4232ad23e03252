# SPDX-License-Identifier: Apache-2.0
"""The checks of a backend, one module per subject."""

from __future__ import annotations

from qstore.testing.check import Check
from qstore.testing.checks import (
    bad_input,
    bindings,
    bit_order,
    concurrency,
    empty,
    estimates,
    facts,
    gates,
    gradients,
    honesty,
    many,
    noise,
    outputs,
    seeds,
    shots,
)

__all__ = ["BACKEND_CHECKS"]

BACKEND_CHECKS: tuple[Check, ...] = tuple(
    check
    for module in (honesty, facts, bit_order, empty, bindings, outputs, gates, noise, shots, seeds, gradients, many, estimates,
                   concurrency, bad_input)
    for check in module.CHECKS
)  # fmt: skip
"""Every check, in the order in which they run: what others build on comes first."""
