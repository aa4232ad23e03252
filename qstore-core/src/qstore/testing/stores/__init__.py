# SPDX-License-Identifier: Apache-2.0
"""The examination of stores, one module per kind of store."""

from qstore.testing.check import Check
from qstore.testing.stores.checkpoints import CHECKS as _CHECKPOINTS
from qstore.testing.stores.exam import LOCATIONS, StoreExam
from qstore.testing.stores.metrics import CHECKS as _METRICS
from qstore.testing.stores.states import CHECKS as _STATES

__all__ = ["CHECKS", "LOCATIONS", "StoreExam"]

CHECKS: tuple[Check, ...] = (*_CHECKPOINTS, *_METRICS, *_STATES)
