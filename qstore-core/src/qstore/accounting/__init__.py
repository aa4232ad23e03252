# SPDX-License-Identifier: Apache-2.0
"""Money: prices as data, budgets, and the ledger that keeps all processes together within them."""

from typing import TYPE_CHECKING

from qstore.accounting.budget import Budget
from qstore.accounting.ledger import Ledger, LedgerReport, Spending
from qstore.accounting.money import dollars
from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore.accounting.prices import ContractPrice, GateShotPrice, PriceTable, ShotPrice
    from qstore.accounting.report import CostReport, CostRow

__all__ = [
    "Budget",
    "ContractPrice",
    "CostReport",
    "CostRow",
    "GateShotPrice",
    "Ledger",
    "LedgerReport",
    "PriceTable",
    "ShotPrice",
    "Spending",
    "dollars",
]

_LAZY = {
    "ContractPrice": "qstore.accounting.prices",
    "CostReport": "qstore.accounting.report",
    "CostRow": "qstore.accounting.report",
    "GateShotPrice": "qstore.accounting.prices",
    "PriceTable": "qstore.accounting.prices",
    "ShotPrice": "qstore.accounting.prices",
}
"""What backends that cost money and reports need."""
__getattr__ = _loader(__name__, _LAZY)
