# SPDX-License-Identifier: Apache-2.0
"""Routing: a backend that chooses the backend, by cost, speed and accuracy, within a budget."""

from qstore.routing.explanation import Explanation
from qstore.routing.policy import CostOptimizer
from qstore.routing.router import BackendRouter

__all__ = ["BackendRouter", "CostOptimizer", "Explanation"]
