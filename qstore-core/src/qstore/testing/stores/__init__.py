# SPDX-License-Identifier: Apache-2.0
"""The examination of stores, one module per kind of store."""

from qstore.testing.check import Check
from qstore.testing.stores import checkpoints, metrics, states
from qstore.testing.stores.exam import LOCATIONS, StoreExam

__all__ = ["CHECKS", "LOCATIONS", "StoreExam"]

CHECKS: tuple[Check, ...] = (*checkpoints.CHECKS, *metrics.CHECKS, *states.CHECKS)
